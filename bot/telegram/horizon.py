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
    partly: tuple[Stretch, ...] = ()
    """Of these only what came to the chat or was written there: the rules that join them take some messages only."""

    def require(self, address: Address, *, typed: str = "") -> None:
        """Raises ``NotAllowed`` for a conversation beyond it, which is named only if somebody wrote its address."""
        if self.seen is not None and not _covers((*self.seen, *self.partly), address):
            place = str(address) if str(address) in typed or address.account != TELEGRAM else "that"
            raise NotAllowed(
                f"Your role counts in this chat only, and {place} is neither part of it nor linked with it, nor does"
                " a route lead from here to there or back. To look further you need the role operator everywhere:"
                " an owner can give it with /grant USER operator"
            )

    def knows(self, address: Address) -> bool:
        """Whether the person may know of it: other chats of Telegram's are not told of."""
        return self.seen is None or address.account != TELEGRAM or _covers(self.seen, address)

    def is_partial(self, address: Address) -> bool:
        """Whether only what came to the chat is to be seen of a conversation."""
        return self.seen is not None and not _covers(self.seen, address)


def horizon_of(tx: Tx, by: Call | Press) -> Horizon:
    """What somebody may see who wrote a command or pressed a button."""
    if by.everywhere >= Role.OPERATOR:
        return Horizon()
    place: Address = by.place if hasattr(by, "place") else by.here
    chat = place.conversation.partition("/")[0]
    home = telegram_address(int(chat))
    rules = [rule_of(row) for row in tx.routes.all()]
    joined = [each for rule in rules if not _filters(rule) for each in _beyond(rule, home)]
    partly = [each for rule in rules if _filters(rule) for each in _beyond(rule, home)]
    return Horizon(chat, (*stretches(home), *joined), tuple(partly))


def stretches(address: Address) -> Sequence[Stretch]:
    """A conversation; a chat of Telegram's with its topics."""
    own = Stretch(address.account, address.conversation, address.conversation)
    if address.account != TELEGRAM or "/" in address.conversation:
        return (own,)
    return (own, Stretch(address.account, f"{address.conversation}/", f"{address.conversation}/{_LAST}"))


def _covers(stretches: Sequence[Stretch], address: Address) -> bool:
    return any(
        each.account == address.account and each.first <= address.conversation <= each.last for each in stretches
    )


def _filters(rule: Rule) -> bool:
    """Whether a rule takes some messages and leaves others."""
    options = rule.options
    return any((options.match, options.not_, options.from_, options.hours))


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
