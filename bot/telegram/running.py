"""Commands: what they need is asked for, then they run in the transaction that answers them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from telegram import Message as TelegramMessage
from telegram import Update

from bot.addresses import AddressError
from bot.decisions import DecisionError, NoDelivery
from bot.names import one_line
from bot.operations import chat_lines
from bot.relay import Relay, sentence
from bot.routing import RouteError
from bot.store import Store, Tx
from bot.store.inbox import Arrived
from bot.telegram.access import Role, person_of
from bot.telegram.albums import keep_pictures
from bot.telegram.commands import registry
from bot.telegram.commands.registry import Call, Command, NotAllowed, Reply, Scope, Services, UsageError
from bot.telegram.inbound import CommandLine, here, pictures_of, received
from bot.telegram.lanes import Turn
from bot.telegram.seen import Seen
from bot.telegram.turns import RoleIn, audit, done, is_open
from bot.when import WhenError
from bridges.errors import BridgeError, Refused, Unavailable

_WRONG = (UsageError, AddressError, RouteError, Refused, NoDelivery)
"""What is told to the person who wrote a command, with an example of a right one."""


class Runner:
    """Runs commands as the registry has them, for those who may."""

    def __init__(
        self,
        *,
        store: Store,
        relay: Relay,
        services: Callable[[], Services],
        role: RoleIn,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._relay = relay
        self._services = services
        self._role_in = role
        self._clock = clock
        self._seen = Seen(role=role)
        self._prepared: dict[int, object] = {}
        """What commands asked the network for, by inbox item: a store that takes no writes does not ask again."""

    async def run(self, turn: Turn, update: Update, line: CommandLine, *, prepare_s: float) -> None:
        """Run a command and commit its answer with it. ``prepare_s``: how long it may ask the network before."""
        if turn.item.id not in self._prepared:
            self._prepared[turn.item.id] = await self._prepare(turn.item, update, line, within_s=prepare_s)
        prepared = self._prepared[turn.item.id]
        await self._store.write(lambda tx: self._run(tx, turn, update, line, prepared=prepared))

    def forget(self, turn: Turn) -> None:
        """The turn is over: what was asked for it is not needed any more."""
        self._prepared.pop(turn.item.id, None)

    async def _prepare(self, item: Arrived, update: Update, line: CommandLine, *, within_s: float) -> object:
        """What a command has to know from the network; None if it needs nothing or may not be run.

        No transaction is open meanwhile, and only this chat waits. What goes wrong is returned, to be the answer.
        """
        command = registry.commands.get(line.name)
        if command is None or command.prepare is None:
            return None
        message = line.message

        def may(tx: Tx) -> Roles | None:
            return self._roles(tx, message) if tx.inbox.is_pending(item.id) else None

        roles = await self._store.read(may)
        if roles is None:
            return None
        call = self._read(self._call(update, line, roles=roles), command)
        if isinstance(call, Exception):
            return call
        if _not_enough(call, command):
            return None
        try:
            async with asyncio.timeout(within_s):
                return await command.prepare(call)
        except TimeoutError:
            return Unavailable(f"nothing came back within {within_s:g} s; try again in a moment")
        except (*_WRONG, DecisionError, BridgeError) as error:
            return error

    def _run(self, tx: Tx, turn: Turn, update: Update, line: CommandLine, *, prepared: object) -> None:
        if not is_open(tx, turn):
            return
        self._seen.wrote(tx, line.message, now=self._clock())
        call = replace(self._call(update, line, roles=self._roles(tx, line.message)), prepared=prepared)
        reply, outcome = self._answer(tx, call)
        if reply is not None:
            self._relay.say(tx, call.here, reply.message, now=call.now, reply_to=call.keep(tx))
        audit(tx, call.person, place=str(call.here), command=f"/{line.name}", outcome=outcome, now=call.now)
        done(tx, turn, "commands")

    def _roles(self, tx: Tx, message: TelegramMessage) -> Roles:
        person = person_of(message)
        return Roles(self._role_in(tx, person, chat=message.chat_id), self._role_in(tx, person, chat=None))

    def _read(self, call: Call, command: Command) -> Call | UsageError:
        """The command with the arguments that somebody wrote, or what is wrong with them."""
        chosen = command.way_of(call.arguments)
        try:
            return replace(call, way=chosen, values=command.read(chosen, call.arguments))
        except UsageError as error:
            return error

    def _call(self, update: Update, line: CommandLine, *, roles: Roles) -> Call:
        place = here(line.message)
        event = received(update, line.album or (line.message,))
        assert event is not None

        def keep(tx: Tx) -> int:
            id = self._relay.keep(tx, place, event)
            tx.messages.sent_by_hand(id, "command")
            keep_pictures(tx, event, pictures_of(line.album))
            return id

        return Call(
            name=line.name,
            arguments=line.arguments,
            here=place,
            person=person_of(line.message),
            person_name=one_line(event.message.sender.name) if event.message.sender else "",
            role=roles.here,
            everywhere=roles.everywhere,
            message=line.message,
            services=self._services(),
            now=self._clock(),
            keep=keep,
            attachments=event.message.attachments,
        )

    def _answer(self, tx: Tx, call: Call) -> tuple[Reply | None, str]:
        command = registry.commands.get(call.name)
        if command is None:
            near = registry.nearest(call.name)
            hint = f" Did you mean /{near.name}?" if near else ""
            return Reply(f"There is no command /{call.name}.{hint} /help lists those you may use."), "unknown"
        chosen = command.way_of(call.arguments)
        call = replace(call, way=chosen)
        if refused := _not_enough(call, command):
            return Reply(refused), "refused"
        try:
            call = replace(call, values=command.read(chosen, call.arguments))
            if isinstance(call.prepared, Exception):
                raise call.prepared
            if command.prepare is not None and call.prepared is None:
                # The role came between the question and the answer, so nothing was asked for.
                raise NotAllowed(f"Your role has just become {call.role.word}: write /{call.name} once more.")
            with tx.savepoint("command"):
                reply = command.run(call, tx)
        except NotAllowed as error:
            return Reply(str(error)), "refused"
        except _WRONG as error:
            # What is wrong with a time comes with an example of its own.
            example = "" if isinstance(error.__cause__, WhenError) else (chosen or command).example
            return Reply(sentence(error) + (f"\nExample: {example}" if example else "")), "wrong argument"
        except DecisionError as error:
            # The command was right, and what it is about stands otherwise: an example would be no help.
            return Reply(sentence(error)), "refused: state"
        except BridgeError as error:
            return Reply(chat_lines(f"/{call.name}: {error}")), "failed"
        return reply, (reply.outcome if reply is not None else "") or "done"


@dataclass(frozen=True, slots=True)
class Roles:
    """The highest role held in a chat, and the highest held everywhere."""

    here: Role
    everywhere: Role


def _not_enough(call: Call, command: Command) -> str:
    """Why the person may not run the command so; empty if they may."""
    chosen = command.way_of(call.arguments)
    needed = chosen.role if chosen is not None else command.role
    if call.role < needed:
        return _refused(call, needed)
    if chosen is not None and chosen.scope is Scope.ALL and call.everywhere < needed:
        return (
            f"/{call.name} needs the role {needed.word} everywhere; your role {call.role.word} counts in this chat"
            " only. An owner of this bot can give it to you."
        )
    return ""


def _refused(call: Call, needed: Role) -> str:
    if call.person is None:
        return (
            f"/{call.name} needs the role {needed.word}. You write as an anonymous admin or a channel, so I cannot"
            " tell who you are: write as yourself."
        )
    return (
        f"/{call.name} needs the role {needed.word}; yours is {call.role.word}."
        " An owner of this bot can give it to you; /help lists what you may do."
    )
