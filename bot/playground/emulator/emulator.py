"""The emulator: one world, its bots, and the ASGI apps in front of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from bot.playground.emulator import server
from bot.playground.emulator.flood import FloodLimits
from bot.playground.emulator.forms import Form
from bot.playground.emulator.methods import ApiError, Call, run
from bot.playground.emulator.snapshot import put_back, take_snapshot
from bot.playground.emulator.updates import Updates, retry_delay
from bot.playground.emulator.world import BotAccount, Person, World, WorldError
from bridges.faults import Faults, Mode

Json = dict[str, Any]


@dataclass(slots=True)
class ApiCall:
    """One request of a bot as it was answered: parameters without bytes, and no token."""

    at: float
    bot_id: int
    method: str
    params: Json
    files: dict[str, Json]
    status: int = 0
    answer: Json = field(default_factory=dict)
    finished_at: float = 0.0


class Emulator(World):
    """A Telegram on loopback: people act through Python or ``control``, bots through ``app``.

    ``token`` is the first bot's; more come with ``add_bot``. ``clock`` gives Unix seconds and decides dates, expiry
    and flood limits. ``flood`` switches flood control on, ``faults.mode`` makes the API fail. Close it at the end
    with ``await aclose()``, which stops delivering to webhooks.
    """

    def __init__(
        self,
        token: str = "100001:playground-token-playground-token-00",
        *,
        username: str = "patchbay_bot",
        first_name: str = "Patchbay",
        can_read_all_group_messages: bool = False,
        clock: Callable[[], float] = time.time,
        flood: FloodLimits | None = None,
        webhook_delay: Callable[[int, int], float] = retry_delay,
        first_message_id: int = 1,
        calls_kept: int = 20_000,
    ) -> None:
        super().__init__(clock, first_message_id=first_message_id)
        self.flood = flood
        #: How far the time in the headers of answers is ahead of ``clock``: a bot may find its own clock to be wrong.
        self.clock_ahead_s = 0.0
        self.calls: deque[ApiCall] = deque(maxlen=calls_kept)
        self._webhook_delay = webhook_delay
        self._by_token: dict[str, BotAccount] = {}
        self.add_bot(token, username, first_name=first_name, can_read_all_group_messages=can_read_all_group_messages)
        self.faults = Faults(server.api_app(self), too_many=server.flood_answer, server_error=server.broken_answer)
        self.app = self.faults
        self.control = server.control_app(self)

    def add_bot(
        self,
        token: str,
        username: str,
        *,
        first_name: str = "",
        can_read_all_group_messages: bool = False,
        can_join_groups: bool = True,
    ) -> BotAccount:
        """Another bot; the number before the colon of its token is its user id."""
        head, colon, _ = token.partition(":")
        if not colon or not head.isdecimal() or head.startswith("0") or "/" in token or len(token) > 80:
            raise WorldError("a token is a number, a colon and letters, up to 80 characters")
        if not username.lower().endswith("bot"):
            raise WorldError(f"the name of a bot ends in bot: {username}")
        person = Person(int(head), first_name or username, username=username, is_bot=True)
        # Update ids go on from the clock, so that a bot that remembers old ones takes new ones for new.
        updates = Updates(self.clock, first_id=int(self.clock()) % 2_000_000_000 + 1, delay=self._webhook_delay)
        account = BotAccount(
            token,
            person,
            updates,
            can_read_all_group_messages=can_read_all_group_messages,
            can_join_groups=can_join_groups,
        )

        async def run_reply(reply: Json) -> None:
            await self._run_webhook_reply(account, reply)

        updates.on_reply = run_reply
        self.add_bot_account(account)
        self._by_token[token] = account
        return account

    @property
    def bot(self) -> BotAccount:
        """The first bot."""
        return self.default_bot()

    def bot_by_token(self, token: str) -> BotAccount | None:
        return self._by_token.get(token)

    async def _run_webhook_reply(self, account: BotAccount, reply: Json) -> None:
        """A webhook may answer with a method; it is run, its result is shown to nobody but ``calls``."""
        method = str(reply.pop("method"))
        if method.lower().startswith("get") or method.lower() in ("setwebhook", "deletewebhook", "close", "logout"):
            return
        await self.handle(account, method, server.form_of(reply))

    async def handle(self, account: BotAccount, method: str, form: Form) -> tuple[int, Json]:
        """Run one request of a bot, write it down, and give back status and answer."""
        record = ApiCall(
            self.clock(),
            account.id,
            method,
            dict(form.fields),
            {
                name: {"name": upload.name, "type": upload.mime_type, "size": len(upload.data)}
                for name, upload in form.files.items()
            },
        )
        self.calls.append(record)
        try:
            result = await run(method, Call(self, account, form, self.flood))
        except ApiError as error:
            record.status, record.answer = error.code, error.to_json()
        else:
            record.status, record.answer = 200, {"ok": True, "result": result}
        record.finished_at = self.clock()
        return record.status, record.answer

    def fail(
        self,
        mode: Mode | str,
        *,
        methods: Iterable[str] | None = None,
        delay_s: float | None = None,
        retry_after_s: int | None = None,
        remaining: int | None = None,
    ) -> None:
        """Make the API fail, for all requests or for some methods only; ``fail("ok")`` ends it.

        Name the methods where ``remaining`` counts, or a poll may take the fault that was meant for a message.
        """
        names = None if methods is None else frozenset(name.lower() for name in methods)
        self.faults.configure(mode, delay_s=delay_s, retry_after_s=retry_after_s, remaining=remaining)
        self.faults.applies = None if names is None else lambda scope: server.method_of(scope) in names

    def snapshot(self) -> Json:
        """The whole world as JSON, without tokens; ``restore`` puts it back."""
        return take_snapshot(self)

    def restore(self, snapshot: Json) -> None:
        """Replace the world by a snapshot; the bots must be here already. Readers are told to look anew."""
        put_back(self, snapshot)
        self.tell("restored")

    async def aclose(self) -> None:
        """Stop everything that runs in the background."""
        for account in self.bots.values():
            await account.updates.close()
