"""What somebody writes in a chat, and what the bot says to it: commands and buttons without any network.

A real store, the real registry, runner, cards and rules; two providers that keep what is delivered
(``tests/bot/line``). An update is made as Telegram makes it and goes through the library's own reading. Nothing is
sent until ``desk.line.engine`` is started; the bot's answers are read from the outbox.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from telegram import Update, User

from bot.firing import Firing, SchedulePolicy
from bot.store import Tx
from bot.store.inbox import Arrived
from bot.telegram.access import Role, role_of
from bot.telegram.commands.registry import Services
from bot.telegram.inbound import Change, ChatPicked, CommandLine, Passed, Talk, meaning
from bot.telegram.lanes import Turn
from bot.telegram.presses import Presses
from bot.telegram.reading import read_update
from bot.telegram.running import Runner
from bot.telegram.talks import Talks
from bridges.model import Button, Message
from tests.bot.fakes import opened
from tests.bot.line import OWNER, Line

ANN, BO, CY = OWNER, 1002, 1003
"""Ann is the owner from the settings; the others have the roles that a test gives them."""
ANONYMOUS = 1087968824
ME = User(id=99, is_bot=True, first_name="Patchbay", username="patchbay_bot")
BOT = {"id": 99, "is_bot": True, "first_name": "Patchbay", "username": "patchbay_bot"}
OPS, NEWS, TALK = -1001000000001, -1001000000002, -1001000000003
NAMES = {ANN: "Ann", BO: "Bo", CY: "Cy", ANONYMOUS: "Group"}
Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """A message of the bot, as it goes out."""

    text: str
    buttons: tuple[Button, ...]
    chat: str
    outbox: int
    to: str = ""
    """The message that it answers, as Telegram numbers it in its chat."""

    def button(self, label: str) -> Button:
        """The button with this label."""
        return next(each for each in self.buttons if each.label == label)


@dataclass
class Desk:
    """Chats, and people who write there. ``line`` has the store, the accounts ``club`` and ``desk``, the rules."""

    line: Line
    chats: dict[int, Json] = field(default_factory=dict)
    username: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._shown = _Shown()
        self._latest = ""
        for chat, title in ((OPS, "Ops"), (NEWS, "News"), (TALK, "Talk")):
            self.chats[chat] = {"id": chat, "type": "supergroup", "title": title}
        firing = Firing(relay=self.line.relay, policy=SchedulePolicy("UTC"))
        self.services = Services(self.line.relay, self.line.feedback, "UTC", "patchbay_bot", firing)
        self.runner = Runner(
            store=self.line.store,
            relay=self.line.relay,
            services=lambda: self.services,
            role=self._role,
            clock=self.line.clock,
        )
        self.presses = Presses(
            store=self.line.store, services=lambda: self.services, role=self._role, clock=self.line.clock
        )
        self.talks = Talks(
            relay=self.line.relay, services=lambda: self.services, role=self._role, clock=self.line.clock
        )

    def _role(self, tx: Tx, person: int | None, *, chat: int | None) -> Role:
        return role_of(tx, person, chat=chat, owners=self.line.relay.policy.owners)

    def _user(self, id: int) -> Json:
        if id == 99:
            return BOT
        user: Json = {"id": id, "is_bot": id == ANONYMOUS, "first_name": NAMES.get(id, f"Person {id}")}
        return user | ({"username": self.username[id]} if id in self.username else {})

    def _chat(self, id: int) -> Json:
        if id > 0:
            return {"id": id, "type": "private", "first_name": NAMES.get(id, f"Person {id}")}
        return self.chats.setdefault(id, {"id": id, "type": "supergroup", "title": f"Chat {id}"})

    def message(self, text: str, *, by: int = ANN, chat: int = OPS, topic: int | None = None, **more: Any) -> Json:
        """A message as Telegram tells it; ``by=0``: the chat itself writes (a channel, an anonymous admin)."""
        number = next(self._numbers)
        made: Json = {"message_id": number, "date": int(self.line.clock()), "chat": self._chat(chat), "text": text}
        if made["chat"]["type"] == "channel":
            made["sender_chat"] = made["chat"]
        elif by == 0 or by == ANONYMOUS:
            made |= {"from": self._user(ANONYMOUS), "sender_chat": made["chat"]}
        else:
            made["from"] = self._user(by)
        if topic is not None:
            made |= {"message_thread_id": topic, "is_topic_message": True}
        word = text.split(None, 1)[0] if text.strip() else ""
        if word.startswith("/") and text.startswith("/"):
            made["entities"] = [{"type": "bot_command", "offset": 0, "length": len(word.encode("utf-16-le")) // 2}]
        return made | more

    async def write(self, text: str, **more: Any) -> list[Answer]:
        """Somebody writes; returns what the bot put into the outbox for Telegram because of it.

        ``reply_to``: a message as :meth:`message` makes it, that is answered.
        """
        reply_to = more.pop("reply_to", None)
        message = self.message(text, **more)
        if reply_to is not None:
            message["reply_to_message"] = reply_to
        return await self.takes(message)

    async def takes(self, message: Json) -> list[Answer]:
        """This message arrives."""
        self._latest = f"{message['chat']['id']}/{message['message_id']}"
        is_post = message["chat"]["type"] == "channel"
        return await self._arrives({"channel_post" if is_post else "message": message})

    async def edit(self, message: Json, text: str, **more: Any) -> list[Answer]:
        """Its author edits a message to these words."""
        edited = {key: value for key, value in message.items() if key != "entities"}
        return await self._arrives({"edited_message": edited | {"text": text, "edit_date": message["date"] + 1} | more})

    async def react(self, message: Json, emoji: str, *, by: int) -> list[Answer]:
        """Somebody puts a reaction on a message; an empty one takes theirs away."""
        told = {"chat": message["chat"], "message_id": message["message_id"], "date": int(self.line.clock())}
        new = [{"type": "emoji", "emoji": emoji}] if emoji else []
        told |= {"user": self._user(by), "old_reaction": [], "new_reaction": new}
        return await self._arrives({"message_reaction": told})

    async def _arrives(self, body: Json) -> list[Answer]:
        update = self._update(body)
        before = await self._last()
        turn = await self._turn(update)
        meant = meaning(update, bot=ME)
        match meant:
            case CommandLine():
                await self.runner.run(turn, update, meant, prepare_s=5.0)
            case Talk() as talk:
                await self.line.store.write(lambda tx: self.talks.said(tx, turn, talk))
            case ChatPicked() as picked:
                await self.line.store.write(lambda tx: self.talks.picked(tx, turn, picked))
            case Change() as change:
                await self.line.store.write(lambda tx: self.talks.changed(tx, turn, change))
            case Passed(outcome=outcome):
                await self.line.store.write(lambda tx: tx.inbox.done(turn.item, [outcome]))
            case other:
                raise AssertionError(f"{other} is not dealt with here")
        self.runner.forget(turn)
        return await self.answers(after=before)

    async def ask(self, text: str, **more: Any) -> str:
        """The bot's one answer to something written."""
        answers = await self.write(text, **more)
        if self.line.engine.turning:
            # What is sent meanwhile may have something to say, too.
            answers = [answer for answer in answers if answer.to == self._latest][:1]
        assert len(answers) == 1, [answer.text for answer in answers]
        return answers[0].text

    async def press(self, answer: Answer, label: str, *, by: int = ANN, chat: int | None = None) -> Pressing:
        """Somebody presses a button of an answer; returns what they see."""
        return await self.press_data(answer, answer.button(label).data, by=by, chat=chat)

    async def press_data(self, answer: Answer, data: str, *, by: int = ANN, chat: int | None = None) -> Pressing:
        """As :meth:`press`, with the button's data."""
        where = int(answer.chat.partition("/")[0]) if chat is None else chat
        card = self.message(answer.text, by=99, chat=where)
        query = {"id": "1", "from": self._user(by), "chat_instance": "x", "data": data, "message": card}
        update = self._update({"callback_query": query})
        before = await self._last()
        turn = await self._turn(update)
        seen = self._shown.seen = Pressing()
        assert update.callback_query is not None
        await self.presses.press(turn.item, update.callback_query)
        seen.answers = await self.answers(after=before)
        if seen.card is not None:
            seen.card = replace(seen.card, chat=answer.chat)
        return seen

    async def answers(self, *, after: int = 0) -> list[Answer]:
        """What the bot itself said in Telegram, oldest first; what it relays there is not among it."""

        def read(tx: Tx) -> list[Answer]:
            rows = tx.db.execute(
                "SELECT o.id, o.conversation, o.payload, COALESCE(m.remote_id, '') FROM outbox AS o"
                " LEFT JOIN messages AS m ON m.id = o.reply_to"
                " WHERE o.id > ? AND o.account = 'telegram' AND o.why = 'the bot''s own' ORDER BY o.id",
                (after,),
            )
            made = [(id, chat, Message.model_validate_json(payload), to) for id, chat, payload, to in rows]
            return [Answer(message.text, message.buttons, chat, id, to) for id, chat, message, to in made]

        return await self.line.store.read(read)

    def copy_of(self, answer: Answer, *, number: int) -> Json:
        """A message of the bot, to be answered: ``number`` is the one that Telegram gave it."""
        return self.message(answer.text, by=99, chat=int(answer.chat.partition("/")[0])) | {"message_id": number}

    async def grant(self, person: int, role: str, *, chat: int | None = None) -> None:
        """Give a role, everywhere or in a chat."""
        scope = "*" if chat is None else str(chat)
        await self.line.store.write(lambda tx: tx.roles.grant(str(person), role, scope=scope))

    async def audit(self) -> list[tuple[str, str, str]]:
        """Who did what with which outcome, oldest first."""
        lines = await self.line.store.read(lambda tx: tx.audit.last(1000))
        return [(person, command, outcome) for _, person, _, command, outcome in reversed(lines)]

    async def _last(self) -> int:
        return await self.line.store.read(
            lambda tx: int(tx.db.execute("SELECT COALESCE(MAX(id), 0) FROM outbox").fetchone()[0])
        )

    def _update(self, body: Json) -> Update:
        return read_update({"update_id": next(self._numbers) + 1_000_000, **body}, self._shown)  # type: ignore[arg-type]

    async def _turn(self, update: Update) -> Turn:
        body = json.dumps(update.to_dict()).encode()
        item = Arrived(account="telegram", body=body, received_at=self.line.clock(), key=f"update/{update.update_id}")
        kept = await self.line.store.write(lambda tx: tx.inbox.put(item))
        assert kept is not None
        return Turn((replace(item, id=kept),), (update,))


@dataclass
class Pressing:
    """What came of a press: the toast, the card as it is now (None: unchanged), and what else the bot said."""

    toast: str = ""
    card: Answer | None = None
    answers: list[Answer] = field(default_factory=list)


class _Shown:
    """The part of the library's bot that shows what came of a press; it is kept instead of being sent."""

    def __init__(self) -> None:
        self.seen = Pressing()

    async def answer_callback_query(self, callback_query_id: str, text: str, **_: Any) -> bool:
        self.seen.toast = text
        return True

    async def edit_message_text(self, text: str, *, reply_markup: Any = None, **_: Any) -> bool:
        rows = reply_markup.inline_keyboard if reply_markup is not None else ()
        buttons = tuple(
            Button(label=each.text, data=str(each.callback_data), beside=place > 0)
            for row in rows
            for place, each in enumerate(row)
        )
        self.seen.card = Answer(text, buttons, "", 0)
        return True


@asynccontextmanager
async def a_desk(folder: Path, **club: object) -> AsyncIterator[Desk]:
    """A desk with an empty store."""
    async with opened(folder) as store:
        yield Desk(Line(store, **club))
