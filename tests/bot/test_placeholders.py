"""Placeholders: what is saved can be filled, what is filled is right, and formatting stays on its words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.placeholders import NAMES, PlaceholderError, check, days_words, fill, literal, needs_chat, values
from bridges.model import LinkButton, Message, Span, SpanKind

EVE = datetime(2026, 12, 24, 17, 0, tzinfo=UTC).timestamp()
"""18:00 in Paris."""
DAY = 86_400.0
KNOWN = {**values(at=EVE, zone="Europe/Paris", end=EVE + 34 * DAY, number=7), "chat": "Team"}

FILLED = [
    ("{date}", "Thu 2026-12-24"),
    ("{time}", "18:00"),
    ("{weekday}", "Thursday"),
    ("{chat}", "Team"),
    ("{count_down}", "34 days"),
    ("{count_down:2026-12-24}", "today"),
    ("{count_down:2026-12-25}", "1 day"),
    ("{count_down: 2027-12-24 }", "365 days"),
    ("{count_down:2026-12-23}", "over"),
    ("{n}", "7"),
    ("No. {n}: {weekday}, {time}!", "No. 7: Thursday, 18:00!"),
    ("{{date}}", "{date}"),
    ("{{{date}}}", "{Thu 2026-12-24}"),
    ("{{}}", "{}"),
    ("a } b }} c", "a } b } c"),
    ("{{ {{chat}} }}", "{ {chat} }"),
    ("plain", "plain"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "expected"), FILLED)
def test_what_stands_in_braces_is_filled_in(text: str, expected: str) -> None:
    check(text, has_end=True)
    assert fill(Message(text=text), KNOWN).text == expected


@pytest.mark.parametrize(
    ("at", "zone", "expected"),
    [
        (EVE, "UTC", ("Thu 2026-12-24", "17:00", "Thursday")),
        (EVE, "Asia/Kathmandu", ("Thu 2026-12-24", "22:45", "Thursday")),
        (EVE, "Pacific/Apia", ("Fri 2026-12-25", "06:00", "Friday")),
        (EVE + 30, "UTC", ("Thu 2026-12-24", "17:00:30", "Thursday")),
        (EVE - 17 * 3600, "UTC", ("Thu 2026-12-24", "00:00", "Thursday")),
    ],
)
def test_an_instant_is_said_in_the_zone_of_its_schedule(at: float, zone: str, expected: tuple[str, ...]) -> None:
    known = values(at=at, zone=zone, end=None, number=1)
    assert (known["date"], known["time"], known["weekday"]) == expected


def test_days_are_counted_by_the_calendar_of_the_zone() -> None:
    late = datetime(2026, 12, 24, 22, 30, tzinfo=UTC).timestamp()  # 23:30 in Paris
    soon = values(at=late, zone="Europe/Paris", end=late + 3600, number=1)
    assert soon["count_down"] == "1 day"
    assert values(at=late, zone="UTC", end=late + 3600, number=1)["count_down"] == "today"


def test_the_last_occurrence_of_a_schedule_is_today() -> None:
    assert values(at=EVE, zone="UTC", end=EVE, number=3)["count_down"] == "today"


@pytest.mark.parametrize(("days", "words"), [(34, "34 days"), (2, "2 days"), (1, "1 day"), (0, "today"), (-1, "over")])
def test_days_to_go_are_words(days: int, words: str) -> None:
    assert days_words(days) == words


REFUSED = [
    ("{tme}", "{time}"),
    ("{Date}", "did you mean {date}?"),
    ("{ date }", "did you mean {date}?"),
    ("{countdown}", "did you mean {count_down}?"),
    ("{name}", "{date}, {time}, {weekday}, {chat}, {count_down} and {n}"),
    ("{today}", "There is no placeholder"),
    ('{ "a": 1 }', "to write a brace itself, double it: {{ and }}"),
    ("{}", "to write a brace itself, double it: {{ and }}"),
    ("function () {\n  return 1 }", "to write a brace itself, double it: {{ and }}"),
    ("{", "to write a brace itself, double it: {{ and }}"),
    ("open {date", "to write a brace itself, double it: {{ and }}"),
    ("{{{", "to write a brace itself, double it: {{ and }}"),
    ("{date:%d}", "write it as {date}"),
    ("{chat:x}", "write it as {chat}"),
    ("{n:}", "write it as {n}"),
    ("{count_down:24.12.}", "{count_down:2026-12-24}"),
    ("{count_down:2026-02-30}", "no day of the calendar"),
    ("{count_down:}", "{count_down:2026-12-24}"),
    ("{count_down:20261224}", "{count_down:2026-12-24}"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_what_cannot_be_filled_is_refused_when_it_is_saved(text: str, words: str) -> None:
    with pytest.raises(PlaceholderError) as caught:
        check(f"before {text} after" if text != "open {date" else text, has_end=True)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_bare_count_down_needs_an_end() -> None:
    check("{count_down:2026-12-24}", has_end=False)
    check("{count_down}", has_end=True)
    with pytest.raises(PlaceholderError, match=r"name the day, for example \{count_down:2026-12-24\}"):
        check("{count_down}", has_end=False)


def test_what_is_refused_is_shown_in_short() -> None:
    with pytest.raises(PlaceholderError) as caught:
        check("{" + "x" * 5000 + "}", has_end=True)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "expected"),
    [("{chat}", True), ("a {date}", False), ("{{chat}}", False), ("{{{chat}}}", True), ("chat", False)],
)
def test_whether_each_target_has_its_own_words(text: str, expected: bool) -> None:
    assert needs_chat(text) is expected
    assert needs_chat(Message(text=text)) is expected
    assert needs_chat(Message(text="x", links=(LinkButton(label=text, url="https://example.org"),))) is expected


# --- in two steps


def test_the_target_is_filled_in_last_and_its_braces_are_not_read() -> None:
    known = values(at=EVE, zone="UTC", end=None, number=7)
    first = fill(Message(text="{{n}} {chat}: {n} }}"), known)
    assert first.text == "{{n}} {chat}: 7 }}"
    assert needs_chat(first)
    last = fill(first, {"chat": "{date} {{Team}}"})
    assert last.text == "{n} {date} {{Team}}: 7 }"


def test_what_needs_no_target_is_final_at_once() -> None:
    done = fill(Message(text="{{chat}} {n}"), values(at=EVE, zone="UTC", end=None, number=7))
    assert done.text == "{chat} 7"


def test_braces_in_a_value_are_not_read_by_the_fill_that_follows() -> None:
    first = fill(Message(text="{n} {chat}"), {"n": "{time} }}"})
    assert fill(first, {"chat": "x", "time": "18:00"}).text == "{time} }} x"


def test_what_is_not_known_stays() -> None:
    assert fill(Message(text="{count_down} {other} {"), {"chat": "x"}).text == "{count_down} {other} {"


# --- formatting and buttons


def span(start: int, length: int, kind: SpanKind = SpanKind.BOLD) -> Span:
    return Span(kind=kind, start=start, length=length)


def covered(message: Message) -> list[str]:
    return [message.text[each.start : each.start + each.length] for each in message.spans]


@pytest.mark.parametrize(
    ("text", "start", "length", "expected"),
    [
        ("at {time}!", 3, 6, ["18:00"]),
        ("at {time}!", 0, 10, ["at 18:00!"]),
        ("at {time}!", 9, 1, ["!"]),
        ("at {time}!", 0, 3, ["at "]),
        ("at {time}!", 5, 2, ["18:00"]),
        ("at {time}!", 0, 5, ["at 18:00"]),
        ("at {time}!", 5, 5, ["18:00!"]),
        ("{n}{n}{n}", 3, 3, ["7"]),
        ("{{b}} x", 2, 1, ["b"]),
        ("{{b}} x", 6, 1, ["x"]),
        ("🎄 {n} 🎄", 6, 1, ["🎄"]),
    ],
)
def test_formatting_stays_on_its_words(text: str, start: int, length: int, expected: list[str]) -> None:
    assert covered(fill(Message(text=text, spans=(span(start, length),)), KNOWN)) == expected


def test_formatting_of_what_is_filled_with_nothing_goes() -> None:
    filled = fill(Message(text="a{chat}b", spans=(span(1, 6), span(0, 8))), {"chat": ""})
    assert (filled.text, covered(filled)) == ("ab", ["ab"])


def test_buttons_are_filled_too() -> None:
    button = LinkButton(label="Tickets for {chat}", url="https://example.org/{chat}?{{x}}")
    (filled,) = fill(Message(text="x", links=(button,)), {"chat": "Team & Co"}).links
    assert (filled.label, filled.url) == ("Tickets for Team & Co", "https://example.org/Team%20%26%20Co?{x}")
    (long,) = fill(Message(text="x", links=(button,)), {"chat": "y" * 200}).links
    assert len(long.label) <= 64
    with pytest.raises(PlaceholderError):
        check(Message(text="x", links=(LinkButton(label="{tickets}", url="https://example.org"),)), has_end=True)


# --- whatever is written

PIECES = [*(f"{{{name}}}" for name in NAMES), "{count_down:2026-12-24}", "{{", "}}", "word ", "🎄", "é", "}", "\n", "{"]
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Texts with formatting anywhere."""
    text = draw(texts)
    spans = []
    for _ in range(draw(st.integers(0, 4)) if text else 0):
        start = draw(st.integers(0, len(text) - 1))
        spans.append(span(start, draw(st.integers(1, len(text) - start))))
    return Message(text=text, spans=tuple(spans))


def is_accepted(text: str) -> bool:
    try:
        check(text, has_end=True)
    except PlaceholderError:
        return False
    return True


@given(messages())
def test_what_is_accepted_is_filled_whole_and_no_formatting_leaves_its_words(message: Message) -> None:
    filled = fill(message, KNOWN)
    for each in filled.spans:
        assert each.start + each.length <= len(filled.text)
    if is_accepted(message.text):
        # No value has a brace: those that are left were doubled.
        assert filled.text.count("{") == message.text.count("{{")


@given(st.lists(st.tuples(st.text(alphabet="abc 🎄", max_size=4), st.sampled_from(NAMES)), max_size=6))
def test_a_word_between_placeholders_keeps_its_own_formatting(pieces: list[tuple[str, str]]) -> None:
    text, spans = "", []
    for word, name in pieces:
        if word:
            spans.append(span(len(text), len(word)))
        text += word + f"{{{name}}}"
    filled = fill(Message(text=text, spans=tuple(spans)), KNOWN)
    assert covered(filled) == [word for word, _ in pieces if word]


@given(messages())
def test_two_steps_give_what_one_gives(message: Message) -> None:
    known = {name: value for name, value in KNOWN.items() if name != "chat"}
    if needs_chat(message):
        assert fill(fill(message, known), {"chat": "Team"}) == fill(message, KNOWN)


@given(st.text(alphabet="{}adetn_:2", max_size=200))
def test_no_text_raises_anything_else(text: str) -> None:
    is_accepted(text)
    assert isinstance(fill(Message(text=text), KNOWN).text, str)


# --- where a button leads


@pytest.mark.parametrize(
    "url",
    [
        "https://{chat}.example.org/x",
        "https://{chat}",
        "https://example.org:{n}/",
        "https://{n}@example.org/",
        "{weekday}://example.org",
        "tg://{chat}?id=1",
        "https://{{n}}.example.org",
        "https://example.org}/{n}",
    ],
)
def test_where_a_button_leads_is_not_filled_in(url: str) -> None:
    message = Message(text="Go", links=(LinkButton(label="Map", url=url),))
    with pytest.raises(PlaceholderError, match=r"button “Map” .* for example \[Tickets\]\(https://example.org/\{n\}\)"):
        check(message, has_end=True)


@pytest.mark.parametrize(
    ("url", "filled"),
    [
        ("https://example.org/{chat}?no={n}#{weekday}", "https://example.org/Team?no=7#Thursday"),
        ("https://example.org?no={n}", "https://example.org?no=7"),
        ("https://example.org#{n}", "https://example.org#7"),
        ("tg://resolve?domain={chat}", "tg://resolve?domain=Team"),
        ("https://example.org/{{n}}", "https://example.org/{n}"),
    ],
)
def test_what_follows_that_is(url: str, filled: str) -> None:
    message = Message(text="Go", links=(LinkButton(label="Map", url=url),))
    check(message, has_end=True)
    (button,) = fill(message, KNOWN).links
    assert button.url == filled


def test_what_is_filled_into_an_address_leads_nowhere_else() -> None:
    message = Message(text="Go", links=(LinkButton(label="Map", url="https://example.org/{chat}"),))
    (button,) = fill(message, KNOWN | {"chat": "../@evil.org/?x#y z"}).links
    assert button.url == "https://example.org/..%2F%40evil.org%2F%3Fx%23y%20z"


def test_a_button_whose_address_becomes_too_long_is_a_line_of_the_text() -> None:
    links = (
        LinkButton(label="For {chat}", url="https://example.org/" + "{chat}" * 200),
        LinkButton(label="All", url="https://example.org", beside=True),
        LinkButton(label="More", url="https://example.net", beside=True),
    )
    message = Message(text="Go", links=links)
    check(message, has_end=True)
    known = KNOWN | {"chat": "A team with a long name"}
    filled = fill(fill(message, {name: value for name, value in known.items() if name != "chat"}), known)
    assert filled.text == "Go\nFor A team with a long name: its address is too long"
    assert [(each.label, each.beside) for each in filled.links] == [("All", False), ("More", True)]


def test_an_address_is_filled_in_two_steps_as_in_one() -> None:
    message = Message(text="Go", links=(LinkButton(label="{n}", url="https://example.org/{chat}/{weekday}/{{n}}"),))
    early = {"weekday": "a {day}", "n": "7"}
    known = early | {"chat": "{n}"}
    assert fill(fill(message, early), known) == fill(message, known)
    assert fill(message, known).links[0].url == "https://example.org/%7Bn%7D/a%20%7Bday%7D/{n}"


@pytest.mark.parametrize("text", ["", "no braces", "{", "}}", "{{x}}", "a }{ {date} b", "{chat} {count_down}"])
def test_what_is_meant_literally_is_filled_in_as_it_was(text: str) -> None:
    at = max(text.find("b"), 0)
    spans = (Span(kind=SpanKind.BOLD, start=at, length=len(text) - at),) if text else ()
    message = Message(text=text, spans=spans)
    assert not needs_chat(literal(message))
    assert fill(literal(message), KNOWN) == message
