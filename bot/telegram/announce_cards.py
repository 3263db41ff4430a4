"""The cards of announcements: what would be sent, asked about before; and the buttons while it goes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from bot import broadcasts
from bot.addresses import TELEGRAM, Address
from bot.broadcast_report import PAUSE, RESUME, STOP, WIPE
from bot.cards import deal, digest
from bot.placeholders import literal
from bot.previews import Preview, preview
from bot.store import Tx
from bot.store.broadcasts import Broadcast
from bot.targets import counted_targets, parse_targets
from bot.telegram.access import Role, covers, role_of
from bot.telegram.announcing import ASKING, RUNNING
from bot.telegram.cards import Press, Pressed, card_kinds, tell_command
from bot.telegram.outbound import message_id
from bot.telegram.replies import Reply, UsageError, out_of_reach
from bot.telegram.wizards.engine import begin
from bridges.model import ConversationId, Message

if TYPE_CHECKING:
    from bot.telegram.commands.registry import Services

SEND, LATER, EDIT, CANCEL = "send", "later", "edit", "cancel"
_OPERATOR = Role.OPERATOR


def propose(
    tx: Tx,
    services: Services,
    *,
    targets_text: str,
    message: Message,
    person: int,
    person_name: str,
    here: Address,
    origin: int | None,
    now: float,
) -> Reply:
    """What an announcement would be, with the buttons to send it. A preview that one message does not hold is begun
    in messages before it. Raises ``UsageError``, ``TargetError``, ``NotAllowed``.
    """
    if not (message.text.strip() or message.attachments or message.location or message.contact):
        raise UsageError("there is nothing to announce: write a text after the |, or reply to the message to send")
    found = parse_targets(
        tx, services.relay, targets_text, here=here, seen=sight(tx, services, person=person, here=here)
    )
    within_reach(tx, services, found.addresses, person=person, here=here, typed=targets_text)
    looked = preview(tx, services.relay, found.addresses, message, now=now)
    for page in looked.pages[:-1]:
        services.relay.tell(tx, here, page, now=now)
    payload = {
        "targets": found.text,
        "message": json.loads(message.model_dump_json(exclude_defaults=True)),
        "origin": origin,
        "name": person_name,
    }
    buttons = deal(
        tx,
        ASKING,
        (("Send", SEND), ("Schedule", LATER), ("Edit", EDIT), ("Cancel", CANCEL)),
        chat=here.conversation,
        person=person,
        payload=payload,
        shown=_bound(looked, found.addresses),
        now=now,
    )
    return Reply(looked.pages[-1], buttons)


def _bound(looked: Preview, addresses: Sequence[Address]) -> str:
    """Exactly what was shown, and to whom it goes."""
    return "\n".join([looked.text, *map(str, addresses)])


def sight(tx: Tx, services: Services, *, person: int, here: Address) -> Callable[[Address], bool]:
    """Says of an address whether the person's role reaches it from here."""
    everywhere = role_of(tx, person, chat=None, owners=services.relay.policy.owners)
    return partial(covers, here=here, everywhere=everywhere)


def within_reach(
    tx: Tx, services: Services, addresses: Sequence[Address], *, person: int, here: Address, typed: str = ""
) -> None:
    """A role that is limited to this chat does not reach into other chats of Telegram; raises ``NotAllowed``.

    ``typed``: what the person wrote, who is told of nothing else.
    """
    reaches = sight(tx, services, person=person, here=here)
    beyond = next((each for each in addresses if not reaches(each)), None)
    if beyond is not None:
        raise out_of_reach(beyond, held="", needed=_OPERATOR.word, typed=typed)


@card_kinds.add(ASKING, choices={SEND: _OPERATOR, LATER: _OPERATOR, EDIT: _OPERATOR, CANCEL: Role.VIEWER})
def asking(press: Press, tx: Tx) -> Pressed:
    """Send it as it was shown, or not at all."""
    if press.choice == CANCEL:
        return Pressed("Nothing was sent.", Reply("Cancelled: nothing was sent."), outcome="cancelled")
    told, here = press.payload, press.place
    if press.choice == LATER:
        # What is announced has no placeholders: its braces are to go out as they are.
        said = literal(Message.model_validate(told["message"]))
        kept = json.loads(said.model_dump_json(exclude_defaults=True))
        values = {"targets": told["targets"].split(", "), "message": kept}
        return Pressed("", begin(press, tx, "wschedule", values=values), outcome="to be scheduled")
    message = Message.model_validate(told["message"])
    if press.choice == EDIT:
        return _edit(press, tx, told["targets"], message)
    found = parse_targets(tx, press.relay, told["targets"], here=here)
    within_reach(tx, press.services, found.addresses, person=press.person, here=here)
    looked = preview(tx, press.relay, found.addresses, message, now=press.now)
    if digest(_bound(looked, found.addresses)) != press.card.shown:
        again = propose(
            tx,
            press.services,
            targets_text=told["targets"],
            message=message,
            person=press.person,
            person_name=told["name"],
            here=here,
            origin=told["origin"],
            now=press.now,
        )
        press.relay.tell(tx, here, again.text, now=press.now, buttons=again.buttons)
        return Pressed(
            "It has changed meanwhile: look again.",
            Reply("This has changed since it was shown, and nothing was sent. What it is now stands below."),
            outcome="changed meanwhile",
        )
    shown = press.message
    number = broadcasts.start(
        tx,
        press.relay,
        targets=found.addresses,
        message=message,
        person=press.person,
        person_name=press.person_name,
        chat=here,
        origin=told["origin"],
        progress="" if shown is None else message_id(shown.chat_id, shown.message_id),
        now=press.now,
    )
    # The card becomes the message that shows the progress: all its edits are made in one place.
    return Pressed(
        f"Sending to {counted_targets(looked.count)}.", outcome=f"announcement {number} to {looked.count} targets"
    )


def _edit(press: Press, tx: Tx, targets: str, message: Message) -> Pressed:
    """The command once more, to be copied, changed and written again."""
    if not tell_command(press, tx, f"/announce {targets} | {message.text}"):
        raise UsageError("the command is too long for one message; change the one that you wrote, and send it again")
    files = " Send it as a reply to the message with the files." if message.attachments else ""
    return Pressed(
        "Below is the command to change.",
        Reply(f"Nothing was sent. Copy the command below, change it and send it.{files}"),
        outcome="edited",
    )


@card_kinds.add(RUNNING, choices=dict.fromkeys((PAUSE, RESUME, STOP, WIPE), _OPERATOR))
def running(press: Press, tx: Tx) -> Pressed:
    """Pause, go on, stop, or stop and take back what was sent."""
    broadcast, now = announcement_of(press, tx), press.now
    # Whoever stops or goes on with it decides about every place that it goes to.
    within_reach(tx, press.services, places_of(tx, broadcast), person=press.person, here=press.place)
    match press.choice:
        case "pause":
            broadcasts.pause(tx, broadcast, now=now)
            told = "Paused. Nothing more is sent until you resume it."
        case "resume":
            broadcasts.resume(tx, broadcast, now=now)
            told = "It goes on."
        case "stop":
            cancelled = broadcasts.stop(tx, broadcast, now=now)
            told = f"Stopped. {cancelled} {'message is' if cancelled == 1 else 'messages are'} not sent."
        case _:
            places = broadcasts.stop_and_delete(tx, press.relay, broadcast, now=now)
            told = f"Stopped. What was sent is being deleted at {counted_targets(places)}."
    return Pressed(told, used=False, outcome=f"announcement {broadcast.id}: {press.choice}")


def places_of(tx: Tx, broadcast: Broadcast) -> Sequence[Address]:
    """Where it goes in Telegram: only there a role may end at a chat."""
    return [Address(TELEGRAM, ConversationId(each)) for each in tx.broadcasts.places(broadcast.id, TELEGRAM)]


def announcement_of(press: Press, tx: Tx) -> Broadcast:
    """The one whose button was pressed."""
    found = tx.broadcasts.get(press.card.subject)
    if found is None:
        raise broadcasts.BroadcastError("that announcement is not known any more")
    return found
