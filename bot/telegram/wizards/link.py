"""``/link`` without an address: which conversation, a test both ways, and the link."""

from __future__ import annotations

from bot.addresses import parse_address
from bot.routing import Arrow, Draft, RouteOptions
from bot.rules import add_route
from bot.telegram.access import Role
from bot.telegram.wizards import engine
from bot.telegram.wizards.pages import End, Go, Input, Page, Picked, Prepare, Step, Turn, Wizard, all_steps, choices
from bot.telegram.wizards.picker import Picker, named
from bot.telegram.wizards.rights import ask_about, missing_lines
from bot.telegram.wizards.scene import Scene
from bot.telegram.wizards.trial import TEST, TRIAL, trial_step

_SAVE = "link"


def _taken(scene: Scene) -> set[str]:
    return {str(scene.here), *map(str, scene.relay.router(scene.tx).linked(scene.here))}


def _draft(scene: Scene) -> Draft:
    other = parse_address(scene.values["other"])
    return Draft(source=scene.here, arrow=Arrow.BOTH, target=other, options=RouteOptions())


def _about(scene: Scene) -> str:
    return f"{scene.here} <-> {scene.values.get('other', '?')}"


def _summary(scene: Scene) -> Page:
    other = parse_address(scene.values["other"])
    lines = [
        f"{named(scene.tx, scene.here)} and {named(scene.tx, other)} are joined: what is written on one side is"
        " brought to the other.",
        *missing_lines(scene, [str(scene.here), str(other)]),
    ]
    return Page("\n".join(lines), actions=choices([("Test", TEST), ("Link", _SAVE)]))


def _take_summary(scene: Scene, given: Input) -> Turn:
    assert isinstance(given, Picked)
    if given.value == TEST:
        return Go(TRIAL)
    draft = _draft(scene)
    other = scene.target(str(draft.target))
    if other in scene.relay.router(scene.tx).linked(scene.here):
        return End(f"{scene.here} and {other} are linked already.")
    rule = add_route(scene.tx, draft, accounts=scene.relay.accounts, created_by=str(scene.person), now=scene.now)
    missing = missing_lines(scene, [str(scene.here), str(other)], fresh=given.prepared)
    return End("\n".join([f"Linked: {scene.here} <-> {other} (route {rule.name}). /unlink ends it.", *missing]))


def _ask(scene: Scene, value: str) -> Prepare | None:
    return ask_about(scene, [scene.here, parse_address(scene.values["other"])]) if value == _SAVE else None


_PICKER = Picker(
    "other",
    "Which conversation is this chat to be joined with?",
    lambda scene, written: Go("summary", {"other": written}),
    without=_taken,
)

engine.add(
    Wizard(
        name="wlink",
        command="/link",
        title="🔗 A link for this chat",
        role=Role.ADMIN,
        first="other",
        steps=all_steps(
            _PICKER.steps(),
            {
                "summary": Step(
                    _summary,
                    _take_summary,
                    "Test sends one marked message to each side, so that you see whether it arrives. Link saves it;"
                    " /unlink ends it again.",
                    _ask,
                ),
                TRIAL: trial_step(_draft, then="summary"),
            },
        ),
        about=_about,
    )
)
