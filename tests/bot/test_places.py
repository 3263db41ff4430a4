"""Places that change, by what Telegram answers to a send: another id, a topic that is gone, a chat that bars us."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.accounts import Barred, ChatMoved, TopicGone
from bot.addresses import TELEGRAM, parse_address
from bot.delivery import DeliveryEngine
from bot.feedback import Feedback
from bot.intake import Intake
from bot.limits import Pace, TelegramPace
from bot.places import REOPEN_AFTER_S, TRY_AGAIN_S, WAIT_S
from bot.relay import Policy, Relay
from bot.routing import Incoming, Kind, RouteError, format_route, parse_route
from bot.rules import find_route, save_route
from bot.store import Tx
from bot.store.inbox import Arrived
from bot.store.messages import Copy
from bot.store.outbox import Delivery, Outcome
from bot.store.sqlite import SqliteStore
from bot.telegram.outbound import CAPABILITIES
from bridges.api import Outgoing
from bridges.errors import BridgeError, Refused, Unavailable
from bridges.model import Conversation, ConversationId, Message, MessageId, Person, PersonId, Receipt, Received
from tests.bot.fakes import Clock, FakeBridge, fake_account, opened
from tests.journeys.world import until

OWNER = 1001
FORUM, GROUP, UPGRADED = "telegram:-100900", "telegram:-55", "telegram:-10055"


class FakeTelegram:
    """Telegram as an account; chats answer what they are told to."""

    name = TELEGRAM
    provider = "telegram"
    capabilities = CAPABILITIES
    slots = 64
    can_confirm = False

    def __init__(self) -> None:
        self.pace: Pace = TelegramPace()
        self.sent: list[tuple[str, str]] = []
        self.tries: list[str] = []
        self.errors: dict[str, BridgeError] = {}
        """By conversation, or by chat."""
        self.opening: list[BridgeError] = []
        """What the next tries to open a topic are answered with."""
        self.topics: list[tuple[int, str]] = []

    def check(self, conversation: ConversationId) -> None:
        """Any chat."""

    def pace_key(self, conversation: ConversationId) -> str:
        """The chat."""
        return conversation.partition("/")[0]

    async def deliver(self, outs: Sequence[Outgoing]) -> Receipt:
        """Keep it, or fail as the chat fails."""
        (out,) = outs
        self.tries.append(out.conversation)
        self._fail(out.conversation)
        self.sent.append((out.conversation, out.message.text))
        return Receipt(ids=(MessageId(f"{out.conversation.partition('/')[0]}/{100 + len(self.sent)}"),))

    def _fail(self, conversation: str) -> None:
        error = self.errors.get(conversation) or self.errors.get(conversation.partition("/")[0])
        if error is not None:
            raise error

    async def open_topic(self, chat: int, title: str) -> int:
        """Open one, or fail as told."""
        if self.opening:
            raise self.opening.pop(0)
        self.topics.append((chat, title))
        return 16 + len(self.topics)

    async def edit(self, conversation: ConversationId, ids: Sequence[MessageId], message: Message) -> None:
        """Only where the message stands in this chat."""
        if ids[0].partition("/")[0] != conversation.partition("/")[0]:
            raise ChatMoved("it moved", new=conversation)

    async def close(self) -> None:
        """Nothing is open."""

    def texts(self, address: str) -> list[str]:
        """What was said there."""
        return [text for conversation, text in self.sent if f"telegram:{conversation}" == address]


class Stage:
    """The bot between one provider and Telegram."""

    def __init__(self, store: SqliteStore) -> None:
        self.store, self.clock, self.telegram, self.bridge = store, Clock(), FakeTelegram(), FakeBridge(replies=True)
        accounts: dict[str, Any] = {"telegram": self.telegram, "club": fake_account(self.bridge)}
        self.relay = Relay(accounts=accounts, policy=Policy(3600, "hold", "resend", owners=(OWNER,)))
        self.intake = Intake(store=store, accounts=accounts, relay=self.relay, clock=self.clock)
        self.engine = DeliveryEngine(
            store=store,
            accounts=accounts,
            observer=Feedback(self.relay),
            places=self.relay.places,
            clock=self.clock,
            jitter=lambda: 0.0,
        )
        self._events = 0

    async def rule(self, line: str) -> None:
        """Save a rule."""
        await self.store.write(lambda tx: save_route(tx, parse_route(line), created_by="test", now=self.clock()))

    async def rules(self) -> list[str]:
        """The rules as people write them, without their names."""
        rows = await self.store.read(lambda tx: [find_route(tx, row.name) for row in tx.routes.all()])
        return [format_route(rule).replace(f" name={rule.name}", "") for rule in rows]

    async def says(self, text: str, *, place: str = "lobby", sender: str = "Pat") -> None:
        """Somebody says something at the provider."""
        self._events += 1
        body = json.dumps({"key": f"k{self._events}", "id": f"m{self._events}", "text": text, "place": place})
        await self.intake.accept(Arrived(account="club", body=body.encode(), received_at=self.clock()))

    async def rows(self, *states: str) -> Sequence[Delivery]:
        return await self.store.read(lambda tx: tx.outbox.list(states=states))

    async def rests(self) -> None:
        """Wait until nothing is on its way and nothing is due."""

        async def quiet() -> bool:
            return await self.store.read(
                lambda tx: (
                    tx.db.execute(
                        "SELECT 1 FROM lanes WHERE owner IS NOT NULL OR due_at <= ?", (self.clock(),)
                    ).fetchone()
                    is None
                )
            )

        await until(quiet)

    async def later(self, seconds: float) -> None:
        """Time passes."""
        self.clock.at += seconds
        await self.store.write(lambda tx: tx.woken.add("telegram"))
        await self.rests()

    def owner(self) -> list[str]:
        return self.telegram.texts(f"telegram:{OWNER}")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with opened(tmp_path) as store:
        stage = Stage(store)
        await stage.engine.start()
        yield stage
        await stage.engine.stop(grace_s=1)


# --- topics for new conversations


async def test_a_topic_is_opened_for_the_first_message_and_linked(stage: Stage) -> None:
    await stage.rule(f"club:* -> new-topic({FORUM}) priority=3 match=/hello/ template={{text}} stop=yes")
    await stage.says("hello")
    await stage.says("more")
    await stage.rests()
    assert stage.telegram.topics == [(-100900, "Pat")]
    card, *lines = stage.telegram.texts(f"{FORUM}/17")
    assert "club:lobby (fake)" in card
    assert lines == ["hello"]
    assert (await stage.rules())[1] == f"club:lobby <-> {FORUM}/17 template={{text}} priority=3"
    await stage.says("without the word")
    await stage.rests()
    assert stage.telegram.texts(f"{FORUM}/17")[1:] == ["hello", "without the word"]


async def test_an_outage_while_the_card_is_sent_opens_no_second_topic(stage: Stage) -> None:
    await stage.rule(f"club:* -> new-topic({FORUM})")
    stage.telegram.errors["-100900/17"] = Unavailable("away")
    await stage.says("hello")
    await stage.rests()
    stage.telegram.errors.clear()
    await stage.later(2)
    assert len(stage.telegram.topics) == 1
    assert stage.telegram.texts(f"{FORUM}/17")[1:] == ["Pat: hello"]


async def test_where_no_topic_can_be_opened_that_is_said_once_and_not_tried_for_each_message(stage: Stage) -> None:
    await stage.rule(f"club:* -> new-topic({FORUM})")
    stage.telegram.opening = [Refused("the chat is not a forum")] * 9
    for n in range(3):
        await stage.says(f"hello {n}")
        await stage.rests()
    assert len(stage.telegram.opening) == 8, "one try"
    assert [row.state for row in await stage.rows("dead")] == ["dead"] * 4
    (told,) = stage.owner()
    assert "the chat is not a forum" in told and "Switch Topics on" in told
    await stage.later(REOPEN_AFTER_S + 1)
    await stage.says("a minute later")
    await stage.rests()
    assert len(stage.telegram.opening) == 7
    assert len(stage.owner()) == 1


async def test_a_retry_after_the_rights_were_given_brings_all_in_order(stage: Stage) -> None:
    await stage.rule(f"club:* -> new-topic({FORUM})")
    stage.telegram.opening = [Refused("not enough rights to create a topic")]
    await stage.says("one")
    await stage.rests()
    await stage.says("two")
    await stage.rests()

    def retry(tx: Tx) -> None:
        for row in reversed(tx.outbox.list(states=("dead",))):
            tx.outbox.requeue(row.id, now=stage.clock(), expires_at=stage.clock() + 3600)

    await stage.store.write(retry)
    await stage.rests()
    assert stage.telegram.texts(f"{FORUM}/17")[1:] == ["Pat: one", "Pat: two"]


async def test_a_rule_that_was_taken_away_meanwhile_links_nothing(stage: Stage) -> None:
    await stage.rule(f"club:* -> new-topic({FORUM})")
    stage.telegram.opening = [Unavailable("away")]
    await stage.says("hello")
    await stage.rests()
    await stage.store.write(lambda tx: tx.routes.remove(tx.routes.all()[0].id))
    await stage.later(2)
    assert stage.telegram.texts(f"{FORUM}/17")[1:] == ["Pat: hello"]
    assert await stage.rules() == []


# --- topics that were deleted


async def test_a_deleted_topic_is_opened_anew_and_everything_follows(stage: Stage) -> None:
    await stage.rule(f"club:lobby <-> {FORUM}/5")
    await stage.says("before")
    await stage.rests()
    await stage.store.write(lambda tx: tx.names.set("desk", f"{FORUM}/5"))
    await stage.store.write(lambda tx: tx.mutes.add(f"{FORUM}/5", person="1", now=1.0))
    stage.telegram.errors["-100900/5"] = TopicGone("message thread not found")
    for text in ("after", "and more"):
        await stage.says(text)
    await stage.rests()
    card, *lines = stage.telegram.texts(f"{FORUM}/17")
    assert "Pat: “before”" in card and "after" not in card
    assert lines == ["Pat: after", "Pat: and more"]
    assert await stage.rules() == [f"club:lobby <-> {FORUM}/17"]
    assert await stage.store.read(lambda tx: (tx.names.get("desk"), tx.mutes.all())) == (
        f"{FORUM}/17",
        [f"{FORUM}/17"],
    )
    assert len(stage.owner()) == 1 and f"opened anew as {FORUM}/17" in stage.owner()[0]


async def test_a_deleted_topic_that_cannot_be_opened_anew_is_given_up_and_not_tried_again_and_again(
    stage: Stage,
) -> None:
    await stage.rule(f"club:lobby <-> {FORUM}/5")
    stage.telegram.errors["-100900/5"] = TopicGone("message thread not found")
    stage.telegram.opening = [Refused("not enough rights to create a topic")] * 9
    for n in range(3):
        await stage.says(f"lost {n}")
        await stage.rests()
    await stage.later(WAIT_S + 1)
    assert len(stage.telegram.opening) == 8
    dead = await stage.rows("dead")
    assert [row.address for row in dead if row.op == "send"] == [f"{FORUM}/5"] * 3
    assert "could not be opened" in (dead[-1].error or "")
    assert sum("No topic can be opened" in text for text in stage.owner()) == 1


async def test_nothing_is_opened_for_the_bots_own_words(stage: Stage) -> None:
    stage.telegram.errors["-100900/5"] = TopicGone("message thread not found")
    await stage.store.write(
        lambda tx: stage.relay.tell(tx, parse_address(f"{FORUM}/5"), "an answer", now=stage.clock())
    )
    await stage.rests()
    assert stage.telegram.topics == []
    assert [row.error for row in await stage.rows("dead")] == ["the topic was deleted"]


async def test_the_topic_of_a_new_conversation_that_is_deleted_is_its_topic_again(stage: Stage) -> None:
    await stage.rule(f"club:* -> new-topic({FORUM})")
    await stage.says("one")
    await stage.rests()
    stage.telegram.errors["-100900/17"] = TopicGone("message thread not found")
    await stage.says("two")
    await stage.rests()
    await stage.says("three")
    await stage.rests()
    assert stage.telegram.topics == [(-100900, "Pat")] * 2
    assert stage.telegram.texts(f"{FORUM}/18")[1:] == ["Pat: two", "Pat: three"]


# --- another id


async def test_what_fails_because_the_group_moved_goes_on_under_its_new_id_at_once(stage: Stage) -> None:
    await stage.rule(f"club:lobby <-> {GROUP}")
    await stage.rule(f"club:* -> new-topic({GROUP})")
    await stage.store.write(lambda tx: tx.roles.grant("7", "admin", scope="-55"))
    stage.telegram.errors["-55"] = ChatMoved("it is a supergroup now", new=ConversationId("-10055"))
    for text in ("one", "two"):
        await stage.says(text)
    await stage.rests()
    assert stage.telegram.texts(UPGRADED) == ["Pat: one", "Pat: two"]
    assert (await stage.rules())[0] == f"club:lobby <-> {UPGRADED}"
    assert (await stage.rules())[1] == f"club:* -> new-topic({UPGRADED})"
    assert await stage.store.read(lambda tx: tx.roles.of("7", chat="-10055")) == ["admin"]
    assert stage.owner() == [f"The group {GROUP} became a supergroup. Its routes follow it to {UPGRADED}."]


async def test_moving_twice_changes_nothing_more(stage: Stage) -> None:
    await stage.rule(f"club:lobby <-> {GROUP}")
    old, new = parse_address(GROUP), parse_address(UPGRADED)
    for _ in range(2):
        await stage.store.write(lambda tx: stage.relay.places.upgraded(tx, old, new, now=stage.clock()))
    await stage.rests()
    assert len(stage.owner()) == 1


async def test_two_rules_that_become_one_place_to_itself_go(stage: Stage) -> None:
    await stage.rule(f"{GROUP} -> {UPGRADED}")
    old, new = parse_address(GROUP), parse_address(UPGRADED)
    await stage.store.write(lambda tx: stage.relay.places.moved(tx, old, new, now=1.0))
    assert await stage.rules() == []


async def test_the_id_map_follows_and_what_was_said_before_can_be_found(stage: Stage) -> None:
    await stage.rule(f"club:lobby <-> {GROUP}")
    await stage.says("one")
    await stage.rests()
    old, new = parse_address(GROUP), parse_address(UPGRADED)
    await stage.store.write(lambda tx: stage.relay.places.moved(tx, old, new, now=1.0))
    (copy,) = await stage.store.read(lambda tx: tx.messages.copies(1))
    assert (copy.conversation, copy.remote_id) == ("-10055", "-55/101")


async def test_a_change_of_what_was_said_before_the_move_is_said_in_words(stage: Stage) -> None:
    await stage.rule(f"club:lobby <-> {UPGRADED}")
    await stage.says("one")
    await stage.rests()

    def change(tx: Tx) -> None:
        tx.messages.add_copy(1, Copy("telegram", "-10055", "-55/9", 1, 1))
        tx.db.execute("DELETE FROM copies WHERE remote_id != '-55/9'")
        row = tx.outbox.list()[0]
        tx.db.execute(
            "UPDATE outbox SET op = 'edit', subject = 1, state = 'dead', words = ? WHERE id = ?",
            (Message(text="edited in words").model_dump_json(exclude_defaults=True), row.id),
        )
        tx.outbox.requeue(row.id, now=stage.clock(), expires_at=stage.clock() + 60)

    await stage.store.write(change)
    await stage.rests()
    assert stage.telegram.texts(UPGRADED)[-1] == "edited in words"


# --- chats that bar us


async def test_a_chat_that_bars_us_is_tried_once_for_all_that_waits(stage: Stage) -> None:
    await stage.rule(f"club:lobby <-> {FORUM}")
    stage.telegram.errors["-100900"] = Unavailable("away")
    for n in range(5):
        await stage.says(f"line {n}")
    await stage.rests()
    stage.telegram.tries.clear()
    stage.telegram.errors["-100900"] = Barred("Telegram says: Forbidden: bot was kicked")
    await stage.later(2)
    await stage.says("after it")
    await stage.rests()
    assert stage.telegram.tries.count("-100900") == 1
    *waited, later = [row.error for row in await stage.rows("dead")]
    assert waited == ["Telegram says: Forbidden: bot was kicked"] * 5
    assert later is not None, "what is written meanwhile is kept too"
    assert later.startswith("the route rests: ")
    assert len(stage.owner()) == 1


async def test_a_message_from_a_chat_that_had_thrown_us_out_ends_the_pause(stage: Stage) -> None:
    await stage.rule(f"club:lobby <-> {FORUM}")
    chat, places = parse_address(FORUM), stage.relay.places
    await stage.store.write(lambda tx: places.barred(tx, chat, "bot was kicked", now=stage.clock()))
    before, after = stage.clock() - 1, stage.clock() + 1
    await stage.store.write(lambda tx: places.heard(tx, chat, at=before, now=stage.clock()))
    assert await stage.store.read(lambda tx: tx.routes.all()[0].paused), "that was written before"
    await stage.store.write(lambda tx: places.heard(tx, chat, at=after, now=stage.clock()))
    assert await stage.store.read(lambda tx: tx.routes.all()[0].paused) == ""
    await stage.rests()
    assert ["lets me write again" in text for text in stage.owner()] == [False, True]


async def test_a_message_from_a_chat_where_we_may_not_write_proves_nothing(stage: Stage) -> None:
    await stage.rule(f"club:lobby <-> {FORUM}")
    chat, places = parse_address(FORUM), stage.relay.places
    await stage.store.write(
        lambda tx: places.barred(tx, chat, "not enough rights to send text messages", now=stage.clock())
    )
    await stage.store.write(lambda tx: places.heard(tx, chat, at=stage.clock() + 1, now=stage.clock()))
    assert await stage.store.read(lambda tx: tx.routes.all()[0].paused)
    await stage.store.write(lambda tx: tx.routes.enable(1, enabled=True))
    assert await stage.store.read(lambda tx: tx.routes.all()[0].paused) == "", "an admin may try it"


async def test_an_owner_who_blocks_the_bot_is_not_told_about_it_there(stage: Stage) -> None:
    owner = parse_address(f"telegram:{OWNER}")
    await stage.rule(f"club:lobby <-> {owner}")
    stage.telegram.errors[str(OWNER)] = Barred("Telegram says: Forbidden: bot was blocked by the user")
    for _ in range(3):
        await stage.says("hello")
        await stage.rests()
    assert stage.telegram.tries == [str(OWNER)]


async def test_a_chat_that_never_was_one_gives_its_author_the_reason_and_pauses_nothing(stage: Stage) -> None:
    nowhere = parse_address("telegram:-404")
    stage.telegram.errors["-404"] = Barred("Telegram says: Bad Request: chat not found")

    def send(tx: Tx) -> None:
        id = tx.messages.add(
            account="telegram", conversation="-100900", remote_id="-100900/1", sender_id="7", sender_name="Bo",
            text="/send", at=1.0,
        )  # fmt: skip
        stage.relay.send(tx, nowhere, Message(text="hi"), now=stage.clock(), message_id=id, marked=True)

    await stage.store.write(send)
    await stage.rests()
    (told,) = stage.telegram.texts(FORUM)
    assert "Not sent to telegram:-404" in told and "chat not found" in told
    assert stage.owner() == []


SILENCED = "Telegram says: Bad Request: not enough rights to send text messages to the chat"
KICKED = "Telegram says: Forbidden: bot was kicked from the supergroup chat"


async def silenced(stage: Stage, reason: str = SILENCED) -> None:
    """A forum that is joined with the club and that lets us write no more."""
    await stage.rule(f"club:lobby <-> {FORUM}")
    stage.telegram.errors["-100900"] = Barred(reason)
    await stage.says("hello")
    await stage.rests()
    assert stage.telegram.tries.count("-100900") == 1


async def writes(stage: Stage, text: str, *, id: str = "-100900/7") -> str:
    """Somebody writes in the forum; the outcome."""
    event = Received(
        key=id,
        at=datetime.fromtimestamp(stage.clock(), UTC),
        conversation=Conversation(id=ConversationId("-100900")),
        id=MessageId(id),
        message=Message(text=text, sender=Person(id=PersonId("7"), name="Bo")),
    )
    forum = parse_address(FORUM)

    def unit(tx: Tx) -> str:
        stage.relay.places.heard(tx, forum, at=stage.clock() + 1, now=stage.clock())
        return stage.relay.received(tx, forum, event, now=stage.clock())

    outcome = await stage.store.write(unit)
    await stage.rests()
    return outcome


async def test_what_is_written_where_we_may_not_write_is_carried_on(stage: Stage) -> None:
    await silenced(stage)
    assert await writes(stage, "is anybody there?") == "relayed"
    assert [out.message.text for out in stage.bridge.sent] == ["Bo: is anybody there?"]
    router = await stage.store.write(lambda tx: stage.relay.router(tx))
    lobby, forum = parse_address("club:lobby"), parse_address(FORUM)
    assert (router.linked(forum), router.linked(lobby)) == ([lobby], [])
    edit = Incoming(forum, Kind.EDITS, at=datetime.fromtimestamp(stage.clock(), UTC))
    assert router.carries_on(router.rules[0], edit, to=lobby) is not None
    assert router.carries_on(router.rules[0], replace(edit, address=lobby), to=forum) is None
    assert router.reply_rule(lobby, forum) is not None
    assert "What is written there is relayed all the same" in stage.owner()[0]


async def test_a_chat_that_only_bars_writing_is_tried_once_in_a_few_minutes(stage: Stage) -> None:
    await silenced(stage)
    for _ in range(6):
        await stage.later(TRY_AGAIN_S / 2)
        await stage.says("hello")
        await stage.rests()
    assert stage.telegram.tries.count("-100900") == 1 + 3
    assert len(await stage.rows("dead")) == 7
    assert len(stage.owner()) == 1, "and the owners need not hear of it again"


async def test_a_message_that_arrives_where_writing_was_barred_ends_the_pause(stage: Stage) -> None:
    await silenced(stage)
    del stage.telegram.errors["-100900"]
    await stage.says("too early")
    await stage.later(TRY_AGAIN_S)
    await stage.says("back again")
    await stage.rests()
    await stage.says("and more")
    await stage.rests()
    assert stage.telegram.texts(FORUM) == ["Pat: back again", "Pat: and more"]
    assert ["lets me write again" in text for text in stage.owner()] == [False, True]


async def test_the_bots_own_answer_that_arrives_ends_the_pause(stage: Stage) -> None:
    await silenced(stage)
    del stage.telegram.errors["-100900"]
    forum = parse_address(FORUM)
    await stage.store.write(lambda tx: stage.relay.tell(tx, forum, "Linked.", now=stage.clock()))
    await stage.rests()
    assert await stage.store.read(lambda tx: tx.routes.all()[0].paused) == ""
    assert "lets me write again" in stage.owner()[1]


async def test_a_reaction_that_is_taken_does_not_show_that_we_may_write(stage: Stage) -> None:
    await silenced(stage)
    row = (await stage.rows("dead"))[0]
    observer, changed = Feedback(stage.relay), replace(row, op="react", message=None)
    outcome = Outcome(row.id, "sent")
    await stage.store.write(lambda tx: observer.settled(tx, [changed], [outcome], now=stage.clock()))
    assert await stage.store.read(lambda tx: tx.routes.all()[0].paused)


@pytest.mark.parametrize("before", [SILENCED, KICKED])
async def test_a_chat_that_threw_us_out_is_not_tried(stage: Stage, before: str) -> None:
    await silenced(stage, before)
    forum = parse_address(FORUM)
    await stage.store.write(
        lambda tx: stage.relay.places.member(tx, forum, may_write=False, reason="I was kicked", now=stage.clock())
    )
    for _ in range(3):
        await stage.later(TRY_AGAIN_S)
        await stage.says("hello")
        await stage.rests()
    assert stage.telegram.tries.count("-100900") == 1


@pytest.mark.parametrize("reason", [SILENCED, KICKED])
async def test_a_rule_that_is_switched_on_while_the_chat_bars_us_tells_nobody_that_it_does_not(
    stage: Stage, reason: str
) -> None:
    await silenced(stage, reason)
    for n in range(2):
        await stage.store.write(lambda tx: tx.routes.enable(1, enabled=True))
        await writes(stage, "hello?", id=f"-100900/{n}")
        await stage.says("hello")
        await stage.rests()
    assert ["does not let me write" in text for text in stage.owner()] == [True]
    assert await stage.store.read(lambda tx: tx.routes.all()[0].paused)


# --- rules as they are saved


async def test_two_places_are_not_joined_twice_in_the_same_way(stage: Stage) -> None:
    await stage.rule(f"club:lobby <-> {FORUM} name=first")
    with pytest.raises(RouteError, match=r"rule 1 \(first\) says the same already"):
        await stage.rule(f"{FORUM} <-> club:lobby name=second")
    await stage.rule(f"{FORUM} <-> club:lobby match=/urgent/")


@pytest.mark.parametrize(
    "options", ["late=hold", "late=stamp", "late=expire:2h", "kinds=reactions", "kinds=edits,joins"]
)
async def test_lateness_and_every_kind_can_be_saved(stage: Stage, options: str) -> None:
    await stage.rule(f"club:lobby -> {FORUM} {options}")
    assert await stage.rules() == [f"club:lobby -> {FORUM} {options}"]


async def test_what_a_conversation_is_called_pings_nobody_in_its_topic(stage: Stage) -> None:
    await stage.rule(f"club:* -> new-topic({FORUM})")
    await stage.says("hello", place="@everyone")
    await stage.rests()
    assert "@everyone" not in stage.telegram.texts(f"{FORUM}/17")[0]


async def test_two_conversations_of_one_name_get_titles_that_tell_them_apart(stage: Stage) -> None:
    await stage.rule(f"club:* -> new-topic({FORUM})")
    for place in ("first", "second"):
        await stage.says("hello", place=place)
        await stage.rests()
    assert [title for _, title in stage.telegram.topics] == ["Pat", "Pat (second)"]


async def test_words_that_change_and_hours_that_end_do_not_keep_an_edit_from_a_topic(stage: Stage) -> None:
    await stage.rule(f"club:* -> new-topic({FORUM}) match=/urgent/ name=desk")
    await stage.says("urgent")
    await stage.rests()
    router = await stage.store.write(lambda tx: stage.relay.router(tx))
    rule = router.rule_named("desk")
    item = Incoming(parse_address("club:lobby"), Kind.EDITS, at=datetime.fromtimestamp(stage.clock(), UTC), text="calm")
    assert rule is not None
    assert router.carries_on(rule, item, to=parse_address(f"{FORUM}/17")) is not None


async def test_a_chat_without_topics_is_not_moved_into_one(stage: Stage) -> None:
    await stage.rule(f"club:lobby <-> {FORUM}")
    stage.telegram.errors["-100900"] = TopicGone("message thread not found")
    await stage.says("hello")
    await stage.rests()
    assert stage.telegram.topics == []
    assert await stage.rules() == [f"club:lobby <-> {FORUM}"]
    assert "without a topic" in stage.owner()[0]


async def test_a_chat_that_says_it_moved_to_where_it_is_gives_up(stage: Stage) -> None:
    await stage.rule(f"club:lobby -> {GROUP}")
    stage.telegram.errors["-55"] = ChatMoved("it moved", new=ConversationId("-55"))
    await stage.says("hello")
    await stage.rests()
    assert [row.error for row in await stage.rows("dead")] == ["it moved"]
    assert stage.telegram.tries == ["-55", str(OWNER)]
