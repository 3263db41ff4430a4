"""Accounts beside sending: what they offer and list, from the chat and from the command line, and what check says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

import httpx
import pytest
from click.testing import CliRunner, Result
from telegram import Chat, Message

from bot.accounts import Account, ProviderAccount
from bot.addresses import telegram_address
from bot.cli import cli
from bot.cli.account import account
from bot.cli.common import Problem, operator
from bot.feedback import Feedback
from bot.firing import Firing, SchedulePolicy
from bot.operations import OperationError, ask, chat_lines, find_account, one_line, plain_lines
from bot.relay import Policy, Relay
from bot.store.sqlite import SqliteStore
from bot.telegram.access import Role
from bot.telegram.commands import accounts as chat
from bot.telegram.commands.registry import Call, Reply, Services, UsageError, registry
from bot.text import utf16_length
from bridges.api import (
    AccountSettings,
    BaseUrl,
    Capabilities,
    Flow,
    Hook,
    HookSecret,
    Listed,
    Operation,
    Outgoing,
    Subscription,
    Token,
)
from bridges.echo.bridge import EchoBridge, EchoSettings
from bridges.errors import BridgeError, Refused, Unauthorized
from bridges.model import Conversation, ConversationId, Event, Receipt
from bridges.registry import PROVIDERS
from tests.databases import new_database

ROOT = Path(__file__).parents[2]
HOOK_SECRET = "canary-hook-secret-0123"
TOKEN = "canary-token-0123456789"
NOW = 1_750_000_000.0
OPS = telegram_address(-5)


class DeskSettings(AccountSettings):
    """A provider that a test can put words into the mouth of."""

    provider: Literal["desk", "sheet", "till"]
    base_url: BaseUrl = "http://127.0.0.1:9"
    token: Token
    hook_secret: HookSecret


class Desk:
    """Lists and operates; tells a person what to enter."""

    name: ClassVar[str] = "desk"
    title: ClassVar[str] = "Desk"
    Settings: ClassVar[type[AccountSettings]] = DeskSettings
    capabilities = Capabilities(text_limit=100)
    auth = None
    done: ClassVar[list[tuple[str, ...]]] = []
    """What was changed over there."""

    def __init__(self, settings: AccountSettings) -> None:
        assert isinstance(settings, DeskSettings)
        self.settings = settings
        self.listed: Sequence[Listed] | BridgeError = ()

    def check(self, conversation: ConversationId) -> None:
        if conversation.startswith("closed"):
            raise Refused("nothing can be sent there; example: room-1")

    def deliver(self, out: Outgoing) -> Flow[Receipt]:
        raise NotImplementedError

    def verify(self, hook: Hook) -> None:
        raise NotImplementedError

    def decode(self, hook: Hook) -> Sequence[Event]:
        raise NotImplementedError

    def probe(self) -> Flow[str]:
        answer = yield httpx.Request("GET", f"{self.settings.base_url}/me")
        if answer.status_code == 401:
            raise Unauthorized("Desk: the credentials were refused (HTTP 401)")
        return "knows you"

    def conversations(self) -> Flow[Sequence[Listed]]:
        yield from ()
        if isinstance(self.listed, BridgeError):
            raise self.listed
        return self.listed

    def operations(self) -> Sequence[Operation]:
        return (
            Operation("numbers", ("[USER]",), "Numbers and who owns them", "4100", self._numbers),
            Operation("find", ("WORD…",), "Look for somebody", "Ann Bell", self._said),
            Operation("rename", ("ROOM", "NAME…"), "Give a room another name", "9a8b Night shift", self._rename, True),
            Operation("members", (), "Who is there", "", self._away),
        )

    def _numbers(self, arguments: Sequence[str]) -> Flow[str]:
        yield from ()
        if arguments == ("4999",):
            raise Refused("there is no user 4999")
        return "\n".join(f"{user} has 15550100999" for user in arguments or ("4100", "4101"))

    def _said(self, arguments: Sequence[str]) -> Flow[str]:
        yield from ()
        return f"looked for {list(arguments)}"

    def _rename(self, arguments: Sequence[str]) -> Flow[str]:
        yield from ()
        if arguments[0] == "gone":
            raise Refused("there is no room gone")
        self.done.append(tuple(arguments))
        return f"{arguments[0]} is called {' '.join(arguments[1:])}."

    def _away(self, arguments: Sequence[str]) -> Flow[str]:
        yield httpx.Request("GET", f"{self.settings.base_url}/members")
        return "all"

    def instructions(self, url: str) -> str:
        return f"Enter at desk.yml:\n  url: {url}/callback\n  key: {self.settings.token.get_secret_value()}"


class Till(Desk):
    """Subscribes by API, besides."""

    name = "till"
    title = "Till"

    def attempts(self) -> Sequence[dict[str, str]]:
        return ({},)

    def attempt(self, url: str, *, memory: object, now: datetime) -> Flow[Subscription]:
        raise NotImplementedError

    def subscribe(self, url: str, *, now: datetime) -> Flow[Subscription]:
        raise NotImplementedError

    def unsubscribe(self, url: str) -> Flow[Subscription]:
        raise NotImplementedError


def desk(name: str = "desk", *, listed: Sequence[Listed] | BridgeError = ()) -> ProviderAccount:
    """An account at Desk that lists these."""
    bridge = Desk(DeskSettings.model_validate({"provider": "desk", "token": TOKEN, "hook_secret": HOOK_SECRET}))
    bridge.listed = listed
    return ProviderAccount(name, bridge)


def echo(name: str = "club") -> ProviderAccount:
    """An account that can neither list nor operate."""
    settings = {"provider": "echo", "base_url": "http://127.0.0.1:9", "token": TOKEN}
    secrets = {"hook_secret": HOOK_SECRET, "signing_secret": TOKEN}
    return ProviderAccount(name, EchoBridge(EchoSettings.model_validate(settings | secrets)))


def rooms(*ids: str, title: str = "", detail: str = "") -> list[Listed]:
    """Conversations as a provider lists them."""
    return [Listed(Conversation(id=ConversationId(id), title=title), detail) for id in ids]


# --- arguments


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["numbers"], ()),
        (["NUMBERS", "4100"], ("4100",)),
        (["find", "Ann"], ("Ann",)),
        (["find", "Ann", "Bell"], ("Ann", "Bell")),
        (["rename", "9a8b", "Night", "shift", "2"], ("9a8b", "Night", "shift", "2")),
        (["rename", "9a8b", "Night shift"], ("9a8b", "Night shift")),
        (["members"], ()),
    ],
)
def test_arguments_that_fit_are_given_word_by_word_the_last_takes_all_that_are_left(
    words: list[str], given: tuple[str, ...]
) -> None:
    assert ask(desk(), words, command="/account").arguments == given


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["numbers", "1", "2"], "numbers takes 0 or 1 argument, 2 given: /account desk numbers [USER]"),
        (["find"], "find takes at least 1 argument, 0 given: /account desk find WORD…"),
        (["rename", "9a8b"], "rename takes at least 2 arguments, 1 given: /account desk rename ROOM NAME…"),
        (["members", "x"], "members takes no arguments, 1 given: /account desk members"),
        (["renmae"], "desk has no operation 'renmae', did you mean rename?; it has: numbers, find, rename, members"),
        (["zzz"], "desk has no operation 'zzz'; it has: numbers, find, rename, members"),
    ],
)
def test_arguments_that_do_not_fit_are_answered_with_what_does(words: list[str], said: str) -> None:
    with pytest.raises(OperationError) as raised:
        ask(desk(), words, command="/account")
    assert str(raised.value).startswith(said)


def test_a_wrong_number_of_arguments_is_answered_with_an_example() -> None:
    with pytest.raises(OperationError, match=r"such as patchbay account desk rename 9a8b Night shift"):
        ask(desk(), ["rename"], command="patchbay account")


def test_an_account_that_offers_nothing_says_so() -> None:
    with pytest.raises(OperationError, match=r"^club \(Echo\) offers nothing beside sending$"):
        ask(echo(), ["numbers"], command="/account")


def test_an_unknown_account_is_answered_with_the_nearest_and_all_there_are() -> None:
    accounts: dict[str, Account] = {"desk": desk(), "club": echo()}
    assert find_account(accounts, "DESK").name == "desk"
    with pytest.raises(OperationError, match=r"'dsek', did you mean desk\?; configured: club, desk"):
        find_account(accounts, "dsek")


@pytest.mark.parametrize(
    ("given", "terminal", "in_chat"),
    [
        ("a\x1b[31mb\x07", "a [31mb", "a [31mb"),
        ("one \ntwo\r\n", "one\ntwo", "one\ntwo"),
        ("\u202eevil\u2069", " evil", " evil"),
        ("ask @ann, ann@acme.example", "ask @ann, ann@acme.example", "ask @\u2060ann, ann@acme.example"),
        ("👩\u200d🚀 é", "👩\u200d🚀 é", "👩\u200d🚀 é"),
    ],
)
def test_a_providers_words_move_no_cursor_turn_no_text_and_ping_nobody(given: str, terminal: str, in_chat: str) -> None:
    assert plain_lines(given) == terminal
    assert chat_lines(given) == in_chat


def test_a_title_stays_on_its_line_and_is_cut() -> None:
    assert one_line("Ops\nroom\t@all \u202e", most=40) == "Ops room @\u2060all"
    assert one_line("x" * 100, most=10) == "x" * 9 + "…"


# --- in the chat


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    """An empty database."""
    opened = await SqliteStore.open(new_database(tmp_path / "p.sqlite3"))
    yield opened
    await opened.close()


class Asker:
    """Somebody in a chat; the commands are run as the bot runs them, without Telegram."""

    def __init__(self, store: SqliteStore, *accounts: Account) -> None:
        self.store = store
        policy = Policy(max_age_s=60, on_ambiguous="hold", telegram_on_ambiguous="resend")
        self.relay = Relay(accounts={each.name: each for each in accounts}, policy=policy)
        self.firing = Firing(relay=self.relay, policy=SchedulePolicy())

    async def ask(self, line: str) -> str:
        """The answer to a command; a usage error's words likewise."""
        name, _, arguments = line.removeprefix("/").partition(" ")
        call = Call(
            name=name,
            arguments=arguments,
            here=OPS,
            person=1001,
            person_name="Ann",
            role=Role.ADMIN,
            everywhere=Role.ADMIN,
            message=Message(1, datetime.fromtimestamp(NOW, UTC), Chat(-5, "group")),
            services=Services(self.relay, Feedback(self.relay), "UTC", "patchbay_bot", self.firing),
            now=NOW,
            keep=lambda tx: 1,
        )
        command = registry.commands[name]
        assert command.prepare is not None
        try:
            prepared = await command.prepare(call)
            assert prepared is not None
            reply = await self.store.write(lambda tx: command.run(replace(call, prepared=prepared), tx))
        except UsageError as error:
            return f"usage: {error}"
        assert isinstance(reply, Reply)
        return reply.text

    async def knows(self, account: str, *conversations: str, title: str = "") -> None:
        """The bot has seen these."""

        def unit(tx: Any) -> None:
            for number, id in enumerate(conversations):
                tx.conversations.touch(account, id, kind="group", title=title, now=NOW - number)

        await self.store.write(unit)

    async def link(self, source: str, target: str) -> None:
        await self.store.write(
            lambda tx: tx.routes.add(
                name=None, source=source, arrow="<->", target=target, options="{}", created_by="", now=NOW
            )
        )


async def test_channels_shows_addresses_titles_and_links(store: SqliteStore) -> None:
    asker = Asker(store, desk(listed=rooms("group/2839001122", title="Ops room", detail="12 members")))
    await asker.link("desk:group/2839001122", "telegram:-7")
    assert await asker.ask("/channels desk") == (
        "desk (Desk):\ndesk:group/2839001122  Ops room · 12 members · linked with telegram:-7"
    )


async def test_channels_adds_what_only_the_bot_knows(store: SqliteStore) -> None:
    asker = Asker(store, desk(listed=rooms("room-1")))
    await asker.knows("desk", "room-1", "room-2", title="Seen")
    assert (await asker.ask("/channels desk")).splitlines() == [
        "desk (Desk):",
        "desk:room-1",
        "desk:room-2  Seen · known here",
    ]


async def test_channels_adds_what_only_rules_names_and_audiences_know(store: SqliteStore) -> None:
    asker = Asker(store, desk(listed=rooms("room-1")))
    await asker.link("desk:group/7", "telegram:-7")
    await asker.link("desk:room-1", "telegram:-8")
    await store.write(lambda tx: tx.names.set("vip", "desk:room-8"))
    await store.write(lambda tx: tx.audiences.add("all", ["desk:room-9", "desk:room-8"], person="", now=NOW))
    assert (await asker.ask("/channels desk")).splitlines() == [
        "desk (Desk):",
        "desk:room-1  linked with telegram:-8",
        "desk:group/7  known here · linked with telegram:-7",
        "desk:room-8  known here · named vip",
        "desk:room-9  known here",
    ]


async def test_channels_of_an_account_that_cannot_list_shows_those_it_knows(store: SqliteStore) -> None:
    asker = Asker(store, echo())
    assert await asker.ask("/channels club") == ("club (Echo) cannot list its conversations; none is known here yet.")
    await asker.knows("club", "lobby", title="Lobby")
    assert await asker.ask("/channels club") == (
        "club (Echo) cannot list its conversations; known here:\nclub:lobby  Lobby"
    )


async def test_channels_of_an_account_that_is_down_says_so_beside_the_others(store: SqliteStore) -> None:
    asker = Asker(store, desk(listed=rooms("room-1")), desk("away", listed=Unauthorized("the key is refused")), echo())
    await asker.knows("away", "room-9")
    told = await asker.ask("/channels")
    assert "desk (Desk):\ndesk:room-1" in told
    assert "away (Desk) could not be asked: the key is refused. Known here:\naway:room-9" in told
    assert "club (Echo) cannot list" in told


async def test_channels_waits_for_a_slow_account_no_longer_than_it_says(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "LIST_S", 0.05)
    never = asyncio.Event()

    class Slow(ProviderAccount):
        async def run(self, flow: Flow[Any]) -> Any:
            await never.wait()

    asker = Asker(store, desk(listed=rooms("room-1")), Slow("slow", desk().bridge))
    told = await asker.ask("/channels")
    assert "desk:room-1" in told
    assert "slow (Desk) could not be asked: nothing came back within 0.05 s. None is known here yet." in told


async def test_channels_is_bounded_and_says_how_many_more_there_are(store: SqliteStore) -> None:
    asker = Asker(store, desk(listed=rooms(*(f"room-{n}" for n in range(244)))))
    lines = (await asker.ask("/channels desk")).splitlines()
    assert len(lines) == 32
    assert lines[1] == "desk:room-0"
    assert lines[-1] == "… and 214 more: /channels desk WORD looks for a word"


async def test_channels_of_many_accounts_with_long_titles_fits_two_messages(store: SqliteStore) -> None:
    listed = rooms(*(f"room-{n}" for n in range(100)), title="👩\u200d🚀" * 60, detail="x" * 500)
    asker = Asker(store, *(desk(f"desk{n}", listed=listed) for n in range(20)))
    told = await asker.ask("/channels")
    assert utf16_length(told) <= 2 * 4096 - 100
    assert all(f"desk{n} (Desk):\ndesk{n}:room-0" in told for n in range(20))


@pytest.mark.parametrize(
    ("words", "found"), [("OPS", ["a"]), ("member", ["a", "b"]), ("members ops", ["a"]), ("desk", []), ("3", ["b"])]
)
async def test_words_after_the_account_narrow_the_list(store: SqliteStore, words: str, found: list[str]) -> None:
    listed = [*rooms("a", title="Ops room", detail="2 members"), *rooms("b", title="Rest", detail="3 members")]
    told = await Asker(store, desk(listed=listed)).ask(f"/channels desk {words}")
    assert [line.split()[0] for line in told.splitlines()[1:]] == [f"desk:{id}" for id in found]
    assert found or told == "desk (Desk): none has these words."


async def test_a_hostile_title_pings_nobody_and_stays_on_its_line(store: SqliteStore) -> None:
    listed = rooms("room-1", title="@all\nrun \u202e", detail="by @ann")
    told = await Asker(store, desk(listed=listed)).ask("/channels desk")
    assert told.splitlines()[1:] == ["desk:room-1  @\u2060all run · by @\u2060ann"]


@pytest.mark.parametrize("id", ["closed/1", "with blank", "star*", "x/@ann", "two\nlines", "a" * 300])
async def test_an_address_that_cannot_be_used_as_it_stands_is_left_out_and_counted(store: SqliteStore, id: str) -> None:
    listed = [*rooms(id, title="Odd"), *rooms("room-1")]
    told = await Asker(store, desk(listed=listed)).ask("/channels desk")
    assert told.splitlines()[1:] == ["desk:room-1", "(1 left out: nothing can be sent there from a chat)"]


async def test_every_address_that_channels_shows_is_taken_by_send_and_link(store: SqliteStore) -> None:
    asker = Asker(store, desk(listed=rooms("group/1", "user/Ann_B", "CamelCase", "sms/1,2", "ü/é")))
    lines = (await asker.ask("/channels desk")).splitlines()[1:]
    assert len(lines) == 5
    for line in lines:
        shown = line.split("  ")[0]
        parsed = await store.read(lambda tx, shown=shown: asker.relay.parse_target(tx, shown))  # type: ignore[misc]
        assert str(parsed) == shown


async def test_channels_of_an_unknown_account_names_the_nearest(store: SqliteStore) -> None:
    told = await Asker(store, desk(), echo()).ask("/channels dsek")
    assert told == "usage: there is no account 'dsek', did you mean desk?; configured: club, desk"


async def test_account_lists_accounts_with_their_state_and_what_they_offer(store: SqliteStore) -> None:
    asker = Asker(store, desk(), echo())
    await store.write(lambda tx: tx.accounts.pause("desk", reason="the key is refused", now=NOW))
    assert (await asker.ask("/account")).splitlines()[:2] == [
        "club (Echo): sending; offers nothing beside sending",
        "desk (Desk): paused: the key is refused; offers numbers, find, rename, members",
    ]


async def test_account_with_a_name_shows_its_operations_with_an_example_each(store: SqliteStore) -> None:
    told = await Asker(store, desk()).ask("/account desk")
    assert "desk numbers [USER]: Numbers and who owns them\n  /account desk numbers 4100" in told
    assert "desk rename ROOM NAME…: Give a room another name\n  on the server: patchbay account desk rename" in told


async def test_an_operation_that_looks_is_run_from_the_chat(store: SqliteStore) -> None:
    assert await Asker(store, desk()).ask("/account desk numbers 4100") == "4100 has 15550100999"


async def test_an_operation_that_changes_something_is_not_run_from_the_chat(store: SqliteStore) -> None:
    told = await Asker(store, desk()).ask("/account desk rename 9a8b Night shift")
    assert "is not run from a chat" in told
    assert told.endswith("On the server:\npatchbay account desk rename 9a8b Night shift")
    assert Desk.done == []


async def test_what_the_provider_refuses_is_told_in_its_words(store: SqliteStore) -> None:
    assert await Asker(store, desk()).ask("/account desk numbers 4999") == "desk: there is no user 4999"


async def test_an_operation_at_a_provider_that_is_down_is_told_in_words(store: SqliteStore) -> None:
    down = desk()
    told = await Asker(store, down).ask("/account desk members")
    await down.close()
    assert told.startswith("desk: GET 127.0.0.1: cannot connect")


async def test_wrong_arguments_in_the_chat_are_answered_with_the_usage(store: SqliteStore) -> None:
    told = await Asker(store, desk()).ask("/account desk find")
    assert told.startswith("usage: find takes at least 1 argument, 0 given: /account desk find WORD…")


async def test_a_long_result_is_cut_after_a_line_and_says_so(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(self: Desk, arguments: Sequence[str]) -> Flow[str]:
        yield from ()
        return "\n".join(f"line {n} 😀" for n in range(5000))

    monkeypatch.setattr(Desk, "_said", endless)
    told = await Asker(store, desk()).ask("/account desk find x")
    assert utf16_length(told) <= chat.ANSWER_MOST
    *lines, last = told.splitlines()
    assert last == "… the rest is left out here."
    assert lines == [f"line {n} 😀" for n in range(len(lines))]


# --- on the command line


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Desk and Till are providers like any other."""
    monkeypatch.setitem(PROVIDERS, "desk", Desk)
    monkeypatch.setitem(PROVIDERS, "till", Till)
    monkeypatch.setattr(Desk, "done", [])


@pytest.fixture
def config(tmp_path: Path, providers: None) -> Path:
    """A configuration with an account at Desk and one at Till."""
    file = tmp_path / "patchbay.toml"
    lines = ["[telegram]", 'token = "1:a"', 'api_base_url = "http://127.0.0.1:9"', "owners = [1]"]
    lines += ["[store]", f"path = {json.dumps(str(tmp_path / 'p.sqlite3'))}"]
    lines += ["[web]", 'public_url = "https://bridge.example"']
    for name in ("desk", "till"):
        lines += [f"[accounts.{name}]", f'provider = "{name}"', f'token = "{TOKEN}"', f'hook_secret = "{HOOK_SECRET}"']
    file.write_text("\n".join(lines))
    return file


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Somebody sits at a terminal and types this."""

    class Stdin:
        def isatty(self) -> bool:
            return True

    class Sys:
        stdin, stdout = Stdin(), sys.stdout

    def types(text: str) -> None:
        monkeypatch.setattr(sys.modules[account.callback.__module__], "sys", Sys)

    return types


def do(config: Path, *words: str, typed: str = "") -> Result:
    """Run ``patchbay account …``; its output holds no secret."""
    result = CliRunner().invoke(account, list(words), obj=str(config), input=typed)
    shown = result.output + str(result.exception or "")
    assert HOOK_SECRET not in shown
    assert TOKEN not in shown
    return result


def audited(config: Path) -> list[tuple[str, str, str]]:
    """Person, command and outcome of what was written down, oldest first."""

    async def work() -> list[tuple[str, str, str]]:
        store = await SqliteStore.open(config.parent / "p.sqlite3")
        try:
            rows = await store.read(lambda tx: tx.audit.last(10))
        finally:
            await store.close()
        return [(person, command, outcome) for _, person, _, command, outcome in reversed(rows)]

    return asyncio.run(work())


def test_the_command_lists_accounts(config: Path) -> None:
    lines = do(config).output.splitlines()
    assert lines[0].split() == ["ACCOUNT", "PROVIDER", "STATE", "OFFERS"]
    assert lines[2].split(maxsplit=3) == ["desk", "Desk", "sending", "numbers, find, rename, members"]


def test_the_command_lists_an_accounts_operations(config: Path) -> None:
    lines = do(config, "desk").output.splitlines()
    assert "desk rename ROOM NAME…: Give a room another name (asks first)" in lines
    assert "  patchbay account desk rename 9a8b Night shift" in lines


def test_for_scripts_the_list_is_json(config: Path) -> None:
    (found,) = json.loads(do(config, "desk", "--json").output)
    assert (found["account"], found["provider"], found["paused"]) == ("desk", "desk", False)
    assert found["operations"][2] == {
        "name": "rename",
        "arguments": ["ROOM", "NAME…"],
        "summary": "Give a room another name",
        "example": "9a8b Night shift",
        "changes": True,
    }


def test_looking_asks_nobody_and_leaves_no_trace(config: Path) -> None:
    done = do(config, "desk", "numbers")
    assert (done.exit_code, done.output) == (0, "4100 has 15550100999\n4101 has 15550100999\n")
    assert audited(config) == []


def test_a_change_with_yes_is_done_and_written_down(config: Path) -> None:
    done = do(config, "desk", "rename", "9a8b", "Night", "shift", "--yes")
    assert (done.exit_code, done.output) == (0, "9a8b is called Night shift.\n")
    assert Desk.done == [("9a8b", "Night", "shift")]
    assert audited(config) == [
        (operator(), "account desk rename", "begun"),
        (operator(), "account desk rename", "done"),
    ]


def test_a_change_with_nobody_to_ask_is_not_done(config: Path) -> None:
    done = do(config, "desk", "rename", "9a8b", "x")
    assert isinstance(done.exception, Problem)
    assert "--yes" in str(done.exception)
    assert Desk.done == []


@pytest.mark.parametrize(("typed", "changed"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_change_at_a_terminal_is_asked_for(
    config: Path, at_terminal: Callable[[str], None], typed: str, changed: bool
) -> None:
    at_terminal(typed)
    done = do(config, "desk", "rename", "9a8b", "x", typed=typed)
    assert "desk rename 9a8b x\nGive a room another name. Do it? [y/N]" in done.output
    assert done.exit_code == 0
    assert bool(Desk.done) == changed


@pytest.mark.parametrize(
    ("words", "said"),
    [(["rename", "gone", "x", "--yes"], "desk: there is no room gone\n"), (["members"], "desk: GET 127.0.0.1: cannot")],
)
def test_what_the_provider_says_no_to_ends_in_one_line_and_1(config: Path, words: list[str], said: str) -> None:
    done = do(config, "desk", *words)
    assert done.exit_code == 1
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1


def test_a_change_that_failed_is_written_down_as_failed(config: Path) -> None:
    do(config, "desk", "rename", "gone", "x", "--yes")
    assert [outcome for _, _, outcome in audited(config)] == ["begun", "failed"]


@pytest.mark.parametrize(
    "words", [["dsek"], ["dsek", "numbers"], ["desk", "nmbers"], ["desk", "find"], ["desk", "find", "x", "--json"]]
)
def test_what_was_typed_wrong_is_a_problem_of_one_line(config: Path, words: list[str]) -> None:
    done = do(config, *words)
    assert isinstance(done.exception, Problem)
    assert len(str(done.exception).splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 0, "ACCOUNT"),
        (["club"], 0, "club (Echo) offers nothing beside sending."),
        (["clbu"], 2, "there is no account 'clbu', did you mean club?; configured: club, telegram"),
        (["club", "numbers"], 2, "club (Echo) offers nothing beside sending"),
    ],
)
def test_as_a_process_it_ends_as_every_command_does(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    file = tmp_path / "patchbay.toml"
    file.write_text(
        f'[telegram]\ntoken = "1:a"\n[store]\npath = {json.dumps(str(tmp_path / "p.sqlite3"))}\n'
        f'[accounts.club]\nprovider = "echo"\nbase_url = "http://127.0.0.1:9"\ntoken = "{TOKEN}"\n'
        f'hook_secret = "{HOOK_SECRET}"\nsigning_secret = "{TOKEN}"\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "bot", "--config", str(file), "account", *words],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PATCHBAY")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert said in (done.stderr if code else done.stdout)
    assert len(done.stderr.splitlines()) == (1 if code else 0)


# --- webhooks set up by hand, and check


def run(config: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--config", str(config), *words])


def test_what_to_enter_is_printed_without_the_secrets_as_often_as_one_asks(config: Path) -> None:
    for _ in range(2):
        done = run(config, "subscribe", "desk")
        assert done.exit_code == 0
        assert done.output.splitlines() == [
            "Enter at desk.yml:",
            "  url: https://bridge.example/hooks/desk/<the value of accounts.desk.hook_secret>/callback",
            "  key: <the value of accounts.desk.token>",
        ]


def test_what_to_enter_is_printed_in_full_when_that_is_asked_for(config: Path) -> None:
    done = run(config, "subscribe", "desk", "--show-secret")
    assert f"url: https://bridge.example/hooks/desk/{HOOK_SECRET}/callback" in done.output


def test_without_a_public_address_there_is_nothing_to_enter(config: Path) -> None:
    config.write_text(config.read_text().replace('public_url = "https://bridge.example"', ""))
    done = run(config, "subscribe", "desk")
    assert isinstance(done.exception, Problem)
    assert str(done.exception).startswith("web.public_url: is not set")


def test_unsubscribing_what_was_set_up_by_hand_says_where_to_undo_it(config: Path) -> None:
    done = run(config, "unsubscribe", "desk")
    assert done.exit_code == 0
    assert "remove there what `patchbay subscribe desk` says" in done.output
    assert HOOK_SECRET not in done.output


def test_subscriptions_lists_what_is_set_up_by_hand_and_leaves_it_out_for_scripts(config: Path) -> None:
    rows = [line.split() for line in run(config, "subscriptions").output.splitlines()]
    assert rows[1:] == [["desk", "set", "up", "at", "the", "provider", "manual"], ["till", "none"]]
    assert json.loads(run(config, "subscriptions", "--json").output) == []


def subscribed(config: Path, **record: object) -> None:
    """A subscription of ``till`` is on record."""

    async def work() -> None:
        store = await SqliteStore.open(config.parent / "p.sqlite3")
        text = json.dumps({"event": "message", "active": True, "at": NOW, "expires_at": None} | record)
        await store.write(lambda tx: tx.meta.set("subscription:till", text))
        await store.close()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("record", "state", "said"),
    [
        (None, "ok", "none made from here; while the bot runs: patchbay subscribe till"),
        ({}, "ok", "message: subscribed at 2025-06-15T15:06:40Z"),
        ({"active": False}, "ok", "message: ended at 2025-06-15T15:06:40Z"),
        ({"expires_at": time.time() + 9000}, "ok", "renewed before by the running bot"),
        ({"expires_at": NOW + 60}, "WRONG", "message: ran out at 2025-06-15T15:07:40Z"),
        ({"expires_at": NOW + 60, "active": False}, "ok", "message: ended at"),
    ],
)
def test_check_says_how_a_subscription_stands(
    config: Path, record: dict[str, object] | None, state: str, said: str
) -> None:
    if record is not None:
        subscribed(config, **record)
    rows = run(config, "check").output.splitlines()
    (row,) = [line for line in rows if line.startswith("subscription till")]
    assert row.split()[2:4] == [state, "Till"]
    assert said in row
    assert not any(line.startswith("subscription desk") for line in rows)


@contextlib.asynccontextmanager
async def server_of_desk(*, status: int, off_s: float) -> AsyncIterator[str]:
    """Desk's server, whose clock is ``off_s`` seconds behind ours; it says so and nothing else."""
    date = format_datetime(datetime.now(UTC) - timedelta(seconds=off_s), usegmt=True)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} X\r\ndate: {date}\r\ncontent-length: 2\r\n\r\n{{}}".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def checked(config: Path, *, status: int, off_s: float) -> Result:
    """``check`` with Desk's server up."""

    def work(url: str) -> Result:
        config.write_text(config.read_text().replace("[accounts.desk]", f'[accounts.desk]\nbase_url = "{url}"'))
        return run(config, "check")

    async with server_of_desk(status=status, off_s=off_s) as url:
        return await asyncio.to_thread(work, url)


@pytest.mark.parametrize(
    ("off_s", "said"),
    [
        (600.0, "this machine's clock is 10 min ahead of 127.0.0.1"),
        (-600.0, "this machine's clock is 10 min behind 127.0.0.1"),
        (3 * 3600.0, "this machine's clock is 3 h ahead of 127.0.0.1"),
        (-86_400.0 * 400, "this machine's clock is days behind 127.0.0.1"),
    ],
)
@pytest.mark.parametrize(("status", "words"), [(200, "knows you; "), (401, "refused (HTTP 401); ")])
async def test_check_tells_a_clock_that_is_off(config: Path, off_s: float, said: str, status: int, words: str) -> None:
    done = await checked(config, status=status, off_s=off_s)
    (row,) = [line for line in done.output.splitlines() if line.startswith("account desk")]
    assert "WRONG" in row
    assert f"{words}{said}; set it (timedatectl set-ntp true): tokens and webhooks depend on it" in row
    assert done.exit_code == 1


async def test_check_lets_a_clock_that_is_a_little_off_be(config: Path) -> None:
    done = await checked(config, status=200, off_s=100.0)
    (row,) = [line for line in done.output.splitlines() if line.startswith("account desk")]
    assert row.split() == ["account", "desk", "ok", "Desk", "knows", "you"]


def test_check_shows_no_secret(config: Path) -> None:
    output = run(config, "check").output
    assert HOOK_SECRET not in output
    assert TOKEN not in output
