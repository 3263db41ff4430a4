"""``/schedule`` alone, and the button below an announcement: when, to whom, what; then as after the command."""

from __future__ import annotations

from bot.schedule_line import show_options
from bot.telegram.access import Role
from bot.telegram.replies import UsageError
from bot.telegram.scheduling import Wish, actor_of, read_head, wished, with_buttons
from bot.telegram.wizards import engine
from bot.telegram.wizards.announce import chosen_targets, target_steps
from bot.telegram.wizards.pages import Choice, End, Go, Input, Page, Picked, Stay, Step, Turn, Wizard, Wrote, all_steps
from bot.telegram.wizards.scene import Scene
from bot.when import Ambiguous, show_rule
from bridges.model import Message

NAME = "wschedule"
_USUAL = (
    ("In 1 hour", "in 1h"),
    ("Tomorrow 9:00", "tomorrow 9:00"),
    ("Monday 9:00", "mon 9:00"),
    ("Every day 9:00", "every day at 9:00"),
    ("Every weekday 9:00", "every weekday at 9:00"),
    ("Every Monday 9:00", "every mon at 9:00"),
    ("Every month, on the 1st at 9:00", "every month on the 1st at 9:00"),
    ("Every month, on the last day at 9:00", "every month on the last day at 9:00"),
)
_WHEN, _ASKED, _MEANT = "when", "asked", "meant"
_OTHER = ""
"""Instead of a WHEN: none of what may have been meant."""
_MESSAGE = "message"
"""What an announcement would have sent."""


def _when(scene: Scene) -> Page:
    zone = actor_of(scene).zone(scene.tx)
    asks = "it in words, as in every mon,thu at 9:30, in 2h30m or 2026-12-24 18:00 Europe/Paris"
    if scene.values.get(_ASKED):
        meant = tuple(Choice(label, head) for label, head in scene.values[_MEANT])
        return Page(str(scene.values[_ASKED]), meant, (Choice("Something else…", _OTHER),), asks=asks)
    text = f"When is it sent? Times are those of {zone} unless a zone follows."
    return Page(text, tuple(Choice(label, head) for label, head in _USUAL), asks=asks)


def _take_when(scene: Scene, given: Input) -> Turn:
    if isinstance(given, Wrote):
        head = given.text
    elif isinstance(given, Picked):
        head = given.value
    else:
        raise UsageError("a time is asked for here, as in tomorrow 9:00")
    if head == _OTHER:
        return Stay("", {_ASKED: "", _MEANT: []})
    if "|" in head:
        raise UsageError("only WHEN is asked for here, as in tomorrow 9:00; targets and text come after it")
    try:
        line = read_head(head, now=scene.now, zone=actor_of(scene).zone(scene.tx))
    except Ambiguous as question:
        return Stay("", {_ASKED: str(question), _MEANT: [list(each) for each in question.choices]})
    assert line.rule is not None  # only an edit is without
    whole = f"{show_rule(line.rule)} {show_options(line.options)}".rstrip()
    if scene.values.get(_MESSAGE) is not None:
        message = Message.model_validate(scene.values[_MESSAGE])
        return _end(scene, Wish(whole, ", ".join(chosen_targets(scene)), message))
    return Go("targets", {_WHEN: whole, _ASKED: "", _MEANT: []})


def _proposed(scene: Scene, message: Message, origin: int) -> End:
    wish = Wish(str(scene.values[_WHEN]), ", ".join(chosen_targets(scene)), with_buttons(message))
    return _end(scene, wish)


def _end(scene: Scene, wish: Wish) -> End:
    reply = wished(scene.tx, actor_of(scene), wish)
    return End(reply.text, reply.buttons, reply.spans)


def _about(scene: Scene) -> str:
    return str(scene.values.get(_WHEN, ""))


engine.add(
    Wizard(
        name=NAME,
        command="/schedule",
        title="🗓 A schedule",
        role=Role.OPERATOR,
        first="when",
        steps=all_steps(
            {
                "when": Step(
                    _when, _take_when, "You see the next dates before anything is sent. /timezone sets the zone."
                )
            },
            target_steps(_proposed, text_help="What goes to more than one target is shown before it is scheduled."),
        ),
        about=_about,
    )
)
