"""A test message along a rule that is not saved yet, in each direction it has; and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.addresses import TELEGRAM, Address, NewTopic, Pattern
from bot.names import one_line
from bot.routing import Arrow, Draft, format_route
from bot.store.outbox import PRIORITY_REPLY
from bot.telegram.wizards.pages import Go, Input, Page, Picked, Prepare, Stay, Step, Turn, choices
from bot.telegram.wizards.picker import named
from bot.telegram.wizards.rights import MISSING, ask_about, missing_lines
from bot.telegram.wizards.scene import Scene
from bridges.model import Message

TRIAL = "trial"
TEST, REFRESH, SEND, ON = "test", "refresh", "send", "on"
_STATES = {
    "sent": "✅ it arrived",
    "queued": "⏳ under way",
    "sending": "⏳ under way",
    "held": "🤔 it may have arrived",
}


def trial_step(draft: Callable[[Scene], Draft], *, then: str) -> Step:
    """A step named ``trial``, from which ``then`` goes on."""

    def show(scene: Scene) -> Page:
        rule = draft(scene)
        places, notes = _ends(rule)
        sent = _sent(scene, rule)
        if not places:
            return Page("\n".join(["Nothing can be tested.", *notes]), actions=choices([("Go on", ON)]))
        if sent:
            lines = ["The test message:", *(f"· {address}: {_outcome(scene, id)}" for address, id in sent)]
            lines += missing_lines(scene, [str(place) for place in places])
            offered = [("Refresh", REFRESH), ("Send it once more", SEND), ("Go on", ON)]
            return Page("\n".join([*lines, *notes]), actions=choices(offered))
        lines = ["One test message goes to", *(f"· {_reader(scene, place)}" for place in places)]
        lines += ["It is marked as a test."]
        return Page("\n".join([*lines, *notes]), actions=choices([("Send the test", SEND), ("Go on", ON)]))

    def take(scene: Scene, given: Input) -> Turn:
        assert isinstance(given, Picked)
        if given.value == ON:
            return Go(then)
        values: dict[str, Any] = {}
        if isinstance(given.prepared, dict):
            values[MISSING] = {**scene.values.get(MISSING, {}), **given.prepared}
        if given.value == SEND:
            rule = draft(scene)
            places, _ = _ends(rule)
            for place in places:
                scene.reach(place)
            values[TRIAL] = {"rule": format_route(rule), "sent": [[str(p), _send(scene, p)] for p in places]}
        return Stay("", values)

    def prepare(scene: Scene, value: str) -> Prepare | None:
        places, _ = _ends(draft(scene))
        return None if value == ON else ask_about(scene, places)

    return Step(
        show,
        take,
        "A test message shows whether this bot can write at both ends. Nobody has to answer it; the rule is not needed"
        " for it and not saved by it.",
        prepare,
    )


def _ends(rule: Draft) -> tuple[list[Address], list[str]]:
    """Where a test message goes, and why it does not go elsewhere."""
    places: list[Address] = []
    notes = []
    if isinstance(rule.target, NewTopic):
        notes.append(f"A topic in {rule.target.chat} is opened only for a real conversation: that is not tested.")
    else:
        places.append(rule.target)
    if rule.arrow is Arrow.TO:
        return places, notes
    if isinstance(rule.source, Pattern):
        notes.append(f"{rule.source} is many conversations: nothing is sent there.")
    else:
        places.append(rule.source)
    return places, notes


def _reader(scene: Scene, place: Address) -> str:
    if place.account == TELEGRAM:
        return f"{named(scene.tx, place)}: everybody in that chat reads it."
    return f"{named(scene.tx, place)}: whoever is there reads it, and that may be a customer."


def _send(scene: Scene, place: Address) -> int:
    who = one_line(scene.person_name)
    text = f"🔧 A test of Patchbay by {who}: messages can be written here. Nothing has to be done."
    ids = scene.relay.send(
        scene.tx,
        place,
        Message(text=text),
        now=scene.now,
        message_id=None,
        priority=PRIORITY_REPLY,
        why="a wizard's test",
    )
    return ids[0]


def _sent(scene: Scene, rule: Draft) -> list[tuple[str, int]]:
    kept = scene.values.get(TRIAL)
    if not kept or kept["rule"] != format_route(rule):
        return []
    return [(str(address), int(id)) for address, id in kept["sent"]]


def _outcome(scene: Scene, id: int) -> str:
    row = scene.tx.outbox.get(id)
    if row is None:
        return "it is not known any more"
    words = _STATES.get(row.state, "💔 it did not arrive")
    return f"{words}: {row.error}" if row.error and row.state != "sent" else words
