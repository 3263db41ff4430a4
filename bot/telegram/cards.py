"""Cards: messages of the bot with buttons, each of which can be used once, by the right person, for a while.

A kind of card declares its choices, with the role that each needs, and the function that decides. What is common to
all (who may press, whether it is used up, expired or unknown) is dealt with in :mod:`bot.telegram.presses`; a card's
own function runs only after that, inside the transaction that also marks the card as used.

A card survives a restart: it is a row, and its nonce is in the button. It is bound to its chat; to a person, if it has
one; to a time; and to what was shown, by a digest, where what it does depends on more than itself.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from telegram import Message as TelegramMessage

from bot.addresses import Address
from bot.cards import deal, digest
from bot.previews import PAGE_MOST
from bot.relay import Relay
from bot.store import Tx
from bot.store.marks import Card
from bot.telegram.access import Role
from bot.telegram.replies import Reply
from bot.text import utf16_length
from bridges.model import Message, Span, SpanKind

if TYPE_CHECKING:
    # Commands show cards, so these are no more than names here.
    from bot.telegram.commands.registry import Call, Services


@dataclass(frozen=True, slots=True)
class Press:
    """A button that somebody pressed who may."""

    card: Card
    choice: str
    person: int
    person_name: str
    role: Role
    everywhere: Role
    place: Address
    """The chat or topic that the card stands in."""
    message: TelegramMessage | None
    """The card's own message, if Telegram still tells it."""
    services: Services
    now: float
    prepared: object = None
    """What the kind's ``prepare`` brought; an exception if it went wrong."""

    @property
    def relay(self) -> Relay:
        """The relay."""
        return self.services.relay

    @property
    def payload(self) -> Any:
        """What the card keeps."""
        return json.loads(self.card.payload)


@dataclass(frozen=True, slots=True)
class Pressed:
    """What came of it."""

    toast: str
    card: Reply | None = None
    """The card's new text and buttons; None: it stays as it is."""
    used: bool = True
    """Whether this card's buttons are used up; those of a new text are another card's."""
    outcome: str = "done"
    """For the audit."""


Decide: TypeAlias = Callable[[Press, Tx], Pressed]
Prepare: TypeAlias = Callable[[Press, Tx], Callable[[], Awaitable[object]] | None]
"""Says what the network has to be asked for before the decision, or None; reads only. The time for it is bounded, and
after a crash it is asked again."""


@dataclass(frozen=True, slots=True)
class CardKind:
    """What the cards of a kind offer, and who decides."""

    name: str
    choices: Mapping[str, Role]
    decide: Decide
    scopes: Mapping[str, bool]
    """Choices that reach everywhere: a role for this chat is not enough."""
    prepare: Prepare | None = None


@dataclass
class CardKinds:
    """All kinds by name."""

    kinds: dict[str, CardKind] = field(default_factory=dict)

    def add(
        self,
        name: str,
        *,
        choices: Mapping[str, Role],
        everywhere: Sequence[str] = (),
        prepare: Prepare | None = None,
    ) -> Callable[[Decide], Decide]:
        """Declare a kind of card: its choices with the role each needs; ``everywhere`` names those that reach so
        far."""

        def declared(decide: Decide) -> Decide:
            self.kinds[name] = CardKind(name, choices, decide, dict.fromkeys(everywhere, True), prepare)
            return decide

        return declared


card_kinds = CardKinds()


def tell_command(press: Press, tx: Tx, line: str, *, hint: str = "") -> bool:
    """Say a command below a card, to be copied, changed and sent, after a hint; False: no message holds it, and nothing
    is said.
    """
    if utf16_length(line) > PAGE_MOST:
        return False
    if hint:
        press.relay.tell(tx, press.place, hint, now=press.now)
    code = Span(kind=SpanKind.CODE, start=0, length=len(line))
    press.relay.say(tx, press.place, Message(text=line, spans=(code,)), now=press.now)
    return True


YES, NO = "yes", "no"
Preview: TypeAlias = "Callable[[Tx, Services, Any], str]"
"""The text of a confirmation, made of its payload and of how things are now; raises what commands raise."""


def confirmation(
    kind: str, *, role: Role, preview: Preview, yes: str, everywhere: bool = False
) -> Callable[[Decide], Callable[[Call | Press, Tx, object], Reply]]:
    """Declare something that is asked about before it is done; returns what a command or a button answers with.

    The card is the asking person's alone, for as long as ``bot.cards.EXPIRES_S``. At the press the preview is made
    once more: if it is not what was shown, nothing is done and the new one is shown.
    """

    def declared(do: Decide) -> Callable[[Call | Press, Tx, object], Reply]:
        def card(tx: Tx, services: Services, payload: object, *, person: int, chat: str, now: float) -> Reply:
            text = preview(tx, services, payload)
            buttons = deal(
                tx,
                kind,
                ((yes, YES), ("Cancel", NO)),
                chat=chat,
                now=now,
                person=person,
                payload=payload,
                shown=text,
            )
            return Reply(text, buttons)

        @card_kinds.add(kind, choices={YES: role, NO: Role.VIEWER}, everywhere=(YES,) if everywhere else ())
        def decide(press: Press, tx: Tx) -> Pressed:
            if press.choice == NO:
                return Pressed("Nothing was done.", Reply("Cancelled: nothing was done."), outcome="cancelled")
            text = preview(tx, press.services, press.payload)
            if digest(text) != press.card.shown:
                again = card(
                    tx,
                    press.services,
                    press.payload,
                    person=press.person,
                    chat=press.place.conversation,
                    now=press.now,
                )
                return Pressed("It has changed meanwhile: look again.", again, outcome="changed meanwhile")
            return do(press, tx)

        def ask(by: Call | Press, tx: Tx, payload: object) -> Reply:
            assert by.person is not None
            place = by.place if isinstance(by, Press) else by.here
            return card(tx, by.services, payload, person=by.person, chat=place.conversation, now=by.now)

        return ask

    return declared
