"""Buttons that open addresses: the last lines of a text, and nothing else of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.link_buttons import take_buttons
from bridges.model import Attachment, LinkButton, Message, Span, SpanKind

URL = "https://example.org"
T = f"[Tickets]({URL})"
PHOTO = Attachment(kind="image", ref="f")


def taken(text: str) -> tuple[str, list[list[str]]]:
    """What is left of a text, and the labels row by row."""
    message = take_buttons(Message(text=text))
    rows: list[list[str]] = []
    for link in message.links:
        if not (link.beside and rows):
            rows.append([])
        rows[-1].append(link.label)
    return message.text, rows


@pytest.mark.parametrize(
    ("text", "left", "rows"),
    [
        (f"Come!\n{T}", "Come!", [["Tickets"]]),
        (f"Come!\n{T} [Map](http://example.org/map)", "Come!", [["Tickets", "Map"]]),
        (f"Come!\n{T}[Map](http://example.org/map)", "Come!", [["Tickets", "Map"]]),
        (f"Come!\n{T}\n[Map](http://example.org/map)", "Come!", [["Tickets"], ["Map"]]),
        (f"Come!\n\n{T}\n\n  [Map](tg://resolve?domain=x)  \n\n", "Come!", [["Tickets"], ["Map"]]),
        (f"{T}\nCome!\n{T}", f"{T}\nCome!", [["Tickets"]]),
        (f"Come!\r\n{T}\r\n", "Come!", [["Tickets"]]),
        (f"Come!\n[ Tickets  now ]({URL})", "Come!", [["Tickets now"]]),
        ("Come!\n[Wiki](https://en.wikipedia.org/wiki/Bach_(family))", "Come!", [["Wiki"]]),
        (f"Come! {T}", f"Come! {T}", []),
        (f"Come!\n{T} now", f"Come!\n{T} now", []),
        (f"Come!\n{T}\nBye", f"Come!\n{T}\nBye", []),
        ("Come!\n[Tickets] (https://example.org)", "Come!\n[Tickets] (https://example.org)", []),
        ("Come!\n[see](the last page)", "Come!\n[see](the last page)", []),
        (f"Come!\n[]({URL})", f"Come!\n[]({URL})", []),
        (f"Come!\n[ ]({URL})", f"Come!\n[ ]({URL})", []),
        ("Come!  \n", "Come!  \n", []),
        ("", "", []),
    ],
)
def test_only_last_lines_of_nothing_else_are_buttons(text: str, left: str, rows: list[list[str]]) -> None:
    assert taken(text) == (left, rows)


def test_an_address_is_kept_whole() -> None:
    url = "https://en.wikipedia.org/wiki/Bach_(family)?a=1&b=[2]#c"
    assert take_buttons(Message(text=f"x\n[W]({url})")).links == (LinkButton(label="W", url=url),)


@pytest.mark.parametrize(
    "url",
    [
        "example.org", "ftp://example.org", "https://", "https:///path", "http://localhost", "https://.",
        "mailto:a@b.c", "javascript:alert(1)", "tg:resolve", "tg://", "https://[::1", "https://example.org:port", "tg://user@x?id=1",
        "https://exa\u202emple.org", f"https://example.org/{'x' * 3000}",
    ],
)  # fmt: skip
def test_a_button_that_opens_nothing_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"write it in full, for example \[Tickets\]\(https://example.org\)") as caught:
        take_buttons(Message(text=f"x\n[Go]({url})"))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "url", ["https://[::1]/x", "HTTP://EXAMPLE.org", "https://münchen.de", "tg://resolve?domain=a"]
)
def test_a_button_that_opens_something_is_taken(url: str) -> None:
    assert take_buttons(Message(text=f"x\n[Go]({url})")).links[0].url == url


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"x\n[{'l' * 65}]({URL})", "at most 64"),
        ("x\n" + "\n".join([T] * 21), "a message can have 20"),
        (f"x\n{T * 9}", "at most 8 buttons stand in a line"),
        (T, "no words above the buttons"),
        (f"\n \n{T}", "no words above the buttons"),
    ],
)
def test_too_much_or_too_little_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        take_buttons(Message(text=text))


def test_as_many_as_fit_are_taken() -> None:
    assert len(take_buttons(Message(text=f"x\n[{'l' * 64}]({URL})\n" + "\n".join([T] * 19))).links) == 20


def test_files_need_no_words() -> None:
    message = take_buttons(Message(text=T, attachments=(PHOTO,)))
    assert (message.text, message.attachments, len(message.links)) == ("", (PHOTO,), 1)


def test_formatting_stays_on_the_words_that_stay() -> None:
    text = f"Come now!\n{T}"
    spans = (
        Span(kind=SpanKind.BOLD, start=0, length=4),
        Span(kind=SpanKind.ITALIC, start=5, length=len(text) - 5),
        Span(kind=SpanKind.LINK, start=text.index(URL), length=len(URL), value=URL),
    )
    message = take_buttons(Message(text=text, spans=spans))
    shown = [(each.kind, message.text[each.start : each.start + each.length]) for each in message.spans]
    assert shown == [(SpanKind.BOLD, "Come"), (SpanKind.ITALIC, "now!")]


def test_a_link_that_a_client_made_of_it_is_a_link() -> None:
    link = Span(kind=SpanKind.LINK, start=6, length=7, value=URL)
    message = Message(text="Come!\nTickets", spans=(link,))
    assert take_buttons(message) == message


@given(st.lists(st.sampled_from([T, "[a", "](", ")", "\n", " ", "x", URL, "[a](b)"]), max_size=30).map("".join))
def test_no_text_raises_anything_but_a_sentence(text: str) -> None:
    try:
        message = take_buttons(Message(text=text))
    except ValueError as error:
        assert str(error).endswith((EXAMPLE_END, "leave some out", "on the next one"))
    else:
        assert text.startswith(message.text)


EXAMPLE_END = "[Tickets](https://example.org)"


def test_long_rubbish_takes_no_time_that_grows_with_its_square() -> None:
    line = "[a](" + ")" * 200_000 + " x"
    assert take_buttons(Message(text=line)).text == line
    many = "\n".join(["[a](x y)"] * 20_000)
    assert take_buttons(Message(text=many)).links == ()
