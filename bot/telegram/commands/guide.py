"""``/help``: the commands by what they are about, or one in full; all of it from the registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, Command, Reply, Scope, UsageError, Way, registry
from bot.telegram.commands.usage import VOCABULARY

GROUPS = {
    "Here": ("start", "help", "whoami", "here", "timezone", "cancel"),
    "Sending": ("send", "sms", "reply", "react", "edit", "undo", "channels", "announce", "schedule", "schedules"),
    "Joining chats": ("link", "unlink", "routes", "route", "mute", "unmute", "audience", "name"),
    "What was sent": ("queue", "failed", "held", "show", "retry", "discard", "redirect", "trace", "why"),
    "What was said": ("history", "search"),
    "Keeping it running": ("status", "stats", "doctor", "account", "pause", "resume"),
    "People": ("roles", "grant", "revoke", "audit"),
}
"""What a command is about; one that stands nowhere comes last."""
OTHERS = "Also"


@registry.add(
    "help",
    role=Role.VIEWER,
    usage="[command]",
    summary="The commands, or one in full",
    example="/help send",
    details="The list holds what you may run in this chat; every command can be looked up.",
)
def help_(call: Call, tx: Tx) -> Answer:
    """The list for the caller's role, or everything about one command."""
    if "command" not in call.values:
        return Reply(listing(role=call.role, everywhere=call.everywhere))
    name = call.values["command"].lstrip("/").lower()
    command = registry.commands.get(name)
    if command is None:
        near = registry.nearest(name)
        raise UsageError(f"there is no command /{name}" + (f"; did you mean /{near.name}?" if near else ""))
    return Reply(page(command, role=call.role, everywhere=call.everywhere, person=call.person))


def listing(*, role: Role, everywhere: Role) -> str:
    """What somebody with these roles, here and everywhere, may run here, by what it is about."""
    may = {command.name: command for command in registry.for_role(role, everywhere=everywhere)}
    paragraphs = [
        "\n".join([title, *(f"/{each.name}: {each.summary}" for each in commands)])
        for title, commands in grouped(may).items()
    ]
    return "\n\n".join([*paragraphs, "/help COMMAND tells more about one."])


def grouped(commands: Mapping[str, Command]) -> dict[str, list[Command]]:
    """Commands by what they are about, in the order in which they are explained; without empty groups."""
    known = {name for names in GROUPS.values() for name in names}
    named = {**GROUPS, OTHERS: tuple(name for name in commands if name not in known)}
    found = {title: [commands[name] for name in names if name in commands] for title, names in named.items()}
    return {title: those for title, those in found.items() if those}


def page(command: Command, *, role: Role, everywhere: Role, person: int | None) -> str:
    """A command in full: what it does, how it is written, who may, what it changes, examples."""
    lines = [f"{command.summary}."]
    if command.as_reply:
        lines.append("It is written as a reply to the message that it is about.")
    is_alike = len({(way.role, way.scope) for way in command.ways}) == 1 < len(command.ways)
    if is_alike:
        # What holds for each way of many is said once.
        lines.append(f"who may: {_who(command.ways[0])}")
        lines += _lacking(command.ways[0], role=role, everywhere=everywhere, person=person)
    for way in command.ways:
        line = f"/{command.name} {way.usage.line}".rstrip()
        may = "" if is_alike else f"who may: {_who(way)}; "
        lines += ["", line + (f": {way.summary}" if way.summary else ""), f"  {may}{way.effect}"]
        if not is_alike:
            lines += [f"  {each}" for each in _lacking(way, role=role, everywhere=everywhere, person=person)]
    if arguments := list(_arguments(command)):
        lines += ["", *arguments]
    if command.details:
        lines += ["", command.details]
    examples = dict.fromkeys([command.example, *(way.example for way in command.ways)])
    return "\n".join([*lines, "", *(f"Example: {example}" for example in examples)])


def _who(way: Way) -> str:
    if way.role is Role.VIEWER:
        return "anyone"
    higher = " or higher" if way.role is not Role.OWNER else ""
    return f"{way.role.word}{higher}" + (", everywhere" if way.scope is Scope.ALL else "")


def _lacking(way: Way, *, role: Role, everywhere: Role, person: int | None) -> list[str]:
    """A line for somebody who may not use it; none for somebody who may."""
    return [] if way.is_for(role, everywhere=everywhere) else [_missing(way, role=role, person=person)]


def _missing(way: Way, *, role: Role, person: int | None) -> str:
    """Which role somebody lacks, and who can give it."""
    if person is None:
        return "You write as an anonymous admin or a channel, which hold no role: write as yourself."
    if role >= way.role:
        return (
            f"Your role {role.word} counts in this chat only. An owner can change that: /grant {person} {way.role.word}"
        )
    here = "" if way.scope is Scope.ALL else " (with here behind it, in this chat only)"
    return f"Your role is {role.word}. An owner can give you the one needed: /grant {person} {way.role.word}{here}"


def _arguments(command: Command) -> Iterator[str]:
    """What each placeholder stands for, once."""
    words = dict.fromkeys(word for way in command.ways for part in way.usage.parts for word in part.choices)
    for word in words:
        kind = VOCABULARY.get(word)
        if kind is not None:
            yield f"{word}: {kind.what}" + (f", such as {kind.example}" if kind.example else "")
