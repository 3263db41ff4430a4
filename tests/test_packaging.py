"""What one builds, installs and checks the project with: Dockerfile, locked requirements, make targets, CI, licence."""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bot.settings import CONFIG_VARIABLE, WebSettings

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("requirements.txt", "requirements-dev.txt")


# --- Docker


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", "")
    return [(words[0], words[1]) for line in joined.splitlines() if len(words := line.split(None, 1)) == 2]


def arguments(name: str) -> list[str]:
    found = [argument for instruction, argument in instructions() if instruction == name]
    assert found, f"the Dockerfile has no {name}"
    return found


def copied() -> list[str]:
    return [source for argument in arguments("COPY") for source in argument.split()[:-1]]


def command() -> list[str]:
    words = json.loads(arguments("CMD")[-1])
    assert isinstance(words, list)
    return words


def health_command() -> list[str]:
    (argument,) = arguments("HEALTHCHECK")
    words = json.loads(argument.split("CMD", 1)[1])
    assert isinstance(words, list)
    return words


@pytest.mark.parametrize("source", copied())
def test_everything_the_image_copies_is_there(source: str) -> None:
    assert (ROOT / source).exists()


def test_the_build_context_holds_what_is_copied_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == set(copied())


def test_the_image_holds_what_the_build_needs() -> None:
    packages = {pattern.rstrip("*") for pattern in PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert {"pyproject.toml", PYPROJECT["project"]["readme"], *packages} <= set(copied())


def test_the_image_runs_an_entry_point_of_the_project() -> None:
    assert command()[0] in PYPROJECT["project"]["scripts"]


def section_about(word: str, markdown: str) -> str:
    """The lines below the first heading with that word, up to the next heading; code may have ``#`` in it."""
    lines: list[str] = []
    inside = fenced = False
    for line in markdown.splitlines():
        fenced ^= line.startswith("```")
        if not fenced and re.match(r"#{1,6} ", line):
            if inside:
                break
            inside = word in line
        elif inside:
            lines.append(line)
    return "\n".join(lines)


def test_the_image_runs_the_command_that_the_readme_documents() -> None:
    section = section_about("Docker", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert section, "README.md has no section about Docker"
    documented = re.findall(r"\bpatchbay run\b[^\n`\"]*", section)
    assert documented, "README.md's Docker section does not say what the image runs: patchbay run"
    assert " ".join(command()) in {line.strip(" .,;:") for line in documented}


def test_the_image_does_not_run_as_root() -> None:
    assert arguments("USER")[-1].split(":")[0] not in ("root", "0")


def test_configuration_and_data_are_in_the_volume() -> None:
    assert arguments("VOLUME") == ["/data"]
    assert any(f"{CONFIG_VARIABLE}=/data/patchbay.toml" in argument for argument in arguments("ENV"))


def test_the_dependencies_of_the_image_are_checked_against_their_hashes() -> None:
    installs = [argument for argument in arguments("RUN") if "pip install" in argument]
    assert all("--require-hashes" in line or "--no-deps --no-build-isolation" in line for line in installs)
    assert any("--require-hashes -r requirements.txt" in line for line in installs)


def test_the_image_is_stopped_by_sigterm_which_reaches_the_bot() -> None:
    assert arguments("STOPSIGNAL") == ["SIGTERM"]
    assert arguments("CMD")[-1].startswith("["), "a shell in between would keep the signal to itself"


def test_the_image_exposes_and_asks_the_port_that_is_the_default() -> None:
    port = str(WebSettings().port)
    assert arguments("EXPOSE") == [port]
    assert port in health_command()[-1]


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    """A server on loopback that answers everything with one status, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def health(port: int) -> int:
    python, *words = health_command()
    assert python == "python"
    words[-1] = words[-1].replace(str(WebSettings().port), str(port))
    return subprocess.run([sys.executable, *words], stderr=subprocess.DEVNULL, timeout=30).returncode


@pytest.mark.parametrize("status, code", [(200, 0), (404, 1), (503, 1)])
def test_the_image_is_healthy_while_healthz_answers_200(status: int, code: int) -> None:
    with answering(status) as (port, asked):
        assert health(port) == code
    assert asked == ["/healthz"]


def test_the_image_is_unhealthy_when_nothing_listens() -> None:
    with answering(200) as (port, _):
        pass
    assert health(port) == 1


# --- Locked requirements


def locked(name: str) -> dict[str, tuple[Requirement, int]]:
    """Each requirement of a lock file with the number of its hashes, by its canonical name."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, tuple[Requirement, int]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        words = line.split("--hash=")
        requirement = Requirement(words[0].strip())
        found[canonicalize_name(requirement.name)] = (requirement, sum(w.startswith("sha256:") for w in words[1:]))
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_requirement_has_one_version_and_a_hash(name: str) -> None:
    loose = {
        package
        for package, (requirement, hashes) in locked(name).items()
        if hashes == 0 or [specifier.operator for specifier in requirement.specifier] != ["=="]
    }
    assert locked(name) and loose == set()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_names_no_host(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.findall(r"https?:|://|--(?:index-url|extra-index-url|find-links|trusted-host)|(?m:^-)| @ ", text)


EXTRAS = PYPROJECT["project"]["optional-dependencies"]
WANTED = {
    "requirements.txt": [*PYPROJECT["project"]["dependencies"], *EXTRAS["build"]],
    "requirements-dev.txt": [*PYPROJECT["project"]["dependencies"], *EXTRAS["build"], *EXTRAS["dev"]],
}


@pytest.mark.parametrize("name, wanted", [(name, wanted) for name in LOCKS for wanted in WANTED[name]])
def test_a_lock_file_has_each_dependency_in_a_version_that_pyproject_allows(name: str, wanted: str) -> None:
    dependency = Requirement(wanted)
    requirement, _ = locked(name)[canonicalize_name(dependency.name)]
    (pin,) = requirement.specifier
    assert dependency.specifier.contains(pin.version)


def test_both_lock_files_agree() -> None:
    run, dev = ({package: str(entry[0]) for package, entry in locked(name).items()} for name in LOCKS)
    assert run.items() <= dev.items()


# --- make, CI, licence


@pytest.mark.parametrize("target", ["run", "test", "lint", "bench"])
def test_the_makefile_has_the_target(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"(?m)^{target}:", makefile)
    assert re.search(rf"(?m)^\.PHONY:.*\b{target}\b", makefile), "a file of that name would hide it"


def ci(folder: Path, *, failing: str = "") -> tuple[int, list[str]]:
    """Run CI with a ``make`` that only notes where it was called with what; its exit code and the notes."""
    make, notes = folder / "make", folder / "notes"
    make.write_text(f'#!/bin/sh\necho "$PWD $*" >> "{notes}"\n[ "$1" != "{failing}" ]\n')
    make.chmod(0o755)
    environ = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([ROOT / ".ci" / "run"], cwd=folder, env=environ, timeout=30)
    return done.returncode, notes.read_text().splitlines()


def test_ci_runs_the_linters_and_then_the_tests_from_any_folder(tmp_path: Path) -> None:
    assert ci(tmp_path) == (0, [f"{ROOT} lint", f"{ROOT} test"])


@pytest.mark.parametrize("failing", ["lint", "test"])
def test_ci_fails_where_a_step_fails(tmp_path: Path, failing: str) -> None:
    code, notes = ci(tmp_path, failing=failing)
    assert code != 0 and notes[-1] == f"{ROOT} {failing}"


def test_the_licence_is_mit_and_says_so() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License\n") and "Permission is hereby granted, free of charge" in text
    assert PYPROJECT["project"]["license"] == "MIT"
