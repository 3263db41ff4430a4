"""What the commands, cards and wizards of schedules share: what somebody may see of them, what one would be, shown and
asked about, and what became of one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from bot import planning
from bot.addresses import Address, is_within, parse_address, telegram_address
from bot.agenda import is_made_in, is_reached, told_targets
from bot.cards import deal
from bot.firing import Firing, words_of
from bot.instants import Words
from bot.link_buttons import take_buttons
from bot.placeholders import PlaceholderError
from bot.planning import Draft, ScheduleError
from bot.plans import line_of, options_from_json, options_to_json, plan_of
from bot.previews import PAGE_MOST, preview
from bot.recurrence import Rule
from bot.schedule_line import Line, Options, parse_edit, parse_line, show_options
from bot.schedule_notes import ask_approval, harmless, identity, may_approve
from bot.schedule_words import next_words, old_words
from bot.store import Tx
from bot.store.schedules import Schedule
from bot.telegram.access import Role, covers
from bot.telegram.replies import Reply, UsageError, out_of_reach
from bot.text import cut, utf16_length
from bot.when import Ambiguous, WhenError, read_rule, show_rule
from bot.zones import zone_of
from bridges.model import Button, Message

if TYPE_CHECKING:
    # Commands and wizards use this, so these are no more than names here.
    from bot.telegram.cards import Press
    from bot.telegram.commands.registry import Call, Services
    from bot.telegram.wizards.scene import Scene

ASKING, CHOOSING, UNDOING = "schedule", "schedule-when", "schedule-undo"
"""Kinds of cards: what would be scheduled, which of several meanings it is, and what can be taken back."""
YES, EDIT, CANCEL, PICK, UNDO = "yes", "edit", "cancel", "pick", "undo"
_EXAMPLE_TEXT = "x"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and where."""

    person: int
    person_name: str
    role: Role
    everywhere: Role
    here: Address
    services: Services
    now: float

    @property
    def firing(self) -> Firing:
        """What makes deliveries."""
        return self.services.firing

    @property
    def is_limited(self) -> bool:
        """Whether the person's role counts in this chat only."""
        return self.everywhere < Role.OPERATOR

    @property
    def chat(self) -> Address:
        """This chat without the topic."""
        return telegram_address(int(self.here.conversation.partition("/")[0]))

    def reaches(self, address: Address, *, needed: Role = Role.OPERATOR) -> bool:
        """Whether the person's role covers what concerns this address."""
        return covers(address, here=self.here, everywhere=self.everywhere, needed=needed)

    def is_admin_of(self, addresses: Sequence[Address]) -> bool:
        """Whether the person is an admin whose role covers all of these."""
        return self.role >= Role.ADMIN and all(self.reaches(each, needed=Role.ADMIN) for each in addresses)

    def require(self, addresses: Sequence[Address], *, typed: str = "", needed: Role = Role.OPERATOR) -> None:
        """Raises ``NotAllowed`` if one of them is beyond reach. ``typed``: what the person wrote."""
        beyond = next((each for each in addresses if not self.reaches(each, needed=needed)), None)
        if beyond is not None:
            raise out_of_reach(beyond, held="", needed=needed.word, typed=typed)

    def sees(self, schedule: Schedule) -> bool:
        """Whether the person may know of a schedule: one that was made in this chat, or of all of them."""
        return not self.is_limited or is_made_in(schedule, self.chat)

    def zone(self, tx: Tx) -> str:
        """The zone of times that name none."""
        return zone_of(tx, self.here, self.services.default_timezone).key


def actor_of(by: Call | Press | Scene) -> Actor:
    """Whoever wrote a command, pressed a button or answers a wizard."""
    assert by.person is not None  # whoever has a role is somebody
    place: Address = by.place if hasattr(by, "place") else by.here
    return Actor(by.person, by.person_name, by.role, by.everywhere, place, by.services, by.now)


def find(tx: Tx, actor: Actor, word: str) -> Schedule:
    """One by number or name; raises ``NoSchedule``, also where the person may not know of it."""
    return planning.find(tx, word, seen=actor.sees, chat=str(actor.chat) if actor.is_limited else "")


def known(tx: Tx, actor: Actor, id: int) -> Schedule:
    """The one that a card is about, removed ones too, and no other that is called like its number; raises
    ``NoSchedule``.
    """
    schedule = tx.schedules.get(id)
    if schedule is None or not actor.sees(schedule):
        raise planning.NoSchedule("there is no such schedule any more")
    return schedule


def there(tx: Tx, actor: Actor, id: int) -> Schedule:
    """The same, if it is not removed; raises ``ScheduleError``."""
    schedule = known(tx, actor, id)
    if schedule.state == "removed":
        raise ScheduleError(f"schedule {id} is removed: nothing of it is sent")
    return schedule


def within_reach(tx: Tx, actor: Actor, schedule: Schedule, *, needed: Role = Role.OPERATOR) -> Sequence[Address]:
    """Where a schedule goes as things are now; raises ``NotAllowed`` if that is beyond the person's reach, or may be by
    the time that it fires.
    """
    addresses, _ = actor.firing.targets(tx, schedule)
    actor.require(addresses, needed=needed)
    if actor.everywhere < needed and not _is_confined(actor, schedule):
        reaches = partial(actor.reaches, needed=needed)
        beyond = next((each for each in schedule.targets if not is_reached(tx, each, reaches)), None)
        if beyond is not None:
            raise out_of_reach(beyond, held="", needed=needed.word, typed="")
    return addresses


def _is_confined(actor: Actor, schedule: Schedule) -> bool:
    """Whether it never goes to other chats, whatever becomes of its targets."""
    return bool(schedule.reach) and is_within(parse_address(schedule.reach), actor.chat)


def shown_targets(tx: Tx, actor: Actor, schedule: Schedule) -> Sequence[str]:
    """Its targets as they are told to somebody: what is beyond their reach is not."""
    return told_targets(tx, schedule, actor.reaches) if actor.is_limited else schedule.targets


# --- what somebody asks for


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be scheduled or changed, in the parts in which it was written."""

    head: str
    """All before the first bar."""
    targets: str
    message: Message | None
    """None: what is sent stays."""
    schedule: int | None = None
    """The one that is changed; None: a new one."""

    def to_data(self) -> Mapping[str, Any]:
        """As a card keeps it."""
        message = None if self.message is None else json.loads(self.message.model_dump_json(exclude_defaults=True))
        return {"head": self.head, "targets": self.targets, "message": message, "schedule": self.schedule}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Wish:
        """What :meth:`to_data` gave."""
        message = None if data["message"] is None else Message.model_validate(data["message"])
        return cls(data["head"], data["targets"], message, data["schedule"])


def with_buttons(message: Message) -> Message:
    """The message with the buttons that its last lines are; raises ``UsageError``."""
    try:
        return take_buttons(message)
    except ValueError as error:
        raise UsageError(str(error)) from error


def changed_message(schedule: Schedule, said: Message) -> Message:
    """What a schedule sends after an edit: words that were said in the place of its words, files in that of its files.
    Raises ``UsageError``.
    """
    old = plan_of(schedule).message
    changed: dict[str, object] = {"attachments": said.attachments} if said.attachments else {}
    if said.text:
        new = with_buttons(said.model_copy(update={"attachments": said.attachments or old.attachments}))
        changed |= {"text": new.text, "spans": new.spans, "links": new.links}
    return old.model_copy(update=changed)


def read_head(head: str, *, now: float, zone: str, is_edit: bool = False) -> Line:
    """What stands before the first bar. Raises ``UsageError`` for what cannot be kept, and ``Ambiguous``."""
    read = parse_edit if is_edit else parse_line
    try:
        return read(f"{head} | {_EXAMPLE_TEXT} | {_EXAMPLE_TEXT}", now=now, zone=zone)
    except Ambiguous:
        raise
    except WhenError as error:
        raise UsageError(str(error)) from error


def wished(tx: Tx, actor: Actor, wish: Wish) -> Reply:
    """What a wish leads to: it is done, asked about, or asked back. Raises ``UsageError`` and what its parts raise."""
    old = None if wish.schedule is None else there(tx, actor, wish.schedule)
    if old is not None and not wish.head and not wish.targets and wish.message is None:
        raise UsageError(
            f"nothing is to be changed; an empty part stays as it is, as in /schedule edit {old.id} | | New words."
        )
    zone = actor.zone(tx) if old is None else plan_of(old).rule.zone
    try:
        line = read_head(wish.head, now=actor.now, zone=zone, is_edit=old is not None)
    except Ambiguous as question:
        return _ask_back(tx, actor, wish, question)
    planned = _plan(line, wish, old, now=actor.now)
    return propose(tx, actor, planned if old is None else _no_less_approved(tx, actor, planned, old))


def _plan(line: Line, wish: Wish, old: Schedule | None, *, now: float) -> Planned:
    if old is None:
        assert line.rule is not None
        return Planned(line.rule, line.options, wish.targets, wish.message or Message(), now)
    kept = plan_of(old)
    return Planned(
        line.rule or kept.rule,
        line.changed(kept.options),
        wish.targets or ", ".join(old.targets),
        kept.message if wish.message is None else wish.message,
        now if line.rule is not None else kept.made_at,
        old.id,
        typed=wish.targets,
    )


def _no_less_approved(tx: Tx, actor: Actor, planned: Planned, old: Schedule) -> Planned:
    """The same; but how many have to approve of it is made less by admins only."""
    before = plan_of(old).options.approve
    if planned.options.approve >= before or actor.is_admin_of(actor.firing.targets(tx, old)[0]):
        return planned
    note = f"approve={before} stays: only an admin can make that less."
    return replace(planned, options=replace(planned.options, approve=before), note=note)


def _ask_back(tx: Tx, actor: Actor, wish: Wish, question: Ambiguous) -> Reply:
    """Which of several meanings it is; whatever else was written is kept."""
    payload = {**wish.to_data(), "heads": [head for _, head in question.choices]}
    choices = [(label, f"{PICK}={number}") for number, (label, _) in enumerate(question.choices)]
    text = str(question)
    buttons = deal(
        tx, CHOOSING, [*choices, ("Cancel", CANCEL)], chat=actor.here.conversation, person=actor.person,
        payload=payload, shown=text, beside=False, now=actor.now,
    )  # fmt: skip
    return Reply(text, buttons, outcome="asked back")


# --- what it would be


@dataclass(frozen=True, slots=True)
class Planned:
    """A wish whose WHEN is understood."""

    rule: Rule
    options: Options
    targets: str
    message: Message
    made_at: float
    """Its occurrences count from here."""
    schedule: int | None = None
    typed: str = ""
    """Targets that were written by whoever asks, in an edit."""
    note: str = ""
    """What was asked for and is not done, and why."""

    @property
    def head(self) -> str:
        """All before the first bar, as it can be written again."""
        return f"{show_rule(self.rule)} {show_options(self.options)}".rstrip()

    def to_data(self) -> Mapping[str, Any]:
        """As a card keeps it."""
        return {
            "rule": show_rule(self.rule),
            "options": options_to_json(self.options),
            "targets": self.targets,
            "message": json.loads(self.message.model_dump_json(exclude_defaults=True)),
            "made_at": self.made_at,
            "schedule": self.schedule,
            "typed": self.typed,
            "note": self.note,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Planned:
        """What :meth:`to_data` gave."""
        return cls(
            read_rule(data["rule"]),
            options_from_json(data["options"]),
            data["targets"],
            Message.model_validate(data["message"]),
            data["made_at"],
            data["schedule"],
            data["typed"],
            data["note"],
        )


def look(tx: Tx, actor: Actor, planned: Planned) -> Draft:
    """What it would be. Raises ``UsageError``, ``TargetError`` and ``NotAllowed``."""
    old = None if planned.schedule is None else there(tx, actor, planned.schedule)
    if old is not None:
        within_reach(tx, actor, old)
    try:
        made = planning.draft(
            tx,
            actor.firing,
            rule=planned.rule,
            options=planned.options,
            targets=planned.targets,
            message=planned.message,
            here=actor.here,
            now=actor.now,
            seen=actor.reaches,
            made_at=planned.made_at,
            but=planned.schedule,
        )
    except (PlaceholderError, ScheduleError) as error:
        raise UsageError(str(error)) from error
    actor.require(made.targets.addresses, typed=planned.targets if old is None else planned.typed)
    return made


def propose(tx: Tx, actor: Actor, planned: Planned) -> Reply:
    """Do it at once where it goes to one target, else ask with all that would be sent. Raises as :func:`look`."""
    made = look(tx, actor, planned)
    return ask(tx, actor, planned, made) if made.count > 1 or made.targets.audiences else do(tx, actor, planned, made)


def ask(tx: Tx, actor: Actor, planned: Planned, made: Draft) -> Reply:
    """What it would be, with buttons. What one message does not hold stands in messages before it."""
    old = None if planned.schedule is None else tx.schedules.get(planned.schedule)
    pages, shown = _preview(tx, actor, made, fired=0 if old is None else old.fired)
    words = Words()
    if planned.schedule is not None:
        words.join(_change(tx, actor, planned)).add("\n")
    words.join(planning.echo(made, now=actor.now))
    if planned.note:
        words.add(f"\n{planned.note}")
    if needed := planning.approvals(actor.firing, made, is_admin=actor.is_admin_of(made.targets.addresses)):
        words.add(f"\n{_approval_words(needed)}")
    words = harmless(words)
    last = f"{pages[-1]}\n\n"
    if utf16_length(last + words.text) <= PAGE_MOST:
        words, pages = Words(last).join(words), pages[:-1]
    for page in pages:
        actor.services.relay.tell(tx, actor.here, page, now=actor.now)
    label = "Schedule" if planned.schedule is None else "Change"
    buttons = deal(
        tx, ASKING, ((label, YES), ("Edit", EDIT), ("Cancel", CANCEL)), chat=actor.here.conversation,
        person=actor.person, payload={**planned.to_data(), "name": actor.person_name}, shown=bound(tx, planned, shown),
        now=actor.now,
    )  # fmt: skip
    return reply_of(words, buttons, outcome="asked")


def _preview(tx: Tx, actor: Actor, made: Draft, *, fired: int = 0) -> tuple[Sequence[str], str]:
    """Exactly what would be sent next, in messages that Telegram takes, and what its card is bound to. ``fired``: how
    often it was sent already.
    """
    addresses, look = made.targets.addresses, partial(preview, tx, actor.firing.relay, now=actor.now)
    written = look(addresses, made.plan.message.model_copy(update={"silent": made.plan.options.silent}))
    at = made.coming[0].at if made.coming else actor.now
    message, each = words_of(tx, made.plan, at=at, number=fired + 1)
    looked = look(addresses, message if each is None else each(addresses[0]), each=each)
    pages = looked.pages
    if each is not None:
        pages = (*pages, f"{{chat}} is the name of each target: the words shown are those for {addresses[0]}.")
        if utf16_length(joined := "\n".join(pages[-2:])) <= PAGE_MOST:
            pages = (*pages[:-2], joined)
    # The next time moves on while somebody reads: the card is bound to the words as they were written.
    return pages, "\n".join([written.text, *map(str, addresses)])


def bound(tx: Tx, planned: Planned, shown: str) -> str:
    """What a card is bound to: what was shown, and of a change also what it changes."""
    old = None if planned.schedule is None else tx.schedules.get(planned.schedule)
    return shown if old is None else f"{shown}\n{old.state}\n{identity(old)}"


def is_as_shown(tx: Tx, actor: Actor, planned: Planned, made: Draft, *, matches: Callable[[str], bool]) -> bool:
    """Whether a card still means what it showed."""
    _, shown = _preview(tx, actor, made)
    return matches(bound(tx, planned, shown))


def _change(tx: Tx, actor: Actor, planned: Planned) -> Words:
    """What is changed, as it was."""
    assert planned.schedule is not None
    old = there(tx, actor, planned.schedule)
    words = Words(f"{old.title} was: ").code(line_of(old))
    words.add(" → ").code(cut(", ".join(shown_targets(tx, actor, old)), planning.TARGETS_SHOWN))
    before = old_words(old, planned.message)
    return words.add("\n").join(before) if before.text else words


# --- done


def do(tx: Tx, actor: Actor, planned: Planned, made: Draft) -> Reply:
    """Keep it, or the change of it."""
    is_admin = actor.is_admin_of(made.targets.addresses)
    reach = actor.chat if actor.is_limited else None
    if planned.schedule is None:
        schedule = planning.add(
            tx,
            actor.firing,
            made,
            person=str(actor.person),
            person_name=actor.person_name,
            chat=actor.here,
            reach=reach,
            is_admin=is_admin,
            now=actor.now,
        )
        words, buttons = Words(f"{schedule.title} is set."), undo(tx, actor, schedule, {"what": "add"})
        outcome = f"schedule {schedule.id}"
    else:
        words, buttons = _change(tx, actor, planned).add("\nIt is changed to:"), ()
        old = there(tx, actor, planned.schedule)
        schedule = planning.change(
            tx, actor.firing, old, made, person=str(actor.person), is_admin=is_admin, reach=reach, now=actor.now
        )
        outcome = f"schedule {schedule.id} changed"
    words.add("\n").join(planning.echo(made, now=actor.now))
    if planned.note:
        words.add(f"\n{planned.note}")
    if schedule.state == "paused":
        words.add(f"\nIt is paused: /schedule resume {schedule.id} lets it go on.")
    if schedule.needs:
        words.add(f"\n{_approval_words(schedule.needs)}")
        if len(may_approve(tx, actor.firing, schedule)) < schedule.needs:
            words.add("\nThere are not so many who could: an owner makes somebody one with /grant USER admin.")
        ask_approval(tx, actor.firing, schedule, needed=schedule.needs, now=actor.now)
    words.add("\n\n").join(next_words(tx, made, fired=schedule.fired, now=actor.now))
    return reply_of(words, buttons, outcome=outcome)


def _approval_words(needed: int) -> str:
    who = "an admin" if needed == 1 else f"{needed} admins"
    return f"It waits for the approval of {who} other than you: nothing of it is sent before."


def undo(tx: Tx, actor: Actor, schedule: Schedule, payload: Mapping[str, str]) -> tuple[Button, ...]:
    """The button that takes it back."""
    return deal(
        tx, UNDOING, (("Undo", UNDO),), chat=actor.here.conversation, person=actor.person, subject=schedule.id,
        payload=payload, now=actor.now,
    )  # fmt: skip


def reply_of(words: Words, buttons: Sequence[Button] = (), *, outcome: str = "") -> Reply:
    """An answer with instants in it; it calls nobody, whatever a schedule is called and says."""
    told = harmless(words)
    return Reply(told.text, tuple(buttons), outcome, told.spans)


def held_words(held: int) -> str:
    """How many fell into a pause and are not sent; empty: none."""
    return f"{held} that fell into the pause {'is' if held == 1 else 'are'} not sent." if held else ""


def state_words(schedule: Schedule) -> str:
    """How it stands."""
    match schedule.state:
        case "paused":
            return "paused"
        case "waits":
            return f"waits for approval ({len(schedule.approvers)} of {schedule.needs})"
        case "removed":
            return "removed"
    return "on" if schedule.next_at is not None else "over"


def command_line(planned: Planned) -> str:
    """The command once more, to be copied, changed and written again."""
    begins = "/schedule" if planned.schedule is None else f"/schedule edit {planned.schedule}"
    return f"{begins} {planned.head} | {planned.targets} | {written(planned.message)}"


def written(message: Message) -> str:
    """The words of a message with its buttons, as people write them."""
    lines: list[str] = []
    for each in message.links:
        button = f"[{each.label}]({each.url})"
        if each.beside and lines:
            lines[-1] += f" {button}"
        else:
            lines.append(button)
    return "\n".join([message.text, *lines])
