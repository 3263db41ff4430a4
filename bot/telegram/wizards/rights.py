"""Whether this bot may write where somebody wants it to: Telegram is asked, and what is missing is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from bot.addresses import TELEGRAM, Address, AddressError, NewTopic, Pattern, Source, parse_source, parse_target
from bot.telegram.wizards.pages import Prepare
from bot.telegram.wizards.scene import Scene
from bridges.model import ConversationId

MISSING = "missing"
"""The value of a wizard with what is missing, by address; empty: nothing is."""


@runtime_checkable
class SeesRights(Protocol):
    """An account that can be asked what this bot may do in a chat."""

    async def missing_right(self, conversation: ConversationId, *, opens: bool) -> str:
        """Why nothing can be written there (``opens``: no topic opened), with the remedy; empty if it can. Raises
        ``BridgeError``."""
        ...


def to_ask(scene: Scene, written: str, *, opens: bool = False) -> Prepare | None:
    """What to ask Telegram about an address; None for those of others."""
    account = scene.relay.accounts.get(TELEGRAM)
    if not isinstance(account, SeesRights) or not written.startswith(f"{TELEGRAM}:") or written.endswith("*"):
        return None
    try:
        address = parse_source(written)
    except AddressError:
        return None
    return lambda: account.missing_right(address.conversation, opens=opens) if isinstance(address, Address) else _none()


async def _none() -> str:
    return ""


def ask_about(scene: Scene, ends: Sequence[Source | NewTopic]) -> Prepare | None:
    """As :func:`to_ask`, of several; brings what is missing by address."""
    asked: dict[str, Prepare] = {}
    for end in ends:
        place = end.chat if isinstance(end, NewTopic) else end
        ask = None if isinstance(place, Pattern) else to_ask(scene, str(place), opens=isinstance(end, NewTopic))
        if ask is not None:
            asked[str(place)] = ask

    async def bring() -> Mapping[str, object]:
        return {address: await ask() for address, ask in asked.items()}

    return bring if asked else None


def missing_right(scene: Scene, place: Address, missing: str) -> str:
    """A sentence about it."""
    title = scene.tx.conversations.title(place.account, place.conversation)
    return f"{title or place}: {missing}"


def missing_lines(scene: Scene, ends: Sequence[str], *, fresh: object = None) -> list[str]:
    """What is missing at these ends, as far as it was asked; ``fresh``: what was brought just now."""
    known = dict(scene.values.get(MISSING, {}))
    if isinstance(fresh, Mapping):
        known |= fresh
    places = [str(end.chat if isinstance(end, NewTopic) else end) for end in map(parse_end, ends)]
    return [f"⚠ {missing_right(scene, parse_place(place), str(known[place]))}" for place in places if known.get(place)]


def parse_end(written: str) -> Source | NewTopic:
    """An end of a rule as it is written."""
    return parse_target(written) if written.startswith("new-topic(") else parse_source(written)


def parse_place(written: str) -> Address:
    """The address of one place."""
    source = parse_source(written)
    assert isinstance(source, Address)
    return source
