"""``/route add`` without a rule: from where, to where, which way, what of it; a test; then the rule is saved."""

from __future__ import annotations

from bot.addresses import Address, NewTopic, Pattern, is_within
from bot.routing import Arrow, Draft, format_route, parse_route
from bot.rules import add_route
from bot.telegram.access import Role
from bot.telegram.replies import NotAllowed
from bot.telegram.wizards import engine
from bot.telegram.wizards.filters import filter_steps, options_of
from bot.telegram.wizards.pages import (
    Choice,
    End,
    Go,
    Input,
    Page,
    Picked,
    Prepare,
    Step,
    Turn,
    Wizard,
    all_steps,
    choices,
)
from bot.telegram.wizards.picker import Picker
from bot.telegram.wizards.rights import ask_about, missing_lines, parse_end
from bot.telegram.wizards.scene import Scene
from bot.telegram.wizards.trial import TEST, TRIAL, trial_step

_SAVE = "save"
_ARROWS = {
    Arrow.BOTH: "Both ways",
    Arrow.TO: "One way",
    Arrow.REPLIES: "One way, with replies coming back",
}


def _draft(scene: Scene) -> Draft:
    """The rule as far as it is; read once more as if it had been typed, so that the refusals are the same."""
    source, target = parse_end(scene.values["source"]), parse_end(scene.values["target"])
    assert not isinstance(source, NewTopic)
    assert not isinstance(target, Pattern)
    draft = Draft(source, Arrow(scene.values.get("arrow", Arrow.TO)), target, options_of(scene))
    return parse_route(format_route(draft), accounts=list(scene.relay.accounts), zone=scene.zone)


def _about(scene: Scene) -> str:
    values = scene.values
    if "source" not in values:
        return ""
    return f"{values['source']} {values.get('arrow', '…')} {values.get('target', '?')}"


# --- ends


def _may_be_new_topic(scene: Scene) -> bool:
    """Whether a topic for each conversation makes sense: what comes is not from Telegram."""
    source = parse_end(scene.values["source"])
    return source.account != "telegram"


def _source_chosen(scene: Scene, written: str) -> Turn:
    return Go("target", {"source": written, "target": "?", "arrow": "…"})


def _target_chosen(scene: Scene, written: str) -> Turn:
    source, target = parse_end(scene.values["source"]), parse_end(written)
    chat = target.chat if isinstance(target, NewTopic) else target
    if isinstance(target, NewTopic):
        if isinstance(source, Address) and isinstance(chat, Address) and is_within(source, chat):
            parse_route(f"{source} -> {target}")  # says why not
        return Go("filters", {"target": written, "arrow": Arrow.TO})
    return Go("arrow", {"target": written, "arrow": "…"})


def _source(scene: Scene) -> set[str]:
    return {str(scene.values["source"])}


def _arrow_page(scene: Scene) -> Page:
    source, target = scene.values["source"], scene.values["target"]
    offered = []
    for arrow, words in _ARROWS.items():
        if isinstance(parse_end(source), Pattern) and arrow is Arrow.BOTH:
            continue
        offered.append(Choice(f"{words} ({arrow})", arrow))
    return Page(f"Which way do messages go between {source} and {target}?", choices=tuple(offered))


def _take_arrow(scene: Scene, given: Input) -> Turn:
    assert isinstance(given, Picked)
    return Go("filters", {"arrow": Arrow(given.value)})


# --- the end


def _summary(scene: Scene) -> Page:
    rule = _draft(scene)
    lines = ["The rule:", format_route(rule)]
    ends = [str(rule.source), str(rule.target)]
    lines += missing_lines(scene, [end for end in ends if not end.endswith("*")])
    return Page("\n".join(lines), actions=choices([("Test", TEST), ("Save", _SAVE)]))


def _take_summary(scene: Scene, given: Input) -> Turn:
    assert isinstance(given, Picked)
    if given.value == TEST:
        return Go(TRIAL)
    draft = _draft(scene)
    places = [draft.target.chat if isinstance(draft.target, NewTopic) else draft.target, draft.source]
    for place in places:
        if isinstance(place, Address):
            scene.reach(place)
    if scene.is_limited and not any(isinstance(place, Address) and is_within(place, scene.chat) for place in places):
        raise NotAllowed(
            f"No end of that rule is in this chat, and your role counts in this one only: the role {scene.needed.word}"
            " is needed everywhere. An owner can give it: /grant USER ROLE"
        )
    rule = add_route(scene.tx, draft, accounts=scene.relay.accounts, created_by=str(scene.person), now=scene.now)
    ends = [str(end) for end in (rule.source, rule.target) if not isinstance(end, Pattern)]
    missing = missing_lines(scene, ends, fresh=given.prepared)
    return End("\n".join([f"Route {rule.name} is set: {format_route(rule)}", *missing]))


def _ask(scene: Scene, value: str) -> Prepare | None:
    rule = _draft(scene)
    return ask_about(scene, [rule.source, rule.target]) if value == _SAVE else None


engine.add(
    Wizard(
        name="wroute",
        command="/route add",
        title="🔀 A new route",
        role=Role.ADMIN,
        first="source",
        steps=all_steps(
            Picker("source", "Where do the messages come from?", _source_chosen, patterns=True).steps(),
            Picker(
                "target", "Where do they go?", _target_chosen, new_topics=_may_be_new_topic, without=_source
            ).steps(),
            {
                "arrow": Step(
                    _arrow_page,
                    _take_arrow,
                    "One way with replies coming back: a reply to a message that was brought goes to its author.",
                )
            },
            filter_steps(then="summary"),
            {
                "summary": Step(
                    _summary,
                    _take_summary,
                    "Test sends one marked message in each direction. Save makes the rule work at once; /route undo"
                    " takes it back.",
                    _ask,
                ),
                TRIAL: trial_step(_draft, then="summary"),
            },
        ),
        about=_about,
    )
)
