"""Where a message goes on to, and why: the ``Router`` that production and ``route test`` both ask (pure).

The rules themselves, and the line in which people write them, are in ``bot.routes_line``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cache

from bot.addresses import Address, NewTopic, Pattern, is_within
from bot.routes_line import (
    DEFAULT_KINDS,
    Arrow,
    Draft,
    Hours,
    Kind,
    Late,
    OnAmbiguous,
    Regex,
    RouteError,
    RouteOptions,
    Rule,
    compiled,
    edit_route,
    format_route,
    options_from_data,
    options_from_json,
    options_to_data,
    options_to_json,
    parse_hours,
    parse_late,
    parse_route,
)
from bot.shaping import DEFAULT_TEMPLATE
from bridges.model import AccountName, Person

__all__ = [
    "DEFAULT_KINDS",
    "Arrow",
    "Draft",
    "Hours",
    "Incoming",
    "Kind",
    "Late",
    "OnAmbiguous",
    "Resolution",
    "RouteError",
    "RouteOptions",
    "Router",
    "Rule",
    "Step",
    "Target",
    "Topic",
    "Verdict",
    "edit_route",
    "format_route",
    "options_from_data",
    "options_from_json",
    "options_to_data",
    "options_to_json",
    "parse_hours",
    "parse_late",
    "parse_route",
]


@dataclass(frozen=True, slots=True)
class Incoming:
    """Something that happened in a conversation, as far as routing looks at it.

    ``text`` of a deletion or a reaction is that of the message it is about, so that the rule which took the
    message takes also what becomes of it.
    """

    address: Address
    kind: Kind
    at: datetime
    text: str = field(default="", repr=False)
    sender: Person | None = None


@dataclass(frozen=True, slots=True)
class Topic:
    """The forum topic that was opened for a conversation, or is being opened."""

    address: Address
    """While it is being opened: where messages wait for it."""


class Verdict(StrEnum):
    """What became of one rule when an item was resolved."""

    MATCHED = "matched"
    FILTERED = "filtered"
    DISABLED = "disabled"
    STOPPED = "stopped"
    DUPLICATE = "duplicate"
    """It matched, and another rule goes to the same target."""
    PAUSED = "paused"
    """One of its chats does not let us write just now."""
    MUTED = "muted"


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that was considered; ``why`` is for people."""

    rule: Rule
    target: Address | NewTopic
    verdict: Verdict
    why: str

    def __str__(self) -> str:
        return f"{self.rule} to {self.target}: {self.why}"


@dataclass(frozen=True, slots=True)
class Target:
    """Where an item goes, and how."""

    rule: Rule
    address: Address
    template: str
    priority: int
    on_ambiguous: OnAmbiguous | None
    """None: as the account's side has it configured."""
    late: Late
    opens: bool = False
    """The address is a forum, in which a topic is to be opened for it."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Where an item goes, with the explanation."""

    targets: tuple[Target, ...]
    steps: tuple[Step, ...]
    """Every rule of this source in the order considered."""
    filtered_by: Rule | None = None
    """The first rule that turned the item away, if nothing took it; None there too: no rule at all."""
    muted: bool = False
    """Nothing is relayed from there, whatever the rules say."""
    resting: tuple[Target, ...] = ()
    """Where it would go if the rules there did not rest: kept as given up, until somebody sends it again."""

    @property
    def is_filtered(self) -> bool:
        """Whether something turned the item away, and nothing took it."""
        return self.muted or self.filtered_by is not None


_NOTHING = Resolution(targets=(), steps=())


@dataclass(frozen=True, slots=True)
class _Way:
    """One direction of a rule, compiled."""

    order: tuple[int, int]
    rule: Rule
    pattern: Pattern | None
    target: Target
    kinds: frozenset[Kind]
    persons: frozenset[str]
    match: Regex | None
    not_: Regex | None
    hours: Hours | None
    forum: NewTopic | None

    @property
    def goes(self) -> Address | NewTopic:
        """Where the rule leads, as it is written."""
        return self.forum or self.target.address

    @property
    def rests(self) -> bool:
        """Whether what it leads to does not let us write just now."""
        return bool(self.rule.paused) and self.rule.rests_towards(self.target.address)

    def filtered(self, item: Incoming) -> str | None:
        """Why this rule does not take the item; None if it does."""
        options = self.rule.options
        if self.forum is not None and is_within(item.address, self.forum.chat):
            return "filtered: it comes from there"
        if self.target.address == item.address:
            return "filtered: it comes from there"
        if item.kind not in self.kinds:
            return f"filtered: {'kinds= is' if options.kinds else 'without kinds='} not for {item.kind}"
        if item.sender is not None and item.sender.kind == "bot" and not _is_among(item.sender, self.persons):
            return "filtered: the sender is a bot, and from= does not name it"
        if self.persons and not _is_among(item.sender, self.persons):
            return f"filtered: from={','.join(options.from_)} does not name the sender"
        if self.match is not None and not _found(self.match, item.text):
            return f"filtered: match=/{options.match}/ not found"
        if self.not_ is not None and _found(self.not_, item.text):
            return f"filtered: not=/{options.not_}/ found"
        if self.hours is not None and not self.hours.cover(item.at):
            return f"filtered: outside hours {self.hours}"
        return None


class Router:
    """All rules, compiled once. Asking it changes nothing.

    ``muted``: conversations from which nothing is relayed. ``topics``: by conversation and forum, those that
    ``new-topic(…)`` rules have opened or are opening.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        muted: Collection[Address] = (),
        topics: Mapping[tuple[Address, Address], Topic] | None = None,
    ) -> None:
        self.rules = tuple(sorted(rules, key=_order))
        self._muted = frozenset(muted)
        self._topics = topics or {}
        exact: dict[Address, list[_Way]] = {}
        patterns: dict[AccountName, list[_Way]] = {}
        for rule in self.rules:
            forward = _way(rule, to=rule.target)
            if isinstance(rule.source, Pattern):
                patterns.setdefault(rule.source.account, []).append(forward)
                continue
            exact.setdefault(rule.source, []).append(forward)
            if rule.arrow is Arrow.BOTH and isinstance(rule.target, Address):
                exact.setdefault(rule.target, []).append(_way(rule, to=rule.source))
        self._exact = exact
        self._patterns = patterns

    def resolve(self, item: Incoming) -> Resolution:
        """Where this item goes and why; rules of higher priority first, then those with lower ids."""
        ways = self._ways(item.address)
        if item.address in self._muted:
            steps = tuple(
                Step(way.rule, way.goes, Verdict.MUTED, f"muted: /unmute {item.address} lets it through")
                for way in ways
            )
            return Resolution(targets=(), steps=steps, muted=True)
        if not ways:
            return _NOTHING
        so_far = _Pass()
        for way in ways:
            self._consider(way, item, so_far)
        return Resolution(
            tuple(so_far.targets.values()),
            tuple(so_far.steps),
            None if so_far.targets else so_far.filtered_by,
            resting=tuple(target for address, target in so_far.resting.items() if address not in so_far.targets),
        )

    def _consider(self, way: _Way, item: Incoming, so_far: _Pass) -> None:
        """Add what one rule makes of the item."""
        rule, target = way.rule, way.target
        if not rule.enabled:
            verdict, why = Verdict.DISABLED, "disabled"
        elif so_far.stopped_by is not None and rule not in so_far.spared:
            verdict, why = Verdict.STOPPED, f"stopped by {so_far.stopped_by}"
        elif (words := way.filtered(item)) is not None:
            verdict, why = Verdict.FILTERED, words
            so_far.filtered_by = so_far.filtered_by or rule
        elif way.rests:
            verdict, why = Verdict.PAUSED, f"paused: {rule.paused}"
            so_far.filtered_by = so_far.filtered_by or rule
            if way.forum is None:
                so_far.resting[target.address] = target
        else:
            verdict, why = Verdict.MATCHED, "matched"
            if way.forum is not None:
                target, linked_by = self._topic_for(way, item.address)
                if target.opens:
                    why = "matched: a topic is opened for it"
                elif linked_by is not None:
                    # What its own rule says counts from now on, also whether this message is taken.
                    verdict, why = Verdict.DUPLICATE, f"matched: its topic is {target.address}, by {linked_by}"
                    so_far.spared.append(linked_by)
            if verdict is Verdict.MATCHED:
                if target.address in so_far.targets:
                    verdict = Verdict.DUPLICATE
                    why = f"matched, and {so_far.targets[target.address].rule} goes there already"
                else:
                    so_far.targets[target.address] = target
            if rule.options.stop:
                so_far.stopped_by = so_far.stopped_by or rule
        so_far.steps.append(Step(rule, way.goes, verdict, why))

    def _topic_for(self, way: _Way, source: Address) -> tuple[Target, Rule | None]:
        """Where a rule with ``new-topic(…)`` sends this conversation now, and the rule that links its topic."""
        assert way.forum is not None
        topic = self._topics.get((source, way.forum.chat))
        if topic is None:
            return way.target, None
        links = (other.rule for other in self._exact.get(source, ()) if other.target.address == topic.address)
        return replace(way.target, address=topic.address, opens=False), next(links, None)

    def opens(self, source: Address, forum: NewTopic) -> Rule | None:
        """The rule by which a conversation gets a topic in a forum."""
        return next((way.rule for way in self._ways(source) if way.forum == forum and way.rule.enabled), None)

    def rule_named(self, name: str) -> Rule | None:
        """A rule by its name."""
        return next((rule for rule in self.rules if name and rule.name == name), None)

    def leads(self, rule: Rule, source: Address, target: Address) -> bool:
        """Whether a rule is about messages from there to there, whatever it asks of each."""
        return any(
            way.rule.id == rule.id and (way.forum is not None or way.target.address == target)
            for way in self._ways(source)
        )

    def carries_on(self, rule: Rule, item: Incoming, *, to: Address) -> Target | None:
        """How a rule that took a message takes what became of it; None if it does not.

        The message was taken: its words and hours are not asked about again, nor the rules before.
        """
        if item.address in self._muted or not rule.enabled:
            return None
        for way in self._ways(item.address):
            if way.rule.id != rule.id or way.rests:
                continue
            target = way.target if way.forum is None else replace(way.target, address=to, opens=False)
            known = replace(way, match=None, not_=None, hours=None)
            if target.address == to and known.filtered(item) is None:
                return target
        return None

    def reply_rule(self, source: Address, chat: Address) -> Rule | None:
        """The rule that lets replies made in ``chat`` go back to ``source``, where the original came from."""
        if chat in self._muted:
            return None
        for way in self._ways(source):
            rule = way.rule
            works = rule.enabled and not rule.rests_towards(source)
            if works and rule.arrow is not Arrow.TO and way.target.address == chat:
                return rule
        return None

    def linked(self, address: Address) -> list[Address]:
        """The conversations that share everything with this one in both directions, and take it just now."""
        found = (way.target.address for way in self._exact.get(address, ()) if _links(way.rule) and not way.rests)
        return list(dict.fromkeys(found))

    def joined(self, address: Address) -> set[Address]:
        """The conversations that share everything with this one, over however many others; itself is one of them."""
        found, left = {address}, [address]
        while left:
            new = [each for each in self.linked(left.pop()) if each not in found]
            found.update(new)
            left += new
        return found

    def _ways(self, address: Address) -> Sequence[_Way]:
        exact: Sequence[_Way] = self._exact.get(address, ())
        patterns = self._patterns.get(address.account)
        if patterns is None:
            return exact
        matching = [way for way in patterns if way.pattern is not None and way.pattern.matches(address)]
        return sorted([*exact, *matching], key=lambda way: way.order) if matching else exact


@dataclass(slots=True)
class _Pass:
    """What was found so far while the rules are gone through."""

    targets: dict[Address, Target] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    resting: dict[Address, Target] = field(default_factory=dict)
    stopped_by: Rule | None = None
    filtered_by: Rule | None = None
    spared: list[Rule] = field(default_factory=list)
    """Rules of topics that were opened by the rule that stops: they stand for it."""


def _order(rule: Rule) -> tuple[int, int]:
    return -rule.options.priority, rule.id


def _links(rule: Rule) -> bool:
    return rule.enabled and rule.arrow is Arrow.BOTH


def _way(rule: Rule, *, to: Address | NewTopic) -> _Way:
    options = rule.options
    return _Way(
        order=_order(rule),
        rule=rule,
        pattern=rule.source if isinstance(rule.source, Pattern) else None,
        target=Target(
            rule=rule,
            address=to.chat if isinstance(to, NewTopic) else to,
            template=DEFAULT_TEMPLATE if options.template is None else options.template,
            priority=options.priority,
            on_ambiguous=options.on_ambiguous,
            late=_late(options.late),
            opens=isinstance(to, NewTopic),
        ),
        kinds=frozenset(options.kinds) or DEFAULT_KINDS,
        persons=frozenset(map(_folded, options.from_)),
        match=None if options.match is None else compiled(options.match),
        not_=None if options.not_ is None else compiled(options.not_, key="not"),
        hours=None if options.hours is None else parse_hours(options.hours),
        forum=to if isinstance(to, NewTopic) else None,
    )


@cache
def _late(text: str | None) -> Late:
    return Late() if text is None else parse_late(text)


def _folded(person: str) -> str:
    return person.removeprefix("@").casefold()


def _is_among(sender: Person | None, persons: frozenset[str]) -> bool:
    return sender is not None and (_folded(sender.id) in persons or _folded(sender.name) in persons)


def _found(regex: Regex, text: str) -> bool:
    try:
        return regex.search(text) is not None
    except UnicodeEncodeError:  # half a surrogate pair: RE2 reads UTF-8, which has none
        return regex.search(text.encode("utf-8", "replace").decode()) is not None
