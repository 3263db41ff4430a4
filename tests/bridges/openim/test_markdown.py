"""From spans to Markdown: the words stay the same, whatever is in them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.model import Message, Span, SpanKind
from bridges.openim.markdown import to_markdown


def said(text: str, *spans: tuple[str, int, int] | tuple[str, int, int, str]) -> str | None:
    made = [Span(kind=SpanKind(s[0]), start=s[1], length=s[2], value=s[3] if len(s) > 3 else None) for s in spans]
    return to_markdown(Message(text=text, spans=tuple(made)))


@pytest.mark.parametrize(
    ("text", "spans", "markdown"),
    [
        ("bold and not", [("bold", 0, 4)], "**bold** and not"),
        ("a b c", [("italic", 2, 1)], "a *b* c"),
        ("gone now", [("strike", 0, 4)], "~~gone~~ now"),
        ("both here", [("bold", 0, 9), ("italic", 5, 4)], "**both *here***"),
        ("ab cd ef", [("bold", 0, 5), ("italic", 3, 5)], "**ab *cd*** *ef*"),
        ("run x=`1`", [("code", 4, 5)], "run `` x=`1` ``"),
        ("see docs", [("link", 4, 4, "https://x.example/a(b)")], "see [docs](<https://x.example/a(b)>)"),
        ("see docs", [("link", 4, 4, "https://x.example/<a b>")], "see [docs](<https://x.example/%3Ca%20b%3E>)"),
        ("see docs!", [("link", 4, 4, "javascript:alert(1)"), ("bold", 0, 3)], "**see** docs (javascript:alert(1))!"),
        ("a bc", [("bold", 0, 4), ("link", 2, 2, "tg://x")], "**a bc** (tg://x)"),
        ("a bc d", [("code", 2, 2), ("link", 0, 4, "https://x.y"), ("bold", 5, 1)], "a `bc` (https://x.y) **d**"),
        (
            "a bc d",
            [("pre", 2, 2), ("link", 2, 2, "https://x.y"), ("bold", 5, 1)],
            "a \n\n```\nbc\n```\n\n (https://x.y) **d**",
        ),
        (
            "a bc",
            [("link", 2, 2, "https://x.y"), ("link", 0, 4, "https://z.y")],
            "[a bc](<https://z.y>) (https://x.y)",
        ),
        ("code:\nx = 1\nend", [("pre", 6, 5, "python")], "code:\n\n```python\nx = 1\n```\n\nend"),
        ("a\n```\nb", [("pre", 0, 7)], "````\na\n```\nb\n````"),
        ("said\nit\nend", [("quote", 0, 7)], "> said  \n> it\n\nend"),
        (" spaced ", [("bold", 0, 8)], " **spaced** "),
        ("1. one\n- two\n# three *x*", [("bold", 3, 3)], "1\\. **one**  \n\\- two  \n\\# three \\*x\\*"),
        ("a_b [c] <d> & `e` | f", [("bold", 0, 1)], "**a**\\_b \\[c\\] \\<d\\> \\& \\`e\\` \\| f"),
        ("over", [("bold", 0, 99)], "**over**"),
    ],
)
def test_a_span_is_said_in_markdown(text: str, spans: list[tuple[str, int, int]], markdown: str) -> None:
    assert said(text, *spans) == markdown


@pytest.mark.parametrize(
    "spans",
    [[], [("underline", 0, 4)], [("spoiler", 0, 4)], [("mention", 0, 4)], [("bold", 4, 1)], [("link", 0, 4, "tg://x")]],
)
def test_where_nothing_can_be_said_there_is_no_markdown(spans: list[tuple[str, int, int]]) -> None:
    assert said("text  more", *spans) is None


LETTERS = st.text("ab *_`[]<>~#-1.\n", min_size=1, max_size=30)
KINDS = st.sampled_from(["bold", "italic", "strike", "link", "underline"])
SPANS = st.lists(st.tuples(KINDS, st.integers(0, 29), st.integers(1, 30)), max_size=5)


@given(text=LETTERS, spans=SPANS)
def test_every_letter_survives_in_its_order(text: str, spans: list[tuple[str, int, int]]) -> None:
    markdown = said(text, *((kind, start, length, "https://x.y") for kind, start, length in spans))
    if markdown is not None:
        without_links = markdown.replace("](<https://x.y>)", "]")
        assert re.sub("[^ab1]", "", without_links) == re.sub("[^ab1]", "", text)


@given(text=LETTERS, spans=SPANS)
def test_what_is_special_in_the_words_is_escaped(text: str, spans: list[tuple[str, int, int]]) -> None:
    markdown = said(text, *((kind, start, length, "https://x.y") for kind, start, length in spans))
    if markdown is not None:
        for special in "_`<":
            free = re.findall(rf"(?<!\\){re.escape(special)}", markdown.replace("](<https://x.y>)", ""))
            assert free == []


def test_the_work_does_not_grow_with_the_square_of_the_spans() -> None:
    # With a look at all spans for each of them this would take minutes.
    many = 10_000
    kinds = ["bold", "italic", "code", "link", "strike", "quote"]
    spans = [(kinds[at % 6], at * 4, 3, "https://x.y") for at in range(many)]
    markdown = said("abc " * many, *spans)
    assert markdown is not None and markdown.count("abc") == many
    nested = [(kind, 0, at + 1, "https://x.y") for at in range(many // 4) for kind in ("bold", "italic", "code")]
    markdown = said("abc " * many, *nested)
    assert markdown is not None and markdown.replace("`", "").count("abc") == many
    assert said(" " * many * 10, *(("bold", at, many * 9) for at in range(many))) is None
