"""One registry of commands: it feeds the handlers, the authorisation, ``/help``, the menu and the README."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from telegram import Message

from bot.addresses import Address
from bot.feedback import Feedback
from bot.relay import Relay
from bot.store import Tx
from bot.telegram.access import Role
from bridges.model import Attachment, Button


class UsageError(ValueError):
    """An argument is wrong; the text says which and why. The command's example is added to the answer."""


class NotAllowed(Exception):
    """The person may use the command, and not for this; the text says who may."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in words. None instead of it: the state mark on the command is answer enough."""

    text: str
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class Services:
    """What commands may use."""

    relay: Relay
    feedback: Feedback
    default_timezone: str
    bot_username: str


@dataclass(frozen=True, slots=True)
class Call:
    """One command as somebody wrote it."""

    name: str
    arguments: str
    here: Address
    person: int | None
    person_name: str
    role: Role
    message: Message
    services: Services
    now: float
    keep: Callable[[Tx], int]
    """Writes down the command's own message, so that deliveries can point back at it; returns its id."""
    prepared: object = None
    """What the command's ``prepare`` brought."""
    attachments: tuple[Attachment, ...] = ()
    """What hangs on the command's own message; of an album, all of it."""

    @property
    def relay(self) -> Relay:
        """The relay."""
        return self.services.relay

    @property
    def answered(self) -> Message | None:
        """The message that the command replies to; not the one that stands for the whole topic."""
        parent = self.message.reply_to_message
        return None if parent is None or parent.forum_topic_created is not None else parent

    def word(self, what: str) -> str:
        """The one argument there has to be."""
        words = self.arguments.split()
        if len(words) != 1:
            raise UsageError(f"{what} is needed" if not words else f"only {what} is needed, and nothing after it")
        return words[0]


Answer: TypeAlias = Reply | None
Run: TypeAlias = Callable[[Call, Tx], Answer]
Prepare: TypeAlias = Callable[[Call], Awaitable[object]]
"""Asks the network for what a command needs, before its transaction and only for somebody who may run it.

It changes nothing anywhere: after a crash it is asked again. It returns something that is not None and raises what
``run`` may raise, or any ``BridgeError``; the time for it is bounded.
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it is run, explained and allowed."""

    name: str
    role: Role
    arguments: str
    summary: str
    """What it does, for the menu: at most 256 characters."""
    example: str
    run: Run
    details: str = ""
    roles_of_words: tuple[tuple[str, Role], ...] = ()
    """First arguments that need another role than the command itself."""
    prepare: Prepare | None = None

    def role_for(self, arguments: str) -> Role:
        """The role that this use of the command needs."""
        first = arguments.split(None, 1)[0].lower() if arguments.strip() else ""
        return dict(self.roles_of_words).get(first, self.role)


@dataclass
class Registry:
    """All commands by name."""

    commands: dict[str, Command] = field(default_factory=dict)

    def add(
        self,
        name: str,
        *,
        role: Role,
        summary: str,
        example: str,
        arguments: str = "",
        details: str = "",
        roles_of_words: Sequence[tuple[str, Role]] = (),
        prepare: Prepare | None = None,
    ) -> Callable[[Run], Run]:
        """Declare a command; the function it is put on runs it, inside the transaction that answers it.

        What only the network knows is asked for by ``prepare`` beforehand; ``run`` finds it in ``Call.prepared``.
        """

        def declared(run: Run) -> Run:
            self.commands[name] = Command(
                name, role, arguments, summary, example, run, details, tuple(roles_of_words), prepare
            )
            return run

        return declared

    def nearest(self, name: str) -> Command | None:
        """The command that somebody may have meant."""
        close = difflib.get_close_matches(name, self.commands, n=1, cutoff=0.5)
        return self.commands[close[0]] if close else None

    def for_role(self, role: Role) -> list[Command]:
        """What somebody with this role may run, at least in part."""
        return [
            command
            for command in self.commands.values()
            if min([command.role, *(needed for _, needed in command.roles_of_words)]) <= role
        ]


registry = Registry()
