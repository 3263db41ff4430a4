"""Shaping: what arrives is what was written, whatever the provider's limits."""

from __future__ import annotations

import re
import timeit
from dataclasses import replace
from typing import Any, Literal

import pytest
import regex  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

import bot.shaping
from bot.shaping import (
    DEFAULT_TEMPLATE,
    Shaped,
    TemplateError,
    attachment_note,
    goes_along,
    parse_template,
    quoting,
    shape,
    size_text,
)
from bot.text import TextUnit, closing, measure, split, utf16_length
from bridges.api import Capabilities
from bridges.model import (
    AccountName,
    Attachment,
    Button,
    Contact,
    LinkButton,
    Location,
    Message,
    MessageId,
    Person,
    PersonId,
    Poll,
    Span,
    SpanKind,
)
from bridges.spans import plain

FAMILY = "👨‍👩‍👧"
FLAGS = "🇫🇷🇩🇪🇯🇵"
ZALGO = "Z" + "\u0301\u0316\u0353" * 4
HEBREW = "שלום עולם "
FRAKTUR = "𝔘𝔫𝔦"
FRAGMENTS = ["word ", "a", FAMILY, FLAGS, "🇫🇷", ZALGO, HEBREW, FRAKTUR, "e\u0301", "\r\n", "\n\n", " ", "\u00a0",
             "中文字", "नमस्ते ", "👍🏽", "\u202eabc", " \u0301", "@ann ", "{text}", "(1/2) "]  # fmt: skip
UNITS: list[TextUnit] = ["codepoints", "utf16", "bytes"]
ANN = Person(id=PersonId("u1"), name="Ann")

texts = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=5), max_size=60).map("".join)
utf8_texts = texts.filter(lambda text: text.isascii() or not re.search("[\ud800-\udfff]", text))


def able(
    limit: int = 4096,
    unit: TextUnit = "codepoints",
    *,
    markup: Literal["none", "entities", "markdown"] = "entities",
    attachments: Literal["none", "url", "bytes"] = "bytes",
    attachment_bytes: int = 0,
) -> Capabilities:
    return Capabilities(
        text_limit=limit,
        text_unit=unit,
        markup=markup,
        attachments=attachments,
        attachment_bytes=attachment_bytes,
    )


def bodies(shaped: Shaped, *, prefix: str = "") -> list[str]:
    """The parts' own words: without the sender and, if there are several, without the mark."""
    found = []
    for number, part in enumerate(shaped.parts, start=1):
        head = prefix + (f"({number}/{len(shaped.parts)}) " if len(shaped.parts) > 1 else "")
        assert part.text.startswith(head)
        found.append(part.text[len(head) :])
    return found


def span(kind: SpanKind, start: int, length: int, value: str | None = None) -> Span:
    return Span(kind=kind, start=start, length=length, value=value)


def link(text: str, label: str, url: str) -> Message:
    return Message(text=text, spans=(span(SpanKind.LINK, text.index(label), len(label), url),))


# --- splitting -------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=120)
@given(text=utf8_texts, limit=st.integers(32, 120), unit=st.sampled_from(UNITS), template=st.booleans())
def test_parts_joined_again_are_the_text_and_none_is_too_long(
    text: str, limit: int, unit: TextUnit, template: bool
) -> None:
    shaped = shape(
        Message(text=text, sender=ANN),
        capabilities=able(limit, unit),
        template=DEFAULT_TEMPLATE if template else None,
    )
    prefix = "Ann: " if template and text else "Ann:" if template else ""
    assert "".join(bodies(shaped, prefix=prefix)) == text + (closing(text) if template else "")
    assert all(measure(part.text, unit=unit) <= limit for part in shaped.parts)


@settings(deadline=None, max_examples=120)
@given(text=utf8_texts, limit=st.integers(40, 120), unit=st.sampled_from(UNITS))
def test_no_cut_goes_through_a_character_as_a_reader_sees_it(text: str, limit: int, unit: TextUnit) -> None:
    clusters = regex.findall(r"\X", text)
    room = limit - len("(99/99) ")
    ends, at = {0}, 0
    for cluster in clusters:
        at += len(cluster)
        ends.add(at)
    longest = max((measure(cluster, unit=unit) for cluster in clusters), default=0)
    at = 0
    for body in bodies(shape(Message(text=text), capabilities=able(limit, unit), template=None)):
        at += len(body)
        assert at in ends or longest > room


@settings(deadline=None, max_examples=120)
@given(text=st.lists(st.sampled_from(["word", "lorem", FAMILY, FRAKTUR, "שלום"]), min_size=20).map(" ".join))
def test_words_that_fit_are_never_cut(text: str) -> None:
    parts = bodies(shape(Message(text=text), capabilities=able(60, "bytes"), template=None))
    assert [word for part in parts for word in part.split()] == text.split()


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("unbroken", [FAMILY, "🇫🇷", "👍🏽", "e\u0301", "𝔘", "क्षि"])
def test_clusters_in_a_row_without_blanks_stay_whole(unbroken: str, unit: TextUnit) -> None:
    parts = bodies(shape(Message(text=unbroken * 200), capabilities=able(64, unit), template=None))
    assert len(parts) > 1
    assert all(part == unbroken * (len(part) // len(unbroken)) for part in parts)


@pytest.mark.parametrize("unit", UNITS)
def test_one_cluster_longer_than_a_message_is_cut_between_code_points(unit: TextUnit) -> None:
    text = "Z" + "\u0301" * 500
    shaped = shape(Message(text=text), capabilities=able(50, unit), template=None)
    assert "".join(bodies(shaped)) == text
    assert all(measure(part.text, unit=unit) <= 50 for part in shaped.parts)


def test_a_cut_inside_a_monstrous_cluster_never_halves_a_surrogate_pair() -> None:
    text = "\U0001d15f" + "\U0001d165" * 300
    shaped = shape(Message(text=text), capabilities=able(41, "utf16"), template=None)
    assert len(shaped.parts) > 1
    assert all(utf16_length(part.text) <= 41 for part in shaped.parts)
    assert "".join(bodies(shaped)) == text


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("limit", [32, 500, 4096])
@pytest.mark.parametrize(
    "word",
    ["lorem ", FAMILY, "слово ", "x", "\u0301", " ", "\n", "字"],
    ids=["words", "families", "cyrillic", "unbroken", "marks", "blanks", "lines", "chinese"],
)
def test_twenty_thousand_characters_always_go(word: str, limit: int, unit: TextUnit) -> None:
    text = (word * 20_000)[:20_000]
    shaped = shape(Message(text=text, sender=ANN), capabilities=able(limit, unit), template=DEFAULT_TEMPLATE)
    assert "".join(bodies(shaped, prefix="Ann: ")) == text
    assert all(measure(part.text, unit=unit) <= limit for part in shaped.parts)


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("one two", 32, ["Ann: one two"]),
        ("x" * 27, 32, ["Ann: " + "x" * 27]),
        ("aaaa bbbb cccc dddd eeee ffff gggg", 32,
         ["Ann: (1/2) aaaa bbbb cccc dddd ", "Ann: (2/2) eeee ffff gggg"]),
        ("10\u00a0000\u00a0000 is a large number of coins", 32,
         ["Ann: (1/2) 10\u00a0000\u00a0000 is a ", "Ann: (2/2) large number of coins"]),
        ("12345678901234567890 €\u00a01 and the rest", 34,
         ["Ann: (1/2) 12345678901234567890 ", "Ann: (2/2) €\u00a01 and the rest"]),
    ],
)  # fmt: skip
def test_a_long_text_is_cut_after_words_and_marked(text: str, limit: int, parts: list[str]) -> None:
    shaped = shape(Message(text=text, sender=ANN), capabilities=able(limit), template=DEFAULT_TEMPLATE)
    assert [part.text for part in shaped.parts] == parts


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("x" * 33 + "e\u0301" + "x" * 40, "x" * 33),
        ("x" * 33 + "\r\n" + "x" * 40, "x" * 33),
        ("x" * 32 + "e\u0301" + "x" * 40, "x" * 32 + "e\u0301"),
        ("x" * 100, "x" * 34),
        ("字" * 100, "字" * 34),
    ],
    ids=["mark beyond", "line end beyond", "mark inside", "letters", "characters"],
)
def test_a_message_is_filled_up_to_the_last_cluster_that_fits(text: str, first: str) -> None:
    assert bodies(shape(Message(text=text), capabilities=able(40), template=None))[0] == first


def test_a_text_at_the_very_limit_is_one_part() -> None:
    shaped = shape(Message(text="𝔘" * 2048), capabilities=able(4096, "utf16"), template=None)
    assert [part.text for part in shaped.parts] == ["𝔘" * 2048]


def test_one_unit_over_the_limit_makes_two_parts() -> None:
    shaped = shape(Message(text="𝔘" * 2048 + "x"), capabilities=able(4096, "utf16"), template=None)
    assert len(shaped.parts) == 2


def test_ten_parts_have_marks_of_two_digits_and_still_fit() -> None:
    text = "y" * 250
    shaped = shape(Message(text=text), capabilities=able(32), template=None)
    assert len(shaped.parts) == 11
    assert shaped.parts[-1].text.startswith("(11/11) ")
    assert max(len(part.text) for part in shaped.parts) == 32


def test_where_there_is_hardly_room_the_words_go_alone() -> None:
    text = "a few words that do not fit"
    shaped = shape(Message(text=text, sender=ANN), capabilities=able(10), template=DEFAULT_TEMPLATE)
    assert "".join(part.text for part in shaped.parts) == text


@settings(deadline=None, max_examples=120)
@given(text=utf8_texts.filter(bool), data=st.data(), limit=st.integers(32, 100))
def test_formatting_covers_the_same_words_after_a_split(text: str, data: st.DataObject, limit: int) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(1, len(text) - start))
    message = Message(text=text, sender=ANN, spans=(span(SpanKind.LINK, start, length, "https://example.org"),))
    shaped = shape(message, capabilities=able(limit), template=DEFAULT_TEMPLATE)
    covered = [part.text[found.start :][: found.length] for part in shaped.parts for found in part.spans]
    assert "".join(covered) == text[start : start + length]
    assert {found.value for part in shaped.parts for found in part.spans} == {"https://example.org"}


def test_the_reply_and_the_files_go_with_the_first_part_only() -> None:
    picture = Attachment(kind="image", ref="tg:1")
    message = Message(text="word " * 20, sender=ANN, reply_to=MessageId("m1"), attachments=(picture,))
    first, *others = shape(message, capabilities=able(60), template=None).parts
    assert (first.reply_to, first.attachments) == ("m1", (picture,))
    assert {(part.reply_to, part.attachments, part.sender) for part in others} == {(None, (), ANN)}


def test_buttons_go_with_the_last_part_only() -> None:
    button = Button(label="Drop", data="n1")
    *others, last = shape(Message(text="word " * 20, buttons=(button,)), capabilities=able(60), template=None).parts
    assert last.buttons == (button,)
    assert {part.buttons for part in others} == {()}


# --- templates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "name", "text", "expected"),
    [
        (None, "Ann", "hello", "hello"),
        ("{sender}: {text}", "Ann", "hello", "Ann: hello"),
        ("{text}", "Ann", "hello", "hello"),
        ("[pbx] {sender} wrote:\n{text}\n--", "Ann", "hello", "[pbx] Ann wrote:\nhello\n--"),
        ("{{{sender}}} {text} {sender}", "Ann", "hello", "{Ann} hello Ann"),
        ("{sender}: {text}", "{text}", "{sender}", "{text}: {sender}"),
        ("{sender}: {text}", "Ann", "", "Ann:"),
        ("{sender}: {text}", "", "hello", "u1: hello"),
        ("{sender}: {text}", None, "hello", "hello"),
        ("[pbx] {sender}: {text}", None, "hello", "[pbx] hello"),
    ],
)
def test_a_template_is_filled_in(template: str | None, name: str | None, text: str, expected: str) -> None:
    sender = None if name is None else Person(id=PersonId("u1"), name=name)
    shaped = shape(Message(text=text, sender=sender), capabilities=able(), template=template)
    assert [part.text for part in shaped.parts] == [expected]


def test_what_a_template_adds_at_the_end_comes_once() -> None:
    shaped = shape(
        Message(text="aaaa bbbb cccc dddd eeee ffff", sender=ANN),
        capabilities=able(32),
        template="{sender}: {text} #end",
    )
    assert [part.text for part in shaped.parts] == [
        "Ann: (1/2) aaaa bbbb cccc dddd ",
        "Ann: (2/2) eeee ffff #end",
    ]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{sender}", "{text} is missing"),
        ("", "{text} is missing"),
        ("{text} {text}", "{text} stands in it twice"),
        ("{name}: {text}", "there is only {sender} and {text}"),
        ("{}: {text}", "there is only {sender} and {text}"),
        ("{sender!r}: {text}", "there is only {sender} and {text}"),
        ("{sender:>9}: {text}", "there is only {sender} and {text}"),
        ("{sender.__class__}: {text}", "there is only {sender} and {text}"),
        ("{sender: {text}", "{"),
        ("} {text}", "its braces do not pair"),
        ("x" * 600 + "{text}", "it has 606 characters"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_with_what_was_wrong(template: str, words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(template)
    assert words in str(caught.value)
    assert 'as in "{sender}: {text}"' in str(caught.value)


def test_formatting_moves_behind_the_sender() -> None:
    message = Message(text="so bold", sender=ANN, spans=(span(SpanKind.BOLD, 3, 4),))
    (part,) = shape(message, capabilities=able(), template=DEFAULT_TEMPLATE).parts
    assert part.spans == (span(SpanKind.BOLD, 8, 4),)


def test_an_endless_template_leaves_most_of_each_message_to_the_words() -> None:
    text = "word " * 40
    shaped = shape(Message(text=text), capabilities=able(40), template="x" * 100 + "{text}")
    assert "".join(bodies(shaped, prefix="x" * 8 + "… ")) == text


# --- what cannot be carried ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Message(text="as it is"), "as it is"),
        (Message(text="so bold", spans=(span(SpanKind.BOLD, 3, 4),)), "so bold"),
        (link("see the docs now", "the docs", "https://example.org/d"), "see the docs (https://example.org/d) now"),
        (link("see https://example.org/d", "https://example.org/d", "https://example.org/d"),
         "see https://example.org/d"),
        (link("see example.org", "example.org", "https://example.org/"), "see example.org"),
        (link("mail a@b.org", "a@b.org", "mailto:a@b.org"), "mail a@b.org"),
        (link("see example.org", "example.org", "https://evil.example/"),
         "see example.org (https://evil.example/)"),
        (Message(text="a b", spans=(span(SpanKind.LINK, 0, 1, "https://1"), span(SpanKind.LINK, 2, 1, "https://2"))),
         "a (https://1) b (https://2)"),
        (Message(text="ab", spans=(span(SpanKind.LINK, 0, 2, "https://1"), span(SpanKind.LINK, 0, 2, "https://1"))),
         "ab (https://1)"),
        (Message(text="ab", spans=(span(SpanKind.LINK, 0, 99, "https://1"),)), "ab (https://1)"),
        (Message(text="𝔘 x", spans=(span(SpanKind.LINK, 0, 1, "https://1"),)), "𝔘 (https://1) x"),
    ],
)  # fmt: skip
def test_plain_text_is_unchanged_but_for_link_addresses(message: Message, expected: str) -> None:
    assert plain(message) == expected


def test_where_there_is_no_formatting_links_are_written_out_and_nothing_is_marked() -> None:
    shaped = shape(link("see the docs now", "docs", "https://x.org"), capabilities=able(markup="none"), template=None)
    assert shaped.parts == (Message(text="see the docs (https://x.org) now"),)


@pytest.mark.parametrize(
    ("attachment", "note"),
    [
        (Attachment(kind="image", ref="r", name="cat.png", size=120_000), "[image: cat.png, 120 kB]"),
        (Attachment(kind="voice", ref="r", size=1_500), "[voice: 1.5 kB]"),
        (Attachment(kind="file", ref="r", name="a.pdf"), "[file: a.pdf]"),
        (Attachment(kind="sticker", ref="r"), "[sticker]"),
        (Attachment(kind="file", ref="r", name="@all\u202e\ngnp.exe"), "[file: @\u2060all gnp.exe]"),
    ],
)
def test_a_note_tells_kind_name_and_size(attachment: Attachment, note: str) -> None:
    assert attachment_note(attachment) == note


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1960, "2 kB"), (2_500_000, "2.5 MB"), (3 * 10**9, "3 GB")],
)
def test_sizes_are_told_as_people_do(size: int, text: str) -> None:
    assert size_text(size) == text


CAT = Attachment(kind="image", ref="tg:cat", name="cat.png", size=120_000)
FILM = Attachment(kind="video", ref="tg:film", name="film.mp4", size=80_000_000)


def test_files_that_cannot_go_stand_as_notes_below_the_text_and_the_author_is_told() -> None:
    shaped = shape(
        Message(text="look", attachments=(CAT, FILM), sender=ANN),
        capabilities=able(attachments="none"),
        template=DEFAULT_TEMPLATE,
    )
    assert shaped.parts == (Message(text="Ann: look\n[image: cat.png, 120 kB]\n[video: film.mp4, 80 MB]", sender=ANN),)
    assert shaped.notes == (
        "[image: cat.png, 120 kB] did not go along, files cannot be sent there; a note stands in the text",
        "[video: film.mp4, 80 MB] did not go along, files cannot be sent there; a note stands in the text",
    )


def test_a_file_alone_becomes_a_note_alone() -> None:
    shaped = shape(Message(attachments=(CAT,)), capabilities=able(attachments="none"), template=None)
    assert [part.text for part in shaped.parts] == ["[image: cat.png, 120 kB]"]


def test_a_link_to_a_file_stands_beside_its_note() -> None:
    shaped = shape(
        Message(attachments=(CAT,)),
        capabilities=able(attachments="none"),
        template=None,
        links={"tg:cat": "https://bridge.example/files/1"},
    )
    assert [part.text for part in shaped.parts] == ["[image: cat.png, 120 kB] https://bridge.example/files/1"]
    assert shaped.notes[0].endswith("a link stands in the text")


def test_a_file_that_is_empty_is_said_to_be_so_and_has_no_link() -> None:
    empty = Attachment(kind="file", ref="tg:a", name="a.txt", size=0, link="https://files.example/a.txt")
    links = {"tg:a": "https://bridge.example/files/1"}
    shaped = shape(Message(attachments=(empty,)), capabilities=able(attachments="none"), template="{text}", links=links)
    assert [part.text for part in shaped.parts] == ["[file: a.txt, 0 B: it is empty]"]


def test_only_the_file_that_is_too_large_becomes_a_note() -> None:
    shaped = shape(Message(attachments=(CAT, FILM)), capabilities=able(attachment_bytes=50_000_000), template=None)
    (part,) = shaped.parts
    assert (part.attachments, part.text) == ((CAT,), "[video: film.mp4, 80 MB]")
    assert "at most 50 MB" in shaped.notes[0]


def test_files_that_can_go_are_left_alone() -> None:
    shaped = shape(Message(text="look", attachments=(CAT,)), capabilities=able(), template=None)
    assert shaped == Shaped((Message(text="look", attachments=(CAT,)),))


@pytest.mark.parametrize(
    ("original", "line"),
    [
        (Message(text="are you\nthere?", sender=ANN), "> Ann: are you there?"),
        (Message(text="are you there?"), "> are you there?"),
        (Message(text="word " * 40), "> " + "word " * 15 + "word…"),
        (Message(attachments=(CAT,), sender=ANN), "> Ann: [image: cat.png, 120 kB]"),
        (Message(contact=Contact(name="Ben")), "> 👤 Ben"),
        (Message(text="ask @all \u202eabc", sender=ANN), "> Ann: ask @\u2060all abc"),
    ],
)
def test_a_reply_quotes_its_original_on_a_line_of_its_own(original: Message, line: str) -> None:
    reply = Message(text="yes", reply_to=MessageId("m1"), spans=(span(SpanKind.BOLD, 0, 3),))
    quoted = quoting(reply, original=original)
    spans = (span(SpanKind.BOLD, len(line) + 1, 3),)
    assert quoted == Message(text=f"{line}\nyes", spans=spans, quote=f"{line}\n")


# --- files, places, cards, polls -------------------------------------------------------------------------


def picture(number: int, kind: str = "image") -> Attachment:
    return Attachment.model_validate({"kind": kind, "ref": f"{kind}{number}", "media_type": f"image/{number}"})


def made(
    message: Message, template: str | None = DEFAULT_TEMPLATE, *, whole: Attachment | None = None, **able: Any
) -> list[tuple[str, str]]:
    """The parts: their text, and what each has beside it."""
    capabilities = Capabilities(**{"text_limit": 100, "attachments": "bytes", **able})
    shown = []
    for part in shape(message, capabilities=capabilities, template=template, whole=whole).parts:
        beside = [each.ref for each in part.attachments]
        beside += ["place"] if part.location else []
        beside += ["card"] if part.contact else []
        shown.append((part.text, " ".join(beside)))
    return shown


PLACE = Location(latitude=51.507351, longitude=-0.127758)
CARD = Contact(name="Ben Lee", phone="+44 20 7946 0000")
SMILE = Attachment(kind="sticker", ref="smile", name="😀", media_type="image/webp")
MOVING = Attachment(kind="sticker", ref="moving", name="😀", media_type="video/webm", account=AccountName("telegram"))


def test_the_first_part_is_no_longer_than_a_caption_and_the_others_are_text() -> None:
    message = Message(text="word " * 30, sender=ANN, attachments=(CAT,), reply_to=MessageId("m1"))
    assert made(message, caption_limit=40) == [
        ("Ann: (1/3) " + "word " * 5, "tg:cat"),
        ("Ann: (2/3) " + "word " * 17, ""),
        ("Ann: (3/3) " + "word " * 8, ""),
    ]


def test_a_caption_at_the_very_limit_is_one_part() -> None:
    assert made(Message(text="x" * 35, sender=ANN, attachments=(CAT,)), caption_limit=40) == [
        ("Ann: " + "x" * 35, "tg:cat")
    ]


def test_a_short_caption_limit_holds_for_messages_with_files_only() -> None:
    assert made(Message(text="x" * 90, sender=ANN), caption_limit=40) == [("Ann: " + "x" * 90, "")]


def test_files_beyond_the_most_go_in_messages_of_their_own_and_the_words_come_once() -> None:
    files = tuple(picture(number) for number in range(5))
    message = Message(text="look", sender=ANN, attachments=files, reply_to=MessageId("m1"))
    assert made(message, attachments_most=2) == [
        ("Ann: look", "image0 image1"),
        ("", "image2 image3"),
        ("", "image4"),
    ]
    parts = shape(message, capabilities=able(), template=None).parts
    assert [(part.text, part.reply_to) for part in parts] == [("look", "m1")]


def test_files_keep_their_order_and_only_kinds_that_may_stand_together_do() -> None:
    kinds = ["image", "video", "file", "file", "image", "voice", "image"]
    files = tuple(picture(number, kind) for number, kind in enumerate(kinds))
    assert made(Message(attachments=files), None, albums=(("image", "video"), ("file",))) == [
        ("", "image0 video1"),
        ("", "file2 file3"),
        ("", "image4"),
        ("", "voice5"),
        ("", "image6"),
    ]


@pytest.mark.parametrize(
    ("message", "template", "parts"),
    [
        (Message(text="look", attachments=(SMILE, CAT)), None, [("look", ""), ("", "smile"), ("", "tg:cat")]),
        (Message(attachments=(SMILE,)), None, [("", "smile")]),
        (Message(attachments=(SMILE,)), DEFAULT_TEMPLATE, [("Ann: 😀", ""), ("", "smile")]),
        (Message(attachments=(CAT, SMILE)), DEFAULT_TEMPLATE, [("Ann:", "tg:cat"), ("", "smile")]),
        (Message(attachments=(picture(1, "sticker"),)), DEFAULT_TEMPLATE,
         [("Ann: shares a sticker", ""), ("", "sticker1")]),
        (Message(location=PLACE), None, [("", "place")]),
        (Message(location=PLACE), "{text}", [("", "place")]),
        (Message(location=PLACE), DEFAULT_TEMPLATE, [("Ann: 📍 shares a place", ""), ("", "place")]),
        (Message(location=PLACE, text="here"), DEFAULT_TEMPLATE, [("Ann: here", ""), ("", "place")]),
        (Message(contact=CARD), DEFAULT_TEMPLATE, [("Ann: 👤 shares a contact", ""), ("", "card")]),
        (Message(location=PLACE, contact=CARD, attachments=(CAT,)), DEFAULT_TEMPLATE,
         [("Ann:", "tg:cat"), ("", "place"), ("", "card")]),
    ],
)  # fmt: skip
def test_what_can_have_no_words_beside_it_follows_a_line_of_its_sharer(
    message: Message, template: str | None, parts: list[tuple[str, str]]
) -> None:
    by_ann = message.model_copy(update={"sender": ANN})
    assert made(by_ann, template, captionless=("sticker",), locations=True, contacts=True) == parts


def test_rest_of_a_long_text_comes_after_what_has_no_words() -> None:
    message = Message(text="word " * 30, sender=ANN, location=PLACE)
    assert [beside for _, beside in made(message, locations=True)] == ["", "place", ""]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (Message(location=PLACE),
         "📍 51.50735, -0.12776 https://www.openstreetmap.org/?mlat=51.50735&mlon=-0.12776"),
        (Message(location=Location(latitude=-0.000001, longitude=180, name="The\nEdge @all")),
         "📍 The Edge @\u2060all, 0.00000, 180.00000 https://www.openstreetmap.org/?mlat=0.00000&mlon=180.00000"),
        (Message(contact=CARD), "👤 Ben Lee, +44 20 7946 0000"),
        (Message(contact=Contact(name="Ben")), "👤 Ben"),
        (Message(poll=Poll(question="Tea or\ncoffee?", options=("Tea", "@all"))),
         "📊 Tea or coffee?\n1. Tea\n2. @\u2060all"),
        (Message(poll=Poll(question="Well?")), "📊 Well?"),
        (Message(text="see", contact=CARD, poll=Poll(question="Well?")),
         "see\n👤 Ben Lee, +44 20 7946 0000\n📊 Well?"),
    ],
)  # fmt: skip
def test_what_a_provider_has_nothing_for_is_said_in_words(message: Message, words: str) -> None:
    assert made(message, None) == [(words, "")]
    assert made(message.model_copy(update={"sender": ANN}), text_limit=999) == [(f"Ann: {words}", "")]


@pytest.mark.parametrize(
    ("name", "words", "instead"),
    [
        ("😀", "😀", "its emoji stands in the text"),
        ("🇫🇷", "🇫🇷", "its emoji stands in the text"),
        (FAMILY, FAMILY, "its emoji stands in the text"),
        ("1️⃣", "1️⃣", "its emoji stands in the text"),
        ("smile.webp", "[sticker: smile.webp]", "a note stands in the text"),
        ("😀😀", "[sticker: 😀😀]", "a note stands in the text"),
        ("", "[sticker]", "a note stands in the text"),
    ],
)
def test_a_sticker_that_cannot_go_is_the_emoji_it_stands_for(name: str, words: str, instead: str) -> None:
    message = Message(attachments=(Attachment(kind="sticker", ref="r", name=name),))
    shaped = shape(message, capabilities=able(attachments="none"), template=None)
    assert [part.text for part in shaped.parts] == [words]
    assert shaped.notes[0].endswith(instead)


@pytest.mark.parametrize("media_type", ["application/x-tgsticker", "video/webm", ""])
def test_a_moving_sticker_is_its_emoji_where_nobody_could_open_it(media_type: str) -> None:
    moving = MOVING.model_copy(update={"media_type": media_type})
    assert made(Message(attachments=(moving,))) == [("😀", "")]
    assert made(Message(attachments=(moving,)), captionless=("sticker",), keeps="telegram") == [("", "moving")]
    elsewhere = moving.model_copy(update={"account": AccountName("chat")})
    assert made(Message(attachments=(elsewhere,)), captionless=("sticker",), keeps="telegram") == [("", "moving")]


def test_a_card_and_a_place_of_their_own_are_harmless_too() -> None:
    evil = "\u202e@all\n"
    message = Message(
        location=PLACE.model_copy(update={"name": evil}), contact=Contact(name=evil, phone="\u202e1"), sender=ANN
    )
    place, card = shape(message, capabilities=replace(able(), locations=True, contacts=True), template="{text}").parts
    assert place.location is not None and place.location.name == "@\u2060all"
    assert card.contact == Contact(name="@\u2060all", phone="1")


def test_a_span_is_looked_at_only_in_the_parts_that_it_reaches() -> None:
    # With a look at each span for each part this would take minutes.
    many = 30_000
    spans = tuple(Span(kind=SpanKind.BOLD, start=at * 4, length=3) for at in range(many))
    parts = shape(Message(text="abc " * many, spans=spans), capabilities=able(40), template=None).parts
    assert len(parts) > many / 10
    assert sum(len(part.spans) for part in parts) == many


def test_a_text_is_cut_at_most_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    cuts = 0

    def counted(*args: Any, **more: Any) -> list[tuple[int, int]]:
        nonlocal cuts
        cuts += 1
        return split(*args, **more)

    monkeypatch.setattr(bot.shaping, "split", counted)
    assert len(shape(Message(text="word " * 30_000, sender=ANN), capabilities=able(100), template="{text}").parts) > 999
    assert cuts <= 2


def test_a_long_text_for_markdown_is_split_with_its_addresses_and_a_short_one_keeps_its_links() -> None:
    link = Span(kind=SpanKind.LINK, start=0, length=4, value="https://example.org/" + "x" * 40)
    bold = Span(kind=SpanKind.BOLD, start=5, length=4)
    short = Message(text="docs bold", spans=(link, bold))
    assert shape(short, capabilities=able(100, markup="markdown"), template=None).parts == (short,)
    long = short.model_copy(update={"text": "docs bold " + "word " * 10})
    first, second = shape(long, capabilities=able(100, markup="markdown"), template=None).parts
    assert f"docs ({link.value}) bold" in first.text
    (span,) = first.spans
    assert first.text[span.start : span.start + span.length] == "bold"
    assert "word" in second.text


@pytest.mark.parametrize(
    ("attachment", "more", "reason"),
    [
        (CAT, {}, None),
        (CAT, {"attachments": "none"}, "files cannot be sent there"),
        (CAT, {"attachment_kinds": ("video", "file")}, "only video and file can be sent there"),
        (FILM, {"attachment_bytes": 50_000_000}, "files there have at most 50 MB"),
        (CAT, {"attachment_bytes": 120_000, "attachments_most": 1}, None),
    ],
)
def test_a_file_goes_along_unless_there_is_a_reason(
    attachment: Attachment, more: dict[str, Any], reason: str | None
) -> None:
    capabilities = Capabilities(**{"text_limit": 100, "attachments": "bytes", **more})
    assert goes_along(attachment, capabilities) == reason


def test_a_sender_is_called_as_the_relay_says() -> None:
    (part,) = shape(Message(text="hi", sender=ANN), capabilities=able(), template=DEFAULT_TEMPLATE, name="Ann #1").parts
    assert (part.text, part.sender) == ("Ann #1: hi", ANN)


def test_a_text_that_turns_the_direction_ends_it_before_what_follows() -> None:
    message = Message(text="\u202eabc", sender=ANN)
    (part,) = shape(message, capabilities=able(), template="{sender}: {text} (end)").parts
    assert part.text == "Ann: \u202eabc\u202c (end)"
    assert made(Message(text="\u202eabc"), None) == [("\u202eabc", "")]


def test_a_quotation_leaves_room_for_the_caption() -> None:
    message = Message(text="word " * 30, sender=ANN, attachments=(CAT,))
    capabilities = replace(able(200), caption_limit=60)
    first, *_ = shape(message, capabilities=capabilities, template=None, answers=Message(text="why?")).parts
    assert first.text.startswith("> why?\n(1/") and len(first.text) <= 60


def test_a_sender_longer_than_a_caption_is_cut_and_nothing_is_counted() -> None:
    message = Message(sender=Person(id=PersonId("1"), name="x" * 64), attachments=(CAT,))
    assert made(message, caption_limit=40) == [("x" * 8 + "…", "tg:cat")]


WHOLE = Attachment(kind="file", ref="1", name="message.txt")


@pytest.mark.parametrize(
    ("message", "more", "parts"),
    [
        (Message(text="word " * 30), {}, [("Ann: " + "word " * 13 + "word… (continued in the file)", "1")]),
        (Message(text="x" * 200), {}, [("Ann: " + "x" * 70 + "… (continued in the file)", "1")]),
        (Message(text="word " * 30, attachments=(CAT,)), {"caption_limit": 70},
         [("Ann: word word word word word word word word… (continued in the file)", "tg:cat"), ("", "1")]),
        (Message(text="word " * 30, contact=Contact(name="Ben")), {},
         [("Ann: " + "word " * 11 + "word… (continued in the file)\n👤 Ben", "1")]),
        (Message(text="word " * 19), {}, [("Ann: " + "word " * 19, "")]),
        (Message(text="x" * 120), {"attachments": "none"},
         [("Ann: (1/2) " + "x" * 89, ""), ("Ann: (2/2) " + "x" * 31, "")]),
        (Message(text="x" * 80), {"text_limit": 60}, [("Ann: (1/2) " + "x" * 49, ""), ("Ann: (2/2) " + "x" * 31, "")]),
    ],
    ids=["words", "no words", "caption", "card", "fits", "no files", "no room"],
)  # fmt: skip
def test_a_long_text_may_end_in_a_file_with_all_of_it(
    message: Message, more: dict[str, Any], parts: list[tuple[str, str]]
) -> None:
    by_ann = message.model_copy(update={"sender": ANN})
    found = made(by_ann, whole=WHOLE, **more)
    # A file of the text's own follows it in a message without words.
    expected = [parts[0], *parts[1:]]
    if parts[0][1] == "1":
        expected = [(parts[0][0], ""), ("", "1")]
    assert found == expected


def test_formatting_ends_where_the_text_is_cut() -> None:
    message = Message(text="word " * 30, spans=(span(SpanKind.BOLD, 5, 145),))
    capabilities = Capabilities(text_limit=100, attachments="bytes", markup="entities")
    first, _ = shape(message, capabilities=capabilities, template=None, whole=WHOLE).parts
    (bold,) = first.spans
    assert first.text[bold.start : bold.start + bold.length].strip() == ("word " * 14).strip()


# --- cost ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", [None, DEFAULT_TEMPLATE])
def test_a_short_text_costs_microseconds(template: str | None) -> None:
    message, capabilities = Message(text="hello there, how are you?", sender=ANN), able(4096, "utf16")
    runs = timeit.repeat(lambda: shape(message, capabilities=capabilities, template=template), number=200, repeat=10)
    assert min(runs) / 200 < 60e-6


# --- buttons that open addresses

LINKS = (
    LinkButton(label="Tickets", url="https://example.org/t"),
    LinkButton(label="Map", url="https://example.org/m", beside=True),
)
LINK_LINES = "Tickets: https://example.org/t\nMap: https://example.org/m"


def test_where_there_are_no_buttons_they_are_lines_of_the_text() -> None:
    (part,) = shape(Message(text="Come!", links=LINKS), capabilities=able(), template=None).parts
    assert (part.text, part.links) == (f"Come!\n{LINK_LINES}", LINKS)
    (alone,) = shape(Message(links=LINKS), capabilities=able(), template=None).parts
    assert alone.text == LINK_LINES


def test_their_formatting_neighbours_stay_where_they_are() -> None:
    bold = (Span(kind=SpanKind.BOLD, start=0, length=4),)
    (part,) = shape(
        Message(text="Come!", spans=bold, links=LINKS), capabilities=able(markup="entities"), template=None
    ).parts
    assert part.spans == bold


@given(text=texts, limit=st.integers(60, 200), buttons=st.booleans())
def test_lines_of_buttons_are_counted_when_a_text_is_split(text: str, limit: int, buttons: bool) -> None:
    capabilities = replace(able(limit), link_buttons=buttons)
    parts = shape(Message(text=text, links=LINKS), capabilities=capabilities, template=None).parts
    assert all(measure(part.text, unit=capabilities.text_unit) <= limit for part in parts)
    assert [bool(part.links) for part in parts] == [False] * (len(parts) - 1) + [True]
    said = "".join(re.sub(r"\A\(\d+/\d+\) ", "", part.text) if len(parts) > 1 else part.text for part in parts)
    assert said == (text if buttons else f"{text}\n{LINK_LINES}" if text else LINK_LINES)


def test_each_part_of_a_silent_message_is_silent() -> None:
    message = Message(text="word " * 100, attachments=(Attachment(kind="file", ref="f"),), silent=True)
    parts = shape(message, capabilities=replace(able(100), caption_limit=50), template=None).parts
    assert len(parts) > 2 and all(part.silent for part in parts)
