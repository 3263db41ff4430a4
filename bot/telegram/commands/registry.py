"""One registry of commands: it feeds the handlers, the authorisation, ``/help``, the menus and the README."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from telegram import Message

from bot.addresses import Address
from bot.feedback import Feedback
from bot.firing import Firing
from bot.relay import Relay
from bot.store import Tx
from bot.telegram.access import Role, covers
from bot.telegram.commands.usage import Usage, UsageMismatch, first_word, shown
from bot.telegram.replies import NotAllowed as NotAllowed
from bot.telegram.replies import Reply as Reply
from bot.telegram.replies import UsageError as UsageError
from bot.telegram.replies import out_of_reach
from bot.telegram.surroundings import Surroundings
from bridges.model import Attachment

NEAR = 0.7
"""How alike a slip is to what was meant: measured with real slips, and with words that mean no command."""


class Effect(StrEnum):
    """What a command leaves behind, in the words of ``/help``."""

    LOOKS = "changes nothing"
    SENDS = "sends or changes messages"
    SETS = "changes how this bot works"


class Scope(StrEnum):
    """How far a command reaches: which role it needs, one for this chat or one that holds everywhere."""

    CHAT = "here"
    """What it does concerns this chat, its messages, or conversations outside Telegram."""
    ALL = "everywhere"
    """What it does concerns everybody: a role that is limited to a chat is not enough."""


@dataclass(frozen=True, slots=True)
class Services:
    """What commands may use."""

    relay: Relay
    feedback: Feedback
    default_timezone: str
    bot_username: str
    firing: Firing
    """What makes deliveries of schedules."""
    surroundings: Surroundings | None = None
    """How the bot is set up and in touch; None where commands are played without Telegram."""


@dataclass(frozen=True, slots=True)
class Call:
    """One command as somebody wrote it."""

    name: str
    arguments: str
    here: Address
    person: int | None
    person_name: str
    role: Role
    """The highest role held here."""
    message: Message
    services: Services
    now: float
    keep: Callable[[Tx], int]
    """Writes down the command's own message, so that deliveries can point back at it; returns its id."""
    prepared: object = None
    """What the command's ``prepare`` brought."""
    attachments: tuple[Attachment, ...] = ()
    """What hangs on the command's own message; of an album, all of it."""
    everywhere: Role = Role.VIEWER
    """The highest role held everywhere, which is what reaches beyond this chat."""
    way: Way | None = None
    """Which of the ways to write the command it is."""
    values: Mapping[str, str] = field(default_factory=dict)
    """The arguments by placeholder, as the way's usage names them."""

    def target(self, tx: Tx, word: str) -> Address:
        """An address, a name or ``here``, that the person's role reaches. Raises what :meth:`reach` raises,
        ``AddressError`` and ``Refused``."""
        address = self.relay.parse_target(tx, word, here=self.here, seen=self.reaches)
        self.reach(address)
        return address

    def reach(self, address: Address) -> None:
        """A role that is limited to this chat does not reach into other chats of Telegram; raises ``NotAllowed``."""
        if not self.reaches(address):
            needed = self.way.role.word if self.way is not None else self.role.word
            raise out_of_reach(address, held=self.role.word, needed=needed, typed=self.arguments)

    def reaches(self, address: Address) -> bool:
        """Whether the person's role covers what concerns this address."""
        needed = self.way.role if self.way is not None else self.role
        return covers(address, here=self.here, everywhere=self.everywhere, needed=needed)

    @property
    def relay(self) -> Relay:
        """The relay."""
        return self.services.relay

    @property
    def answered(self) -> Message | None:
        """The message that the command replies to; not the one that stands for the whole topic."""
        parent = self.message.reply_to_message
        return None if parent is None or parent.forum_topic_created is not None else parent


Answer: TypeAlias = Reply | None
Run: TypeAlias = Callable[[Call, Tx], Answer]
Prepare: TypeAlias = Callable[[Call], Awaitable[object]]
"""Asks the network for what a command needs, before its transaction and only for somebody who may run it.

It changes nothing anywhere: after a crash it is asked again. It returns something that is not None and raises what
``run`` may raise, or any ``BridgeError``; the time for it is bounded.
"""

Meant: TypeAlias = Callable[[str], str]
"""Which command somebody may have meant with arguments that fit no way of it; empty: nobody can tell."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to write a command, who may, and what it does."""

    usage: Usage
    role: Role
    scope: Scope
    effect: Effect
    example: str
    summary: str = ""

    @property
    def keyword(self) -> str:
        """The first word that tells it from the others; empty if it has none."""
        return self.usage.keyword

    def is_for(self, role: Role, *, everywhere: Role) -> bool:
        """Whether somebody who holds these roles, in a chat and everywhere, may use it there."""
        return role >= self.role and (self.scope is Scope.CHAT or everywhere >= self.role)


def count(call: Call, *, usual: int, most: int) -> int:
    """How many somebody asks for; raises ``UsageError``."""
    word = call.values.get("n", str(usual))
    if not 1 <= int(word) <= most:
        raise UsageError(f"{shown(word)} is not a number from 1 to {most}")
    return int(word)


def way(
    usage: str,
    *,
    example: str = "",
    summary: str = "",
    role: Role | None = None,
    scope: Scope | None = None,
    effect: Effect | None = None,
) -> Mapping[str, object]:
    """One way to write a command; what is not given is the command's own."""
    return {
        "usage": Usage(usage),
        "example": example,
        "summary": summary,
        "role": role,
        "scope": scope,
        "effect": effect,
    }


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it is run, explained and allowed."""

    name: str
    role: Role
    """The role for whatever is none of its ways, and for those that name none."""
    summary: str
    """What it does, for the menu: at most 256 characters."""
    example: str
    run: Run
    ways: tuple[Way, ...]
    details: str = ""
    as_reply: bool = False
    """Written as a reply to a message."""
    prepare: Prepare | None = None
    meant: Meant | None = None

    @property
    def least(self) -> Role:
        """The role from which on some way of it may be used."""
        return min(each.role for each in self.ways)

    def usages(self) -> list[str]:
        """Every way as people write it."""
        return [f"/{self.name} {each.usage.line}".rstrip() for each in self.ways]

    def way_of(self, arguments: str) -> Way | None:
        """Which way somebody means: the one whose keyword comes first, else the one without. None: none of them."""
        first = first_word(arguments)[0].lower()
        named = next((each for each in self.ways if each.keyword and each.keyword == first), None)
        if named is not None:
            return named
        others = [each for each in self.ways if not each.keyword]
        if not first:
            return next((each for each in others if not each.usage.line), others[0] if others else None)
        return next((each for each in others if each.usage.line), None)

    def read(self, way: Way | None, arguments: str) -> dict[str, str]:
        """The arguments by placeholder; raises ``UsageError``."""
        if way is None:
            keywords = [each.keyword for each in self.ways if each.keyword]
            first = first_word(arguments)[0]
            if not first:
                raise UsageError(f"say what to do: {', '.join(keywords)}")
            if not keywords:
                raise UsageError(f"{shown(first)} is too much: nothing stands after /{self.name}")
            near = difflib.get_close_matches(first.lower(), keywords, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"{shown(first)} is none of {', '.join(keywords)}{hint}")
        try:
            return way.usage.read(arguments)
        except UsageMismatch as error:
            meant = "" if self.meant is None else self.meant(arguments)
            raise UsageError(f"did you mean {meant}?" if meant else str(error)) from error


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
        usage: str = "",
        ways: Sequence[Mapping[str, object]] = (),
        effect: Effect = Effect.LOOKS,
        scope: Scope = Scope.CHAT,
        details: str = "",
        as_reply: bool = False,
        prepare: Prepare | None = None,
        meant: Meant | None = None,
    ) -> Callable[[Run], Run]:
        """Declare a command; the function it is put on runs it, inside the transaction that answers it.

        ``usage`` or ``ways`` say how it is written (:mod:`bot.telegram.commands.usage`). What only the network knows
        is asked for by ``prepare`` beforehand; ``run`` finds it in ``Call.prepared``.
        """
        own = {"role": role, "scope": scope, "effect": effect, "example": example}
        made = tuple(
            Way(**{**own, **{key: value for key, value in each.items() if value not in (None, "")}})  # type: ignore[arg-type]
            for each in ways or (way(usage),)
        )

        def declared(run: Run) -> Run:
            self.commands[name] = Command(
                name, role, summary, example, run, made, details, as_reply, prepare, meant
            )  # fmt: skip
            return run

        return declared

    def nearest(self, name: str) -> Command | None:
        """The command that somebody may have meant."""
        # Letters in another order are the likeliest slip, and look to difflib like another word.
        same = [each for each in self.commands if sorted(each) == sorted(name)]
        close = same or difflib.get_close_matches(name[:32], self.commands, n=1, cutoff=NEAR)
        return self.commands[close[0]] if close else None

    def for_role(self, role: Role, *, everywhere: Role | None = None) -> list[Command]:
        """What somebody with this role in a chat may run there, at least in part; ``everywhere``: where it differs."""
        reach = role if everywhere is None else everywhere
        return [c for c in self.commands.values() if any(way.is_for(role, everywhere=reach) for way in c.ways)]


registry = Registry()
