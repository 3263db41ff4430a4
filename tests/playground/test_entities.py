"""What becomes of a text on its way through the server, beyond what the vectors cover."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.playground.emulator.entities import EntityError, find, formatted, settle, utf16_length, utf16_slice


def places(text: str, entities: list[dict[str, object]]) -> list[tuple[str, str]]:
    return [(str(e["type"]), utf16_slice(text, int(str(e["offset"])), int(str(e["length"])))) for e in entities]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/start", [("bot_command", "/start")]),
        ("/send@patchbay_bot now /x", [("bot_command", "/send@patchbay_bot"), ("bot_command", "/x")]),
        ("a/b </c> //d /ü", []),
        ("🎉 @durov, @ab and mail@durov", [("mention", "@durov")]),
        ("#tag #123 a#b #été_1@news x", [("hashtag", "#tag"), ("hashtag", "#été_1@news")]),
        ("$USD and $toolong $ABCDEFGHI", [("cashtag", "$USD")]),
        ("see https://example.org/a_(b). Or", [("url", "https://example.org/a_(b)")]),
        ("(http://example.org/x) a.com, a.nonsense", [("url", "http://example.org/x"), ("url", "a.com")]),
        ("write to ann.b_c@mail.example.org!", [("email", "ann.b_c@mail.example.org")]),
        ("127.0.0.1:8080/x 1.2.3 256.1.1.1 1.5", [("url", "127.0.0.1:8080/x")]),
        ("tg://resolve?domain=x, e.g. this", [("url", "tg://resolve?domain=x")]),
        ("http://user:pw@example.org:99/?q=1#f", [("url", "http://user:pw@example.org:99/?q=1#f")]),
        ("sftp://example.org x_y.example.com", [("url", "x_y.example.com")]),
        ("version 2.0 is out.Really", []),
        ("tg://test# tg://test/# Done.Org done.ORG teiegram.org ТеСт.рф", [
            ("url", "tg://test"), ("url", "tg://test/#"), ("url", "done.ORG"), ("url", "ТеСт.рф")]),
    ],
)  # fmt: skip
def test_the_server_marks_by_itself(text: str, found: list[tuple[str, str]]) -> None:
    assert places(text, [entity.to_json() for entity in find(text)]) == found


def test_text_is_cleaned_and_trimmed_and_its_entities_follow() -> None:
    text, entities = formatted("  \n<b> a\r\tb </b>  ", "HTML")
    assert (text, entities) == (" a b", [{"type": "bold", "offset": 0, "length": 4}])
    text, entities = formatted("\n 🎉<i>x</i>\u202e", "HTML")
    assert (text, entities) == ("🎉x", [{"type": "italic", "offset": 2, "length": 1}])


def test_styles_that_nest_are_cut_as_the_server_does() -> None:
    _, entities = formatted("<b>bold <i>both</i> bold</b>", "HTML")
    assert [(e["type"], e["offset"], e["length"]) for e in entities] == [
        ("bold", 0, 5),
        ("bold", 5, 9),
        ("italic", 5, 4),
    ]
    _, entities = formatted("<b>a</b><b>b</b>", "HTML")
    assert [(e["type"], e["offset"], e["length"]) for e in entities] == [("bold", 0, 2)]
    _, entities = formatted("<b>a<code>b</code>c</b>", "HTML")
    assert [(e["type"], e["offset"], e["length"]) for e in entities] == [("bold", 0, 1), ("code", 1, 1), ("bold", 2, 1)]


def test_nothing_is_found_inside_code_or_links() -> None:
    text, entities = formatted("<code>/help</code> <a href='https://a.org'>@durov</a> /help", "HTML")
    assert places(text, entities) == [("code", "/help"), ("text_link", "@durov"), ("bot_command", "/help")]


def test_explicit_entities_are_checked() -> None:
    wrong = [
        ([{"type": "bold", "offset": 1, "length": 1}], "begins in a middle of a UTF-16 symbol"),
        ([{"type": "bold", "offset": 0, "length": 1}], "ends in a middle of a UTF-16 symbol"),
        ([{"type": "bold", "offset": 9, "length": 1}], "begins after the end of the text"),
        ([{"type": "bold", "offset": 2, "length": 9}], "ends after the end of the text"),
        ([{"type": "bold", "offset": -1, "length": 1}], "incorrect offset -1"),
        ([{"type": "text_link", "offset": 0, "length": 1}], "Can't find field \"url\""),
        ([{"type": "date_time", "offset": 0, "length": 2, "unix_time": 1, "date_time_format": "x"}],
         "Invalid date-time"),
    ]  # fmt: skip
    for entities, words in wrong:
        with pytest.raises(EntityError, match=words.replace("(", r"\(")):
            formatted("🎉 ok", "", entities)


def test_a_time_is_taken_and_other_kinds_are_ignored() -> None:
    given_ones = [
        {"type": "date_time", "offset": 0, "length": 4, "unix_time": 1_790_000_000, "date_time_format": "tD"},
        {"type": "mention", "offset": 0, "length": 4},
        {"type": "text_link", "offset": 5, "length": 3, "url": "not a link"},
    ]
    _, entities = formatted("noon now", "", given_ones)
    assert entities == [
        {"type": "date_time", "offset": 0, "length": 4, "unix_time": 1_790_000_000, "date_time_format": "Dt"}
    ]


def test_markdown_of_the_old_kind() -> None:
    text, entities = formatted("*b* _i_ `c` [l](example.org) ```py\nx``` \\*", "Markdown")
    assert places(text, entities) == [
        ("bold", "b"),
        ("italic", "i"),
        ("code", "c"),
        ("text_link", "l"),
        ("pre", "x"),
    ]
    with pytest.raises(EntityError, match="Can't find end of the entity starting at byte offset 3"):
        formatted("ü *x", "Markdown")


TAGS = [f"<{slash}{name}>" for name in ("b", "i", "code", "pre", "a", "blockquote", "") for slash in ("", "/")]
SIGNS = ["__", "||", "```", "![", "&lt;", "&#x1F389;", "<a href=a.com>", "tg://emoji?id=5", "a.com", "@durov", "/help"]
MARKS = st.lists(st.sampled_from([*"*_~|`[]()\\>&<é🎉 \n\r", "\n>", *TAGS, *SIGNS]), max_size=12).map("".join)


@given(st.text() | MARKS, st.sampled_from(["HTML", "MarkdownV2", "Markdown", ""]))
@example("* 0*****", "Markdown")
def test_no_text_breaks_it_and_what_comes_out_is_stable(text: str, mode: str) -> None:
    try:
        plain, entities = formatted(text, mode)
    except EntityError:
        return
    size = utf16_length(plain)
    assert all(e["offset"] >= 0 and e["length"] > 0 and e["offset"] + e["length"] <= size for e in entities)
    again, _ = settle(plain)
    # White space that an entity begins with stays for its sake; without the entity it goes.
    blank = len(plain) - len(plain.lstrip(" \n"))
    marked = any(e["offset"] < blank for e in entities)
    assert again == (plain[blank:] if marked else plain)
    settled = formatted(plain, "", entities)
    assert settled == (plain, entities)
