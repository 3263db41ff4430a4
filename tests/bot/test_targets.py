"""Targets as people write them, and the sets of them that have a name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.addresses import parse_address
from bot.relay import Policy, Relay
from bot.store import Tx
from bot.store.sqlite import SqliteStore
from bot.targets import TargetError, Targets, parse_targets
from bridges.errors import Refused
from bridges.model import ConversationId
from tests.bot.fakes import FakeBridge, fake_account, opened

HERE = parse_address("telegram:-5/17")


class Choosy(FakeBridge):
    """Has no conversation whose name begins with ``no``."""

    def check(self, conversation: ConversationId) -> None:
        if conversation.startswith("no"):
            raise Refused("Fake has no such conversation; valid is room-1")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    def known(tx: Tx) -> None:
        tx.names.set("ops", "telegram:-7")
        tx.names.set("straße", "club:street")
        tx.audiences.add("team", ["club:a", "club:b", "telegram:-7"], person="1", now=1.0)
        tx.audiences.add("empty", [], person="1", now=1.0)
        tx.audiences.add("old", ["gone:x"], person="1", now=1.0)

    async with opened(tmp_path) as made:
        await made.write(known)
        yield made


@pytest.fixture
def relay() -> Relay:
    accounts = {name: fake_account(Choosy(), name) for name in ("club", "pbx", "telegram")}
    return Relay(accounts=accounts, policy=Policy(86400.0, "hold", "resend"))


async def read(store: SqliteStore, relay: Relay, text: str) -> Targets:
    return await store.read(lambda tx: parse_targets(tx, relay, text, here=HERE))


UNDERSTOOD = {
    "club:a": (["club:a"], "club:a"),
    " club:a ,club:b, ": (["club:a", "club:b"], "club:a, club:b"),
    "club:b\nclub:a\r\n,,club:b": (["club:b", "club:a"], "club:b, club:a"),
    "here": (["telegram:-5/17"], "telegram:-5/17"),
    "HERE, Ops": (["telegram:-5/17", "telegram:-7"], "telegram:-5/17, ops"),
    "ops, telegram:-7": (["telegram:-7"], "ops, telegram:-7"),
    "Straße": (["club:street"], "straße"),
    "@Team": (["club:a", "club:b", "telegram:-7"], "@team"),
    "club:b, @team, @team": (["club:b", "club:a", "telegram:-7"], "club:b, @team"),
    "“club:a, club:b”": (["club:a", "club:b"], "club:a, club:b"),
    '"club:a", "ops"': (["club:a", "telegram:-7"], "club:a, ops"),
    "pbx:chat/4101,4102, club:a": (["pbx:chat/4101,4102", "club:a"], "pbx:chat/4101,4102, club:a"),
    "pbx:sms/1555,+1556,1557": (["pbx:sms/1555,+1556,1557"], "pbx:sms/1555,+1556,1557"),
    "TELEGRAM:-5/17": (["telegram:-5/17"], "telegram:-5/17"),
}


@pytest.mark.parametrize("text", UNDERSTOOD)
async def test_targets_are_read_and_written_again(store: SqliteStore, relay: Relay, text: str) -> None:
    addresses, normal = UNDERSTOOD[text]
    targets = await read(store, relay, text)
    assert ([str(address) for address in targets.addresses], targets.text) == (addresses, normal)
    again = await store.read(lambda tx: parse_targets(tx, relay, targets.text, here=None))
    assert again == targets


async def test_the_audiences_that_are_named_are_told(store: SqliteStore, relay: Relay) -> None:
    assert (await read(store, relay, "club:x, @TEAM")).audiences == ("team",)


NONE = "no target is named: write addresses, names or @audience with commas between; this chat is written “here”"
WRONG = {
    "": NONE,
    " ,\n, ": NONE,
    "club:a, opps": "“opps” is no address and no name; did you mean ops? This chat is written “here”",
    "qqqqqqq": "“qqqqqqq” is no address and no name. This chat is written “here”",
    "team": "“team” is an audience, which is written @team",
    "@teem": "there is no audience “@teem”; did you mean @team? This chat is written “here”",
    "@qqqqqqq": "there is no audience “@qqqqqqq”; there is @empty, @old, @team. This chat is written “here”",
    "@": "there is no audience “@”; there is @empty, @old, @team. This chat is written “here”",
    "@empty": "@empty is empty; fill it with /audience add empty here",
    "@old": "@old holds gone:x, and there is no account 'gone'; configured: club, pbx, telegram;"
    " to take it out: /audience remove old gone:x",
    "club:a club:b": "“club:a club:b” holds blanks: targets go with commas between; this chat is written “here”",
    "nope:a": "“nope:a”: there is no account 'nope'; configured: club, pbx, telegram",
    "club:no-1": "“club:no-1”: Fake has no such conversation; valid is room-1",
    "club:*": "club:* is a pattern for many conversations, one is needed here, as in support:room-42",
    "club:room-1,42": "“42” is no address and no name. This chat is written “here”",
    "pbx:chat/4101, 4102": "“4102” is no address and no name. This chat is written “here”",
    "telegram:x": "telegram:x is no Telegram chat: a chat id is a number, with /topic for a forum topic, as in"
    " telegram:-1001234567890/17 (/here tells it)",
}


@pytest.mark.parametrize("text", WRONG)
async def test_the_target_that_is_wrong_is_named(store: SqliteStore, relay: Relay, text: str) -> None:
    with pytest.raises(TargetError) as caught:
        await read(store, relay, text)
    assert str(caught.value) == WRONG[text]


@pytest.mark.parametrize("text", ["", "@all", "qqqqqqq", "club:a club:b"])
async def test_where_there_is_no_chat_the_example_is_an_address_and_never_the_slip(
    store: SqliteStore, relay: Relay, text: str
) -> None:
    with pytest.raises(TargetError, match=r"as in (telegram:-[0-9]+) \(/here in the chat tells it\)$") as caught:
        await store.read(lambda tx: parse_targets(tx, relay, text, here=None))
    example = str(caught.value).rpartition("as in ")[2].split()[0]
    found = await store.read(lambda tx: parse_targets(tx, relay, example, here=None))
    assert found.text == example


async def test_here_needs_a_chat(store: SqliteStore, relay: Relay) -> None:
    with pytest.raises(TargetError, match="here means the chat"):
        await store.read(lambda tx: parse_targets(tx, relay, "here", here=None))


async def test_more_than_can_be_meant_are_refused_in_words(store: SqliteStore, relay: Relay) -> None:
    def fill(tx: Tx) -> None:
        tx.audiences.add("all", [f"club:{number}" for number in range(5_000)], person="1", now=1.0)

    await store.write(fill)
    assert len((await read(store, relay, "@all, club:7")).addresses) == 5_000
    with pytest.raises(TargetError, match="more than 5000 targets"):
        await read(store, relay, "@all, club:x")


async def test_what_does_not_print_is_not_repeated(store: SqliteStore, relay: Relay) -> None:
    with pytest.raises(TargetError) as caught:
        await read(store, relay, f"a\x07b{'x' * 100_000}")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


async def test_an_audience_follows_a_group_that_was_upgraded(store: SqliteStore, relay: Relay) -> None:
    def upgrade(tx: Tx) -> list[str]:
        tx.audiences.add("team", ["telegram:-7/3"], person="1", now=1.0)
        relay.places.moved(tx, parse_address("telegram:-7"), parse_address("telegram:-1007"), now=2.0)
        return tx.audiences.members("team")

    assert await store.write(upgrade) == ["club:a", "club:b", "telegram:-1007", "telegram:-1007/3"]
