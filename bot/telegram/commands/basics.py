"""First words: what this bot does here, who you are, where this is."""

from __future__ import annotations

from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, Command, Reply, Scope, UsageError, registry


@registry.add(
    "start", role=Role.VIEWER, usage="[word]", summary="What this bot does here and what you may do", example="/start"
)
def start(call: Call, tx: Tx) -> Answer:
    """Five lines and what to do next."""
    linked = call.relay.router(tx).linked(call.here)
    lines = [
        "This is Patchbay. It joins Telegram chats with business-messaging and community providers.",
        f"This chat is {call.here}" + (f", linked with {', '.join(map(str, linked))}." if linked else ", not linked."),
        f"You are {call.person_name}, and your role is {call.role.word}.",
    ]
    if call.role >= Role.ADMIN:
        lines.append("Next: /link ADDRESS joins this chat with a conversation, /status shows the accounts.")
    elif call.role >= Role.OPERATOR:
        lines.append("Next: /send ADDRESS text, or reply to a message that came from outside.")
    else:
        lines.append("An owner of this bot can give you a role; until then you can read what is relayed here.")
    lines.append("/help lists the commands you may use.")
    return Reply("\n".join(lines))


@registry.add("help", role=Role.VIEWER, usage="[command]", summary="The commands, or one in full", example="/help send")
def help_(call: Call, tx: Tx) -> Answer:
    """The list for the caller's role, or everything about one command."""
    if "command" not in call.values:
        lines = [f"/{c.name}: {c.summary}" for c in registry.for_role(call.role, everywhere=call.everywhere)]
        return Reply("\n".join([*lines, "", "/help COMMAND tells more about one."]))
    name = call.values["command"].lstrip("/").lower()
    command = registry.commands.get(name)
    if command is None:
        near = registry.nearest(name)
        raise UsageError(f"there is no command /{name}" + (f"; did you mean /{near.name}?" if near else ""))
    return Reply(describe(command))


def describe(command: Command) -> str:
    """A command in full: usage, what it does, who may, an example."""
    lines = [f"{command.summary}."]
    for each in command.ways:
        who = "anyone" if each.role is Role.VIEWER else each.role.word
        reach = ", everywhere" if each.role and each.scope is Scope.ALL else ""
        lines.append(f"/{command.name} {each.usage.line}".rstrip() + (f": {each.summary}" if each.summary else ""))
        lines.append(f"  who may: {who}{reach}; {each.effect}")
    if command.details:
        lines.append(command.details)
    examples = dict.fromkeys([command.example, *(each.example for each in command.ways)])
    return "\n".join([*lines, *(f"Example: {example}" for example in examples)])


@registry.add("whoami", role=Role.VIEWER, summary="Who you are to this bot", example="/whoami")
def whoami(call: Call, tx: Tx) -> Answer:
    """Name, id and role."""
    if call.person is None:
        return Reply(
            "You write as an anonymous admin or a channel, so I cannot tell who you are, and you hold no role."
            " Write as yourself to use commands."
        )
    return Reply(f"You are {call.person_name}, id {call.person}, role {call.role.word}.")


@registry.add("here", role=Role.VIEWER, summary="This chat's address", example="/here")
def here(call: Call, tx: Tx) -> Answer:
    """The address to use in routes and commands."""
    linked = call.relay.router(tx).linked(call.here)
    tail = f"\nIt is linked with {', '.join(map(str, linked))}." if linked else ""
    return Reply(f"This is {call.here}{tail}")
