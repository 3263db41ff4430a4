"""Addresses: which conversation is meant, and what it is called in requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bridges.errors import Refused
from bridges.model import Conversation, ConversationId
from bridges.netsapiens import wire
from bridges.netsapiens.settings import NetSapiensSettings
from bridges.signing import fingerprint

EXAMPLES = (
    "chat/4101 for an extension, chat/4101,4102 for several, sms/15550100123 for a phone, "
    "session/0f1e2d3c4b5a69788796a5b4c3d2e1f0 for a session"
)
CONVERSATION_MOST = 512
TITLE_MOST = 64


@dataclass(frozen=True, slots=True)
class Place:
    """A parsed address: ``names`` are extensions, phone numbers in digits, or the id of one session."""

    kind: Literal["chat", "sms", "session"]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Handle:
    """What is known of a conversation on the server: what the bot keeps of it between two messages.

    It is written as the id of the session alone, or as ``SESSION/NUMBER/EXTENSION`` where people wrote to another
    number than the account's own: an answer has to leave from that one. Any of the three may be empty.
    """

    session: str = ""
    number: str = ""
    """Our number in it."""
    owner: str = ""
    """The extension that has the number, and the session."""

    @classmethod
    def of(cls, text: str) -> Handle:
        """Read what :meth:`written` wrote; what makes no sense is left aside."""
        session, _, rest = text.partition("/")
        number, _, owner = rest.partition("/")
        return cls(
            wire.session_of(session),
            number if wire.NUMBER.fullmatch(number) else "",
            owner if wire.EXTENSION.fullmatch(owner) and owner.strip(".") else "",
        )

    def written(self, *, usual: NetSapiensSettings) -> str:
        """As text; ``usual`` are the settings whose number and extension need no mention."""
        number = "" if self.number == usual.from_number else self.number
        another = bool(number) or (not self.number and self.owner not in ("", usual.user))
        return f"{self.session}/{number}/{self.owner}" if another else self.session


def place_of(conversation: ConversationId) -> Place:
    """Parse an address; raises ``Refused`` with valid examples."""
    text = str(conversation)
    kind, slash, rest = text.partition("/")
    names = rest.split(",")
    if not text:
        problem = "an empty address"
    elif len(text) > CONVERSATION_MOST:
        problem = f"an address of {len(text)} characters (at most {CONVERSATION_MOST})"
    elif not text.isprintable() or any(c.isspace() for c in text):
        problem = "an address with spaces or control characters"
    elif kind == "chat" and slash:
        if all(wire.EXTENSION.fullmatch(name) for name in names):
            return Place("chat", tuple(dict.fromkeys(names)))
        problem = "a chat with what is no extension"
    elif kind == "sms" and slash:
        digits = [name.removeprefix("+") for name in names]
        if all(wire.NUMBER.fullmatch(number) for number in digits):
            return Place("sms", tuple(dict.fromkeys(digits)))
        problem = "an SMS address that is no number in digits"
    elif kind == "session" and slash:
        if wire.session_of(rest):
            return Place("session", (rest,))
        problem = "a session with an id that cannot be one"
    else:
        problem = "none of its kinds of address"
    raise Refused(f"NetSapiens has no such conversation: this is {problem}; valid are {EXAMPLES}")


def conversation_of(
    kind: wire.Kind,
    *,
    remotes: Sequence[str],
    session: str,
    title: str = "",
    group: bool = False,
    handle: str | None = None,
) -> Conversation:
    """The conversation with these others.

    One other is ``sms/N`` or ``chat/E``; several are the session they share, and where no session is known, all of
    them. Somebody who is neither number nor extension (a sender's name) can only be reached through the session.
    """
    pattern = wire.NUMBER if kind == "sms" else wire.EXTENSION
    nameable = bool(remotes) and all(pattern.fullmatch(remote) for remote in remotes)
    listed = f"{kind}/{','.join(sorted(remotes))}"
    if nameable and len(remotes) == 1 and not group:
        id = listed
    elif session:
        id = f"session/{session}"
    elif nameable and len(listed) <= CONVERSATION_MOST:
        id = listed
    else:
        id = f"session/{fingerprint('netsapiens', kind, *sorted(remotes))}"
    shown = title or f"{'SMS' if kind == 'sms' else 'Chat'} {', '.join(sorted(remotes))}".strip()
    several = group or len(remotes) > 1
    return Conversation(
        id=ConversationId(id),
        kind="group" if several else "direct",
        title=_short(shown),
        handle=session if handle is None else handle,
    )


def session_id_for(domain: str, *, user: str, kind: wire.Kind, remotes: Sequence[str]) -> str:
    """The id of a session that we begin: 32 hex digits, always the same for the same people.

    The documented alphabet is ``A-Za-z0-9_``; hyphens are not allowed.
    """
    return fingerprint("session", domain, user, kind, *sorted(remotes))


def _short(text: str) -> str:
    return text if len(text) <= TITLE_MOST else text[: TITLE_MOST - 1] + "…"
