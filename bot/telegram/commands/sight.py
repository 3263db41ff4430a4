"""Which deliveries and messages a person may look at and decide about: a role for one chat does not reach others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot import decisions
from bot.addresses import TELEGRAM, Address, is_within, telegram_address
from bot.store import Tx
from bot.store.messages import Origin
from bot.store.outbox import Delivery
from bot.telegram.access import Role
from bot.telegram.cards import Press
from bot.telegram.replies import NotAllowed
from bridges.model import AccountName, ConversationId

if TYPE_CHECKING:
    from bot.telegram.commands.registry import Call


@dataclass(frozen=True, slots=True)
class Sight:
    """Everything, or what was written in one chat of Telegram's and what goes there."""

    chat: str | None = None
    """The chat's id; None: everything."""

    def covers(self, tx: Tx, row: Delivery) -> bool:
        """Whether a delivery is among it."""
        return self.chat is None or tx.deliveries.is_of_chat(row.id, self.chat)

    def is_home(self, origin: Origin) -> bool:
        """Whether a message was written where the person's role counts."""
        if self.chat is None:
            return True
        address = Address(AccountName(origin.account), ConversationId(origin.conversation))
        return is_within(address, telegram_address(int(self.chat)))

    def names(self, origin: Origin) -> bool:
        """Whether the person may know where a message was written: providers' conversations are within reach."""
        return origin.account != TELEGRAM or self.is_home(origin)

    def find(self, tx: Tx, word: str) -> Delivery:
        """A delivery by the number people see; raises ``DecisionError`` and ``NotAllowed``."""
        row = decisions.find(tx, word)
        self.require(tx, row)
        return row

    def require(self, tx: Tx, row: Delivery) -> None:
        """Raises ``NotAllowed`` for a delivery that belongs to other chats."""
        if not self.covers(tx, row):
            raise NotAllowed(
                f"Delivery {row.id} was neither written in this chat nor goes here: deciding about it needs the role"
                " operator everywhere. An owner can give it: /grant USER operator"
            )


def sight_of(by: Call | Press, *, needed: Role = Role.OPERATOR) -> Sight:
    """What somebody may look at who wrote a command or pressed a button."""
    if by.everywhere >= needed:
        return Sight()
    place = by.place if isinstance(by, Press) else by.here
    return Sight(place.conversation.partition("/")[0])
