"""Past messages as they stand in files: what is read, what is left out, and what is said about mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.history import LINE_MOST, QUOTABLE_MOST, Entry, History, HistoryError, LeftOut, Past, Wrong, open_history
from bridges.model import Span, SpanKind

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")
Json = dict[str, Any]
Write = Callable[..., Path]

GOOD: Json = {"id": "m1", "at": "2025-03-04T10:11:12Z", "sender": {"id": "u1", "name": "Ann"}, "text": "hello"}
SAID: Json = {
    "id": 7,
    "type": "message",
    "date": "2025-03-04T11:11:12",
    "date_unixtime": "1741083072",
    "from": "Ann",
    "from_id": "user1001",
    "text": "hello",
}


def opened(path: Path, *, chat: str | None = None) -> History:
    return open_history(path, chat=chat, zone=PARIS, now=NOW)


def entries(path: Path, *, chat: str | None = None) -> list[Entry]:
    return list(opened(path, chat=chat).read(lambda _: None))


@pytest.fixture
def lines(tmp_path: Path) -> Write:
    """Write JSON Lines; a text goes in as it is."""

    def write(*records: object) -> Path:
        path = tmp_path / "history.jsonl"
        path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
        return path

    return write


@pytest.fixture
def export(tmp_path: Path) -> Write:
    """Write the export of one chat."""

    def write(*messages: object, **head: object) -> Path:
        path = tmp_path / "result.json"
        about = {"name": "Ops", "type": "private_supergroup", "id": 1234567890, **head}
        path.write_text(json.dumps({**about, "messages": list(messages)}, indent=1))
        return path

    return write


@pytest.fixture
def full(tmp_path: Path) -> Write:
    """Write a full export: name, id and messages of each chat."""

    def write(
        *chats: tuple[str, int, Sequence[object]], left: Sequence[tuple[str, int, Sequence[object]]] = ()
    ) -> Path:
        def shown(chats: Sequence[tuple[str, int, Sequence[object]]]) -> list[Json]:
            return [{"name": n, "type": "personal_chat", "id": i, "messages": list(m)} for n, i, m in chats]

        path = tmp_path / "result.json"
        data = {
            "about": "Here is the data you requested.",
            "personal_information": {"user_id": 1, "messages": "not these"},
            "contacts": {"about": "", "list": [{"first_name": "Bo"}]},
            "chats": {"about": "", "list": shown(chats)},
            "left_chats": {"about": "", "list": shown(left)},
        }
        path.write_text(json.dumps(data, indent=1))
        return path

    return write


def past(entry: Entry) -> Past:
    assert isinstance(entry, Past), entry
    return entry


# --- JSON Lines


def test_a_line_is_a_message_with_its_time_in_utc(lines: Write) -> None:
    (found,) = map(past, entries(lines({**GOOD, "at": "2025-03-04T11:11:12+01:00"})))
    assert (found.id, found.at) == ("m1", datetime(2025, 3, 4, 10, 11, 12, tzinfo=UTC))
    assert found.message.sender is not None
    assert (found.message.sender.id, found.message.sender.name) == ("u1", "Ann")
    assert (found.message.text, found.words, found.zoned) == ("hello", "hello", True)


def test_numbers_are_ids_too_and_fields_of_others_and_empty_lines_are_left_aside(lines: Write) -> None:
    record = {**GOOD, "id": 17, "sender": {"id": 5, "name": "", "email": "x"}, "likes": 3}
    (found,) = map(past, entries(lines("", record, "   ")))
    assert found.message.sender is not None
    assert (found.id, found.message.sender.id, found.message.sender.name) == ("17", "5", "5")


def test_a_byte_order_mark_and_a_last_line_without_its_end_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n" + json.dumps(GOOD).encode())
    assert [past(entry).id for entry in entries(path)] == ["m1", "m1"]


def test_what_no_store_takes_is_cleaned_out_of_texts_and_names(lines: Write) -> None:
    record = json.dumps({**GOOD, "text": "a\x00b\ud800c", "sender": {"id": "u\x00", "name": "A\nn\x00n"}})
    (found,) = map(past, entries(lines(record)))
    assert (found.message.text[:2], found.message.text[3:]) == ("ab", "c")
    assert found.message.text.encode()
    assert found.message.sender is not None
    assert (found.message.sender.id, found.message.sender.name) == ("u", "A nn")


WRONG_LINES: dict[str, tuple[object, str]] = {
    "not JSON": ("{", "line 2: is not JSON"),
    "NaN": ('{"id": NaN}', "line 2: is not JSON"),
    "no object": ([1], "line 2: is no JSON object"),
    "no id": ({k: v for k, v in GOOD.items() if k != "id"}, "line 2: id: is missing"),
    "no text": ({k: v for k, v in GOOD.items() if k != "text"}, "line 2: text: is missing"),
    "no sender": ({k: v for k, v in GOOD.items() if k != "sender"}, "line 2: sender: is missing"),
    "no time": ({k: v for k, v in GOOD.items() if k != "at"}, "line 2: at: is missing"),
    "id is null": ({**GOOD, "id": None}, "line 2: id: is missing"),
    "id is empty": ({**GOOD, "id": " "}, "line 2: id: must have 1 to 200 characters, this has 0"),
    "id is long": ({**GOOD, "id": "x" * 201}, "line 2: id: must have 1 to 200 characters, this has 201"),
    "id is true": ({**GOOD, "id": True}, "line 2: id: must be a string, not true or false"),
    "text is a number": ({**GOOD, "text": 5}, "line 2: text: must be a string, not a number"),
    "text is null": ({**GOOD, "text": None}, "line 2: text: must be a string, not null"),
    "sender is a name": ({**GOOD, "sender": "Ann"}, "line 2: sender: must be an object with id and name"),
    "sender without a name": ({**GOOD, "sender": {"id": "u"}}, "line 2: sender: must be an object with id and name"),
    "a name that is none": ({**GOOD, "sender": {"id": "u", "name": []}}, "line 2: sender.name: must be a string"),
    "sender's id is an array": ({**GOOD, "sender": {"id": [], "name": "A"}}, "line 2: sender.id: must be a string"),
    "time without a zone": (
        {**GOOD, "at": "2025-03-04T10:11:12"},
        'line 2: at: "2025-03-04T10:11:12" has no time zone',
    ),
    "a day": ({**GOOD, "at": "2025-03-04"}, 'line 2: at: "2025-03-04" has no time zone'),
    "no such day": ({**GOOD, "at": "2025-02-30T10:11:12Z"}, 'line 2: at: "2025-02-30T10:11:12Z" is no time'),
    "time as a number": ({**GOOD, "at": 1741083072}, "line 2: at: must be a string such as 2025-03-04T10:11:12Z"),
    "before 1970": ({**GOOD, "at": "1969-12-31T23:59:59Z"}, "is before 1970"),
    "out of range": ({**GOOD, "at": "0001-01-01T00:00:00+14:00"}, "is out of range"),
    "the future": ({**GOOD, "at": "2027-01-01T00:00:00Z"}, "lies in the future"),
}


@pytest.mark.parametrize(("line", "words"), WRONG_LINES.values(), ids=WRONG_LINES)
def test_a_mistake_in_a_line_is_told_with_its_number(lines: Write, line: object, words: str) -> None:
    good, wrong, after = entries(lines(GOOD, line, {**GOOD, "id": "m3"}))
    assert isinstance(wrong, Wrong)
    assert words in wrong.words
    assert "\n" not in wrong.words
    assert (past(good).id, past(after).id) == ("m1", "m3")


def test_no_mistake_is_told_with_the_text_of_a_message(lines: Write) -> None:
    secret = {"text": "the-secret-words"}
    found = entries(
        lines({**GOOD, **secret, "at": "x"}, {**GOOD, **secret, "id": []}, json.dumps({**GOOD, **secret})[:-1])
    )
    told = [entry.words for entry in found if isinstance(entry, Wrong)]
    assert len(told) == 3
    assert not any("the-secret" in words for words in told)


def test_a_line_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    with path.open("w") as file:
        file.write(json.dumps(GOOD) + "\n" + "x" * (LINE_MOST + 10))
    assert entries(path)[1:] == [Wrong(f"line 2: is longer than {LINE_MOST} bytes")]


def test_bytes_that_are_not_utf_8_are_a_mistake_of_their_line(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b'\n{"id": "\xff"}\n')
    assert entries(path)[1:] == [Wrong("line 2: is not in UTF-8; save the file as that")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("content", [GOOD, {"id": 1, "messages": []}], ids=["JSON Lines", "export"])
def test_a_file_with_wide_characters_is_told_by_its_encoding(tmp_path: Path, encoding: str, content: Json) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(json.dumps(content).encode(encoding))
    with pytest.raises(HistoryError, match=r"h\.jsonl: is written in UTF-16 or UTF-32; save it as UTF-8$"):
        opened(path)


def test_bytes_of_another_kind_are_not_taken_for_wide_characters(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(bytes(range(256)))
    assert Wrong("line 1: is not JSON") in entries(path)


def test_what_was_read_is_told_in_bytes(lines: Write) -> None:
    path = lines(*({**GOOD, "id": f"m{n}"} for n in range(1200)))
    heard: list[int] = []
    list(opened(path).read(heard.append))
    assert sum(heard) == path.stat().st_size
    assert len(heard) == 3


# --- the export of one chat


def test_a_message_of_an_export_has_the_ids_by_which_bots_know_chat_and_people(export: Write) -> None:
    path = export(SAID)
    (found,) = map(past, entries(path))
    chat = opened(path).chat
    assert chat is not None and chat.telegram_id == -1001234567890
    assert (found.id, found.at) == ("1234567890/7", datetime(2025, 3, 4, 10, 11, 12, tzinfo=UTC))
    assert found.message.sender is not None
    assert (found.message.sender.id, found.message.sender.name) == ("1001", "Ann")
    assert found.zoned


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        ("personal_chat", 1234567890),
        ("bot_chat", 1234567890),
        ("private_group", -1234567890),
        ("public_supergroup", -1001234567890),
        ("private_channel", -1001234567890),
    ],
)
def test_each_type_of_chat_has_its_own_form_of_id(export: Write, type: str, expected: int) -> None:
    chat = opened(export(SAID, type=type)).chat
    assert chat is not None and chat.telegram_id == expected


def test_a_time_without_a_zone_is_taken_in_the_one_given(export: Write) -> None:
    (found,) = map(past, entries(export({k: v for k, v in SAID.items() if k != "date_unixtime"})))
    assert (found.at, found.zoned) == (datetime(2025, 3, 4, 10, 11, 12, tzinfo=UTC), False)


def test_a_text_in_pieces_is_one_text_with_spans(export: Write) -> None:
    pieces = [
        "see ",
        {"type": "bold", "text": "this 😀"},
        " and ",
        {"type": "text_link", "text": "that", "href": "https://example.org/"},
        {"type": "mention", "text": "@bo"},
        {"type": "pre", "text": "x = 1", "language": "python"},
        {"type": "italic", "text": ""},
    ]
    (found,) = map(past, entries(export({**SAID, "text": pieces})))
    assert found.message.text == "see this 😀 and that@box = 1"
    assert found.message.spans == (
        Span(kind=SpanKind.BOLD, start=4, length=6),
        Span(kind=SpanKind.LINK, start=15, length=4, value="https://example.org/"),
        Span(kind=SpanKind.PRE, start=22, length=5, value="python"),
    )


MEDIA: dict[str, tuple[Json, str]] = {
    "photo": ({"photo": "photos/p.jpg", "photo_file_size": 120000}, "[image: 120 kB]"),
    "photo left behind": ({"photo": "(File not included. Change data exporting settings to download.)"}, "[image]"),
    "file": ({"file": "files/plan.pdf", "mime_type": "application/pdf"}, "[file: plan.pdf]"),
    "file with a name": (
        {"file": "(File not included.)", "file_name": "plan.pdf", "file_size": 5},
        "[file: plan.pdf, 5 B]",
    ),
    "sticker": ({"file": "stickers/a.webp", "media_type": "sticker", "sticker_emoji": "😀"}, "[sticker: 😀]"),
    "voice": ({"file": "(File not included.)", "media_type": "voice_message", "duration_seconds": 3}, "[voice]"),
    "round video": ({"file": "v.mp4", "media_type": "video_message"}, "[video: v.mp4]"),
    "music": ({"media_type": "audio_file", "file": "a/song.mp3"}, "[audio: song.mp3]"),
    "place": ({"location_information": {"latitude": 51.5, "longitude": -0.12}}, "[location: 51.50000, -0.12000]"),
    "contact": (
        {"contact_information": {"first_name": "Bo", "last_name": "", "phone_number": "+1"}},
        "[contact: Bo +1]",
    ),
    "file left behind": ({"file": "plan.pdf (File exceeds maximum size. Change …)"}, "[file: plan.pdf]"),
    "place without a point": ({"location_information": None}, "[location]"),
    "place with a name": ({"place_name": "Pier 4", "address": "Quay 1"}, "[location: Pier 4, Quay 1]"),
    "game": ({"game_title": "Chess"}, "[game: Chess]"),
    "invoice": ({"invoice_information": {"title": "Tea"}}, "[invoice: Tea]"),
    "invoice as a string": ({"invoice_information": "{}"}, "[invoice]"),
    "poll": ({"poll": {"question": "Tea?", "answers": []}}, "[poll: Tea?]"),
}


@pytest.mark.parametrize(("fields", "note"), MEDIA.values(), ids=MEDIA)
def test_what_is_no_text_is_told_in_a_note_below_the_text(export: Write, fields: Json, note: str) -> None:
    with_text, alone = map(past, entries(export({**SAID, **fields}, {**SAID, "id": 8, "text": "", **fields})))
    assert (with_text.message.text, alone.message.text) == (f"hello\n{note}", note)


def test_service_messages_and_empty_ones_are_left_out_and_named(export: Write) -> None:
    service = {"id": 1, "type": "service", "date": "x", "action": "create_group", "text": ""}
    unsupported = {"id": 2, "type": "unsupported"}
    found = entries(export(service, {**SAID, "text": ""}, unsupported, SAID))
    assert found[:3] == [
        LeftOut("service messages"),
        LeftOut("messages without text or a known kind of content"),
        LeftOut("messages of a kind that Telegram Desktop did not export"),
    ]
    assert past(found[3]).id == "1234567890/7"


@pytest.mark.parametrize("length", [0, 1, 2, 3, 65530, 65531, 65532, 65533, 65534, 65535, 65536, 131071])
def test_control_characters_as_telegram_desktop_writes_them_are_read(export: Write, length: int) -> None:
    path = export({**SAID, "text": f"{'x' * length}a-CONTROL-b-LITERAL-c"})
    written = path.read_text().replace("-CONTROL-", "\\x0B").replace("-LITERAL-", "\\\\x0B\\\\\\\\x0b\\\\")
    path.write_text(written)
    (found,) = map(past, entries(path))
    assert found.words == f"{'x' * length}a\x0bb\\x0B\\\\x0b\\c"


@pytest.mark.parametrize("tail", ["\\", "\\x", "\\x0", "\\\\"])
def test_an_export_that_ends_in_the_middle_of_an_escape_is_told(export: Write, tail: str) -> None:
    path = export({**SAID, "text": "cut-here"})
    path.write_text(path.read_text().partition("cut-here")[0] + tail)
    with pytest.raises(HistoryError, match="is not valid JSON"):
        entries(path)


def test_a_forwarded_message_says_from_whom_and_keeps_its_spans(export: Write) -> None:
    message = {**SAID, "forwarded_from": "Bo", "text": [{"type": "bold", "text": "hi"}]}
    (found,) = map(past, entries(export(message)))
    assert found.message.text == "[forwarded from Bo]\nhi"
    assert found.message.spans == (Span(kind=SpanKind.BOLD, start=20, length=2),)


def test_an_answer_quotes_what_it_answers_and_is_known_by_its_own_words(export: Write) -> None:
    answer = {**SAID, "id": 8, "reply_to_message_id": 7, "from": "Bo", "from_id": "user2", "text": "fine"}
    elsewhere = {**answer, "id": 9, "reply_to_peer_id": "channel5"}
    unknown = {**answer, "id": 10, "reply_to_message_id": 99}
    _, quoted, *others = map(past, entries(export(SAID, answer, elsewhere, unknown)))
    assert (quoted.message.text, quoted.words) == ("> Ann: hello\nfine", "fine")
    assert [other.message.text for other in others] == ["fine", "fine"]


def test_only_so_many_messages_are_kept_in_mind_for_answers(export: Write) -> None:
    many = [{**SAID, "id": n} for n in range(1, QUOTABLE_MOST + 2)]
    late = [{**SAID, "id": 10**6 + n, "reply_to_message_id": n, "text": "late"} for n in (1, QUOTABLE_MOST)]
    *_, forgotten, known = map(past, entries(export(*many, *late)))
    assert forgotten.message.text == "late"
    assert known.message.text == "> Ann: hello\nlate"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"from": None}, ("1001", "Deleted account")),
        ({"from_id": "channel99", "from": "News"}, ("-1000000000099", "News")),
        ({"from_id": "chat55", "from": "Ops"}, ("-55", "Ops")),
        ({"from_id": "userx"}, ("userx", "Ann")),
        ({"from_id": 4295067296}, ("4295067296", "Ann")),
        ({"from_id": None, "from": None}, ("1234567890", "Ops")),
    ],
)
def test_who_wrote_is_known_even_if_the_account_is_gone(export: Write, fields: Json, expected: tuple[str, str]) -> None:
    (found,) = map(past, entries(export({**SAID, **fields})))
    assert found.message.sender is not None
    assert (found.message.sender.id, found.message.sender.name) == expected


WRONG_MESSAGES: dict[str, tuple[object, str]] = {
    "no object": ("hello", "is no object but a string"),
    "no id": ({k: v for k, v in SAID.items() if k != "id"}, "id: is missing"),
    "no time": ({**SAID, "date_unixtime": None, "date": None}, "date: is missing or no time"),
    "time that is none": ({**SAID, "date_unixtime": "soon"}, 'date_unixtime: "soon" is no time'),
    "time that is too big": ({**SAID, "date_unixtime": "9" * 30}, "is no time"),
    "future": ({**SAID, "date_unixtime": "4000000000"}, "lies in the future"),
    "text that is a number": ({**SAID, "text": 5}, "text: must be a string or an array, not a number"),
    "piece that is null": ({**SAID, "text": [{"type": "bold", "text": None}]}, "text: a piece of it must be a string"),
}


@pytest.mark.parametrize(("message", "words"), WRONG_MESSAGES.values(), ids=WRONG_MESSAGES)
def test_a_mistake_in_an_export_is_told_with_the_messages_number(export: Write, message: object, words: str) -> None:
    found = entries(export(SAID, message))[1]
    assert isinstance(found, Wrong)
    assert found.words.startswith("message number 2 of the chat: ")
    assert words in found.words


def test_an_export_that_was_cut_off_is_told_without_its_texts(export: Write) -> None:
    path = export(SAID, {**SAID, "text": "the-secret-words"})
    path.write_text(path.read_text()[:-30])
    with pytest.raises(HistoryError, match=r"result\.json: is not valid JSON; was it written or copied to its end\?$"):
        entries(path)


# --- which chat


def test_of_an_export_with_one_chat_that_is_taken(full: Write) -> None:
    assert [past(entry).id for entry in entries(full(("Ann", 5, [SAID])))] == ["5/7"]


HEAD: Json = {"name": "Ops", "type": "private_supergroup", "id": 1234567890}


@pytest.mark.parametrize("before", [[], ["id"], ["name", "type"]], ids=["nothing", "id", "name and type"])
def test_the_head_of_an_export_may_stand_behind_its_messages(tmp_path: Path, before: list[str]) -> None:
    path = tmp_path / "result.json"
    head = {key: HEAD[key] for key in before}
    path.write_text(json.dumps({**head, "messages": [{**SAID, "name": "x", "chats": {"list": [{}]}}], **HEAD}))
    chat = opened(path).chat
    assert chat is not None
    assert (chat.telegram_id, str(chat)) == (-1001234567890, "Ops (id 1234567890)")
    assert [past(entry).id for entry in entries(path)] == ["1234567890/7"]


@pytest.mark.parametrize("id", [{}, {"id": None}, {"id": " "}], ids=["none", "null", "blank"])
def test_a_chat_without_an_id_is_told(tmp_path: Path, id: Json) -> None:
    path = tmp_path / "result.json"
    head = {"name": "Ops", "type": "private_group", **id}
    for content in ({**head, "messages": [SAID]}, {"chats": {"list": [{**head, "messages": [SAID]}]}}):
        path.write_text(json.dumps(content))
        with pytest.raises(HistoryError, match='does not say the id of the chat "Ops"; export it anew'):
            opened(path)


def test_of_an_export_with_one_chat_only_the_head_is_read_to_know_it(export: Write) -> None:
    path = export(SAID, name=None)
    path.write_text(path.read_text().partition('"hello"')[0])
    chat = opened(path).chat
    assert chat is not None and chat.id == "1234567890"


def test_of_several_chats_one_has_to_be_chosen(full: Write) -> None:
    path = full(("Ann", 5, [SAID]), ("Bo", 6, []), left=[("Cara", 7, [SAID, SAID])])
    with pytest.raises(HistoryError) as told:
        opened(path)
    assert str(told.value) == (
        f"{path}: holds 3 chats; choose one by --chat with its id or name:\n"
        "  5  Ann  (1 entries)\n  6  Bo  (0 entries)\n  7  Cara  (2 entries)"
    )


@pytest.mark.parametrize(("chat", "texts"), [("6", ["b1", "b2"]), ("cara", ["c"]), ("Dan", ["d"]), ("5", ["a", "a2"])])
def test_only_the_chosen_chat_is_read(full: Write, chat: str, texts: list[str]) -> None:
    def said(*texts: str) -> list[object]:
        return [{**SAID, "id": n, "text": text} for n, text in enumerate(texts, start=1)]

    path = full(
        ("Ann", 5, said("a", "a2")), ("Bo", 6, said("b1", "b2")), ("Cara", 7, said("c")), left=[("Dan", 8, said("d"))]
    )
    assert [past(entry).message.text for entry in entries(path, chat=chat)] == texts


def test_what_is_no_message_in_one_chat_does_not_shift_the_next_one(full: Write) -> None:
    path = full(("Ann", 5, ["x", None, [1], 5, True, {"a": {"messages": [1]}}]), ("Bo", 6, [SAID]))
    assert [past(entry).id for entry in entries(path, chat="Bo")] == ["6/7"]


def test_a_chat_that_is_not_there_or_not_alone_is_told(full: Write) -> None:
    path = full(("Ann", 5, []), ("ann", 6, []))
    with pytest.raises(HistoryError, match=r'--chat: .* holds no chat "Bo"; there are:\n  5  Ann'):
        opened(path, chat="Bo")
    with pytest.raises(HistoryError, match=r'--chat: 2 chats are called "ANN"; take the id:\n'):
        opened(path, chat="ANN")


def test_the_chat_of_a_single_export_may_be_named_in_every_way(export: Write) -> None:
    path = export(SAID)
    for chat in ("1234567890", "-1001234567890", "ops"):
        assert len(entries(path, chat=chat)) == 1
    with pytest.raises(HistoryError, match="holds no chat"):
        opened(path, chat="other")


# --- which file


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (json.dumps(GOOD) + "\n", "JSON Lines"),
        (json.dumps({"name": "x", "extra": {"messages": []}, **GOOD}) + "\n", "JSON Lines"),
        ("", "JSON Lines"),
        ("nonsense\n", "JSON Lines"),
        ("[1]\n", "JSON Lines"),
        (json.dumps({"name": "x", "type": "personal_chat", "id": 1, "messages": []}), "Telegram Desktop"),
        ("\ufeff" + json.dumps({"name": "x", "id": 1, "messages": []}, indent=1), "Telegram Desktop"),
    ],
)
def test_a_file_is_known_by_what_stands_in_it(tmp_path: Path, content: str, kind: str) -> None:
    path = tmp_path / "any.name"
    path.write_text(content)
    assert opened(path).kind == kind


def test_an_object_that_is_no_export_is_told_how_to_make_one(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps({"a": 1}, indent=1))
    with pytest.raises(HistoryError, match="holds neither messages nor chats; export a chat in Telegram Desktop"):
        opened(path)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="is not a file"):
        opened(tmp_path)
    with pytest.raises(HistoryError, match="there is no such file"):
        opened(tmp_path / "missing")


def test_json_lines_have_no_chats_to_choose_from(lines: Write) -> None:
    with pytest.raises(HistoryError, match="leave --chat out"):
        opened(lines(GOOD), chat="5")
