"""Ten thousand command lines that nobody in their right mind writes: each is answered, none runs for whom it may not.

Lines are made of what commands are made of (names, addresses, quotes, pipes, numbers) and of what breaks programs
(control characters, lone surrogates, text that turns its direction, 100 kB), by a seed that the test's name tells.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from bot.store import Tx
from bot.telegram.commands import registry
from bot.telegram.commands.registry import Answer as Answered
from bot.telegram.commands.registry import Call, Run
from tests.bot.telegram.desk import ANN, ANONYMOUS, BO, CY, NEWS, OPS, TALK, Desk
from tests.bot.telegram.scratch import a_scratch_desk

ROUNDS, LINES = 10, 1000
DI, STRANGER, CHANNEL = 1004, 1005, -1001000000009

OPERATOR, ADMIN, OWNER = 1, 2, 3
NEEDS: dict[str, int] = {
    **dict.fromkeys(("start", "help", "whoami", "here", "cancel"), 0),
    **dict.fromkeys(("send", "sms", "reply", "react", "edit", "undo", "channels", "announce"), OPERATOR),
    **dict.fromkeys(("schedule", "schedules", "status", "stats", "doctor", "queue", "failed", "held"), OPERATOR),
    **dict.fromkeys(("show", "retry", "discard", "redirect", "trace", "why", "history", "search"), OPERATOR),
    **dict.fromkeys(("link", "unlink", "routes", "route", "timezone", "audience", "pause", "resume"), ADMIN),
    **dict.fromkeys(("mute", "unmute", "name", "account", "audit"), ADMIN),
    **dict.fromkeys(("roles", "grant", "revoke"), OWNER),
}
"""The role of each command: the table of the contract, not the registry, which is what is tested."""
OTHER = {("route", "test"): OPERATOR, ("schedules", "calendar"): ADMIN}
"""Ways of a command that need another role."""
HELD = {ANN: (3, 3), BO: (1, 1), CY: (2, 2), DI: (2, 0), STRANGER: (0, 0), ANONYMOUS: (0, 0), 0: (0, 0)}
"""Who holds what in OPS, and elsewhere."""

WORDS = (
    *("club:lobby", "desk:a", "CLUB:lobby", "club:*", "telegram:-5", f"telegram:{NEWS}", f"telegram:{OPS}/17", "here"),
    *("nobody:x", "club:", ":x", ":", "club:a:b", "club:" + "x" * 300, "ops", "@all", "@", "@@", "all", "everyone"),
    *("->", "<->", "->>", "→", "|", "||", ",", ",,", "a,b", "=", "name=x", "match=/(/", "match=/(a+)+$/", "hours=mon"),
    *("stop=yes", "from=", "template={sender}{", "late=expire:2h", "new-topic(telegram:-5)", "new-topic(", "r1", "1"),
    *("0", "-1", "17", "999999999999999999999999", "1e9", "²", "٣", "1.5", "+85255501234", "(555) 010", "00", "all"),
    *('"', "'", "“", "”", "„", "«", '"open', 'closed"', '"a b"', "“a b”", "''", '""', "\\", "\\\\", "`", "%s", "{0}"),
    *("operator", "owner", "viewer", "OWNER", "root", "@ann", "@nobody", "1002", "7", "here", "add", "remove", "show"),
    *("list", "test", "enable", "edit", "undo", "👍", "👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "e\u0301", "Z̸̧̛͠A", "\u202egnp.exe", "\u200b"),
    *("\u2066", "\u2028", "\ufeff", "\x00", "\x1b[31m", "\r", "\x85", "\ud800", "\udfff", "مرحبا", "שלום", "日本語"),
    *("Europe/Paris", "UTC", "../../etc/passwd", "';DROP TABLE roles;--", "<b>", "</b>", "$(id)", "\n", "\n\n", "\t"),
    *(
        "every",
        "day",
        "at",
        "9:00",
        "in",
        "2h",
        "cron",
        "* * * * *",
        "tomorrow",
        "at 9",
        "show",
        "every 15m",
        "missed=ask",
        "approve=1",
        "tomorrow 9:00 | club:lobby | words",
        "1 every day at 8:00 | |",
        "NEAR(",
        "AND",
        "OR",
        "NOT",
        "*",
        "^a",
    ),
)
CHATS = (OPS, OPS, OPS, NEWS, TALK, CHANNEL)


class Ran:
    """Which commands ran, for whom."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def recording(self, run: Run) -> Run:
        """The command's own function, noted down."""

        def noted(call: Call, tx: Tx) -> Answered:
            self.calls.append(call)
            return run(call, tx)

        return noted


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    made = Ran()
    for name, command in registry.commands.items():
        monkeypatch.setitem(registry.commands, name, replace(command, run=made.recording(command.run)))
    return made


@pytest.fixture
async def desk() -> Desk:
    made, _ = a_scratch_desk()
    made.chats[CHANNEL] = {"id": CHANNEL, "type": "channel", "title": "Channel"}
    await granted(made)
    for number in range(20):
        await made.write(f"/send club:lobby {number}")
    return made


async def granted(desk: Desk) -> None:
    """The roles of :data:`HELD`, and no others."""
    await desk.line.store.write(lambda tx: tx.db.execute("DELETE FROM roles"))
    await desk.grant(BO, "operator")
    await desk.grant(CY, "admin")
    await desk.grant(DI, "admin", chat=OPS)


def line(dice: random.Random) -> str:
    """A command line."""
    name = dice.choice(list(NEEDS))
    match dice.randrange(12):
        case 0:
            name = name.upper()
        case 1:
            name = name[:-1] + dice.choice("xyzé_")
        case 2:
            name += "@patchbay_bot"
        case 3:
            name = dice.choice(("", "/", "nonsense", "x" * 40, "日本", "send/", "\u202e", "help;help"))
    words = [dice.choice(WORDS) for _ in range(dice.randrange(8))]
    if dice.random() < 0.02:
        words.insert(dice.randrange(len(words) + 1), dice.choice(WORDS) * (100_000 // 8))
    if dice.random() < 0.2:
        words.append("".join(chr(dice.randrange(1, 0x2FFF)) for _ in range(dice.randrange(40))))
    return f"/{name}" + dice.choice((" ", "  ", "\n", " \t")) + dice.choice((" ", " ", "\n", "")).join(words)


def may(person: int, chat: int, name: str, keyword: str) -> bool:
    """Whether the contract lets somebody run it there."""
    here, everywhere = HELD[person]
    return (here if chat == OPS else everywhere) >= OTHER.get((name, keyword), NEEDS[name])


async def answered(desk: Desk, number: int) -> bool:
    """Whether the mark on a message is its answer."""
    at = f"{number}"

    def read(tx: Tx) -> bool:
        found = tx.db.execute(
            "SELECT 1 FROM marks JOIN messages ON messages.id = marks.message WHERE messages.remote_id LIKE '%/' || ?",
            (at,),
        ).fetchone()
        return found is not None

    return await desk.line.store.read(read)


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_every_line_is_answered_and_none_runs_for_whom_it_may_not(desk: Desk, ran: Ran, seed: int) -> None:
    dice = random.Random(seed)
    said: list[dict[str, Any]] = []
    for _ in range(LINES):
        person, chat = dice.choice(list(HELD)), dice.choice(CHATS)
        if chat == CHANNEL:
            person = 0
        if dice.random() < 0.1 and person > 0 and person != ANONYMOUS:
            chat = person
        text = line(dice)
        message = desk.message(text, by=person, chat=chat, topic=17 if chat == OPS and dice.random() < 0.2 else None)
        if said and dice.random() < 0.3:
            message["reply_to_message"] = dice.choice(said[-50:])
        ran.calls.clear()
        answers = await desk.takes(message)
        is_command = bool(message.get("entities")) and len(text.split("@")[0]) > 1
        for call in ran.calls:
            keyword = call.way.keyword if call.way is not None else ""
            assert may(person, chat, call.name, keyword), f"{person} ran {text[:200]!r} in {chat}"
        if is_command and text.split()[0].partition("@")[2] in ("", "patchbay_bot"):
            has_answer = bool(answers) or await answered(desk, message["message_id"])
            assert has_answer, f"{text[:200]!r} of {person} was not answered"
            assert all(answer.text.strip() for answer in answers), text[:200]
        if any(call.name in ("grant", "revoke") for call in ran.calls):
            await granted(desk)
        said.append(message)
