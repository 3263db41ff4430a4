"""What becomes of a message that somebody's role sent on, by a command or by an answer, when it is changed natively.

No rule carries it, so a person's role does: who has it no more changes nothing over there, and nobody does it for
them. What people in a linked chat do to relayed messages is the rules' business and is not asked about here.
"""

from __future__ import annotations

from bot.addresses import TELEGRAM, Address
from bot.changes import BY_ROUTE, is_change
from bot.relay import Relay
from bot.store import Tx
from bot.store.messages import Origin
from bot.telegram.access import Role
from bot.telegram.turns import RoleIn, audit
from bridges.model import AccountName, ConversationId, Edited, MembersChanged, Person, Reacted

ANONYMOUS = "you write as an anonymous admin or a channel, so I cannot tell who you are: write as yourself."
_COMMAND = "Editing a command changes nothing; /edit as a reply gives it other words, /undo takes it back."


class Hands:
    """Decides on edits and reactions in Telegram before the rules are asked."""

    def __init__(self, *, relay: Relay, role: RoleIn) -> None:
        self._relay = relay
        self._role = role

    def changed(self, tx: Tx, event: Edited | Reacted | MembersChanged, *, now: float) -> str:
        """Carry it as far as it may go; returns the outcome's name."""
        found = None if isinstance(event, MembersChanged) else tx.messages.locate(TELEGRAM, event.id)
        if isinstance(event, MembersChanged) or found is None or not found.is_original or not found.origin.by_hand:
            return self._relay.changed(tx, TELEGRAM, event, now=now)
        origin = found.origin
        if isinstance(event, Edited) and not is_change(origin, event.message):
            return "filtered"
        if origin.by_hand == "command":
            if isinstance(event, Edited):
                self._tell(tx, origin, now=now)
                return "filtered"
            if not self._may(tx, event.person, origin) or _is_announced(tx, origin):
                return "filtered"
        elif not self._needs_role(tx, origin):
            return self._relay.changed(tx, TELEGRAM, event, now=now)
        return self._by_role(tx, event, origin, now=now)

    def _by_role(self, tx: Tx, event: Edited | Reacted, origin: Origin, *, now: float) -> str:
        """Where somebody's hand sent it, it goes by the role held now; where rules did, by the rules."""
        who = event.message.sender if isinstance(event, Edited) else event.person
        deed = "edit by hand" if isinstance(event, Edited) else "reaction by hand"
        may = self._may(tx, who, origin)
        if not may and isinstance(event, Reacted) and not _went_by_rules(tx, origin):
            return "filtered"  # nor kept: it would stand in the way of the same one by somebody who may
        outcome = self._relay.changed(tx, TELEGRAM, event, now=now, by_hand=may)
        if may and outcome == "relayed":
            audit(tx, _person(who), place=origin.address, command=deed, outcome="done", now=now)
        if not may and isinstance(event, Edited):
            self._refuse(tx, who, origin, now=now)
            audit(tx, _person(who), place=origin.address, command=deed, outcome="refused", now=now)
        return outcome

    def _may(self, tx: Tx, who: Person | None, origin: Origin) -> bool:
        return self._role_of(tx, who, origin) >= Role.OPERATOR

    def _role_of(self, tx: Tx, who: Person | None, origin: Origin) -> Role:
        return self._role(tx, _person(who), chat=int(origin.conversation.partition("/")[0]))

    def _needs_role(self, tx: Tx, origin: Origin) -> bool:
        """Whether it stands somewhere that no rule has answers go back to from here, not any more."""
        home, router = Address(AccountName(origin.account), ConversationId(origin.conversation)), self._relay.router(tx)
        sent = [row for row in tx.outbox.of_message(origin.id) if row.op == "send" and not row.why.startswith(BY_ROUTE)]
        places = {Address(AccountName(row.account), ConversationId(row.conversation)) for row in sent}
        return any(router.reply_rule(place, home) is None for place in places)

    def _tell(self, tx: Tx, origin: Origin, *, now: float) -> None:
        """Say once beneath a command that went somewhere that this is not the way to change it."""
        sent = any(row.op == "send" for row in tx.outbox.of_message(origin.id))
        if sent and tx.notices.first(f"edited-command:{origin.id}", now=now):
            self._say(tx, origin, _COMMAND, now=now)

    def _refuse(self, tx: Tx, who: Person | None, origin: Origin, *, now: float) -> None:
        role = self._role_of(tx, who, origin)
        why = ANONYMOUS if _person(who) is None else f"yours is {role.word}. An owner can help."
        text = f"Not changed over there: changing what you answered needs the role operator; {why}"
        self._say(tx, origin, text, now=now)

    def _say(self, tx: Tx, origin: Origin, text: str, *, now: float) -> None:
        home = Address(AccountName(origin.account), ConversationId(origin.conversation))
        self._relay.tell(tx, home, text, now=now, reply_to=origin.id)


def _is_announced(tx: Tx, origin: Origin) -> bool:
    return any(row.broadcast is not None for row in tx.outbox.of_message(origin.id))


def _went_by_rules(tx: Tx, origin: Origin) -> bool:
    return any(row.why.startswith(BY_ROUTE) for row in tx.outbox.of_message(origin.id))


def _person(who: Person | None) -> int | None:
    """The id of the person; None for those who write in the name of a chat."""
    return int(who.id) if who is not None and who.kind == "member" else None
