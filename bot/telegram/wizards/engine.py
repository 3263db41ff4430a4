"""Runs wizards: begins them, takes buttons and words, goes back, leaves, and finds the way again after a restart.

Where somebody is stands in the table of dialogs, one for a person in a chat, and changes in the transaction that
takes the answer. A page is a card. Only the latest page counts; a button of an earlier one brings the latest page
there, so that nobody is stuck when a page was not shown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bot.addresses import Address, AddressError, parse_address
from bot.cards import deal
from bot.decisions import DecisionError
from bot.relay import refusal
from bot.routing import RouteError
from bot.store import Tx
from bot.store.dialogs import Dialog
from bot.store.outbox import PRIORITY_REPLY
from bot.telegram.access import Role
from bot.telegram.cards import Press, Pressed, card_kinds
from bot.telegram.replies import NotAllowed, Reply, UsageError
from bot.telegram.wizards.pages import (
    ANEW,
    BACK,
    HELP,
    PART,
    PICK,
    RESUME,
    STOP,
    End,
    Input,
    Page,
    Picked,
    State,
    Stay,
    Wizard,
    shown,
)
from bot.telegram.wizards.scene import Scene
from bridges.errors import BridgeError, Refused
from bridges.model import Message

if TYPE_CHECKING:
    # Commands begin wizards, so these are no more than names here.
    from bot.telegram.commands.registry import Call, Services

WRONG = (UsageError, AddressError, RouteError, Refused, DecisionError, NotAllowed)
"""What an answer may be refused with: the same page is shown again with the reason."""
_OVER = "This wizard is over."

wizards: dict[str, Wizard] = {}
"""All by name."""


def add(wizard: Wizard) -> Wizard:
    """Make a wizard known, and its cards."""
    wizards[wizard.name] = wizard
    turning = dict.fromkeys((PICK, PART, BACK, HELP, RESUME, ANEW), wizard.role)
    card_kinds.add(
        wizard.name,
        choices={**turning, STOP: Role.VIEWER},
        everywhere=tuple(turning) if wizard.everywhere else (),
        prepare=_prepare,
    )(_pressed)
    return wizard


# --- begin and leave


def begin(call: Call | Press, tx: Tx, name: str, *, values: Mapping[str, Any] | None = None) -> Reply:
    """Begin a wizard, or ask whether to go on where the person left it. For a command or a button of those who may.

    ``values``: what is answered already; then it is begun anew.
    """
    assert call.person is not None
    place = call.place if isinstance(call, Press) else call.here
    wizard, chat = wizards[name], place.conversation.partition("/")[0]
    before = tx.dialogs.get(chat, str(call.person))
    if values is None and before is not None and before.kind == name and State.from_data(before.state).values:
        return _ask_whether_to_go_on(tx, wizard, before, now=call.now)
    state = State(str(place), (wizard.first,), values or {})
    scene = Scene(
        tx=tx,
        services=call.services,
        here=place,
        person=call.person,
        person_name=call.person_name,
        role=call.role,
        everywhere=call.everywhere,
        needed=wizard.role,
        now=call.now,
        values=state.values,
    )
    note = ""
    if before is not None:
        put_away_chats(scene, before)
        if before.kind != name:
            note = f"The wizard of {command_of(before)} was left for this one."
    return show(scene, wizard, state, note=note)


def _ask_whether_to_go_on(tx: Tx, wizard: Wizard, dialog: Dialog, *, now: float) -> Reply:
    text = f"{wizard.title}\n\nYou were in the middle of this. Do you want to go on there?"
    buttons = deal(
        tx,
        wizard.name,
        (("Continue", RESUME), ("Start anew", ANEW), ("Cancel", STOP)),
        chat=dialog.chat,
        person=int(dialog.person),
        payload={"asked": dialog.asked},
        shown=text,
        now=now,
        expires_s=None,
    )
    return Reply(text, buttons)


def leave(call: Call, tx: Tx) -> Reply:
    """Leave the wizard that the person is in here."""
    person, chat = str(call.person or ""), call.here.conversation.partition("/")[0]
    dialog = tx.dialogs.get(chat, person)
    if dialog is not None:
        tx.dialogs.end(chat, person)
        if State.from_data(dialog.state).offers_chats:
            _put_away(call.services, tx, dialog, now=call.now)
        return Reply(f"Cancelled: the wizard of {command_of(dialog)} is left, nothing was changed.")
    elsewhere = tx.dialogs.of(person) if person else []
    if elsewhere:
        where = ", ".join(f"{command_of(each)} in {_named(tx, each.chat)}" for each in elsewhere[:5])
        return Reply(f"There is nothing to leave here. You are in the middle of {where}: write /cancel there.")
    return Reply("There is nothing to leave.")


def command_of(dialog: Dialog) -> str:
    """What began it."""
    wizard = wizards.get(dialog.kind)
    return wizard.command if wizard is not None else "an older version"


def _named(tx: Tx, chat: str) -> str:
    return tx.conversations.title("telegram", chat) or f"telegram:{chat}"


# --- pages


def show(scene: Scene, wizard: Wizard, state: State, *, note: str = "") -> Reply:
    """The page of this state, as the one that counts from now on."""
    page, state, why = page_of(scene, wizard, state)
    note = "\n".join(filter(None, (note, why)))
    scene = replace(scene, values=state.values)
    made = shown(wizard, page, state, about=wizard.about(scene), private=scene.is_private, note=note)
    flat = [(label, choice, place > 0) for row in made.rows for place, (label, choice) in enumerate(row)]
    chat = scene.chat.conversation
    buttons = deal(
        scene.tx,
        wizard.name,
        [(label, choice) for label, choice, _ in flat],
        chat=chat,
        person=scene.person,
        payload={"values": made.values},
        shown=made.text,
        now=scene.now,
        expires_s=None,
    )
    nonce = _nonce(buttons[0].data)
    scene.tx.dialogs.put(
        chat,
        str(scene.person),
        kind=wizard.name,
        step=state.step,
        state=state.to_data(),
        asked=nonce,
        now=scene.now,
    )
    placed = zip(buttons, flat, strict=True)
    return Reply(made.text, tuple(b.model_copy(update={"beside": beside}) for b, (_, _, beside) in placed))


def page_of(scene: Scene, wizard: Wizard, state: State) -> tuple[Page, State, str]:
    """The page of this state; where things have changed so that there is none any more, that of a step before."""
    why = ""
    while True:
        try:
            return wizard.steps[state.step].show(replace(scene, values=state.values)), state, why
        except WRONG as error:
            why = f"⚠ {refusal(error).removesuffix('.')}."
            if len(state.trail) == 1:
                return Page("This cannot be asked just now."), state, why
            state = state.back()


def state_of(dialog: Dialog, wizard: Wizard) -> State:
    """Where the person is; of a wizard that has other steps in this version, at its beginning."""
    state = State.from_data(dialog.state)
    if all(step in wizard.steps for step in state.trail):
        return state
    return State(state.here, (wizard.first,), offers_chats=state.offers_chats)


def _nonce(data: str) -> str:
    return data.rpartition(":")[2]


# --- buttons


def _pressed(press: Press, tx: Tx) -> Pressed:
    """A button of a page."""
    wizard = wizards[press.card.kind]
    word, _, parameter = press.choice.partition("=")
    dialog = tx.dialogs.get(press.card.chat.partition("/")[0], str(press.person))
    if dialog is None or dialog.kind != wizard.name:
        return Pressed(f"{_OVER} {wizard.command} begins it anew.", Reply(_OVER), used=False, outcome="over")
    state = state_of(dialog, wizard)
    scene = _scene(press, tx, wizard, state)
    if word == STOP:
        tx.dialogs.end(dialog.chat, dialog.person)
        if state.offers_chats:
            _put_away(press.services, tx, dialog, now=press.now)
        return Pressed("Cancelled.", Reply("Cancelled: nothing was changed."), used=False, outcome="cancelled")
    if word in (RESUME, ANEW):
        if word == ANEW and press.payload.get("asked") == dialog.asked:
            state = State(str(press.place), (wizard.first,))
            scene = replace(scene, here=press.place)
            put_away_chats(scene, dialog)
        return _turned(scene, wizard, state, outcome=word)
    if press.card.nonce != dialog.asked:
        return _turned(scene, wizard, state, toast="This is where you are.", outcome="an earlier page")
    match word:
        case "help":
            return _turned(scene, wizard, state, note=f"❔ {wizard.steps[state.step].help}", outcome="help")
        case "part":
            return _turned(scene, wizard, replace(state, part=_number(parameter)), outcome="another part")
        case "back":
            put_away_chats(scene, dialog)
            return _turned(scene, wizard, state.back(), outcome="back")
    values = press.payload["values"]
    number = _number(parameter)
    if number >= len(values):
        return Pressed("I do not know this button any more.", used=False, outcome="unknown")
    reply = answer(scene, wizard, dialog, Picked(values[number], press.prepared))
    return Pressed("", reply, used=False, outcome=f"step {state.step}")


def _turned(scene: Scene, wizard: Wizard, state: State, *, note: str = "", toast: str = "", outcome: str) -> Pressed:
    return Pressed(toast, show(scene, wizard, state, note=note), used=False, outcome=outcome)


def _number(parameter: str) -> int:
    return int(parameter) if parameter.isascii() and parameter.isdigit() and len(parameter) < 6 else 0


def _prepare(press: Press, tx: Tx) -> Callable[[], Awaitable[object]] | None:
    """What the network is asked for before this button is acted on."""
    wizard = wizards[press.card.kind]
    word, _, parameter = press.choice.partition("=")
    dialog = tx.dialogs.get(press.card.chat.partition("/")[0], str(press.person))
    if word != PICK or dialog is None or dialog.kind != wizard.name or dialog.asked != press.card.nonce:
        return None
    state, values, number = state_of(dialog, wizard), press.payload["values"], _number(parameter)
    if number >= len(values):
        return None
    return wizard.steps[state.step].prepare(_scene(press, tx, wizard, state), values[number])


def _scene(press: Press, tx: Tx, wizard: Wizard, state: State) -> Scene:
    return Scene(
        tx=tx,
        services=press.services,
        here=parse_address(state.here),
        person=press.person,
        person_name=press.person_name,
        role=press.role,
        everywhere=press.everywhere,
        needed=wizard.role,
        now=press.now,
        values=state.values,
    )


# --- answers


def answer(scene: Scene, wizard: Wizard, dialog: Dialog, given: Input) -> Reply:
    """What an answer leads to: the next page, the same with a word, or the end."""
    state, tx = state_of(dialog, wizard), scene.tx
    try:
        with tx.savepoint("answer"):
            turn = wizard.steps[state.step].take(scene, given)
    except WRONG as error:
        turn = Stay(f"⚠ {refusal(error).removesuffix('.')}.")
    except BridgeError as error:
        turn = Stay(f"⚠ {error}")
    if isinstance(turn, End):
        put_away_chats(scene, dialog)
        tx.dialogs.end(dialog.chat, dialog.person)
        return Reply(turn.text, turn.buttons, spans=turn.spans)
    after = state.turned(turn)
    if state.offers_chats and not after.offers_chats:
        put_away_chats(scene, dialog)
    elif after.offers_chats and not state.offers_chats:
        offered = Message(text="Choose the chat with a button below the field for text.", offers="chats")
        _say(scene.services, tx, scene.here, offered, now=scene.now)
    return show(scene, wizard, after, note=turn.note)


def put_away_chats(scene: Scene, dialog: Dialog) -> None:
    """Take the buttons for Telegram's own list of chats away, if they are there."""
    if State.from_data(dialog.state).offers_chats:
        _put_away(scene.services, scene.tx, dialog, now=scene.now)


def _put_away(services: Services, tx: Tx, dialog: Dialog, *, now: float) -> None:
    place = parse_address(State.from_data(dialog.state).here)
    _say(services, tx, place, Message(text="The buttons below are put away.", offers="nothing"), now=now)


def _say(services: Services, tx: Tx, place: Address, message: Message, *, now: float) -> None:
    services.relay.send(tx, place, message, now=now, message_id=None, priority=PRIORITY_REPLY, why="the bot's own")
