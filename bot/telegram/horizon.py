"""Which conversations somebody may look back into: all, or one chat of Telegram's and what it is joined with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.addresses import TELEGRAM, Address, NewTopic, Pattern, is_within, telegram_address
from bot.relay import rule_of
from bot.routing import Rule
from bot.store import Tx
from bot.store.search import Stretch
from bot.telegram.access import Role
from bot.telegram.replies import NotAllowed

if TYPE_CHECKING:
    from bot.telegram.cards import Press
    from bot.telegram.commands.registry import Call

_LAST = "\U0010ffff"
"""After every other character."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """What one may see of the past."""

    chat: str | None = None
    """The chat's id; None: everything."""
    seen: tuple[Stretch, ...] | None = None

    def require(self, address: Address) -> None:
        """Raises ``NotAllowed`` for a conversation beyond it."""
        if self.seen is not None and not any(
            each.account == address.account and each.first <= address.conversation <= each.last for each in self.seen
        ):
            raise NotAllowed(
                f"Your role counts in this chat only, and {address} is neither part of it nor linked with it, nor does"
                " a route lead from here to there or back. To look further you need the role operator everywhere:"
                " an owner can give it with /grant USER operator"
            )


def horizon_of(tx: Tx, by: Call | Press) -> Horizon:
    """What somebody may see who wrote a command or pressed a button."""
    if by.everywhere >= Role.OPERATOR:
        return Horizon()
    place: Address = by.place if hasattr(by, "place") else by.here
    chat = place.conversation.partition("/")[0]
    home = telegram_address(int(chat))
    joined = [each for row in tx.routes.all() for each in _beyond(rule_of(row), home)]
    return Horizon(chat, (*stretches(home), *joined))


def stretches(address: Address) -> Sequence[Stretch]:
    """A conversation; a chat of Telegram's with its topics."""
    own = Stretch(address.account, address.conversation, address.conversation)
    if address.account != TELEGRAM or "/" in address.conversation:
        return (own,)
    return (own, Stretch(address.account, f"{address.conversation}/", f"{address.conversation}/{_LAST}"))


def _beyond(rule: Rule, home: Address) -> Iterator[Stretch]:
    """What a rule joins with a chat, if it does; other chats of Telegram's belong to others."""
    if not rule.enabled:
        return
    for one, other in ((rule.source, rule.target), (rule.target, rule.source)):
        place = one.chat if isinstance(one, NewTopic) else one
        if not isinstance(place, Address) or not is_within(place, home) or other.account == TELEGRAM:
            continue
        if isinstance(other, Pattern):
            yield Stretch(other.account, other.prefix, f"{other.prefix}{_LAST}")
        elif isinstance(other, Address):
            yield Stretch(other.account, other.conversation, other.conversation)
