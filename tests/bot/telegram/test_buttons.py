"""Who may press what, until when and how often: every choice of every kind of card that there is.

Each kind has a row in :data:`ROWS` that makes such a card; a kind without one fails. What was refused must have left
nothing but its toast, an expired card's new text, and a line of the audit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.cards import EXPIRES_S, deal
from bot.feedback import CARD, SHOW, card_buttons
from bot.store import Tx
from bot.store.marks import Card
from bot.telegram import application as application  # it knows every kind of card
from bot.telegram.access import Role
from bot.telegram.cards import CardKind, card_kinds
from bridges.model import Button
from tests.bot.line import Line
from tests.bot.telegram.desk import BO, CY, NEWS, OPS, Answer, Desk, Pressing
from tests.bot.telegram.scratch import Scratch
from tests.bot.telegram.test_authorisation import the_desk

LATER_S = 30 * 86400.0
STALE = "aaaaaaaaaaaaaaaa"


@dataclass(frozen=True)
class Row:
    """How a card comes to be. Bo asks for it."""

    line: str = ""
    """The command that shows it; empty: it is dealt as the bot deals it by itself, or where more is there to show."""
    payload: Any = None
    """What a card that is dealt keeps."""
    announcement: bool = False
    """It is about one that is under way."""
    reply: str = ""
    """The command that shows it, as a reply to the message of an announcement that is under way."""
    subject: str = ""
    """What a card that is dealt is about, as :func:`the_desk` calls it; empty: a delivery of its own."""
    suffix: str = ""
    """What stands after the choice on a card that is dealt."""
    anybody: bool = False
    """Whoever has the role may press, and not only the person who asked."""
    lasts: bool = False
    """It counts until it is used."""
    again: frozenset[str] = field(default_factory=frozenset)
    """Choices that do not use it up: they only look, or lead on."""


TURNS = frozenset({"pick", "part", "back", "help", "resume", "anew", "stop"})
"""A wizard's card is used up by the step that it is for, of which the wizard itself knows."""
ROWS: Mapping[str, Row] = {
    "announce": Row("/announce club:lobby, desk:room | words"),
    "announced": Row(announcement=True, lasts=True, again=frozenset({"delete"})),
    "announcing": Row(announcement=True, lasts=True, again=frozenset({"pause", "resume", "stop", "wipe"})),
    "audience": Row("/audience remove partners"),
    "cause": Row("/failed"),
    "delivery": Row("/show {own}"),
    "discardall": Row("/discard all"),
    "held": Row("/held", lasts=True),
    "history": Row(payload={"address": "club:lobby", "n": 1, "written": 10**9, "sent": 10**9}),
    "incident": Row(anybody=True, lasts=True, again=frozenset({SHOW})),
    "occurrence": Row(subject="missed", anybody=True, lasts=True),
    "pages": Row(payload={"what": "queue", "account": None, "offset": 20}, suffix="=0"),
    "reword": Row(reply="/edit other words"),
    "schedule": Row("/schedule tomorrow 9:00 | club:lobby, desk:room | words"),
    "schedule-approval": Row(subject="plan", payload={"by": "0"}, anybody=True, lasts=True),
    "schedule-now": Row("/schedule now mixed"),
    "schedule-shown": Row("/schedule show plan", again=frozenset({"edit"})),
    "schedule-soon": Row(subject="plan", payload={"at": 1_800_003_600.0}, anybody=True, lasts=True),
    "schedule-undo": Row("/schedule tomorrow 9:00 | club:lobby | words"),
    "schedule-when": Row("/schedule tomorrow at 9 | club:lobby | words"),
    "schedules": Row(payload={"starts": [0]}, suffix="=0"),
    "search": Row(payload={"text": "words", "before": 10**9}),
    "start": Row("/start", again=frozenset({"check", "help", "link", "role", "send", "who"})),
    "wannounce": Row("/announce", lasts=True, again=TURNS),
    "waudience": Row("/audience", lasts=True, again=TURNS),
    "wlink": Row("/link", lasts=True, again=TURNS),
    "wipe": Row(reply="/undo"),
    "wschedule": Row("/schedule", lasts=True, again=TURNS),
    "wroute": Row("/route", lasts=True, again=TURNS),
}
CHOICES = sorted((kind.name, choice) for kind in card_kinds.kinds.values() for choice in kind.choices)


@dataclass
class Scene:
    """A card on the table."""

    desk: Desk
    scratch: Scratch
    kind: CardKind
    choice: str
    card: Card
    answer: Answer

    @property
    def data(self) -> str:
        """The button's data: with a word after the choice where the card's own button has one."""
        shown = next((each.data for each in self.answer.buttons if _choice(each) == self.choice), "")
        return shown or f"{self.kind.name}:{self.choice}:{self.card.nonce}"

    async def press(self, *, by: int = BO, chat: int = OPS, data: str = "", desk: Desk | None = None) -> Pressing:
        """Somebody presses."""
        return await (desk or self.desk).press_data(self.answer, data or self.data, by=by, chat=chat)

    def traces(self) -> Any:
        """What pressing may change."""
        return self.scratch.dump(messages=self.scratch.last("messages")), self.scratch.last("outbox")

    def outcome(self) -> tuple[str, str]:
        """The latest line of the audit."""
        deed = self.scratch.tx.audit.last(1)[0]
        return deed.command, deed.outcome


def _choice(button: Button) -> str:
    return button.data.split(":")[1].partition("=")[0]


async def the_card(kind: str, choice: str) -> Scene:
    """A card of this kind that Bo, an owner, was shown in the group."""
    desk, scratch, filled = await the_desk()
    row = ROWS[kind]
    await desk.grant(BO, "owner")
    if row.line:
        answers = await desk.write(row.line.format(**filled), by=BO)
    else:
        subject = int(filled[row.subject or "own"])
        if row.announcement or row.reply:
            (asked,) = await desk.write("/announce club:lobby, desk:room | words", by=BO)
            await desk.press(asked, "Send", by=BO)
            subject = scratch.last("broadcasts")
        if row.reply:
            made = scratch.tx.broadcasts.get(subject)
            assert made is not None
            shown = desk.copy_of(asked, number=int(made.progress.partition("/")[2]))
            answers = await desk.write(row.reply, by=BO, reply_to=shown)
        else:
            answers = await _dealt(desk, scratch, kind, subject=subject)
    found = [(answer, each) for answer in answers for each in answer.buttons if each.data.startswith(f"{kind}:")]
    assert found, f"no such button under {[answer.text for answer in answers]}"
    # Where several cards lie there, one that offers this choice.
    answer, button = next((pair for pair in found if _choice(pair[1]) == choice), found[0])
    nonce = button.data.rpartition(":")[2]
    if _choice(button) != choice:
        # A page offers what its step has: this choice is offered here too, to be refused for its own reason.
        scratch.tx.db.execute(
            "UPDATE cards SET offered = json_insert(offered, '$[#]', ?) WHERE nonce = ?", (choice, nonce)
        )
    card = scratch.tx.cards.get(nonce, kind=kind)
    assert card is not None
    return Scene(desk, scratch, card_kinds.kinds[kind], choice, card, answer)


async def _dealt(desk: Desk, scratch: Scratch, kind: str, *, subject: int) -> list[Answer]:
    row = ROWS[kind]
    choices = [(each, each + row.suffix) for each in card_kinds.kinds[kind].choices]

    def unit(tx: Tx) -> tuple[Button, ...]:
        return deal(
            tx,
            kind,
            choices,
            chat=str(OPS),
            now=desk.line.clock(),
            subject=subject,
            payload=row.payload,
            person=None if row.anybody else BO,
            expires_s=None if row.lasts else EXPIRES_S,
        )

    return [Answer("A card", await scratch.write(unit), str(OPS), 0)]


def test_every_kind_of_card_has_a_row() -> None:
    assert sorted(ROWS) == sorted(card_kinds.kinds)


@pytest.mark.parametrize(("kind", "choice"), CHOICES)
async def test_a_card_says_whose_it_is_and_until_when(kind: str, choice: str) -> None:
    _, scratch, _ = await the_desk()
    with scratch.undone():
        card = (await the_card(kind, choice)).card
        assert (card.person == "", card.expires_at is None) == (ROWS[kind].anybody, ROWS[kind].lasts)


@pytest.mark.parametrize(("kind", "choice"), CHOICES)
async def test_another_person_is_refused(kind: str, choice: str) -> None:
    _, scratch, _ = await the_desk()
    with scratch.undone():
        scene = await the_card(kind, choice)
        await scene.desk.grant(CY, "owner")
        before = scene.traces()
        seen = await scene.press(by=CY)
        if ROWS[kind].anybody:
            assert scene.outcome()[1] != "refused"
        else:
            assert seen.toast == "Only the person who asked for this may press here."
            assert scene.outcome() == (f"button {kind} {choice}", "refused")
            assert (scene.traces(), seen.card) == (before, None)


@pytest.mark.parametrize(("kind", "choice"), CHOICES)
async def test_what_was_pressed_is_not_done_twice(kind: str, choice: str) -> None:
    _, scratch, _ = await the_desk()
    with scratch.undone():
        scene = await the_card(kind, choice)
        await scene.press()
        after = scene.traces()
        card = scratch.tx.cards.get(scene.card.nonce, kind=kind)
        if card is None or card.used_at is None:
            assert choice in ROWS[kind].again or scene.outcome()[1] == "refused", scene.outcome()
        else:
            assert (await scene.press()).toast == "This was decided already."
            assert scene.outcome() == (f"button {kind} {choice}", "decided already")
            assert scene.traces() == after


@pytest.mark.parametrize(("kind", "choice"), [pair for pair in CHOICES if pair[0] in ROWS and not ROWS[pair[0]].lasts])
async def test_after_its_time_it_is_refused(kind: str, choice: str) -> None:
    _, scratch, _ = await the_desk()
    with scratch.undone():
        scene = await the_card(kind, choice)
        before, now = scene.traces(), scene.desk.line.clock.at
        scene.desk.line.clock.at += LATER_S
        try:
            seen = await scene.press()
        finally:
            scene.desk.line.clock.at = now
        assert seen.toast.startswith("Too late")
        assert scene.outcome() == (f"button {kind} {choice}", "refused")
        assert scene.traces() == before


@pytest.mark.parametrize(("kind", "choice"), CHOICES)
async def test_after_a_restart_it_does_what_it_would_have_done_and_once(kind: str, choice: str) -> None:
    _, scratch, _ = await the_desk()
    with scratch.undone():
        scene = await the_card(kind, choice)
        with scratch.undone():
            toast = (await scene.press()).toast
            outcome = scene.outcome()
        desk = Desk(Line(scratch))  # type: ignore[arg-type]
        desk.chats, desk._numbers = scene.desk.chats, scene.desk._numbers
        assert (await scene.press(desk=desk)).toast == toast
        assert scene.outcome() == outcome
        card = scratch.tx.cards.get(scene.card.nonce, kind=kind)
        if card is not None and card.used_at is not None:
            assert (await scene.press(desk=desk)).toast == "This was decided already."


@pytest.mark.parametrize(("kind", "choice"), [pair for pair in CHOICES if card_kinds.kinds[pair[0]].choices[pair[1]]])
async def test_without_its_role_it_is_refused(kind: str, choice: str) -> None:
    _, scratch, _ = await the_desk()
    needed = card_kinds.kinds[kind].choices[choice]
    with scratch.undone():
        scene = await the_card(kind, choice)
        await scene.desk.grant(BO, Role(needed - 1).word)
        before = scene.traces()
        seen = await scene.press()
        assert seen.toast == f"This needs the role {needed.word}; yours is {Role(needed - 1).word}."
        assert scene.outcome() == (f"button {kind} {choice}", "refused")
        assert (scene.traces(), seen.card) == (before, None)


FAR = [(name, choice) for name, choice in CHOICES if choice in card_kinds.kinds[name].scopes]


@pytest.mark.parametrize(("kind", "choice"), FAR)
async def test_what_reaches_everywhere_needs_a_role_that_does(kind: str, choice: str) -> None:
    _, scratch, _ = await the_desk()
    with scratch.undone():
        scene = await the_card(kind, choice)
        await scene.desk.grant(BO, "viewer")
        await scene.desk.grant(BO, "owner", chat=OPS)
        before = scene.traces()
        assert "everywhere; yours counts in this chat only" in (await scene.press()).toast
        assert scene.traces() == before


@pytest.mark.parametrize(("kind", "choice"), CHOICES)
async def test_in_another_chat_it_is_refused(kind: str, choice: str) -> None:
    _, scratch, _ = await the_desk()
    with scratch.undone():
        scene = await the_card(kind, choice)
        before = scene.traces()
        seen = await scene.press(chat=NEWS)
        assert seen.toast == "This button belongs into another chat."
        assert (scene.traces(), seen.card) == (before, None)


@pytest.mark.parametrize(("kind", "choice"), CHOICES)
async def test_a_made_up_button_is_not_known(kind: str, choice: str) -> None:
    _, scratch, _ = await the_desk()
    with scratch.undone():
        scene = await the_card(kind, choice)
        before = scene.traces()
        others = [each for each in card_kinds.kinds if each != kind]
        for data in (
            f"{kind}:{choice}:{STALE}",
            f"{kind}:{choice}:",
            f"{kind}:nothing:{scene.card.nonce}",
            f"{others[0]}:{next(iter(card_kinds.kinds[others[0]].choices))}:{scene.card.nonce}",
            f"nothing:{choice}:{scene.card.nonce}",
            "",
        ):
            seen = await scene.press(data=data or ":")
            assert seen.toast == "I do not know this button any more.", data
            assert scene.outcome() == ("button", "unknown")
            assert (scene.traces(), seen.card) == (before, None)


async def test_a_held_card_that_nobody_asked_for_is_everybodys_who_has_the_role() -> None:
    desk, scratch, filled = await the_desk()
    with scratch.undone():
        scratch.tx.db.execute("UPDATE outbox SET state = 'held' WHERE id = ?", (int(filled["own"]),))

        def unit(tx: Tx) -> tuple[Button, ...]:
            return card_buttons(tx, int(filled["own"]), chat=str(OPS), now=desk.line.clock(), never_sent=False)

        answer = Answer("It may have arrived", await scratch.write(unit), str(OPS), 0)
        assert all(button.data.startswith(f"{CARD}:") for button in answer.buttons)
        assert "needs the role operator" in (await desk.press(answer, "Drop", by=BO)).toast
        await desk.grant(BO, "operator", chat=OPS)
        assert "needs the role" not in (await desk.press(answer, "Drop", by=BO)).toast
        state = scratch.tx.outbox.get(int(filled["own"]))
        assert state is not None
        assert state.state == "discarded"
