"""``/start``: the first words in a chat, with buttons for what to do next; links that lead there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from bot.addresses import Address
from bot.cards import deal
from bot.names import defuse
from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.cards import Press, Pressed, card_kinds
from bot.telegram.commands import guide
from bot.telegram.commands.doctor import Looked, Visit, look, report
from bot.telegram.commands.registry import Answer, Call, Reply, registry
from bot.telegram.commands.usage import shown
from bot.telegram.wizards.engine import begin
from bridges.errors import BridgeError
from bridges.model import Button

KIND = "start"
CHECK, HELP, LINK, SEND, WHO, ROLE = "check", "help", "link", "send", "who", "role"
LASTS_S = 86_400.0
LINKED_MOST = 3
HELP_PAYLOAD = "help_"
"""https://t.me/BOT?start=help_send shows what /help send does."""


@registry.add(
    KIND,
    role=Role.VIEWER,
    usage="[word]",
    summary="What this bot does here and what you may do",
    example="/start",
    details="The word is what a link to this bot brings along: help_send opens the page of /send.",
)
def start(call: Call, tx: Tx) -> Answer:
    """Five lines and what to do next, or the page that a link leads to."""
    word = call.values.get("word", "")
    command = registry.commands.get(word.removeprefix(HELP_PAYLOAD)) if word.startswith(HELP_PAYLOAD) else None
    if command is not None:
        return Reply(guide.page(command, role=call.role, everywhere=call.everywhere, person=call.person))
    lines = [
        "This is Patchbay. It joins Telegram chats with business-messaging and community providers.",
        f"This chat is {call.here}: {_does(call, tx)}",
        f"You are {defuse(call.person_name)}, and your role here is {call.role.word}." if call.person is not None
        else "You write as an anonymous admin or a channel, which hold no role: write as yourself.",
        _next(call.role),
        "/help lists the commands you may use.",
    ]  # fmt: skip
    if word:
        lines.append(f"The link that you followed says {shown(word)}, which means nothing to me any more.")
    return Reply("\n".join(lines), _buttons(call, tx))


def _does(call: Call, tx: Tx) -> str:
    linked = call.relay.router(tx).linked(call.here)
    if linked:
        more = f" and {len(linked) - LINKED_MOST} more" if len(linked) > LINKED_MOST else ""
        return f"what is written here goes to {', '.join(map(str, linked[:LINKED_MOST]))}{more}, and back."
    return "it is not linked, so what is written here stays here unless a route takes it."


def _next(role: Role) -> str:
    if role >= Role.ADMIN:
        return "Next: /doctor checks that I hear and may speak here, /link ADDRESS joins this chat with a conversation."
    if role >= Role.OPERATOR:
        return "Next: /send ADDRESS text, or reply to a message that came from outside."
    return "An owner of this bot can give you a role; until then you can read what is relayed here."


def _buttons(call: Call, tx: Tx) -> tuple[Button, ...]:
    """Three next steps, for the person who asked."""
    if call.person is None:
        return ()
    if call.role >= Role.ADMIN:
        steps = (("Check this chat", CHECK), ("Link a conversation", LINK), ("Help", HELP))
    elif call.role >= Role.OPERATOR:
        steps = (("Check this chat", CHECK), ("How to send", SEND), ("Help", HELP))
    else:
        steps = (("Help", HELP), ("Who am I?", WHO), ("Get a role", ROLE))
    chat = call.here.conversation
    return deal(
        tx, KIND, steps, chat=chat, now=call.now, person=call.person, expires_s=LASTS_S, beside=False
    )  # fmt: skip


def _ask(press: Press, tx: Tx) -> Callable[[], Awaitable[object]] | None:
    """Only the check asks the network."""
    return partial(look, press.services, press.place) if press.choice == CHECK else None


@card_kinds.add(
    KIND,
    choices={
        CHECK: Role.OPERATOR,
        LINK: Role.ADMIN,
        SEND: Role.OPERATOR,
        HELP: Role.VIEWER,
        WHO: Role.VIEWER,
        ROLE: Role.VIEWER,
    },
    prepare=_ask,
)
def pressed(press: Press, tx: Tx) -> Pressed:
    """Say it below; the buttons stay."""
    if press.choice == LINK:
        page = begin(press, tx, "wlink")
        press.relay.tell(tx, press.place, page.text, now=press.now, buttons=page.buttons)
        return Pressed("Let us see.", used=False, outcome=press.choice)
    toast, text = _said(press, tx)
    press.relay.tell(tx, press.place, text, now=press.now)
    return Pressed(toast, used=False, outcome=press.choice)


def _said(press: Press, tx: Tx) -> tuple[str, str]:
    """In a word, and in full."""
    match press.choice:
        case "check":
            return "Checked.", _checked(press, tx)
        case "send":
            return "Here is how.", _page(press, "send")
        case "who":
            return f"You are {press.person}.", f"You are {defuse(press.person_name)}, id {press.person}," + (
                f" role {press.role.word}."
            )
        case "role":
            return "An owner can give you one.", (
                "An owner of this bot can give you a role. Ask one to write:\n"
                f"/grant {press.person} operator here (to send and to look, in this chat)\n"
                f"/grant {press.person} admin here (to link and to set up, too)"
            )
        case _:
            return "Here they are.", guide.listing(role=press.role, everywhere=press.everywhere)


def _page(press: Press, name: str) -> str:
    command = registry.commands[name]
    return guide.page(command, role=press.role, everywhere=press.everywhere, person=press.person)


def _checked(press: Press, tx: Tx) -> str:
    match press.prepared:
        case Looked() as looked:
            visit = Visit(press.services, press.place, press.everywhere, press.now)
            return report(visit, tx, looked)
        case BridgeError() as error:
            return f"/doctor: {error}"
        case _:
            return "Write /doctor to have this chat checked."


def greeting(place: Address, *, is_admin: bool, reads_all: bool) -> str:
    """What is said once in a group that the bot was added to: what it needs there."""
    lines = [
        f"I am Patchbay. This chat is {place}; nothing is relayed here until an admin of mine writes /link ADDRESS."
    ]
    if not is_admin and not reads_all:
        lines.append(
            "For now I hear only commands and replies to me: make me an admin of this group (no right is needed), so"
            " that I hear the rest."
        )
    return "\n".join([*lines, "/start tells more, /doctor checks everything."])
