"""What is logged, how it looks, and that no secret gets through by any way."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

import pytest

from bot.logs import MARK, QUIET, configure

PEM = """-----BEGIN PRIVATE KEY-----
Y2FuYXJ5LWxpbmUtb25lLW9mLXRoZS1rZXk
Y2FuYXJ5LWxpbmUtdHdvLW9mLXRoZS1rZXk
-----END PRIVATE KEY-----
"""

SECRETS = {
    "a bot token": "4200:canary-AAH_bot",
    "per cent signs": "canary%41%s%(x)s%%",
    "quotes": "canary'\"`quoted\"'",
    "a backslash": "canary\\d\\n",
    "URL characters": "canary/+ =&?#é",
    "characters of patterns": "canary.*[a](b)$^|",
    "other scripts": "canary-ключ-🔑",
    "several lines": PEM,
}

logger = logging.getLogger("bot.sample")


class Opaque:
    """Shows itself as a text, as third-party objects do."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


@pytest.fixture(autouse=True)
def _loggers_of_others() -> Iterator[None]:
    """A server that another test started has set up its loggers for the whole process."""
    others = [logging.getLogger(name) for name in (*QUIET, "uvicorn")]
    before = [(other, other.propagate, other.handlers[:]) for other in others]
    for other in others:
        other.propagate, other.handlers[:] = True, []
    yield
    for other, propagate, handlers in before:
        other.propagate, other.handlers[:] = propagate, handlers


def by_exception(text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("failed")


def by_cause(text: str) -> None:
    try:
        try:
            raise KeyError(text)
        except KeyError as error:
            raise RuntimeError("outer") from error
    except RuntimeError:
        logger.error("failed", exc_info=True)


def by_exception_group(text: str) -> None:
    logger.error("failed", exc_info=ExceptionGroup("several", [ValueError(text)]))


def by_bad_arguments(text: str) -> None:
    logger.info("%d is no number", text)


def by_too_many_arguments(text: str) -> None:
    logger.info("sent", text, text)


WAYS: dict[str, Callable[[str], None]] = {
    "message": lambda text: logger.info(f"sent {text} away"),
    "argument": lambda text: logger.info("sent %s away", text),
    "argument as repr": lambda text: logger.info("sent %r away", text),
    "named argument": lambda text: logger.info("sent %(what)s away", {"what": text}),
    "object as message": lambda text: logger.info(Opaque(text)),
    "extra": lambda text: logger.info("sent", extra={"what": text}),
    "extra in a list": lambda text: logger.info("sent", extra={"what": ["a", (text,)]}),
    "extra in a mapping": lambda text: logger.info("sent", extra={"what": {"a": {"b": text}}}),
    "key of an extra": lambda text: logger.info("sent", extra={"what": {text: 1}}),
    "name of an extra": lambda text: logger.info("sent", extra={text: 1}),
    "bytes": lambda text: logger.info("sent", extra={"what": text.encode()}),
    "object": lambda text: logger.info("sent", extra={"what": Opaque(text)}),
    "exception as extra": lambda text: logger.info("sent", extra={"what": ValueError(text)}),
    "deep extra": lambda text: logger.info("sent", extra={"what": [[[[[[[[text]]]]]]]]}),
    "exception": by_exception,
    "cause of an exception": by_cause,
    "exception group": by_exception_group,
    "URL": lambda text: logger.info("GET https://x.example/hooks/%s/", quote(text, safe="")),
    "URL with slashes": lambda text: logger.info("GET https://x.example/?q=%s", quote(text)),
    "URL in small letters": lambda text: logger.info("GET https://x.example/%s/", quote(text, safe="").lower()),
    "form": lambda text: logger.info("POST q=%s", quote_plus(text)),
    "JSON": lambda text: logger.info("body %s", json.dumps({"token": text})),
}

SILENT_WAYS: dict[str, Callable[[str], None]] = {
    "arguments of the wrong kind": by_bad_arguments,
    "too many arguments": by_too_many_arguments,
}


def logged(way: Callable[[str], None], secret: str, *, as_json: bool, filtered: bool = True) -> str:
    """All that comes out when a secret is logged in some way; JSON as the values in it."""
    stream = io.StringIO()
    root = logging.getLogger()
    others, root.handlers[:] = list(root.handlers), []  # pytest's own raises on arguments that do not fit
    redaction = configure(secrets=[secret], stream=stream, json=as_json)
    if not filtered:
        root.handlers[0].removeFilter(redaction)
    try:
        way(secret)
    finally:
        root.handlers[:] = others
    text = stream.getvalue()
    assert text.endswith("\n"), "nothing was logged"
    return text


def leaks(text: str) -> bool:
    """Whether some recognisable part of any of the secrets is in there."""
    return "canary" in text.lower() or "y2fuyxj5" in text.lower()


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "lines"])
@pytest.mark.parametrize("way", [*WAYS.values(), *SILENT_WAYS.values()], ids=[*WAYS, *SILENT_WAYS])
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_no_secret_gets_through(secret: str, way: Callable[[str], None], as_json: bool) -> None:
    assert not leaks(logged(way, secret, as_json=as_json))


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "lines"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_it_is_the_filter_that_holds_the_secret_back(secret: str, way: Callable[[str], None], as_json: bool) -> None:
    assert leaks(logged(way, secret, as_json=as_json, filtered=False))


def test_one_line_of_a_key_is_held_back_too() -> None:
    stream = io.StringIO()
    configure(secrets=[PEM], stream=stream, json=False)
    logger.info("cannot parse %s", PEM.splitlines()[2])
    assert stream.getvalue().endswith(f"cannot parse {MARK}\n")


def test_of_two_secrets_with_the_same_beginning_both_are_held_back_whole() -> None:
    stream = io.StringIO()
    configure(secrets=["canary", "canary-and-more"], stream=stream, json=False)
    logger.info("canary-and-more canary")
    assert stream.getvalue().endswith(f" {MARK} {MARK}\n")


def test_a_secret_can_be_added_later() -> None:
    stream = io.StringIO()
    redaction = configure(stream=stream, json=False)
    redaction.add("canary")
    logger.info("canary")
    assert not leaks(stream.getvalue())


def test_a_number_that_is_a_secret_is_held_back() -> None:
    stream = io.StringIO()
    configure(secrets=["12345678"], stream=stream, json=True)
    logger.info("sent", extra={"pin": 12345678, "count": 3})
    line = json.loads(stream.getvalue())
    assert (line["pin"], line["count"]) == (MARK, 3)


@pytest.mark.parametrize("secret", ["", "a", "abc"])
def test_what_is_too_short_for_a_secret_leaves_the_log_readable(secret: str) -> None:
    stream = io.StringIO()
    configure(secrets=[secret], stream=stream, json=False)
    logger.info("abcdef a")
    assert stream.getvalue().endswith("abcdef a\n")


SHAPES = {
    "https://api.telegram.org/bot12:AAcanary_x-9/getMe": f"https://api.telegram.org/bot{MARK}/getMe",
    "https://api.telegram.org/file/bot12:AAcanary/a.jpg": f"https://api.telegram.org/file/bot{MARK}/a.jpg",
    "http://127.0.0.1/bot12%3AAAcanary": f"http://127.0.0.1/bot{MARK}",
    "Authorization: Bearer canary.e30.x": f"Authorization: Bearer {MARK}",
    "{'authorization': 'bearer canary'}": f"{{'authorization': 'bearer {MARK}'}}",
}


@pytest.mark.parametrize("text, shown", SHAPES.items())
def test_what_looks_like_a_token_is_held_back_though_it_is_not_known(text: str, shown: str) -> None:
    stream = io.StringIO()
    configure(stream=stream, json=False)
    logger.info(text)
    assert stream.getvalue().endswith(f" {shown}\n")


@pytest.mark.parametrize("text", ["GET /bots/12/list", "/robot12", "the bearer", "bot 12:30 o'clock"])
def test_what_only_resembles_a_token_stays(text: str) -> None:
    stream = io.StringIO()
    configure(stream=stream, json=False)
    logger.info(text)
    assert stream.getvalue().endswith(f" {text}\n")


class Keeping(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record)


def test_other_handlers_get_the_record_as_it_was() -> None:
    configure(secrets=["canary"], stream=io.StringIO(), json=True)
    other = Keeping()
    logging.getLogger().addHandler(other)
    try:
        logger.info("sent %s", "canary", extra={"what": "canary"})
    finally:
        logging.getLogger().removeHandler(other)
    (record,) = other.seen
    assert (record.getMessage(), vars(record)["what"]) == ("sent canary", "canary")


def test_a_line_that_cannot_be_written_is_told_without_its_content(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    configure(secrets=["canary"], stream=stream, json=False)
    stream.close()
    logger.info("sent %s", "canary")
    assert capsys.readouterr().err == "a log line of bot.sample could not be written: ValueError\n"


# --- Form


def test_a_json_line_holds_time_level_logger_message_and_extras() -> None:
    stream = io.StringIO()
    configure(stream=stream, json=True)
    logger.warning("delivered", extra={"account": "support", "outbox": 7, "level": "mine"})
    line = json.loads(stream.getvalue())
    time = line.pop("time")
    assert list(line.items()) == [
        ("level", "warning"),
        ("logger", "bot.sample"),
        ("message", "delivered"),
        ("account", "support"),
        ("outbox", 7),
    ]
    assert len(time) == len("2026-01-02T03:04:05.678Z") and time.endswith("Z")


def test_a_json_line_has_the_traceback_in_it() -> None:
    stream = io.StringIO()
    configure(stream=stream, json=True)
    by_exception("why")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["exc_info"].endswith("ValueError: why")


def test_a_line_for_a_terminal_reads_time_level_logger_message_and_pairs() -> None:
    stream = io.StringIO()
    configure(stream=stream, json=False)
    logger.info("delivered", extra={"account": "support", "outbox": 7, "why": "two words", "ids": ["a"]})
    time, rest = stream.getvalue().split(" ", 1)
    assert rest == 'INFO    bot.sample delivered account=support outbox=7 why="two words" ids=["a"]\n'
    assert time.endswith("Z")


def test_a_traceback_follows_indented() -> None:
    stream = io.StringIO()
    configure(stream=stream, json=False)
    by_exception("why\n2026-01-01 a line that is none")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("ERROR   bot.sample failed")
    assert rest[-1] == "    2026-01-01 a line that is none" and all(line.startswith("    ") for line in rest)


def test_control_characters_can_neither_fake_a_line_nor_colour_the_terminal() -> None:
    stream = io.StringIO()
    configure(stream=stream, json=False)
    logger.info("joined: %s", "Ann\n\x1b[31mERROR", extra={"name_of": "Bob\r\n"})
    assert stream.getvalue().endswith(r'joined: Ann\n\x1b[31mERROR name_of="Bob\r\n"' + "\n")


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "lines"])
def test_a_lone_surrogate_does_not_stop_the_line(as_json: bool) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8")
    configure(stream=stream, json=as_json)
    logger.info("odd \ud800", extra={"what": "\udfff"})
    assert b"odd" in raw.getvalue() and b"dfff" in raw.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


FORMATS = {
    "a terminal": (Terminal, "", False),
    "a file": (io.StringIO, "", True),
    "a terminal, JSON asked for": (Terminal, "json", True),
    "a file, text asked for": (io.StringIO, "text", False),
}


@pytest.mark.parametrize("stream_class, wanted, is_json", FORMATS.values(), ids=FORMATS)
def test_the_form_follows_the_stream_and_the_environment(
    stream_class: type[io.StringIO], wanted: str, is_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATCHBAY_LOG", wanted)
    stream = stream_class()
    configure(stream=stream)
    logger.info("hello")
    assert stream.getvalue().startswith("{") is is_json


def test_configuring_again_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure(stream=first, json=False)
    configure(stream=second, json=False)
    logger.info("hello")
    assert first.getvalue() == "" and second.getvalue().count("hello") == 1


def test_the_level_decides_what_is_written() -> None:
    stream = io.StringIO()
    configure(level="warning", stream=stream, json=False)
    logger.info("quiet")
    logger.warning("loud")
    assert "quiet" not in stream.getvalue() and "loud" in stream.getvalue()


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="one of debug, info, warning, error"):
        configure(level="loud", stream=io.StringIO())


@pytest.mark.parametrize("name", ["httpx", "httpcore", "aiohttp", "telegram", "uvicorn.access"])
@pytest.mark.parametrize("level, warning_shown", [("debug", True), ("error", False)])
def test_others_say_nothing_below_a_warning(name: str, level: str, warning_shown: bool) -> None:
    stream = io.StringIO()
    configure(level=level, stream=stream, json=False)
    logging.getLogger(name).info("GET /")
    logging.getLogger(name).warning("slow")
    assert "GET" not in stream.getvalue() and ("slow" in stream.getvalue()) is warning_shown


def test_without_a_stream_it_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=False)
    logger.info("hello")
    printed = capsys.readouterr()
    assert "hello" in printed.err and printed.out == ""
