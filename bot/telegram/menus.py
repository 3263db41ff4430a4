"""The menus of commands that Telegram shows beside the input field: each person sees what they may run, where they are.

What is wanted follows from the roles; what Telegram was told is kept as a digest. A worker brings the second in line
with the first, so that a change shows at once, also after a restart, and nothing is told twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeChatMember,
    BotCommandScopeDefault,
)
from telegram.error import BadRequest, ChatMigrated, Forbidden, RetryAfter, TelegramError

from bot.store import Store, StoreUnavailable, Tx
from bot.store.menus import FAILED
from bot.telegram.access import Role
from bot.telegram.commands import registry
from bot.telegram.errors import bridge_error, wait_s
from bot.telegram.turns import RoleIn

logger = logging.getLogger(__name__)

PAUSE_S = 5.0
PAUSE_MOST_S = 600.0
GENERAL: Mapping[str, BotCommandScope] = {
    "default": BotCommandScopeDefault(),
    "private": BotCommandScopeAllPrivateChats(),
    "groups": BotCommandScopeAllGroupChats(),
}
"""The menus of those who have none of their own."""
ADMINISTRATORS = "administrators"
"""Telegram's admins of groups get no menu by that: one that another program left there would hide ours."""

Key = tuple[str, str]
"""A chat and a person; one of the words above and nobody."""
Wanted = tuple[Role, Role] | None
"""The roles there and everywhere that a menu is for; None: no menu."""


class Menus:
    """Sets and clears menus."""

    def __init__(
        self,
        *,
        store: Store,
        bot: Bot,
        role: RoleIn,
        owners: Sequence[int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._bot = bot
        self._role = role
        self._owners = owners
        self._clock = clock
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        store.on_wake(lambda topics: self._wake.set() if topics & {"roles", "menus", "*"} else None)

    def start(self) -> None:
        """Begin, once Telegram has said who we are."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="menus")

    async def stop(self) -> None:
        """Leave the rest for the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        pause_s = PAUSE_S
        while True:
            self._wake.clear()
            try:
                wait_s = await self.turn()
            except StoreUnavailable:
                wait_s = PAUSE_S
            except Exception:
                logger.exception("setting menus failed", extra={"action": "menu"})
                wait_s = pause_s
            if wait_s is None:
                pause_s = PAUSE_S
                await self._wake.wait()
            else:
                # Whatever changes meanwhile waits too: Telegram was asked enough.
                await asyncio.sleep(max(wait_s, pause_s))
                pause_s = min(pause_s * 2, PAUSE_MOST_S)

    async def turn(self) -> float | None:
        """Tell Telegram what is not told yet; returns in how many seconds to go on where that failed."""
        wanted, shown = await self._store.read(lambda tx: (self._wanted(tx), tx.menus.all()))
        for key in [*wanted, *(key for key in shown if key not in wanted)]:
            menu = wanted.get(key)
            digest = self._digest(menu)
            if shown.get(key, "").removeprefix(FAILED) == digest:
                continue
            try:
                await self._tell(key, menu)
            except RetryAfter as error:
                return wait_s(error)
            except (BadRequest, Forbidden, ChatMigrated) as error:
                # A private chat is there only once somebody wrote in it, and a group may be gone.
                logger.info("a menu was not set", extra={"action": "menu", "error": str(bridge_error(error))})
                await self._keep(key, menu, FAILED + digest)
            except TelegramError as error:
                logger.info("a menu was not set", extra={"action": "menu", "error": str(bridge_error(error))})
                return PAUSE_S
            else:
                await self._keep(key, menu, digest)
        return None

    def _wanted(self, tx: Tx) -> Mapping[Key, Wanted]:
        """Every menu that there should be; those of people whose role is gone are not among them."""
        wanted: dict[Key, Wanted] = {(name, ""): (Role.VIEWER, Role.VIEWER) for name in GENERAL}
        wanted[ADMINISTRATORS, ""] = None
        keys = {(str(owner), str(owner)) for owner in self._owners}
        for person, scope, _ in tx.roles.all():
            keys.add((person if scope == "*" else scope, person))
        keys |= {key for key in tx.menus.all() if key[1]}
        for chat, person in sorted(keys):
            here = self._role(tx, int(person), chat=int(chat))
            if here > Role.VIEWER:
                wanted[chat, person] = (here, self._role(tx, int(person), chat=None))
        return wanted

    def _digest(self, menu: Wanted) -> str:
        """What a menu holds; of another bot it is another one."""
        told = [self._bot.id, *([] if menu is None else [[e.command, e.description] for e in _entries(*menu)])]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]

    async def _tell(self, key: Key, menu: Wanted) -> None:
        if menu is None:
            await self._bot.delete_my_commands(scope=_scope(key))
        else:
            await self._bot.set_my_commands(_entries(*menu), scope=_scope(key))

    async def _keep(self, key: Key, menu: Wanted, digest: str) -> None:
        now = self._clock()

        def unit(tx: Tx) -> None:
            if menu is None and key[1]:
                tx.menus.drop(*key)
            else:
                tx.menus.showing(*key, digest, now=now)

        await self._store.write(unit)


def _entries(here: Role, everywhere: Role) -> list[BotCommand]:
    return [BotCommand(each.name, each.summary[:256]) for each in registry.for_role(here, everywhere=everywhere)]


def _scope(key: Key) -> BotCommandScope:
    chat, person = key
    if not person:
        return BotCommandScopeAllChatAdministrators() if chat == ADMINISTRATORS else GENERAL[chat]
    return BotCommandScopeChat(int(chat)) if chat == person else BotCommandScopeChatMember(int(chat), int(person))
