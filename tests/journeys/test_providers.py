"""NetSapiens, OpenIM and Returning.AI from end to end: each in both directions, and one with another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from bridges.netsapiens.sandbox import NetSapiensSandbox
from bridges.openim.sandbox import GROUP_ID, Group, OpenIMSandbox
from bridges.returning_ai.sandbox import CHANNELS, ReturningAiSandbox
from bridges.sandboxes import Sandbox
from tests.journeys.world import ANN, BO, SECRETS, SENT, Chat, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

PHONE, OTHER_PHONE, NUMBER = "15550100123", "15550100124", "15550100999"
GENERAL, IDEAS = CHANNELS
TOPIC = IDEAS.topics[0]


class WithPassword(NetSapiensSandbox):
    """Its account logs in with a password."""

    def settings(self, base_url: str, *, hook_secret: str) -> dict[str, object]:
        """See :class:`bridges.sandboxes.Sandbox`."""
        settings = super().settings(base_url, hook_secret=hook_secret)
        del settings["api_key"]
        (username, password), *_ = self.logins.passwords.items()
        client = {"client_id": self.logins.client_id, "client_secret": self.logins.client_secret}
        return {**settings, "auth": "password", **client, "username": username, "password": password}


def sides() -> dict[str, Sandbox]:
    """The accounts beside those that every world has."""
    return {
        "pbx": NetSapiensSandbox(api_key=SECRETS["netsapiens"]),
        "login": WithPassword(version="v44"),
        "im": OpenIMSandbox(secret=SECRETS["openim"]),
        "puppets": OpenIMSandbox(secret=SECRETS["openim"]),
        "rai": ReturningAiSandbox(token=SECRETS["returning_ai"], echoes=True),
        "polled": ReturningAiSandbox(token=SECRETS["returning_ai"], echoes=True),
    }


CHANGES: dict[str, dict[str, object]] = {
    "accounts.puppets": {"send_as": "puppet"},
    "accounts.polled": {"poll_seconds": 0.1},
}


def pbx(world: World, name: str = "pbx") -> NetSapiensSandbox:
    side = world.sides[name]
    assert isinstance(side, NetSapiensSandbox)
    side.subscribe(world.hook_url(name))
    return side


def im(world: World, name: str = "im") -> OpenIMSandbox:
    side = world.sides[name]
    assert isinstance(side, OpenIMSandbox)
    return side


def rai(world: World, name: str = "rai") -> ReturningAiSandbox:
    side = world.sides[name]
    assert isinstance(side, ReturningAiSandbox)
    return side


@dataclass(frozen=True)
class Place:
    """A conversation of a provider, and somebody who writes there."""

    address: str
    says: Callable[[World, str], Awaitable[object]]
    threads: bool = False


PLACES = {
    "sms": Place(f"pbx:sms/{PHONE}", lambda world, text: pbx(world).text(PHONE, NUMBER, text)),
    "extension": Place("pbx:chat/4101", lambda world, text: pbx(world).chat("4101", "4100", text)),
    "sms v44": Place(f"login:sms/{PHONE}", lambda world, text: pbx(world, "login").text(PHONE, NUMBER, text)),
    "group": Place(f"im:group/{GROUP_ID}", lambda world, text: im(world).say("alice", f"group/{GROUP_ID}", text)),
    "member": Place("im:user/bob", lambda world, text: im(world).say("bob", "user/imAdmin", text)),
    "channel": Place(f"rai:{GENERAL.id}", lambda world, text: rai(world).say("Cleo", GENERAL.id, text), threads=True),
    "topic": Place(
        f"rai:{IDEAS.id}/{TOPIC}", lambda world, text: rai(world).say("Cleo", IDEAS.id, text, topic=TOPIC), threads=True
    ),
    "polled": Place(
        f"polled:{GENERAL.id}", lambda world, text: rai(world, "polled").say("Cleo", GENERAL.id, text, hook=False)
    ),
}


def taken(world: World, account: str) -> list[str]:
    """The texts that a provider took, in order."""
    return [message.text for message in world.sides[account].accepted]


async def linked(world: World, address: str) -> Chat:
    chat = world.group()
    assert "Linked" in await chat.ask(f"/link {address}")
    return chat


@pytest.mark.parametrize("kind", PLACES)
async def test_a_chat_and_a_conversation_read_each_other(world: World, kind: str) -> None:
    place = PLACES[kind]
    account = place.address.partition(":")[0]
    chat = await linked(world, place.address)
    number = chat.say(f"from the chat to {kind}")
    await chat.marked(number, SENT)
    assert taken(world, account)[-1] == f"Ann: from the chat to {kind}"
    await place.says(world, f"from {kind}: ünïcode 👩‍👩‍👧")
    heard = await chat.hears(f"from {kind}: ünïcode 👩‍👩‍👧")
    reply = chat.say("an answer", by=BO, reply_to=heard["message_id"])
    await chat.marked(reply, SENT)
    assert "an answer" in taken(world, account)[-1]
    await chat.ask("/unlink")
    assert len(chat.texts()) == 3, chat.texts()


@pytest.mark.parametrize("kind", ["sms", "group", "channel"])
async def test_a_reply_after_a_restart_goes_back_to_where_it_came_from(world: World, kind: str) -> None:
    place = PLACES[kind]
    account = place.address.partition(":")[0]
    chat = world.group()
    await chat.ask(f"/route add {place.address} ->> here name=back-{kind}")
    await place.says(world, f"before the restart, {kind}")
    heard = await chat.hears(f"before the restart, {kind}")
    await world.restart()
    await chat.marked(chat.say("after it", by=BO, reply_to=heard["message_id"]), SENT)
    # The chat is not linked, so the words go as they are, also where a server has no replies of its own.
    assert taken(world, account)[-1] == "after it"
    if place.threads:
        answered = [each.id for each in rai(world).messages if each.text == f"before the restart, {kind}"]
        assert [rai(world).accepted[-1].reply_to] == answered
    await chat.ask(f"/route remove back-{kind}")


async def test_a_reply_to_an_sms_goes_into_the_session_it_came_in(world: World) -> None:
    chat = await linked(world, f"pbx:sms/{OTHER_PHONE}")
    await pbx(world).text(OTHER_PHONE, NUMBER, "is anybody there?")
    await chat.hears("is anybody there?")
    sessions = {each.id for each in pbx(world).sessions.values() if OTHER_PHONE in each.phones}
    await chat.marked(chat.say("yes"), SENT)
    assert {each.id for each in pbx(world).sessions.values() if OTHER_PHONE in each.phones} == sessions
    await chat.ask("/unlink")


async def test_provider_to_provider_both_ways_without_telegram(world: World) -> None:
    await world.quick("routes", "add", f"im:group/{GROUP_ID} <-> rai:{GENERAL.id} name=across")
    before = len(world.telegram.calls)
    await im(world).say("alice", f"group/{GROUP_ID}", "hello over there")
    await world.until(lambda: "Alice: hello over there" in taken(world, "rai"))
    await rai(world).say("Cleo", GENERAL.id, "hello back")
    await world.until(lambda: "Cleo: hello back" in taken(world, "im"))
    await world.settled()
    # Both post what came through their API to us as well: it must not go round.
    assert taken(world, "rai").count("Alice: hello over there") == 1
    assert taken(world, "im").count("Cleo: hello back") == 1
    assert not [call for call in list(world.telegram.calls)[before:] if "send" in call.method.lower()]
    await world.quick("routes", "remove", "across")


@pytest.mark.parametrize("kind", ["sms", "sms v44", "extension", "group"])
async def test_a_send_cut_after_it_was_taken_is_asked_about_and_not_sent_twice(world: World, kind: str) -> None:
    address = PLACES[kind].address
    account = address.partition(":")[0]
    chat = world.group()
    await chat.marked(chat.say(f"/send {address} warm-up {kind}"), SENT)  # what has to be learnt first is known then
    world.servers[account].faults.configure("cut", remaining=1)
    number = chat.say(f"/send {address} in doubt, {kind}")
    await chat.marked(number, SENT, within_s=30)
    assert taken(world, account).count(f"in doubt, {kind}") == 1
    row = await world.delivery(f"in doubt, {kind}")
    assert row["state"] == "sent"


async def test_where_the_messages_cannot_tell_for_sure_a_person_decides_and_nothing_is_sent_twice(world: World) -> None:
    chat = world.group()
    target = PLACES["polled"].address
    await chat.marked(chat.say(f"/send {target} warm-up"), SENT)
    world.servers["polled"].faults.configure("cut", remaining=1)
    chat.say(f"/send {target} in doubt")

    async def states() -> list[str]:
        return [row["state"] for row in await world.outbox() if row["text"] == "in doubt"]

    async def decided() -> str | None:
        return next((state for state in await states() if state in ("sent", "held")), None)

    # Its times may be too close to tell this message from one with the same words written by hand just before.
    if await world.until(decided, within_s=30) == "held":
        card = await chat.hears("may have arrived")
        await chat.press(card, "It arrived")
    await world.settled()
    assert await states() == ["sent"]
    assert taken(world, "polled").count("in doubt") == 1


HALLS = 20
"""Conversations side by side: as many sends may meet the ended token at once."""


def hall(world: World, account: str, n: int) -> str:
    """A conversation of its own at the provider."""
    if account == "login":
        return f"sms/1555010{n:04d}"
    im(world).groups[f"hall{n}"] = Group(f"hall{n}", f"Hall {n}", ["alice"])
    return f"group/hall{n}"


@pytest.mark.parametrize("account", ["im", "login"])
async def test_a_token_that_ends_in_the_middle_of_a_thousand_sends_loses_nothing(world: World, account: str) -> None:
    for n in range(HALLS):
        rule = f"club:{account}-{n} -> {account}:{hall(world, account, n)} template={{text}} name={account}-{n}"
        await world.quick("routes", "add", rule)
        world.club.conversations.append(f"{account}-{n}")

    async def talk(n: int, numbers: range) -> None:
        for number in numbers:
            await world.club.say(f"{account}-{n}", "Dee", f"{account} {n} {number}")

    await asyncio.gather(*(talk(n, range(25)) for n in range(HALLS)))
    expire(world, account)
    before = renewals(world, account)
    await asyncio.gather(*(talk(n, range(25, 50)) for n in range(HALLS)))
    wanted = {f"{account} {n} {number}" for n in range(HALLS) for number in range(50)}
    await world.until(lambda: wanted <= set(taken(world, account)), within_s=60)
    await world.settled(within_s=60)
    arrived = [text for text in taken(world, account) if text in wanted]
    assert len(arrived) == 1000
    for n in range(HALLS):
        order = [int(text.split()[2]) for text in arrived if text.split()[1] == str(n)]
        assert order == list(range(50)), n
    assert renewals(world, account) - before == 1
    for n in range(HALLS):
        await world.quick("routes", "remove", f"{account}-{n}")


def renewals(world: World, account: str) -> int:
    if account == "login":
        return len(pbx(world, "login").logins.grants)
    return len(im(world).tokens)


def expire(world: World, account: str) -> None:
    if account == "login":
        pbx(world, "login").logins.revoke()
    else:
        im(world).tokens.clear()


async def test_a_token_outlives_a_restart_and_is_shown_nowhere(world: World) -> None:
    chat = world.group()
    for account, target in (("im", f"im:group/{GROUP_ID}"), ("login", f"login:sms/{PHONE}")):
        await chat.marked(chat.say(f"/send {target} before"), SENT)
        before = renewals(world, account)
        await world.restart()
        await chat.marked(chat.say(f"/send {target} after"), SENT)
        assert renewals(world, account) == before
    log = world.log.read_text()
    for token in [*im(world).tokens, *pbx(world, "login").logins._tokens, *pbx(world, "login").logins._refresh]:
        assert token not in log


async def test_a_telegram_person_becomes_a_user_of_its_own_and_is_invited(world: World) -> None:
    chat = await linked(world, f"puppets:group/{GROUP_ID}")
    await chat.marked(chat.say("as myself", by=BO), SENT)
    said = im(world, "puppets").accepted[-1]
    assert (said.sender, said.text) == (f"tg_{BO}", "as myself")
    assert f"tg_{BO}" in im(world, "puppets").groups[GROUP_ID].members
    assert im(world, "puppets").users[f"tg_{BO}"].nickname.startswith("Bo")
    await chat.ask("/unlink")


PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489") + bytes(12)


async def test_a_picture_goes_along_as_each_provider_takes_it(world: World) -> None:
    chat = world.group()
    photo = world.telegram.send_media(BO, chat.id, "photo", PNG, caption="look")
    for target in (f"pbx:sms/{PHONE}", "pbx:chat/4101", f"im:group/{GROUP_ID}", f"rai:{GENERAL.id}"):
        await chat.marked(chat.say(f"/send {target}", by=ANN, reply_to=photo["message_id"]), SENT)
    mms, media = pbx(world).accepted[-2:]
    assert (mms.type, media.type) == ("mms", "chat-media")
    assert mms.text == media.text == "look"
    picture, caption = im(world).accepted[-2:]
    assert (picture.content_type, caption.text) == (102, "look")
    assert rai(world).accepted[-1].text.startswith("look\n")
    assert PNG in [data for data, _ in rai(world).images.values()]


async def test_what_a_provider_cannot_carry_is_named_in_the_text(world: World) -> None:
    chat = world.group()
    file = world.telegram.send_media(BO, chat.id, "document", b"%PDF-1.7", file_name="plan.pdf", caption="read it")
    await chat.marked(chat.say(f"/send rai:{GENERAL.id}", reply_to=file["message_id"]), SENT)
    assert taken(world, "rai")[-1].startswith(f"read it\n[file: plan.pdf, 8 B] {world.url}/files/")


async def test_a_message_that_is_posted_and_polled_comes_once(world: World) -> None:
    chat = await linked(world, f"polled:{GENERAL.id}")
    for number in range(5):
        await rai(world, "polled").say("Cleo", GENERAL.id, f"both ways {number}")
    await rai(world, "polled").say("Cleo", GENERAL.id, "the last", hook=False)
    await chat.hears("the last")
    assert [text for text in chat.texts() if "both ways" in text] == [f"Cleo: both ways {n}" for n in range(5)]
    await chat.ask("/unlink")


async def test_a_forum_channel_without_a_topic_is_refused_with_the_form_that_works(world: World) -> None:
    chat = world.group()
    number = chat.say(f"/send rai:{IDEAS.id} without a topic")
    assert f"{IDEAS.id}/" in await chat.answer(number)
    assert "without a topic" not in taken(world, "rai")


async def test_channels_tells_addresses_that_can_be_sent_to(world: World) -> None:
    chat = world.group()
    listed = await chat.ask("/channels")
    for address in (f"im:group/{GROUP_ID}", f"rai:{GENERAL.id}", f"pbx:sms/{PHONE}"):
        assert address in listed, listed


async def test_subscribing_twice_leaves_one_and_it_is_listed_and_ended(world: World) -> None:
    side = world.sides["pbx"]
    assert isinstance(side, NetSapiensSandbox)
    side.subscriptions.clear()
    for _ in range(2):
        done = await world.patchbay("subscribe", "pbx")
        assert (done.code, done.err) == (0, "")
    assert len(side.subscriptions) == 1
    listed = await world.read("subscriptions")
    assert [row["active"] for row in listed if row["account"] == "pbx"] == [True]
    assert all(row["expires_at"] for row in listed if row["account"] == "pbx")
    for _ in range(2):
        assert (await world.patchbay("unsubscribe", "pbx")).code == 0
    assert side.subscriptions == {}


@pytest.mark.parametrize(
    ("account", "words"), [("im", ["afterSendSingleMsg", "afterSendGroupMsg", "url"]), ("rai", ["webhook"])]
)
async def test_what_is_set_up_by_hand_is_told_exactly(world: World, account: str, words: list[str]) -> None:
    done = await world.patchbay("subscribe", account)
    assert done.code == 0, done.err
    for word in [*words, f"{world.url}/hooks/{account}/"]:
        assert word.lower() in done.out.lower(), done.out
    assert world.hook_secret(account) not in done.out
