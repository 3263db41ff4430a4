"""What commands, cards and wizards say: an answer, or why there is none. This file knows none of them."""

from __future__ import annotations

from dataclasses import dataclass

from bridges.model import Attachment, Button, Message, Span


class UsageError(ValueError):
    """An argument is wrong; the text says which and why. The command's example is added to the answer."""


class NotAllowed(Exception):
    """The person may use the command, and not for this; the text says who may."""


def out_of_reach(place: object, *, held: str, needed: str, typed: str) -> NotAllowed:
    """The refusal for what belongs to another chat. It is named only to somebody who wrote its address themselves
    (``typed``): what stands behind a name, an audience or a rule is not told to those whose role is elsewhere."""
    role = f"Your role {held}" if held else "Your role"
    what = (
        f" counts in this chat only: for {place}" if str(place) in typed else " counts in this chat only, and that is"
    )
    what += "" if str(place) in typed else " another chat:"
    return NotAllowed(f"{role}{what} the role {needed} is needed everywhere. An owner can give it: /grant USER ROLE")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in words. None instead of it: the state mark on the command is answer enough."""

    text: str
    buttons: tuple[Button, ...] = ()
    outcome: str = ""
    """What was done, for the audit, where the command's name does not tell it; never anybody's words."""
    spans: tuple[Span, ...] = ()
    """Its formatting: instants, what can be copied."""
    picture: Attachment | None = None
    """A picture above it, or what is filled in when it is sent."""

    @property
    def message(self) -> Message:
        """As a message of the bot's own."""
        files = () if self.picture is None else (self.picture,)
        return Message(text=self.text, spans=self.spans, buttons=self.buttons, attachments=files)
