"""Who may run what, where, and about what: every command in every way that the registry has.

Each way to write a command has a row in :data:`ROWS` with arguments that are right; a way without one fails. Every way
is tried with every role, counting everywhere, in this chat or in another one, in every kind of chat, about this chat,
another one and a provider. What is expected is worked out here from the way's declaration, and what was refused must
have left nothing but its answer and a line of the audit.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from bot.store.messages import Copy
from bot.telegram.access import Role
from bot.telegram.commands import registry
from bot.telegram.commands.registry import Command, Scope, Way
from bot.telegram.outbound import message_id
from tests.bot.telegram.desk import ANONYMOUS, BO, CY, NEWS, OPS, TALK, Desk
from tests.bot.telegram.scratch import Scratch, a_scratch_desk

CHANNEL, AS_CHANNEL = -1001000000009, 136817688
ELSEWHERE = TALK
"""A chat that nothing here is about, in which a role may count."""
SECRET = "words of another chat"


@dataclass(frozen=True)
class Row:
    """Arguments for one way, by what they are about; ``{…}`` is filled in by :func:`the_desk`."""

    own: str = ""
    """About this chat, or about none."""
    other: str = ""
    """About another chat of Telegram's: a role that is limited to this chat does not reach there."""
    provider: str = ""
    """About a provider's conversation, which a role of this chat reaches."""
    private: str | None = None
    """In a private chat, where ``own`` would make no sense there."""
    hides: str = ""
    """Not refused to a role that is limited to this chat, but answered without what is not theirs."""
    answers: str = f"telegram:{OPS}"
    """For a command that is written as a reply: where that message came from; Telegram's stand for this chat."""


ROWS: Mapping[str, Row | tuple[Row, ...]] = {
    "/account [ACCOUNT] [OPERATION] [arguments]": Row("club"),
    "/announce": Row(),
    "/announce TARGETS | [text]": (
        Row("here, club:lobby | words", f"club:lobby, telegram:{NEWS} | words", "@partners | words"),
        Row("here | words", "@board | words"),
        Row("here | words", "club:lobby, hq | words"),
    ),
    "/audience": Row(),
    "/audience add NAME ADDRESS…": Row("partners desk:room"),
    "/audience list": Row(),
    "/audience remove NAME [ADDRESS…]": Row("partners"),
    "/audience show NAME": Row("partners"),
    "/audit [n]": Row("5", hides=str(NEWS)),
    "/cancel": Row(),
    "/channels [ACCOUNT] [word]": (
        Row("club", hides=f"telegram:{NEWS}"),
        Row("telegram", hides=str(NEWS)),
        Row("", hides=str(NEWS)),
    ),
    "/discard all [cause]": Row(),
    "/discard ID": Row("{own}", "{other}"),
    "/doctor": Row(),
    "/edit text": Row("better words"),
    "/failed [ACCOUNT]": Row(hides=SECRET),
    "/grant USER ROLE [here]": Row(f"{CY} operator here", f"{CY} operator", private=f"{CY} operator"),
    "/held [ACCOUNT]": Row(hides=SECRET),
    "/help [command]": Row("send"),
    "/here": Row(),
    "/history ADDRESS [n]": Row("here", f"telegram:{NEWS}", "club:lobby"),
    "/link [ADDRESS]": (Row(), Row("club:other", f"telegram:{NEWS}", "desk:other")),
    "/mute ADDRESS": (Row("here", f"telegram:{NEWS}", "desk:room"), Row("here", "club:both"), Row("here", "hq")),
    "/name ADDRESS [name]": Row("here us", f"telegram:{NEWS} them", "club:lobby lobby"),
    "/pause ACCOUNT": Row("club"),
    "/queue [ACCOUNT]": Row(hides=SECRET),
    "/react EMOJI": Row("👍"),
    "/resume ACCOUNT": Row("club"),
    "/redirect ID ADDRESS": (
        Row("{own} club:other", "{other} club:other", "{own} desk:room"),
        Row(f"{{own}} telegram:{OPS}/5", f"{{own}} telegram:{NEWS}", private="{own} club:other"),
    ),
    "/reply [text]": (Row("hello", answers="club:lobby"), Row("", "hello", answers=f"telegram:{NEWS}")),
    "/retry ID [text]": Row("{own}", "{other}"),
    "/retry all [cause]": Row(),
    "/revoke USER [here]": Row(f"{CY} here", f"{CY}", private=f"{CY}"),
    "/roles": Row(hides=str(NEWS)),
    "/route": Row(),
    "/route add [RULE]": (
        Row(),
        Row("club:a -> here", f"club:a -> telegram:{NEWS}", "here -> desk:b"),
        Row("club:a -> here", "club:a -> desk:b"),
        Row("club:a -> here", "club:a -> hq"),
        Row("club:a -> here", f"telegram:{NEWS} -> here"),
        Row("club:a -> here", f"club:* -> new-topic(telegram:{NEWS})"),
    ),
    "/route disable ROUTE": (Row("ours", "theirs"), Row("ours", "neither")),
    "/route edit ROUTE RULE|OPTIONS": (
        Row("ours priority=2", "theirs priority=2"),
        Row("ours priority=2", "neither priority=2"),
    ),
    "/route enable ROUTE": (Row("ours", "theirs"), Row("ours", "neither")),
    "/route remove ROUTE": (Row("ours", "theirs"), Row("ours", "neither")),
    "/route show ROUTE": Row("ours", "theirs", "neither"),
    "/route test ADDRESS text": (
        Row("here words", f"telegram:{NEWS} words", "club:lobby words"),
        Row("here words", "hq words"),
        Row("club:both words", hides=str(NEWS)),
        Row("club:both words", hides="elsewhere"),
    ),
    "/route undo": Row(),
    "/routes": Row(hides="theirs"),
    "/schedule": Row(),
    "/schedule WHEN | TARGETS | [text]": (
        Row(
            "tomorrow 9:00 | here, club:lobby | words",
            f"tomorrow 9:00 | club:lobby, telegram:{NEWS} | words",
            "every day at 9:00 | club:lobby | words",
        ),
        Row("tomorrow 9:00 | here | words", "tomorrow 9:00 | @board | words"),
        Row("tomorrow at 9 | here | words", "tomorrow 9:00 | club:lobby, hq | words"),
    ),
    "/schedule edit SCHEDULE [WHEN] | [TARGETS] | [text]": (
        Row("plan every day at 8:00 | |", "elsewheres | | words"),
        Row("plan | | words", f"plan | telegram:{NEWS} |"),
        Row("plan | desk:room |", "mixed | | words"),
    ),
    "/schedule now SCHEDULE": (Row("plan", "elsewheres"), Row("plan", "mixed")),
    "/schedule pause SCHEDULE": (Row("plan", "elsewheres"), Row("plan", "mixed")),
    "/schedule remove SCHEDULE": (Row("plan", "elsewheres"), Row("plan", "mixed")),
    "/schedule resume SCHEDULE": (Row("plan", "elsewheres"), Row("plan", "mixed")),
    "/schedule show SCHEDULE": (Row("plan", "elsewheres"), Row("mixed", hides=str(NEWS))),
    "/schedule skip SCHEDULE": (Row("plan", "elsewheres"), Row("plan", "mixed")),
    "/schedules": (Row(hides="elsewheres"), Row(hides="News")),
    "/schedules calendar [renew]": (Row(), Row("renew")),
    "/schedules over": Row(),
    "/schedules week": Row(hides="elsewheres"),
    "/search text": Row("words", hides=SECRET),
    "/send ADDRESS [text]": (
        Row("club:lobby words", f"telegram:{NEWS} words", "desk:room words"),
        Row("club:lobby words", "hq words"),
    ),
    "/show ID": Row("{own}", "{other}"),
    "/sms NUMBER [text]": Row("+85255501234 words"),
    "/start [word]": Row(),
    "/stats": Row(),
    "/status": Row(),
    "/timezone ZONE": Row("Europe/Paris"),
    "/timezone": Row(),
    "/trace": Row(),
    "/undo": Row(),
    "/unlink [ADDRESS]": (Row("", provider="club:lobby"), Row("club:lobby", "hq")),
    "/unmute ADDRESS": (
        Row("here", f"telegram:{NEWS}", "desk:room", hides=f"telegram:{TALK}"),
        Row("here", "club:both"),
        Row("here", "hq"),
    ),
    "/whoami": Row(),
    "/why": Row(),
}


def key(command: Command, way: Way) -> str:
    """A way as people write it: the name of its row."""
    return f"/{command.name} {way.usage.line}".rstrip()


WAYS = {key(command, way): (command, way) for command in registry.commands.values() for way in command.ways}


@dataclass(frozen=True)
class Kind:
    """A kind of chat, and who writes there."""

    name: str
    chat: int
    by: int = BO
    topic: int | None = None
    known: bool = True
    """Whether it can be told who writes."""
    more: tuple[tuple[str, Any], ...] = ()

    @property
    def place(self) -> dict[str, Any]:
        """What :meth:`Desk.message` takes."""
        return {"chat": self.chat, "by": self.by, "topic": self.topic, **dict(self.more)}


_AS_CHANNEL = (
    ("from", {"id": AS_CHANNEL, "is_bot": True, "first_name": "Channel"}),
    ("sender_chat", {"id": CHANNEL, "type": "channel", "title": "Channel"}),
)
KINDS = (
    Kind("private", BO),
    Kind("group", OPS),
    Kind("topic", OPS, topic=17),
    Kind("anonymous admin", OPS, by=ANONYMOUS, known=False),
    Kind("as a channel", OPS, known=False, more=_AS_CHANNEL),
    Kind("channel post", CHANNEL, known=False),
)
ROLES = (Role.OPERATOR, Role.ADMIN, Role.OWNER)
ABOUT = ("own", "other", "provider")


@dataclass(frozen=True)
class Cell:
    """One try."""

    kind: Kind
    role: Role
    where: str
    """Where the role counts: ``everywhere``, ``here`` or ``elsewhere``."""
    about: str

    def __str__(self) -> str:
        return f"{self.kind.name}, {self.role.word} {self.where}, about {self.about}"

    @property
    def held(self) -> tuple[Role, Role]:
        """The roles that count, here and everywhere."""
        if not self.kind.known:
            return Role.VIEWER, Role.VIEWER
        everywhere = self.role if self.where == "everywhere" else Role.VIEWER
        return (self.role if self.where == "here" else everywhere), everywhere

    def expects(self, way: Way) -> str:
        """``done``, or why not: ``role`` (it is too low here) or ``reach`` (it does not count there)."""
        here, everywhere = self.held
        if here < way.role:
            return "role"
        limited = everywhere < way.role
        return "reach" if limited and (way.scope is Scope.ALL or self.about == "other") else "done"


def rows(name: str) -> tuple[Row, ...]:
    """The rows of a way."""
    found = ROWS[name]
    return found if isinstance(found, tuple) else (found,)


def cells(row: Row) -> Iterator[Cell]:
    """All tries with a row."""
    for about in ABOUT:
        if not getattr(row, about) and (about != "own" or row.other or row.provider):
            continue
        for kind in KINDS:
            yield Cell(kind, Role.VIEWER, "everywhere", about)
            for role in ROLES:
                for where in ("everywhere", "here", "elsewhere"):
                    if not (kind.name == "private" and where == "here"):  # nobody is given a role for such a chat
                        yield Cell(kind, role, where, about)


@functools.cache
def stage() -> tuple[Desk, Scratch, dict[str, str]]:
    """Chats in which something has happened, and what the rows' ``{…}`` stand for."""
    desk, scratch = a_scratch_desk()
    desk.chats[CHANNEL] = {"id": CHANNEL, "type": "channel", "title": "Channel"}
    return desk, scratch, {}


async def the_desk() -> tuple[Desk, Scratch, dict[str, str]]:
    """The stage, set once."""
    desk, scratch, filled = stage()
    if filled:
        return desk, scratch, filled
    tx = scratch.tx

    async def ended(line: str, state: str, *, chat: int) -> str:
        await desk.write(line, chat=chat)
        id = scratch.last("outbox")
        done = "UPDATE outbox SET state = ?, error = 'gone', starts = 1, settled_at = created_at WHERE id = ?"
        tx.db.execute(done, (state, id))
        return str(id)

    for place in (f"telegram:{OPS}", f"telegram:{OPS}/17", f"telegram:{BO}"):
        desk.line.rule(tx, f"{place} -> club:lobby", name=f"r{place[-2:]}")
    desk.line.rule(tx, f"club:lobby <-> telegram:{OPS}", name="ours")
    desk.line.rule(tx, f"telegram:{NEWS} <-> telegram:{TALK}", name="theirs")
    desk.line.rule(tx, f"club:both <-> telegram:{NEWS}", name="elsewhere")
    desk.line.rule(tx, "club:one -> desk:two", name="neither")
    await desk.write(f"/name telegram:{NEWS} hq")
    await desk.write(f"/audience add board telegram:{NEWS} telegram:{TALK}")
    await desk.write(f"/mute telegram:{TALK}")
    tx.conversations.touch("club", "both", kind="group", title="Both", now=desk.line.clock())
    await desk.write("/route edit ours priority=1")
    await desk.write("/audience add partners club:lobby")
    await desk.grant(CY, "admin", chat=OPS)
    await desk.grant(CY, "admin", chat=NEWS)
    await desk.grant(CY, "viewer")
    await desk.write("/schedule every day at 9:00 name=plan | club:lobby | words")
    filled["plan"] = str(scratch.last("schedules"))
    scratch.tx.schedules.decide(scratch.last("schedules"), desk.line.clock() - 60, "asked", now=desk.line.clock())
    filled["missed"] = str(scratch.last("occurrences"))
    for name, chat, targets in (("mixed", OPS, f"club:lobby, telegram:{NEWS}"), ("elsewheres", NEWS, "@board")):
        (asked,) = await desk.write(f"/schedule every day at 9:00 name={name} | {targets} | words", chat=chat)
        await desk.press(asked, "Schedule")
    filled["own"] = await ended("/send club:lobby our words", "dead", chat=OPS)
    filled["other"] = await ended(f"/send telegram:{TALK} {SECRET}", "dead", chat=NEWS)
    await ended(f"/send telegram:{TALK} {SECRET}", "held", chat=NEWS)
    await desk.write(f"/send telegram:{TALK} {SECRET}", chat=NEWS)
    return desk, scratch, filled


def test_every_way_has_a_row() -> None:
    assert sorted(ROWS) == sorted(WAYS)


def test_every_role_scope_and_kind_of_chat_is_tried() -> None:
    tried = [cell for name in ROWS for row in rows(name) for cell in cells(row)]
    assert len(tried) >= 57 * len(WAYS)
    assert {(c.kind.name, c.role, c.where) for c in tried if c.role} == {
        (kind.name, role, where)
        for kind in KINDS
        for role in ROLES
        for where in ("everywhere", "here", "elsewhere")
        if (kind.name, where) != ("private", "here")
    }


@pytest.mark.parametrize("name", sorted(ROWS))
async def test_a_command_is_run_for_those_who_may_and_for_nobody_else(name: str) -> None:
    desk, scratch, filled = await the_desk()
    command, way = WAYS[name]
    wrong = []
    for row in rows(name):
        for cell in cells(row):
            with scratch.undone():
                if said := await _tried(desk, scratch, cell, command=command, way=way, row=row, filled=filled):
                    wrong.append(f"{cell}: {said}")
    assert not wrong, f"{name}: {len(wrong)} cells\n" + "\n".join(wrong[:12])


async def _said_before(desk: Desk, scratch: Scratch, source: str, *, kind: Kind) -> dict[str, Any]:
    """A message in this chat, to be answered: written here, or a copy of one that was written elsewhere."""
    if source == f"telegram:{OPS}":
        message = desk.message("what was said before", **kind.place)
        await desk.takes(message)
        return message
    message = desk.message("what was said elsewhere", **{**kind.place, "by": 99})
    account, _, conversation = source.partition(":")
    id = scratch.tx.messages.add(
        account=account,
        conversation=conversation,
        remote_id="elsewhere",
        sender_id="pat",
        sender_name="Pat",
        text="what was said elsewhere",
        at=desk.line.clock(),
    )
    copy = Copy("telegram", str(kind.chat), message_id(kind.chat, message["message_id"]), 1, 0)
    scratch.tx.messages.add_copy(id, copy)
    return message


async def _tried(
    desk: Desk, scratch: Scratch, cell: Cell, *, command: Command, way: Way, row: Row, filled: Mapping[str, str]
) -> str:
    """What is wrong with a cell; empty: nothing."""
    chat = cell.kind.chat
    for person in (BO, ANONYMOUS, AS_CHANNEL, CHANNEL):
        scope = {"everywhere": "*", "here": str(chat), "elsewhere": str(ELSEWHERE)}[cell.where]
        scratch.tx.roles.grant(str(person), cell.role.word, scope=scope)
    scratch.tx.epoch += 1
    more: dict[str, Any] = {}
    if command.as_reply:
        more["reply_to"] = await _said_before(desk, scratch, row.answers, kind=cell.kind)
    arguments = getattr(row, cell.about)
    if cell.kind.name == "private" and cell.about == "own" and row.private is not None:
        arguments = row.private
    line = f"/{command.name} {way.keyword} {arguments.format(**filled)}" if way.keyword else None
    line = line or f"/{command.name} {arguments.format(**filled)}"
    last, messages, audited = scratch.last("outbox"), scratch.last("messages"), scratch.last("audit")
    before = scratch.dump(messages=messages)
    answers = await desk.write(line.strip(), **cell.kind.place, **more)
    deeds = scratch.tx.db.execute("SELECT command, outcome FROM audit WHERE id > ?", (audited,)).fetchall()
    if [deed[0] for deed in deeds] != [f"/{command.name}"]:
        return f"the audit says {deeds}"
    outcome, text = deeds[0][1], "\n".join(answer.text for answer in answers)
    match cell.expects(way):
        case "done":
            if outcome in ("refused", "wrong argument", "unknown", "failed"):
                return f"was {outcome}: {text}"
            if not answers and scratch.last("outbox") == last:
                return "was not answered"
            shows, limited = row.hides in text, cell.held[1] < way.role
            return f"{'shows' if shows else 'hides'} {row.hides!r}: {text}" if row.hides and shows == limited else ""
        case "role":
            expected = f"needs the role {way.role.word}" + ("" if cell.kind.known else ". You write as an anonymous")
        case _:
            expected = "everywhere" if way.scope is Scope.ALL else ""
    # To somebody who may not know of it, what is elsewhere is not there.
    is_unknown = outcome == "wrong argument" or (
        outcome == "refused: state" and text.startswith("There is no schedule")
    )
    if outcome != "refused" and not (cell.expects(way) == "reach" and is_unknown):
        return f"was {outcome}: {text}"
    if expected not in text or not text:
        return f"was refused with: {text}"
    if cell.expects(way) == "reach" and SECRET in text:
        return f"tells what is not theirs: {text}"
    told = [each for each in (str(NEWS), str(TALK)) if each in text and each not in line]
    if cell.expects(way) == "reach" and told:
        return f"names another chat: {text}"
    after = scratch.dump(messages=messages)
    changed = [table for table in {*before, *after} if before.get(table) != after.get(table)]
    return f"left something in {changed}: {text}" if changed else ""
