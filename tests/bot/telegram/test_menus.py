"""Menus of commands: each person's own where a role says more than the general one, told to Telegram once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from telegram import BotCommand, BotCommandScope
from telegram.error import BadRequest, NetworkError, RetryAfter, TelegramError

from bot.intake import Intake
from bot.settings import TelegramSettings
from bot.telegram.access import Role
from bot.telegram.application import TelegramSide
from bot.telegram.commands import registry
from bot.telegram.inbound import Membership, meaning
from bot.telegram.menus import Menus
from tests.bot.telegram.desk import ANN, BO, BOT, CY, NEWS, OPS, TALK, Desk, a_desk
from tests.bot.telegram.desk import ME as USER

GENERAL = ["all_chat_administrators", "all_group_chats", "all_private_chats", "default"]


@dataclass
class Shown:
    """What Telegram was told, as far as it takes it."""

    id: int = 99
    menus: dict[str, set[str]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    refuses: dict[str, TelegramError] = field(default_factory=dict)

    async def set_my_commands(self, commands: Sequence[BotCommand], *, scope: BotCommandScope) -> bool:
        key = self._tell(scope)
        self.menus[key] = {each.command for each in commands}
        return True

    async def delete_my_commands(self, *, scope: BotCommandScope) -> bool:
        self.menus.pop(self._tell(scope), None)
        return True

    def _tell(self, scope: BotCommandScope) -> str:
        told: dict[str, Any] = scope.to_dict()
        key = " ".join(str(told[name]) for name in ("type", "chat_id", "user_id") if name in told)
        self.told.append(key)
        if key in self.refuses:
            raise self.refuses[key]
        return key


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        yield made


@pytest.fixture
def shown() -> Shown:
    return Shown()


def worker(desk: Desk, shown: Shown) -> Menus:
    """As a start makes it."""
    bot: Any = shown
    return Menus(store=desk.line.store, bot=bot, role=desk._role, owners=[ANN], clock=desk.line.clock)


async def turned(desk: Desk, shown: Shown) -> list[str]:
    """One turn of a new worker, which has to come through; what it told."""
    shown.told.clear()
    assert await worker(desk, shown).turn() is None
    return sorted(shown.told)


def names(role: Role, *, everywhere: Role | None = None) -> set[str]:
    """What somebody with this role finds in their menu."""
    return {command.name for command in registry.for_role(role, everywhere=everywhere)}


async def test_everybody_sees_what_anybody_may_and_owners_see_all(desk: Desk, shown: Shown) -> None:
    assert await turned(desk, shown) == sorted([*GENERAL, f"chat {ANN}"])
    for scope in ("default", "all_private_chats", "all_group_chats"):
        assert shown.menus[scope] == names(Role.VIEWER)
    assert shown.menus[f"chat {ANN}"] == set(registry.commands)
    assert "all_chat_administrators" not in shown.menus


async def test_nothing_is_told_again_not_even_after_a_restart(desk: Desk, shown: Shown) -> None:
    await turned(desk, shown)
    assert await turned(desk, shown) == []


async def test_another_bot_on_the_same_database_is_told_everything(desk: Desk, shown: Shown) -> None:
    first = await turned(desk, shown)
    shown.id = 100
    assert await turned(desk, shown) == first


async def test_a_role_is_seen_at_once_in_the_private_chat_and_where_the_person_writes(desk: Desk, shown: Shown) -> None:
    await turned(desk, shown)
    await desk.ask(f"/grant {BO} operator", chat=ANN)
    assert await turned(desk, shown) == [f"chat {BO}"]
    await desk.write("hello", by=BO, chat=NEWS)
    assert await turned(desk, shown) == [f"chat_member {NEWS} {BO}"]
    assert shown.menus[f"chat {BO}"] == shown.menus[f"chat_member {NEWS} {BO}"] == names(Role.OPERATOR)
    await desk.ask(f"/grant {BO} admin", chat=ANN)
    assert await turned(desk, shown) == [f"chat {BO}", f"chat_member {NEWS} {BO}"]
    assert shown.menus[f"chat_member {NEWS} {BO}"] == names(Role.ADMIN)


async def test_a_role_is_seen_at_once_where_the_person_wrote_before_it(desk: Desk, shown: Shown) -> None:
    await desk.write("hello", by=BO, chat=NEWS)
    await desk.write("hello", by=BO, chat=OPS, topic=7)
    await desk.write("hello", by=CY, chat=TALK)
    await turned(desk, shown)
    await desk.ask(f"/grant {BO} operator", chat=ANN)
    expected = [f"chat {BO}", f"chat_member {OPS} {BO}", f"chat_member {NEWS} {BO}"]
    assert await turned(desk, shown) == sorted(expected)


async def test_a_role_is_seen_at_once_where_the_person_wrote_before_it_but_not_as_viewer(
    desk: Desk, shown: Shown
) -> None:
    await desk.write("hello", by=BO, chat=NEWS)
    await turned(desk, shown)
    await desk.ask(f"/grant {BO} viewer", chat=ANN)
    assert await turned(desk, shown) == []


async def test_who_adds_the_bot_to_a_group_finds_the_menu_there_without_writing(desk: Desk, shown: Shown) -> None:
    side = TelegramSide(
        settings=TelegramSettings(token=SecretStr("1:a"), owners=(ANN,)),
        store=desk.line.store,
        default_timezone="UTC",
    )
    relay = desk.line.relay
    intake = Intake(store=desk.line.store, accounts={}, relay=relay, clock=desk.line.clock)
    side.join(relay=relay, intake=intake, feedback=desk.line.feedback)
    # The greeting asks Telegram who we are.
    await desk.line.store.write(lambda tx: tx.notices.first(f"greeted:telegram:{NEWS}", now=0.0))
    await turned(desk, shown)
    for person in (ANN, BO):
        told = {
            "chat": desk.chats[NEWS],
            "from": desk._user(person),
            "date": int(desk.line.clock()),
            "old_chat_member": {"status": "left", "user": BOT},
            "new_chat_member": {"status": "member", "user": BOT},
        }
        update = desk._update({"my_chat_member": told})
        turn, meant = await desk._turn(update), meaning(update, bot=USER)
        assert isinstance(meant, Membership)
        await desk.line.store.write(partial(side._member, turn=turn, told=meant))
    assert await turned(desk, shown) == [f"chat_member {NEWS} {ANN}"]


async def test_a_role_for_one_chat_shows_there_without_what_reaches_further(desk: Desk, shown: Shown) -> None:
    await desk.ask(f"/grant {BO} admin here")
    await desk.write("hello", by=BO, chat=NEWS)
    await turned(desk, shown)
    assert set(shown.menus) & {f"chat {BO}", f"chat_member {NEWS} {BO}"} == set()
    menu = shown.menus[f"chat_member {OPS} {BO}"]
    assert menu == names(Role.ADMIN, everywhere=Role.VIEWER)
    assert menu < names(Role.ADMIN)


async def test_with_the_role_the_menus_go(desk: Desk, shown: Shown) -> None:
    await desk.ask(f"/grant {BO} operator")
    await desk.write("hello", by=BO)
    await turned(desk, shown)
    await desk.ask(f"/revoke {BO}")
    assert await turned(desk, shown) == [f"chat {BO}", f"chat_member {OPS} {BO}"]
    assert not [scope for scope in shown.menus if str(BO) in scope]
    assert await turned(desk, shown) == []


async def test_a_chat_that_is_not_there_is_let_go_until_the_person_writes_in_it(desk: Desk, shown: Shown) -> None:
    shown.refuses[f"chat {ANN}"] = BadRequest("Bad Request: chat not found")
    assert f"chat {ANN}" in await turned(desk, shown)
    assert await turned(desk, shown) == []
    shown.refuses.clear()
    await desk.write("/start", chat=ANN)
    assert await turned(desk, shown) == [f"chat {ANN}"]


@pytest.mark.parametrize("error", [RetryAfter(7), NetworkError("down")])
async def test_what_telegram_cannot_take_now_is_told_later(desk: Desk, shown: Shown, error: TelegramError) -> None:
    shown.refuses["all_private_chats"] = error
    wait_s = await worker(desk, shown).turn()
    assert wait_s is not None
    assert wait_s >= (7 if isinstance(error, RetryAfter) else 1)
    shown.refuses.clear()
    told = await turned(desk, shown)
    assert "all_private_chats" in told
    assert "default" not in told


async def test_only_so_many_menus_are_kept(desk: Desk, shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.store.menus.MENUS_MOST", 3)
    await desk.grant(BO, "operator")
    for chat in range(-1000, -990):
        await desk.write("hello", by=BO, chat=chat)
    assert len(await desk.line.store.read(lambda tx: tx.menus.all())) == 3


async def test_a_change_of_roles_wakes_the_worker(desk: Desk, shown: Shown) -> None:
    woken: list[frozenset[str]] = []
    desk.line.store.on_wake(woken.append)
    await desk.grant(BO, "operator")
    await desk.write("hello", by=BO)
    assert {"roles", "menus"} <= set().union(*woken)
