"""Steps that say which messages a rule takes: words, kinds, hours. All may be left out."""

from __future__ import annotations

import re

from bot.routing import DEFAULT_KINDS, Kind, RouteOptions, options_from_data, parse_hours
from bot.telegram.replies import UsageError
from bot.telegram.wizards.pages import Choice, Go, Input, Page, Picked, Stay, Step, Turn, Wrote, choices
from bot.telegram.wizards.scene import Scene

WORDS, KINDS, HOURS = "words", "kinds", "hours"
_DONE, _NONE = "done", "none"
_LABELS = {
    Kind.TEXT: "Texts",
    Kind.MEDIA: "Pictures and files",
    Kind.EDITS: "Edits",
    Kind.DELETES: "Deletions",
    Kind.REACTIONS: "Reactions",
    Kind.JOINS: "Who comes and goes",
}
_PUNCTUATION = re.compile(r"[!-/:-@\[-^`{-~]")
_WORDS_HELP = "Upper and lower case are the same. A regular expression is set with /route edit NAME match=/…/."
_OFFICE, _DAYTIME = "mon-fri 09:00-18:00", "mon-sun 08:00-22:00"


def filter_steps(*, then: str) -> dict[str, Step]:
    """``filters`` and the steps that it leads to."""

    def take(scene: Scene, given: Input) -> Turn:
        assert isinstance(given, Picked)
        return Go(then if given.value == _DONE else given.value)

    return {
        "filters": Step(_show, take, "Without filters everything goes but who comes and goes. All filters must fit."),
        WORDS: Step(
            _show_words,
            _take_words,
            _WORDS_HELP,
        ),
        KINDS: Step(_show_kinds, _take_kinds, "What is ticked goes; the others do not."),
        HOURS: Step(_show_hours, _take_hours, "Outside these hours nothing goes by this rule."),
    }


def options_of(scene: Scene) -> RouteOptions:
    """The filters as options of a rule. Raises ``RouteError``."""
    values = scene.values
    data: dict[str, object] = {}
    if values.get(WORDS):
        data["match"] = _regex(str(values[WORDS]))
    if values.get(KINDS):
        data["kinds"] = list(values[KINDS])
    if values.get(HOURS):
        data["hours"] = str(values[HOURS])
    return options_from_data(data)


def _regex(text: str) -> str:
    words = [_PUNCTUATION.sub(r"\\\g<0>", word) for word in _split(text)]
    return f"(?i){words[0]}" if len(words) == 1 else f"(?i)(?:{'|'.join(words)})"


def _split(text: str) -> list[str]:
    return [" ".join(word.split()) for word in re.split(r"[,\n]", text) if word.strip()]


def _show(scene: Scene) -> Page:
    values = scene.values
    set_ = [
        f"· words: {values[WORDS]}" if values.get(WORDS) else "",
        f"· kinds: {', '.join(values[KINDS])}" if values.get(KINDS) else "",
        f"· hours: {values[HOURS]}" if values.get(HOURS) else "",
    ]
    lines = list(filter(None, set_))
    text = "\n".join(["Only these messages go:", *lines] if lines else ["Is everything to go, or only some of it?"])
    offered = [("Only with some words…", WORDS), ("Only some kinds…", KINDS), ("Only at some hours…", HOURS)]
    return Page(text, actions=choices([*offered, ("Go on" if lines else "Skip", _DONE)]))


def _show_words(scene: Scene) -> Page:
    now = scene.values.get(WORDS)
    actions = (Choice("Any words", _NONE),) if now else ()
    text = "Only messages with one of which words?" + (f" Now: {now}" if now else "")
    return Page(text, actions=actions, asks="words with commas between, as in urgent, invoice")


def _take_words(scene: Scene, given: Input) -> Turn:
    if isinstance(given, Wrote):
        if not _split(given.text):
            raise UsageError("there is no word in it: write words with commas between, as in urgent, invoice")
        options_from_data({"match": _regex(given.text)})
        return Go("filters", {WORDS: given.text})
    return Go("filters", {WORDS: ""})


def _show_kinds(scene: Scene) -> Page:
    chosen = _kinds(scene)
    ticked = [(f"{'✅' if kind in chosen else '▫️'} {words}", str(kind)) for kind, words in _LABELS.items()]
    return Page("Which kinds go?", actions=choices([*ticked, ("Go on", _DONE)]))


def _kinds(scene: Scene) -> set[Kind]:
    return {Kind(each) for each in scene.values.get(KINDS) or DEFAULT_KINDS}


def _take_kinds(scene: Scene, given: Input) -> Turn:
    assert isinstance(given, Picked)
    if given.value == _DONE:
        return Go("filters")
    chosen = _kinds(scene) ^ {Kind(given.value)}
    if not chosen:
        raise UsageError("at least one kind has to go")
    return Stay("", {KINDS: [] if chosen == DEFAULT_KINDS else [str(kind) for kind in Kind if kind in chosen]})


def _show_hours(scene: Scene) -> Page:
    now = scene.values.get(HOURS)
    offered = [(f"{_OFFICE} {scene.zone}", _OFFICE), (f"{_DAYTIME} {scene.zone}", _DAYTIME)]
    actions = (Choice("At all hours", _NONE),) if now else ()
    text = "At which hours?" + (f" Now: {now}" if now else "")
    return Page(text, choices(offered), actions, asks="them, as in mon-fri 08:00-18:00 Europe/Paris")


def _take_hours(scene: Scene, given: Input) -> Turn:
    match given:
        case Picked(value=value):
            return Go("filters", {HOURS: "" if value == _NONE else str(parse_hours(value, zone=scene.zone))})
        case Wrote(text=text):
            return Go("filters", {HOURS: str(parse_hours(text, zone=scene.zone))})
    raise UsageError("hours are written as in mon-fri 08:00-18:00 Europe/Paris")
