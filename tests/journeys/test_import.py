"""Past messages into OpenIM: the real command, a process of its own, over real HTTP, killed and cut off on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.playground.hosting import LoopbackServer
from bridges.faults import Faults
from bridges.openim.sandbox import GROUP_ID, Accepted, OpenIMSandbox
from tests.journeys.world import SENT, World
from tests.torture.processes import Child, Nursery, nursery

Json = dict[str, Any]
SECRET = "canary-openim-secret"
START = datetime(2025, 3, 4, 10, 11, 12, tzinfo=UTC)
GROUP = f"im:group/{GROUP_ID}"
SEND, TOKEN = "/msg/send_msg", "/auth/get_admin_token"


@pytest.fixture(scope="module")
def starter() -> Iterator[Nursery]:
    # Not pytest's own folder: the path of a Unix socket has room for some hundred characters only.
    with tempfile.TemporaryDirectory(prefix="patchbay-") as name, nursery(Path(name)) as made:
        yield made


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that came to an end; a negative code is the signal that ended it."""

    code: int
    out: str
    err: str


@dataclass
class Import:
    """An OpenIM server, a file, and the command between them."""

    folder: Path
    starter: Nursery
    openim: OpenIMSandbox
    server: LoopbackServer
    faults: Faults
    settings: Json = field(default_factory=dict)
    child: Child | None = None

    def write(self, records: Sequence[Json]) -> None:
        """The file."""
        self.folder.joinpath("history.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))

    def configure(self) -> None:
        """The configuration, with one account."""
        account = {
            **self.openim.settings(self.server.url, hook_secret="canary-hook-secret"),
            "secret": SECRET,
            **self.settings,
        }
        lines = ["[telegram]", 'token = "1:canary-telegram-token"', "[store]", 'path = "p.sqlite3"', "[accounts.im]"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in account.items()]
        self.folder.joinpath("patchbay.toml").write_text("\n".join(lines))

    async def run(self, *more: str, file: str = "history.jsonl", to: str = GROUP) -> Ended:
        """``patchbay import-history im FILE --to …`` to its end."""
        self.configure()
        out, log = self.folder / "out", self.folder / "log"
        for each in (out, log):
            each.write_text("")
        argv = ["--config", str(self.folder / "patchbay.toml"), "import-history", "im", str(self.folder / file)]
        self.child = await self.starter.start([*argv, "--to", to, *more], env={}, out=out, log=log)
        ended = Ended(await self.child.wait(), out.read_text(), log.read_text())
        for told in (ended.out, ended.err):
            assert not re.search(r"canary|Traceback|Warning", told), told
        return ended

    def kill_at(self, *numbers: int) -> None:
        """Kill the command with SIGKILL as these messages are accepted, before it hears of it."""

        def listener(change: Any) -> None:
            if change["kind"] == "message" and change["number"] in numbers:
                assert self.child is not None
                os.kill(self.child.pid, signal.SIGKILL)

        self.openim.subscribe_listener(listener)

    @property
    def accepted(self) -> list[Accepted]:
        """What OpenIM took, in that order."""
        return self.openim.accepted

    @property
    def texts(self) -> list[str]:
        """The words of it."""
        return [message.text for message in self.accepted]

    def calls(self, path: str) -> int:
        """How many requests there were."""
        return sum(call.path == path for call in self.openim.calls)


@pytest.fixture
async def world(tmp_path: Path, starter: Nursery) -> AsyncIterator[Import]:
    openim = OpenIMSandbox(secret=SECRET)
    faults = Faults(openim.app, applies=lambda scope: scope["path"] == SEND)
    server = LoopbackServer(faults)
    await server.start()
    yield Import(tmp_path, starter, openim, server, faults)
    await server.stop()
    await openim.close()
    assert openim.reused == []


def past(n: int, *, person: str = "Ann", text: str | None = None) -> Json:
    """The n-th message by time."""
    return {
        "id": f"m{n}",
        "at": (START + timedelta(seconds=n)).isoformat(),
        "sender": {"id": person.lower(), "name": person},
        "text": text or f"text {n}",
    }


def shuffled(count: int) -> list[Json]:
    """So many in an order that is not that of time."""
    return [past(n * 7919 % count) for n in range(count)]


def said(count: int) -> list[str]:
    """What is to stand there."""
    return [f"Ann: text {n}" for n in range(count)]


async def test_messages_stand_in_the_group_with_the_time_at_which_they_were_written(world: Import) -> None:
    world.write(shuffled(40))
    ended = await world.run()
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-2:] == [
        f"40 sent to {GROUP}, 0 refused, 0 in doubt, 0 left.",
        "Together with earlier runs: 40 sent, 0 refused, 0 in doubt.",
    ]
    assert world.texts == said(40)
    first = 1741083072000
    assert [message.send_time for message in world.accepted] == [first + 1000 * n for n in range(40)]
    assert {message.conversation for message in world.accepted} == {f"group/{GROUP_ID}"}


async def test_a_second_run_sends_nothing_and_needs_no_new_token(world: Import) -> None:
    world.write(shuffled(5))
    await world.run()
    world.write([*shuffled(5), past(5)])
    ended = await world.run()
    assert (ended.code, world.texts, world.calls(TOKEN)) == (0, said(6), 1)
    assert "1 are new, 5 known from before" in ended.out


async def test_killed_again_and_again_nothing_is_lost_and_nothing_comes_twice(world: Import) -> None:
    numbers = (1, 2, 10, 11, 30)
    world.write(shuffled(45))
    world.kill_at(*numbers)
    codes = [(await world.run()).code for _ in numbers]
    assert codes == [-signal.SIGKILL] * len(numbers)
    ended = await world.run()
    assert (ended.code, ended.err) == (0, "")
    assert world.texts == said(45)


@pytest.mark.parametrize("mode", ["cut", "cut_before"])
async def test_a_connection_that_is_cut_is_asked_about(world: Import, mode: str) -> None:
    world.write(shuffled(10))
    world.faults.mode = mode
    world.faults.remaining = 1
    ended = await world.run()
    assert (ended.code, world.texts) == (0, said(10))
    assert world.faults.hits == 1
    assert world.calls("/msg/check_msg_is_send_success") >= 1


async def test_a_server_that_is_down_is_waited_for(world: Import) -> None:
    world.write(shuffled(3))
    world.faults.mode = "server_error"
    world.faults.remaining = 1
    ended = await world.run()
    assert (ended.code, world.texts) == (0, said(3))
    assert re.search(r"trying again in 1 s", ended.err)


async def test_a_token_that_is_no_longer_good_is_renewed_on_the_way(world: Import) -> None:
    world.write(shuffled(10))

    def listener(change: Any) -> None:
        if change["kind"] == "message" and change["number"] == 5:
            world.openim.tokens.clear()

    world.openim.subscribe_listener(listener)
    ended = await world.run()
    assert (ended.code, world.texts, world.calls(TOKEN)) == (0, said(10), 2)


async def test_a_wrong_secret_is_told_and_costs_nothing(world: Import) -> None:
    world.write(shuffled(3))
    world.openim.secret = "another"
    ended = await world.run()
    assert (ended.code, world.texts) == (1, [])
    assert "mend accounts.im, then run the same command again to go on (3 are left)" in ended.err
    world.openim.secret = SECRET
    assert ((await world.run()).code, world.texts) == (0, said(3))


async def test_each_person_is_a_user_of_their_own_where_puppets_are_used(world: Import) -> None:
    world.settings = {"send_as": "puppet"}
    people = ["Ann", "Bo", "Ann", "Cara"]
    world.write([past(n, person=person) for n, person in enumerate(people)])
    ended = await world.run()
    assert (ended.code, ended.err) == (0, "")
    assert world.texts == [f"text {n}" for n in range(4)]
    senders = [message.sender for message in world.accepted]
    assert [world.openim.users[sender].nickname.split()[0] for sender in senders] == people
    assert senders[0] == senders[2]
    assert len(set(senders)) == 3


async def test_another_form_of_the_groups_address_sends_nothing_twice(world: Import) -> None:
    world.write(shuffled(3))
    await world.run()
    ended = await world.run(to=GROUP.replace(GROUP_ID, f"%3{GROUP_ID}"))
    assert (ended.code, world.texts) == (2, said(3))
    assert ended.err.startswith("--to: ")


async def test_a_group_that_is_not_there_ends_it_before_all_is_refused(world: Import) -> None:
    world.write(shuffled(100))
    ended = await world.run(to="im:group/999")
    assert (ended.code, world.texts) == (1, [])
    assert "25 in a row did not go" in ended.err
    assert "75 are left" in ended.err


async def test_an_export_of_telegram_desktop_goes_the_same_way(world: Import) -> None:
    messages = [
        {"id": 1, "type": "service", "date": "2025-03-04T10:00:00", "action": "create_group", "text": ""},
        _exported(2, "Ann", "hello"),
        _exported(3, "Bo", [{"type": "bold", "text": "fine"}, ", thanks"], reply_to_message_id=2),
        _exported(4, "Ann", "", photo="photos/1.jpg", photo_file_size=120000),
    ]
    chat = {"name": "Ops", "type": "private_supergroup", "id": 1234567890, "messages": messages}
    (world.folder / "result.json").write_text(json.dumps(chat, indent=1))
    ended = await world.run(file="result.json")
    assert (ended.code, ended.err) == (0, "")
    assert "left out: 1 service messages" in ended.out
    assert world.texts == ["Ann: hello", "Bo: > Ann: hello\nfine, thanks", "Ann: [image: 120 kB]"]


def _exported(id: int, name: str, text: object, **more: object) -> Json:
    about = {"from": name, "from_id": f"user{len(name)}", "date": "x", "date_unixtime": str(1741083072 + id)}
    return {"id": id, "type": "message", **about, "text": text, **more}


async def test_a_dry_run_says_what_would_be_and_talks_to_nobody(world: Import) -> None:
    world.write([*shuffled(4), past(9, text="word " * 10_000)])
    ended = await world.run("--dry-run")
    assert (ended.code, ended.err) == (0, "")
    assert "Nothing was sent or stored." in ended.out
    assert "1 are too long for one message there" in ended.out
    assert list(world.openim.calls) == []


async def test_a_line_that_is_wrong_is_told_before_anything_is_sent(world: Import) -> None:
    world.write([past(1), {**past(2), "at": "2025-03-04T10:11:12"}])
    ended = await world.run()
    assert (ended.code, list(world.openim.calls)) == (2, [])
    (line,) = ended.err.splitlines()
    assert 'line 2: at: "2025-03-04T10:11:12" has no time zone; write it as in 2025-03-04T10:11:12Z' in line


async def test_a_running_bot_goes_on_beside_it_and_takes_no_past_message_for_a_new_one(tmp_path: Path) -> None:
    openim = OpenIMSandbox()
    async with World(tmp_path, sides={"im": openim}) as world:
        ops = world.group()
        await ops.ask(f"/link {GROUP}")
        await ops.marked(ops.say("before"), SENT)
        history = tmp_path / "history.jsonl"
        history.write_text("".join(json.dumps(each) + "\n" for each in shuffled(30)))
        ended = await world.patchbay("import-history", "im", str(history), "--to", GROUP)
        assert (ended.code, ended.err) == (0, "")
        await ops.marked(ops.say("after"), SENT)
        await openim.say("alice", f"group/{GROUP_ID}", "and back")
        await ops.hears("and back")
        await world.settled()
        assert [message.text for message in openim.accepted] == ["Ann: before", *said(30), "Ann: after"]
        assert not [text for text in ops.texts() if "text " in text]
        assert (await world.read("stats"))["inbound"]["echoes"] == 32
        assert sum(call.path == TOKEN for call in openim.calls) == 1
        assert openim.reused == []
        await world.check()
