"""Who may do what: roles are given, taken and listed from the chat.

A role holds everywhere or in one chat (``here``, with its topics), and where both are held the higher one counts.
So ``viewer`` lowers nothing that is held elsewhere: in its own scope it takes the place of what was held there.
"""

from __future__ import annotations

from bot.addresses import TELEGRAM, Address
from bot.store import Tx
from bot.telegram.access import Role, role_of
from bot.telegram.commands.registry import Answer, Call, Effect, registry
from bot.telegram.inbound import ANONYMOUS_ADMIN
from bot.telegram.replies import NotAllowed, Reply, UsageError
from bridges.model import ConversationId

EVERYWHERE = "*"
OF_TELEGRAM = {
    ANONYMOUS_ADMIN: "all anonymous admins",
    136817688: "all who write as a channel",
    777000: "Telegram itself, for all channel posts",
}
"""Ids that stand for many: https://core.telegram.org/bots/api#message, ``from`` and ``sender_chat`` (2026-11)."""
ID_MOST = 2**52
"""Telegram's ids have at most 52 significant bits: https://core.telegram.org/bots/api#user (2026-11)."""
SHOWN_MOST = 100


@registry.add(
    "grant",
    role=Role.OWNER,
    usage="USER ROLE [here]",
    effect=Effect.SETS,
    summary="Give somebody a role, everywhere or in this chat",
    example="/grant @ann operator here",
    details=(
        "viewer < operator < admin < owner; each may do what the ones before it may. With here the role counts in"
        " this chat and its topics only. Where somebody holds two, the higher one counts. It takes effect at once,"
        " in place of the role that they were given there before."
    ),
)
def grant(call: Call, tx: Tx) -> Answer:
    """One role for one person in one scope."""
    person, role = _person(call, tx), Role[call.values["ROLE"].upper()]
    scope = _scope(call, "give")
    if int(person) in call.relay.policy.owners:
        if role is Role.OWNER:
            return Reply(f"{tx.people.shown(person)} is owner everywhere already, by telegram.owners.")
        raise NotAllowed(
            f"{tx.people.shown(person)} is an owner by telegram.owners in the configuration: change it there, for no"
            " other role counts beside it."
        )
    if scope == EVERYWHERE and role < Role.OWNER:
        _keep_an_owner(call, tx, person)
    before = tx.roles.held(person).get(scope)
    tx.roles.grant(person, role.word, scope=scope)
    if scope == EVERYWHERE and role > Role.VIEWER:
        for chat in tx.people.groups_of(person):
            tx.menus.want(chat, person, now=call.now)
    place = _place_words(scope, call)
    lines = [
        f"{tx.people.shown(person)} is {role.word} {place} already."
        if before == role.word
        else f"{tx.people.shown(person)} is {role.word} {place} now" + (f", and was {before}." if before else ".")
    ]
    highest = role_of(tx, int(person), chat=call.message.chat_id, owners=call.relay.policy.owners)
    if highest > role:
        lines.append(f"What counts here is {highest.word}, the higher role that they hold {_other(scope)}.")
    return Reply("\n".join(lines), outcome=f"{person} is {role.word} {_scope_words(scope)}")


@registry.add(
    "revoke",
    role=Role.OWNER,
    usage="USER [here]",
    effect=Effect.SETS,
    summary="Take somebody's roles away, all of them or the one for this chat",
    example="/revoke @ann",
)
def revoke(call: Call, tx: Tx) -> Answer:
    """What a person was given in this chat, or anywhere."""
    person = _person(call, tx)
    scope = _scope(call, "take")
    if int(person) in call.relay.policy.owners:
        raise NotAllowed(
            f"{tx.people.shown(person)} is an owner by telegram.owners in the configuration, and that cannot be taken"
            " away from here: remove the id there and start the bot again."
        )
    if scope == EVERYWHERE:
        _keep_an_owner(call, tx, person)
    held = tx.roles.held(person)
    gone = dict(held) if scope == EVERYWHERE else {place: role for place, role in held.items() if place == scope}
    if not gone:
        return Reply(f"{tx.people.shown(person)} holds no role {'' if scope == EVERYWHERE else 'here'}".rstrip() + ".")
    tx.roles.revoke(person, scope=None if scope == EVERYWHERE else scope)
    taken = ", ".join(f"{role} {_place_words(place, call)}" for place, role in gone.items())
    left = role_of(tx, int(person), chat=call.message.chat_id, owners=call.relay.policy.owners)
    remains = f"{left.word}, which they hold everywhere" if left > Role.VIEWER else "viewer, which anybody is"
    return Reply(
        f"{tx.people.shown(person)} is not {taken} any more. What remains here: {remains}.",
        outcome=f"{person} was {', '.join(f'{role} {_scope_words(place)}' for place, role in gone.items())}",
    )


@registry.add("roles", role=Role.OWNER, summary="Who holds which role, and where", example="/roles")
def roles(call: Call, tx: Tx) -> Answer:
    """One line for each role; where somebody's own counts in this chat only, those of this chat."""
    limited = call.everywhere < Role.OWNER
    lines = []
    if not limited:
        for owner in sorted(call.relay.policy.owners):
            lines.append(f"{tx.people.shown(str(owner))}: owner everywhere, by telegram.owners in the configuration")
    given = tx.roles.all(scope=str(call.message.chat_id) if limited else None)
    lines += [f"{tx.people.shown(person)}: {role} {_named_place(tx, scope, call)}" for person, scope, role in given]
    if not lines:
        return Reply("Nobody holds a role here. /grant USER ROLE here gives one.")
    more = len(lines) - SHOWN_MOST
    return Reply("\n".join([*lines[:SHOWN_MOST], *([f"… and {more} more."] if more > 0 else [])]))


def _person(call: Call, tx: Tx) -> str:
    """The id of the person that USER names; raises ``UsageError``."""
    word = call.values["USER"]
    if not word.isdecimal():
        name = word.removeprefix("@")
        if name.lower().endswith("bot"):
            raise UsageError(f"@{name} is a bot, and commands of bots are not run")
        known = tx.people.named(name)
        if known is None:
            raise UsageError(
                f"nobody who was seen here is called @{name}: let them write to me once, or give their id, which"
                " /whoami tells them"
            )
        word = known.person
    if int(word) in OF_TELEGRAM:
        raise UsageError(f"{word} is nobody: that id stands for {OF_TELEGRAM[int(word)]}")
    if int(word) > ID_MOST:
        raise UsageError(f"{word} is not an id of Telegram's; /whoami tells a person theirs")
    known = tx.people.get(str(int(word)))
    if known is not None and known.username.endswith("bot"):
        raise UsageError(f"@{known.username} is a bot, and commands of bots are not run")
    return str(int(word))


def _scope(call: Call, verb: str) -> str:
    """Where the role counts; raises ``UsageError`` and ``NotAllowed``."""
    if "here" in call.values:
        if call.message.chat_id > 0:
            raise UsageError("here is a group: in this private chat there is nobody else; leave here out")
        return str(call.message.chat_id)
    if call.everywhere < Role.OWNER:
        raise NotAllowed(
            f"You are an owner in this chat only, so you can {verb} roles for this chat only: add here at the end."
            " For more the role owner is needed everywhere."
        )
    return EVERYWHERE


def _keep_an_owner(call: Call, tx: Tx, person: str) -> None:
    """The last owner stays; raises ``NotAllowed``."""
    owners = {str(owner) for owner in call.relay.policy.owners} | set(tx.roles.holders(Role.OWNER.word))
    if owners == {person}:
        raise NotAllowed(
            f"{tx.people.shown(person)} is the last owner and stays it: make somebody else an owner first,"
            " /grant USER owner"
        )


def _other(scope: str) -> str:
    return "in this chat" if scope == EVERYWHERE else "everywhere"


def _place_words(scope: str, call: Call) -> str:
    if scope == EVERYWHERE:
        return "everywhere"
    return "in this chat" if scope == str(call.message.chat_id) else f"in {TELEGRAM}:{scope}"


def _scope_words(scope: str) -> str:
    return "everywhere" if scope == EVERYWHERE else f"in {Address(TELEGRAM, ConversationId(scope))}"


def _named_place(tx: Tx, scope: str, call: Call) -> str:
    title = "" if scope in (EVERYWHERE, str(call.message.chat_id)) else tx.conversations.title(TELEGRAM, scope)
    return _place_words(scope, call) + (f" ({title})" if title else "")
