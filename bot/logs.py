"""Logging: one handler on the root logger, readable or JSON lines, from which every secret is taken out.

The redaction is the last line of defence. The first is that nobody logs a secret or the text of a message: ids and
names go into ``extra``, ``logger.info("delivered", extra={"account": …, "outbox": …})``.
"""

from __future__ import annotations

import copy
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from json import dumps
from typing import Any, TextIO
from urllib.parse import quote, quote_plus

from pythonjsonlogger.json import JsonFormatter

FORMAT_VARIABLE = "PATCHBAY_LOG"
LEVELS = ("debug", "info", "warning", "error")
MARK = "•••"

QUIET = ("aiohttp", "apscheduler", "httpcore", "httpx", "telegram", "uvicorn.access")
"""Loggers of others that write a line for each request or tick, URLs with tokens included."""

_LEAST = 4
"""Shorter values occur in ordinary words: taking them out would garble the log and give them away by the gaps."""

_SHAPES = (
    # Telegram's API has the token in the path, https://core.telegram.org/bots/api#making-requests, 2026-11.
    (re.compile(r"/bot[0-9]+(?::|%3a)[^/\s\"'<>?#]+", re.IGNORECASE), f"/bot{MARK}"),
    (re.compile(r"\b(bearer)(\s+|%20|\+)[^\s\"',;<>)\]}]+", re.IGNORECASE), rf"\1\2{MARK}"),
)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
"""Attributes of a record that are not its extras; ``color_message`` is uvicorn's copy of the message."""


class Redaction(logging.Filter):
    """Replaces secrets in a record's message, arguments, extras, traceback and stack by ``•••``.

    It changes the record in place: put it on a handler that works on a copy, as ``configure`` does.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Take these out from now on as well: for a secret made after the start."""
        self._secrets |= {secret for secret in secrets if len(secret) >= _LEAST}
        exact = {form for secret in self._secrets for form in _exact_forms(secret)}
        encoded = {form for secret in self._secrets for form in _encoded_forms(secret)} - exact
        # The longest first: else the shorter of two would leave the longer one's rest standing.
        words = sorted(exact | encoded, key=len, reverse=True)
        parts = [f"(?i:{re.escape(word)})" if word in encoded else re.escape(word) for word in words]
        self._pattern = re.compile("|".join(parts)) if parts else None

    def text(self, value: str) -> str:
        """The text without secrets, and without what UTF-8 cannot write."""
        if self._pattern is not None:
            value = self._pattern.sub(MARK, value)
        for shape, replacement in _SHAPES:
            value = shape.sub(replacement, value)
        return value.encode("utf-8", "backslashreplace").decode()

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record; always lets it pass."""
        record.msg = self.text(_message(record))
        record.args = None
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        record.exc_info = None
        if record.exc_text:
            record.exc_text = self.text(record.exc_text)
        if record.stack_info:
            record.stack_info = self.text(record.stack_info)
        extras = _extras(record)
        for name in extras:
            del record.__dict__[name]
        record.__dict__.update({self.text(name): self._plain(value) for name, value in extras.items()})
        return True

    def _plain(self, value: object, depth: int = 5) -> object:
        """A value made of plain types only: an object's own text could hold anything."""
        match value:
            case None | bool():
                return value
            case int() | float() if type(value) in (int, float):
                words = str(value)
                return value if self.text(words) == words else MARK
            case str():
                return self.text(value)
            case bytes() | bytearray():
                return self.text(bytes(value).decode("utf-8", "backslashreplace"))
            case Mapping() if depth:
                return {self.text(_words(key)): self._plain(item, depth - 1) for key, item in value.items()}
            case list() | tuple() | set() | frozenset() if depth:
                return [self._plain(item, depth - 1) for item in value]
        return self.text(_words(value))


def _exact_forms(secret: str) -> Iterator[str]:
    yield secret
    yield repr(secret)[1:-1]
    yield dumps(secret)[1:-1]
    yield dumps(secret, ensure_ascii=False)[1:-1]
    if "\n" in secret:
        # A traceback or a parser may show one line of a key; its armour ("-----BEGIN …") is no secret.
        yield from (line.strip() for line in secret.splitlines() if len(line) >= 16 and not line.startswith("-----"))


def _encoded_forms(secret: str) -> Iterator[str]:
    yield quote(secret, safe="", errors="replace")
    yield quote(secret, errors="replace")
    yield quote_plus(secret, errors="replace")


def _words(value: object) -> str:
    # A __str__ may raise anything, and a log line must never be what stops the program.
    try:
        return str(value)
    except Exception as error:
        return f"<{type(value).__name__}: its text raised {type(error).__name__}>"


def _message(record: logging.LogRecord) -> str:
    # Arguments that do not fit are told without showing them; the standard library would print them to stderr.
    try:
        return record.getMessage()
    except Exception as error:
        return f"{_words(record.msg)} <its arguments raised {type(error).__name__}>"


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _visible(text: str) -> str:
    """Without control characters: a name from outside can neither fake a line nor colour the terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class LineFormatter(logging.Formatter):
    """``time level logger message key=value``, for a person; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        words = [_time(record), f"{record.levelname:<7}", record.name, _visible(_message(record))]
        words += [f"{_visible(name)}={_value(value)}" for name, value in _extras(record).items()]
        lines = [" ".join(words)]
        trace = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else "")
        # Indented: an exception's own words cannot pass for a line of ours either.
        for block in (trace, record.stack_info or ""):
            lines += [f"    {_visible(line)}" for line in block.splitlines()]
        return "\n".join(lines)


def _value(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"[^\s\"'=]+", value) and value.isprintable():
        return value
    return _visible(dumps(value, ensure_ascii=False, default=_words))


class JsonLineFormatter(JsonFormatter):
    """One JSON object for each record: ``time``, ``level``, ``logger``, ``message``, the extras, ``exc_info``."""

    def __init__(self) -> None:
        super().__init__(["message"], reserved_attrs=list(_STANDARD), json_ensure_ascii=False, json_default=_words)

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Put ours in front, and let no extra of the same name take their place."""
        head = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name}
        log_data.update(head)
        super().add_fields(log_data, record, message_dict)
        log_data.update(head)


class Output(logging.StreamHandler[TextIO]):
    """Writes copies of records, so that what the filter changes stays in here."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and write a copy."""
        return bool(super().handle(copy.copy(record)))

    def handleError(self, record: logging.LogRecord) -> None:
        """Tell that a line could not be written, but not what was in it: the standard library prints it all."""
        error = sys.exc_info()[0]
        if logging.raiseExceptions and sys.stderr is not None:
            reason = error.__name__ if error else "unknown"
            sys.stderr.write(f"a log line of {record.name} could not be written: {reason}\n")


def configure(
    *, level: str = "info", secrets: Iterable[str] = (), stream: TextIO | None = None, json: bool | None = None
) -> Redaction:
    """Send all logging to one stream, redacted; returns the filter, to which later secrets are added.

    ``json``: None decides by ``$PATCHBAY_LOG`` (``json`` or ``text``), else JSON where the stream is no terminal.
    ``stream``: stderr if not given. Doing it again replaces what was configured before. Raises ``ValueError`` on an
    unknown level.
    """
    if level.lower() not in LEVELS:
        raise ValueError(f"log level must be one of {', '.join(LEVELS)} (given: {level!r})")
    number = logging.getLevelNamesMapping()[level.upper()]
    stream = sys.stderr if stream is None else stream
    if json is None:
        wanted = os.environ.get(FORMAT_VARIABLE, "").lower()
        json = wanted == "json" or (wanted != "text" and not stream.isatty())
    output = Output(stream)
    output.setFormatter(JsonLineFormatter() if json else LineFormatter())
    redaction = Redaction(secrets)
    output.addFilter(redaction)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, Output)]:
        root.removeHandler(handler)
    root.addHandler(output)
    root.setLevel(number)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    return redaction


__all__ = ["LEVELS", "MARK", "QUIET", "JsonLineFormatter", "LineFormatter", "Output", "Redaction", "configure"]
