"""Who did what, from the chat."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.addresses import telegram_address
from bot.store import Tx
from bot.store.audit import Deed
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, count, registry
from bot.telegram.replies import Reply

SHOWN = 20
SHOWN_MOST = 200


@registry.add(
    "audit",
    role=Role.ADMIN,
    usage="[n]",
    summary="Who did what, when and where; refusals too",
    example="/audit 20",
    details=(
        f"The newest {SHOWN} lines, or n, at most {SHOWN_MOST}; times are UTC. Who is admin in this chat only sees what"
        " was done in this chat. patchbay audit on the command line gives all of it. Nothing is ever removed."
    ),
)
def audit(call: Call, tx: Tx) -> Answer:
    """The newest lines, newest first."""
    n = count(call, usual=SHOWN, most=SHOWN_MOST)
    within = None if call.everywhere >= Role.ADMIN else str(telegram_address(call.message.chat_id))
    deeds = tx.audit.last(n, within=within)
    return Reply("\n".join(_line(tx, deed) for deed in deeds) or "Nobody has done anything yet.")


def _line(tx: Tx, deed: Deed) -> str:
    at = datetime.fromtimestamp(deed.at, UTC)
    who = tx.people.shown(deed.person) if deed.person else "anonymous admin or channel"
    return f"{at:%Y-%m-%d %H:%M:%S} {who} {deed.command}: {deed.outcome}, at {deed.place}"
