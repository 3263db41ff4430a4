"""Two providers and Telegram, rules between them and the engine that sends: all in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from bot.addresses import parse_address
from bot.delivery import DeliveryEngine
from bot.feedback import Feedback
from bot.relay import Policy, Relay
from bot.routes_line import parse_route
from bot.routing import options_to_json
from bot.store import Tx
from bot.store.outbox import Delivery
from bot.store.sqlite import SqliteStore
from bridges.api import Flow, Outgoing
from bridges.model import (
    Conversation,
    ConversationId,
    Edited,
    Message,
    MessageId,
    Person,
    PersonId,
    Reacted,
    Receipt,
    Received,
)
from tests.bot.fakes import Clock, FakeBridge, PinningAccount, fake_account, opened
from tests.journeys.world import until

OWNER = 7
ROOM = "telegram:-5"
NOW = 1_800_000_000.0


class Numbering(FakeBridge):
    """Gives every message that it takes an id, keeps what is done to them, and refuses what it is told to."""

    def __init__(self, **capabilities: object) -> None:
        super().__init__(**{"receipt_ids": True, **capabilities})
        self.done: list[str] = []
        self.refuses: dict[str, Exception] = {}
        """Texts that are not taken, by how they begin."""

    def deliver(self, out: Outgoing) -> Flow[Receipt]:
        """Take it, unless its text is refused."""

        def sent() -> Receipt:
            for beginning, error in self.refuses.items():
                if out.message.text.startswith(beginning):
                    raise error
            self.sent.append(out)
            return Receipt(ids=(MessageId(f"{self.prefix}{len(self.sent)}"),))

        return self._flow(sent)

    prefix = "c"

    def edit(self, conversation: ConversationId, id: MessageId, message: Message) -> Flow[None]:
        """Keep that."""
        return self._flow(lambda: self.done.append(f"edit {id}: {message.text}"))

    def delete(self, conversation: ConversationId, id: MessageId) -> Flow[None]:
        """Keep that."""
        return self._flow(lambda: self.done.append(f"delete {id}"))

    def react(self, conversation: ConversationId, id: MessageId, emoji: str) -> Flow[None]:
        """Keep that."""
        return self._flow(lambda: self.done.append(f"react {id}: {emoji}"))

    def pin(self, conversation: ConversationId, ids: Sequence[MessageId]) -> Flow[None]:
        """Keep that, unless pins are refused."""

        def pinned() -> None:
            if error := self.refuses.get("pin"):
                raise error
            self.done.append(f"pin {ids[0]} in {conversation}")

        return self._flow(pinned)

    @property
    def texts(self) -> list[str]:
        """What arrived."""
        return [out.message.text for out in self.sent]


class Line:
    """See the module. ``club`` and ``desk`` are the providers; each account's bridge has its name."""

    def __init__(self, store: SqliteStore, **club: object) -> None:
        self.store, self.clock = store, Clock(NOW)
        self.club, self.desk = Numbering(**club), Numbering()
        self.telegram = Numbering(
            text_limit=4096,
            text_unit="utf16",
            edits=True,
            deletes=True,
            reactions=True,
            replies=True,
            link_buttons=True,
        )
        self.telegram.prefix = "t"
        accounts = {name: fake_account(bridge, name) for name, bridge in (("club", self.club), ("desk", self.desk))}
        accounts["telegram"] = PinningAccount("telegram", self.telegram)
        self.relay = Relay(accounts=accounts, policy=Policy(86400.0, "hold", "resend", owners=(OWNER,)))
        self.feedback = Feedback(self.relay)
        self.engine = DeliveryEngine(
            store=store,
            accounts=accounts,
            observer=self.feedback,
            clock=self.clock,
            jitter=lambda: 0.0,
            zone="Europe/London",
        )

    def rule(self, tx: Tx, line: str, *, name: str = "r") -> None:
        """A route as people write it."""
        draft = parse_route(line)
        tx.routes.add(
            name=name,
            source=str(draft.source),
            arrow=str(draft.arrow),
            target=str(draft.target),
            options=options_to_json(draft.options),
            created_by="test",
            now=self.clock(),
        )

    async def route(self, line: str, *, name: str = "r") -> None:
        """As :meth:`rule`, in a transaction of its own."""
        await self.store.write(lambda tx: self.rule(tx, line, name=name))

    def says(
        self,
        tx: Tx,
        place: str,
        text: str,
        *,
        id: str,
        late_s: float = 0.0,
        name: str = "Pat",
        message: Message | None = None,
    ) -> str:
        """Somebody wrote in a place, so long ago; returns the outcome."""
        address = parse_address(place)
        person = Person(id=PersonId(name.lower()), name=name)
        said = (message or Message(text=text)).model_copy(update={"sender": person})
        event = Received(
            key=id,
            at=self.at(late_s),
            conversation=Conversation(id=address.conversation),
            id=MessageId(id),
            message=said,
        )
        return self.relay.received(tx, address, event, now=self.clock())

    async def said(self, place: str, text: str, *, id: str = "m1", late_s: float = 0.0, name: str = "Pat") -> str:
        """As :meth:`says`, in a transaction of its own."""
        return await self.store.write(lambda tx: self.says(tx, place, text, id=id, late_s=late_s, name=name))

    def edits(self, tx: Tx, place: str, text: str, *, id: str, name: str = "Pat") -> str:
        """Its author gives a message other words; returns the outcome."""
        address = parse_address(place)
        message = Message(text=text, sender=Person(id=PersonId(name.lower()), name=name))
        event = Edited(
            key=f"{id} {text}",
            at=self.at(),
            conversation=Conversation(id=address.conversation),
            id=MessageId(id),
            message=message,
        )
        return self.relay.changed(tx, address.account, event, now=self.clock())

    def reacts(self, tx: Tx, place: str, *emoji: str, id: str, name: str = "Bo") -> str:
        """Somebody's reactions on a message are now these; returns the outcome."""
        address = parse_address(place)
        event = Reacted(
            key=f"{id} {emoji}",
            at=self.at(),
            conversation=Conversation(id=address.conversation),
            id=MessageId(id),
            person=Person(id=PersonId(name.lower()), name=name),
            reactions=emoji,
        )
        return self.relay.changes.reacted(tx, address.account, event, now=self.clock())

    def at(self, ago_s: float = 0.0) -> datetime:
        """A time by the line's clock."""
        return datetime.fromtimestamp(self.clock() - ago_s, UTC)

    async def rows(self, address: str | None = None) -> list[Delivery]:
        """What is and was to be delivered, without the bot's own words."""
        rows = await self.store.read(lambda tx: tx.outbox.list())
        return [row for row in rows if row.why != "the bot's own" and address in (None, row.address)]

    async def rests(self) -> list[Delivery]:
        """Wait until nothing can be sent any more; returns all rows, without the bot's own words."""

        def none_due(tx: Tx) -> bool:
            due = [tx.outbox.next_due(account) for account in ("club", "desk", "telegram")]
            return all(at is None or at > self.clock() for at in due) and not tx.outbox.list(states=("sending",))

        await until(lambda: self.store.read(none_due))
        return await self.rows()

    async def later(self, seconds: float) -> None:
        """Time passes."""
        self.clock.at += seconds
        await self.store.write(lambda tx: tx.woken.update(("club", "desk", "telegram")))

    @property
    def owner_hears(self) -> list[str]:
        """What the owner was told privately."""
        return [out.message.text for out in self.telegram.sent if out.conversation == str(OWNER)]

    @property
    def room(self) -> list[str]:
        """What arrived in the Telegram group."""
        return [out.message.text for out in self.telegram.sent if out.conversation == "-5"]


@asynccontextmanager
async def line(folder: Path, **club: object) -> AsyncIterator[Line]:
    """A line whose engine is stopped at the end, if it was started."""
    async with opened(folder) as store:
        made = Line(store, **club)
        yield made
        await made.engine.stop(grace_s=1)
