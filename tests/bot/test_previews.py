"""What a message will be at its targets, told before it is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from bot.addresses import parse_address
from bot.previews import PAGE_MOST, Preview, duration_words, preview
from bot.relay import Policy, Relay
from bot.store import Tx
from bot.store.sqlite import SqliteStore
from bot.telegram.outbound import CAPABILITIES
from bot.text import utf16_length
from bridges.model import AccountName, Attachment, LinkButton, Location, Message, Poll, Span, SpanKind
from tests.bot.fakes import FakeBridge, fake_account, opened

NOW = 1_800_000_000.0


class Lender:
    """Its links are other ones each time."""

    count = 0

    def links(self, tx: Tx, attachments: Sequence[Attachment], *, now: float) -> Mapping[str, str]:
        self.count += 1
        return {each.ref: f"https://bridge.example/files/{self.count:032}" for each in attachments}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(tmp_path) as made:
        yield made


@pytest.fixture
def relay() -> Relay:
    telegram = FakeBridge()
    telegram.capabilities = CAPABILITIES
    accounts = {
        "telegram": fake_account(telegram, "telegram"),
        "pbx": fake_account(FakeBridge(text_limit=600, attachments="bytes"), "pbx"),
        "support": fake_account(FakeBridge(text_limit=100, requests_per_minute=60), "support"),
        "club": fake_account(FakeBridge(), "club"),
    }
    return Relay(accounts=accounts, policy=Policy(86400.0, "hold", "resend"), lender=Lender())


async def look(store: SqliteStore, relay: Relay, message: Message | str, *targets: str) -> Preview:
    addresses = [parse_address(target) for target in targets]
    said = Message(text=message) if isinstance(message, str) else message
    return await store.write(lambda tx: preview(tx, relay, addresses, said, now=NOW))


def lines(made: Preview, text: str) -> list[str]:
    """What stands below the words."""
    return made.text.split(f"\n\n{text}\n\n", 1)[1].splitlines()


CATS = Attachment(kind="image", ref="r1", name="cat.png", size=120_000, account=AccountName("telegram"))
BOLD = Message(text="hello you", spans=(Span(kind=SpanKind.BOLD, start=0, length=5),))
LINK = Message(text="see here", spans=(Span(kind=SpanKind.LINK, start=4, length=4, value="https://a.example"),))
LONG = "word " * 39 + "end"


async def test_the_exact_words_and_the_number_of_targets_are_told(store: SqliteStore, relay: Relay) -> None:
    text = "Hello,\n  all “of you” 👋 | not a bar\n\nBye"
    made = await look(store, relay, text, *(f"telegram:-{number}" for number in range(1, 13)))
    assert made.text.startswith(f"To be sent to 12 targets:\n\n{text}\n\n")
    assert (made.count, made.parts, made.segments, made.pages) == (12, 12, 0, (made.text,))


async def test_one_target_is_one_target(store: SqliteStore, relay: Relay) -> None:
    assert (await look(store, relay, "hi", "club:a")).text == "To be sent to 1 target:\n\nhi\n\n1 × club: as it is."


RENDERINGS: dict[str, tuple[Message | str, tuple[str, ...], list[str]]] = {
    "the same everywhere": ("hi", ("telegram:-1", "club:a", "club:b"), ["1 × telegram, 2 × club: as it is."]),
    "SMS": (
        "a" * 200,
        ("pbx:sms/1", "pbx:sms/2", "pbx:sms/3"),
        ["3 × pbx SMS: 2 segments each (GSM-7), 6 in all."],
    ),
    "SMS to several phones": ("hi", ("pbx:sms/1,2",), ["1 × pbx SMS: 1 segment each (GSM-7), 2 in all."]),
    "SMS in another alphabet": ("привет", ("pbx:sms/1",), ["1 × pbx SMS: 1 segment each (UCS-2)."]),
    "SMS and not": ("hi", ("pbx:sms/1", "pbx:chat/41"), ["1 × pbx SMS: 1 segment each (GSM-7).", "1 × pbx: as it is."]),
    "formatting": (
        BOLD,
        ("telegram:-1", "club:a"),
        ["1 × telegram: as it is.", "1 × club: formatting is lost."],
    ),
    "links": (
        LINK,
        ("club:a",),
        ["1 × club: links follow in brackets; it is “see here (https://a.example)”."],
    ),
    "a file as MMS": (Message(text="hi", attachments=(CATS,)), ("pbx:sms/1",), ["1 × pbx SMS: 1 MMS each."]),
    "a place and a poll": (
        Message(text="hi", location=Location(latitude=1, longitude=2), poll=Poll(question="Who?", options=("me",))),
        ("telegram:-1", "club:a"),
        [
            "1 × telegram: in 2 parts; the poll is said in words; it is “hi",
            "📊 Who?",
            "1. me”.",
            "1 × club: the place is said in words; the poll is said in words; it is “hi",
            "📍 1.00000, 2.00000 https://www.openstreetmap.org/?mlat=1.00000&mlon=2.00000",
            "📊 Who?",
            "1. me”.",
        ],
    ),
    "a file as a link": (
        Message(text="hi", attachments=(CATS,)),
        ("club:a",),
        [
            "1 × club: [image: cat.png, 120 kB] stands there as a link, for files cannot be sent there; it is “hi",
            "[image: cat.png, 120 kB] (link)”.",
        ],
    ),
}


@pytest.mark.parametrize("name", RENDERINGS)
async def test_each_kind_of_rendering_has_a_line(store: SqliteStore, relay: Relay, name: str) -> None:
    message, targets, expected = RENDERINGS[name]
    made = await look(store, relay, message, *targets)
    text = message if isinstance(message, str) else message.text
    about = [line for line in lines(made, text) if not line.startswith(("With ", "This takes"))]
    assert about == expected


async def test_what_does_not_fit_into_one_message_is_shown_in_parts(store: SqliteStore, relay: Relay) -> None:
    made = await look(store, relay, LONG, "support:a", "support:b")
    (line, takes) = lines(made, LONG)
    assert line.startswith("2 × support: in 3 parts; it is “(1/3) word word")
    assert (made.parts, takes) == (6, "This takes about 6 seconds.")


async def test_the_slowest_account_tells_how_long_it_takes(store: SqliteStore, relay: Relay) -> None:
    club, support, telegram = ([f"{name}:{-n}" for n in range(1, 101)] for name in ("club", "support", "telegram"))
    assert (await look(store, relay, "hi", *club)).seconds == 5
    assert (await look(store, relay, "hi", *club, *support)).seconds == 100
    assert (await look(store, relay, "hi", *club, *telegram)).seconds == 8


async def test_looking_twice_shows_the_same(store: SqliteStore, relay: Relay) -> None:
    message = Message(text="hi", attachments=(CATS,))
    assert await look(store, relay, message, "club:a") == await look(store, relay, message, "club:a")


async def test_a_preview_that_is_too_long_has_pages(store: SqliteStore, relay: Relay) -> None:
    text = "👋 long words " * 1000
    made = await look(store, relay, text, "telegram:-1", "support:a")
    assert "".join(made.pages) == made.text
    assert text in made.text
    assert max(map(utf16_length, made.pages)) <= PAGE_MOST
    assert len(made.pages) > 3


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 second"),
        (1.6, "2 seconds"),
        (89, "89 seconds"),
        (95, "2 minutes"),
        (3600, "60 minutes"),
        (7200, "2 hours"),
    ],
)
def test_durations_are_told_roughly(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


async def test_buttons_and_silence_are_told_before(store: SqliteStore, relay: Relay) -> None:
    links = (LinkButton(label="Tickets", url="https://example.org/t"),)
    made = await look(store, relay, Message(text="Come!", links=links, silent=True), "telegram:5", "club:a")
    assert lines(made, "Come!")[:5] == [
        "Its buttons:",
        "[Tickets] https://example.org/t",
        "It makes no sound where that is possible.",
        "1 × telegram: as it is.",
        "1 × club: it is “Come!",
    ]
