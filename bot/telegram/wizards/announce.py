"""``/announce`` alone: to whom, what; then the same preview as after ``/announce TARGETS | text``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from bot.addresses import parse_address
from bot.relay import refusal
from bot.targets import TargetError, parse_targets
from bot.telegram.access import Role
from bot.telegram.announce_cards import propose, within_reach
from bot.telegram.replies import UsageError
from bot.telegram.wizards import engine
from bot.telegram.wizards.pages import (
    Choice,
    End,
    Go,
    Input,
    Page,
    Picked,
    Stay,
    Step,
    Turn,
    Wizard,
    Wrote,
    all_steps,
    choices,
)
from bot.telegram.wizards.picker import Picker
from bot.telegram.wizards.scene import Scene
from bridges.model import Message

_ADD, _ON, _IN, _OUT = "add", "on", "in:", "out:"
_USE, _USE_LABEL = "use", "That was the text"
_DRAFT = "draft"
"""Words that were written where targets are asked for."""
_LISTED = 20
Then: TypeAlias = Callable[[Scene, Message, int], Turn]
"""What follows a text: gets the message and the id under which it is kept."""


def chosen_targets(scene: Scene) -> list[str]:
    """The targets that were chosen so far."""
    return list(scene.values.get("targets", ()))


def _number(scene: Scene) -> int:
    return len(parse_targets(scene.tx, scene.relay, ", ".join(chosen_targets(scene)), here=scene.here).addresses)


def _targets(scene: Scene) -> Page:
    chosen = chosen_targets(scene)
    lines = ["To whom does it go?"] if not chosen else ["It goes to:", *(f"· {each}" for each in chosen[:_LISTED])]
    if len(chosen) > _LISTED:
        lines.append(f"… and {len(chosen) - _LISTED} more")
    offered = [Choice(f"✖ {each}", f"{_OUT}{each}") for each in chosen]
    for name, number in scene.tx.audiences.all():
        if f"@{name}" not in chosen and number and _reaches(scene, scene.tx.audiences.members(name)):
            offered.append(Choice(f"➕ @{name} ({number})", f"{_IN}@{name}"))
    for name in scene.tx.names.all():
        if name not in chosen and _reaches(scene, [scene.tx.names.get(name) or ""]):
            offered.append(Choice(f"➕ {name}", f"{_IN}{name}"))
    actions = [("➕ A chat or conversation…", _ADD), *([("Go on", _ON)] if chosen else [])]
    if chosen and scene.values.get(_DRAFT):
        actions.append((_USE_LABEL, _USE))
    asks = "targets with commas between: addresses, names, @audience or here"
    return Page("\n".join(lines), tuple(offered), choices(actions), asks=asks)


def _reaches(scene: Scene, addresses: Sequence[str]) -> bool:
    """Whether all of them are within the person's reach: what belongs to other chats is not shown either."""
    return all(scene.reaches(parse_address(address)) for address in addresses if address)


def _take_targets(scene: Scene, given: Input, *, then: Then) -> Turn:
    if isinstance(given, Wrote):
        return _written(scene, given)
    assert isinstance(given, Picked)
    if given.value == _USE:
        draft = scene.values[_DRAFT]
        return then(scene, Message.model_validate(draft["message"]), draft["id"])
    if given.value == _ADD:
        return Go("add")
    if given.value == _ON:
        _number(scene)  # says what is wrong with them, if something became of it meanwhile
        return Go("text")
    if given.value.startswith(_OUT):
        out = given.value.removeprefix(_OUT)
        return Stay("", {"targets": [each for each in chosen_targets(scene) if each != out]})
    return _added(scene, given.value.removeprefix(_IN))


def _written(scene: Scene, given: Wrote) -> Stay:
    """Targets; words that are none may be the text already, if there is somebody whom it can go to."""
    try:
        return _added(scene, given.text)
    except TargetError as error:
        if not chosen_targets(scene):
            raise TargetError(f"{str(error).removesuffix('.')}. The text is asked for after the targets") from error
        note = f"⚠ {refusal(error).removesuffix('.')}. If that was the text, press {_USE_LABEL}; Go on asks for it."
        draft = {"id": given.id, "message": given.message.model_dump(mode="json", exclude_defaults=True)}
        return Stay(note, {_DRAFT: draft})


def _added(scene: Scene, text: str) -> Stay:
    found = parse_targets(scene.tx, scene.relay, text, here=scene.here, seen=scene.reaches)
    within_reach(scene.tx, scene.services, found.addresses, person=scene.person, here=scene.here, typed=text)
    return Stay("", {"targets": list(dict.fromkeys([*chosen_targets(scene), *found.text.split(", ")]))})


def _picked(scene: Scene, written: str) -> Turn:
    return Go("targets", _added(scene, written).values)


def _text(scene: Scene) -> Page:
    number = _number(scene)
    question = f"What is sent to {number} target{'' if number == 1 else 's'}? You see it before it is sent."
    return Page(question, asks="the text as it is to be, with formatting and files if you like", files=True)


def _take_text(scene: Scene, given: Input, *, then: Then) -> Turn:
    if not isinstance(given, Wrote):
        raise UsageError("a text is asked for here")
    return then(scene, given.message, given.id)


def target_steps(then: Then, *, text_help: str) -> dict[str, Step]:
    """The steps that ask to whom it goes and for the text; ``then``: what follows these."""
    return all_steps(
        {
            "targets": Step(
                _targets,
                partial(_take_targets, then=then),
                "@name is an audience: /audience makes one. Each gets it once.",
            ),
            "text": Step(_text, partial(_take_text, then=then), text_help),
        },
        Picker("add", "To whom?", _picked, without=lambda scene: chosen_targets(scene)).steps(),
    )


def _proposed(scene: Scene, message: Message, origin: int) -> End:
    reply = propose(
        scene.tx,
        scene.services,
        targets_text=", ".join(chosen_targets(scene)),
        message=message,
        person=scene.person,
        person_name=scene.person_name,
        here=scene.here,
        origin=origin,
        now=scene.now,
    )
    return End(reply.text, reply.buttons)


engine.add(
    Wizard(
        name="wannounce",
        command="/announce",
        title="📣 An announcement",
        role=Role.OPERATOR,
        first="targets",
        steps=target_steps(_proposed, text_help="Nothing is sent before you have seen it and pressed Send."),
    )
)
