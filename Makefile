# Two commands are enough: `make run` (the playground) and `make test`. Both set up .venv from the locked files.
PYTHON ?= python3
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: run test lint bench bench-import torture lock clean

run: $(VENV)/.run-ready
	@$(BIN)/python -m bot playground --port $(PORT)

test: $(VENV)/.test-ready
	@$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.test-ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.test-ready
	@$(BIN)/python -m tests.benchmarks

bench-import: $(VENV)/.test-ready
	@$(BIN)/python -m tests.benchmarks.imports

torture: $(VENV)/.test-ready
	@$(BIN)/python -m tests.torture
	@$(BIN)/python -m tests.torture schedules

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Patchbay needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make run PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run-ready: $(VENV)/bin/python requirements.txt pyproject.toml
	@echo "Installing the locked dependencies …"
	@$(PIP) install --require-hashes -r requirements.txt
	@$(PIP) -q install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test-ready: $(VENV)/.run-ready requirements-dev.txt
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

# Anew when pyproject.toml's dependencies change; needs `pip install uv`.
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet --extra build -o requirements.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet --extra build --extra dev -c requirements.txt -o requirements-dev.txt

clean:
	rm -rf $(VENV)
