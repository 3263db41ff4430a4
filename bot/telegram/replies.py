"""What commands, cards and wizards say: an answer, or why there is none. This file knows none of them."""

from __future__ import annotations

from dataclasses import dataclass

from bridges.model import Button


class UsageError(ValueError):
    """An argument is wrong; the text says which and why. The command's example is added to the answer."""


class NotAllowed(Exception):
    """The person may use the command, and not for this; the text says who may."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in words. None instead of it: the state mark on the command is answer enough."""

    text: str
    buttons: tuple[Button, ...] = ()
    outcome: str = ""
    """What was done, for the audit, where the command's name does not tell it; never anybody's words."""
