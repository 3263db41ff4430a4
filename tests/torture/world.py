"""What the bot is put between: a Telegram, a provider, and people on both sides who write numbered messages.

A message is known by its *token*, such as ``t3.17``: the 17th of stream t3. Streams, and where their messages have to
arrive, in this order and once each:

    t  talk in a linked chat           → provider
    c  /send commands in that chat     → provider
    h  webhooks of the linked person   → the chat
    p  webhooks of another person      → provider, by a route of its own
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Literal, Protocol, TypeAlias

import httpx
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.playground.emulator import Emulator
from bot.playground.hosting import LoopbackServer
from bridges.cinnox.sandbox import CinnoxSandbox
from bridges.echo.sandbox import EchoSandbox
from bridges.netsapiens.sandbox import NetSapiensSandbox
from bridges.openim.sandbox import Group, OpenIMSandbox
from bridges.sandboxes import Sandbox

Kind: TypeAlias = Literal["t", "c", "h", "p"]
ProviderName: TypeAlias = Literal["cinnox", "echo", "netsapiens", "openim"]
ASKABLE: frozenset[ProviderName] = frozenset({"echo", "netsapiens", "openim"})
"""Those that can be asked what became of a send: nothing sent to them stays in doubt."""
ASKED_BY_WORDS: frozenset[ProviderName] = frozenset({"netsapiens"})
"""Of these, those that only show the words: where more was sent shortly before a kill than is remembered (64 sends of
30 s), a person decides."""
PATHS: Mapping[str, tuple[Kind, ...]] = {"telegram": ("t", "c"), "hooks": ("h", "p"), "both": ("t", "c", "h", "p")}
SHARES: Mapping[Kind, int] = {"t": 50, "c": 12, "p": 28, "h": 10}
"""Chats get few: Telegram takes 30 messages a second, and the bot keeps to that."""

BOT_TOKEN = "1234567:torture-torture-torture-torture-tor"
HOOK_SECRET = "torture-hook-secret-0123456789"
ACCOUNT = "support"
OWNER = 1001
STREAMS = 6
RETRY_HOOK_S = 0.05
AWAY_S = 0.015
"""The longest way to the other side, and as long back."""
_TOKEN = re.compile(r"\b([tchp][0-9]+)\.([0-9]+)\b")


def stream_of(token: str) -> str:
    """The stream that a token belongs to."""
    return token.partition(".")[0]


def number_of(token: str) -> int:
    """Its place in the stream."""
    return int(token.partition(".")[2])


def tokens_in(text: str) -> list[str]:
    """The tokens in a text."""
    return [f"{stream}.{number}" for stream, number in _TOKEN.findall(text)]


class Provider(Protocol):
    """One provider's sandbox, seen from a test."""

    name: ProviderName

    @property
    def sandbox(self) -> Sandbox: ...

    def settings(self, base_url: str) -> Mapping[str, object]:
        """The account's table in the configuration."""
        ...

    def address(self, kind: Kind, k: int) -> str:
        """Where a stream's messages go to (t, c) or come from (h, p), without the account."""
        ...

    def onward(self, k: int) -> str:
        """Where the messages that come in from p go, without the account."""
        ...

    def target(self, stream: str) -> str:
        """Where the provider's log shows a stream's messages."""
        ...

    def hook(self, kind: Kind, k: int, token: str) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a webhook; the same token is the same event."""
        ...

    def accepted(self) -> Iterable[tuple[str, str]]:
        """Conversation and text of each message in the order of acceptance."""
        ...


class Cinnox:
    """Takes no key, cannot be asked, returns no ids, takes ten messages in one request: nothing helps the bot."""

    name: ProviderName = "cinnox"

    def __init__(self) -> None:
        rooms = ["replies", *(f"{kind}{k}" for kind in "cp" for k in range(STREAMS))]
        self.sandbox = CinnoxSandbox(rooms=rooms)

    def settings(self, base_url: str) -> Mapping[str, object]:
        """See :class:`Provider`."""
        return {**self.sandbox.settings(base_url, hook_secret=HOOK_SECRET), "reply_room": "replies"}

    def address(self, kind: Kind, k: int) -> str:
        """See :class:`Provider`."""
        return f"c{k}" if kind == "c" else f"sms/{self._number(kind, k)}"

    def _number(self, kind: Kind, k: int) -> int:
        return (85255600000 if kind == "p" else 85255500000) + k

    def onward(self, k: int) -> str:
        """See :class:`Provider`."""
        return f"p{k}"

    def target(self, stream: str) -> str:
        """See :class:`Provider`."""
        return "replies" if stream[0] == "t" else stream

    def hook(self, kind: Kind, k: int, token: str) -> tuple[bytes, dict[str, str]]:
        """See :class:`Provider`."""
        event = {
            "id": f"sms-{token}",
            "eventDescription": "Inbound SMS",
            "senderNumber": self._number(kind, k),
            "recipientNumber": 85255509999,
            "receiveTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "contentType": "Text",
            "content": f"news {token}",
        }
        return json.dumps(event).encode(), {}

    def accepted(self) -> Iterable[tuple[str, str]]:
        """See :class:`Provider`."""
        return [(message.room, message.text) for message in self.sandbox.accepted]


class Echo:
    """Keeps one message for a key and can be asked: no crash leaves a doubt."""

    name: ProviderName = "echo"

    def __init__(self) -> None:
        self.sandbox = EchoSandbox(conversations=[f"{kind}{k}" for kind in "tcp" for k in range(STREAMS)])

    def settings(self, base_url: str) -> Mapping[str, object]:
        """See :class:`Provider`."""
        return self.sandbox.settings(base_url, hook_secret=HOOK_SECRET)

    def address(self, kind: Kind, k: int) -> str:
        """See :class:`Provider`: the linked conversation is t<k>, whoever writes; p comes in through q<k>."""
        return f"{ {'t': 't', 'h': 't', 'c': 'c', 'p': 'q'}[kind] }{k}"

    def onward(self, k: int) -> str:
        """See :class:`Provider`."""
        return f"p{k}"

    def target(self, stream: str) -> str:
        """See :class:`Provider`."""
        return stream

    def hook(self, kind: Kind, k: int, token: str) -> tuple[bytes, dict[str, str]]:
        """See :class:`Provider`."""
        id = token.replace(".", "-")
        event = {
            "id": f"evt-{id}",
            "type": "message",
            "at": datetime.now(UTC).isoformat(),
            "conversation": {"id": self.address(kind, k), "title": "Somebody"},
            "message": {"id": id, "text": f"news {token}", "from": {"id": "bea", "name": "Bea"}, "reply_to": None},
        }
        body = json.dumps(event).encode()
        key = self.sandbox.signing_secret.encode()
        return body, {"X-Echo-Signature": hmac.new(key, body, hashlib.sha256).hexdigest()}

    def accepted(self) -> Iterable[tuple[str, str]]:
        """See :class:`Provider`."""
        return [(message.conversation, message.text) for message in self.sandbox.accepted]


class OpenIM:
    """Has no key for a send, but remembers what became of each operation: it can be asked."""

    name: ProviderName = "openim"

    def __init__(self) -> None:
        self.sandbox = OpenIMSandbox()
        for group in (f"{kind}{k}" for kind in "tcpq" for k in range(STREAMS)):
            self.sandbox.groups[group] = Group(group, group, ["bea"])

    def settings(self, base_url: str) -> Mapping[str, object]:
        """See :class:`Provider`."""
        return self.sandbox.settings(base_url, hook_secret=HOOK_SECRET)

    def address(self, kind: Kind, k: int) -> str:
        """See :class:`Provider`."""
        return f"group/{ {'t': 't', 'h': 't', 'c': 'c', 'p': 'q'}[kind] }{k}"

    def onward(self, k: int) -> str:
        """See :class:`Provider`."""
        return f"group/p{k}"

    def target(self, stream: str) -> str:
        """See :class:`Provider`."""
        return f"group/{stream}"

    def hook(self, kind: Kind, k: int, token: str) -> tuple[bytes, dict[str, str]]:
        """See :class:`Provider`."""
        now = int(datetime.now(UTC).timestamp() * 1000)
        body = {
            "callbackCommand": "callbackAfterSendGroupMsgCommand",
            "sendID": "bea",
            "senderNickname": "Bea",
            "serverMsgID": f"s-{token}",
            "clientMsgID": f"c-{token}",
            "operationID": str(now),
            "senderPlatformID": 5,
            "sessionType": 3,
            "msgFrom": 100,
            "contentType": 101,
            "status": 1,
            "sendTime": now,
            "createTime": now,
            "content": json.dumps({"content": f"news {token}"}),
            "seq": 0,
            "atUserList": None,
            "faceURL": "",
            "ex": "",
            "groupID": self.address(kind, k).removeprefix("group/"),
        }
        return json.dumps(body).encode(), {}

    def accepted(self) -> Iterable[tuple[str, str]]:
        """See :class:`Provider`."""
        return [(message.conversation, message.text) for message in self.sandbox.accepted]


class NetSapiens:
    """Returns no id, but a session's messages can be read: it can be asked."""

    name: ProviderName = "netsapiens"

    def __init__(self) -> None:
        self.sandbox = NetSapiensSandbox()

    def settings(self, base_url: str) -> Mapping[str, object]:
        """See :class:`Provider`."""
        return self.sandbox.settings(base_url, hook_secret=HOOK_SECRET)

    def _number(self, kind: str, k: int) -> str:
        return f"1555010{'tcpq'.index(kind)}{k:03d}"

    def address(self, kind: Kind, k: int) -> str:
        """See :class:`Provider`."""
        return f"sms/{self._number({'t': 't', 'h': 't', 'c': 'c', 'p': 'q'}[kind], k)}"

    def onward(self, k: int) -> str:
        """See :class:`Provider`."""
        return f"sms/{self._number('p', k)}"

    def target(self, stream: str) -> str:
        """See :class:`Provider`."""
        return self._number(stream[0], int(stream[1:]))

    def hook(self, kind: Kind, k: int, token: str) -> tuple[bytes, dict[str, str]]:
        """See :class:`Provider`."""
        number = self.address(kind, k).removeprefix("sms/")
        event = {
            "id": f"m-{token}",
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "type": "sms",
            "domain": self.sandbox.domain,
            "direction": "orig",
            "text": f"news {token}",
            "from-number": number,
            "from-user-id": "",
            "terminating-user-id": f"4100@{self.sandbox.domain}",
            "dialed": self.sandbox.numbers[0].number,
        }
        return json.dumps([event]).encode(), {}

    def accepted(self) -> Iterable[tuple[str, str]]:
        """See :class:`Provider`."""
        return [(message.destinations[0], message.text) for message in self.sandbox.accepted]


PROVIDERS: Mapping[ProviderName, Callable[[], Provider]] = {
    "cinnox": Cinnox,
    "echo": Echo,
    "netsapiens": NetSapiens,
    "openim": OpenIM,
}


class Distant:
    """An app some milliseconds away, so that kills find requests that are not accepted yet, or not answered yet."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._chance = random.Random(7)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def later(message: Message) -> None:
            if message["type"] == "http.response.start":
                await asyncio.sleep(self._chance.uniform(0, AWAY_S))
            await send(message)

        await asyncio.sleep(self._chance.uniform(0, AWAY_S))
        with suppress(ClientDisconnect):
            await self._app(scope, receive, later)


def chat_of(k: int) -> int:
    """The Telegram group of the streams number k."""
    return -1002000000000 - k


class World:
    """Both sides, the people, and the record of what they wrote."""

    def __init__(self, provider: ProviderName, *, hook_base: str) -> None:
        self.provider = PROVIDERS[provider]()
        self.telegram: LoopbackServer
        """Telegram's door, once open."""
        self.emulator = Emulator(token=BOT_TOKEN, calls_kept=100)
        self.emulator.add_user(OWNER, "Ann")
        for k in range(STREAMS):
            self.emulator.add_group(chat_of(k), f"Chat {k}", members=[OWNER], admins=[self.emulator.bot.id])
        # The owner opened the private chat long ago: the bot may write there.
        self.emulator.start(OWNER)
        self.emulator.bot.updates.clear()
        self.written: list[str] = []
        """Tokens in the order in which they were written."""
        self.message_ids: dict[str, int] = {}
        """The chat message of each t and c token."""
        self.hook_answers: Counter[int] = Counter()
        """How often each status answered a webhook; 0 for no answer."""
        self.acknowledged: set[str] = set()
        """Tokens of the webhooks that were taken."""
        self._next: dict[str, int] = {}
        self._hook_url = f"{hook_base}/hooks/{ACCOUNT}/{HOOK_SECRET}"
        self._to_post: dict[str, asyncio.Queue[str]] = {}
        self._posting: list[asyncio.Task[None]] = []
        self._unposted = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[str, str]]:
        """Serve both sides; gives Telegram's and the provider's URL."""
        sandbox = self.provider.sandbox
        async with (
            LoopbackServer(Distant(self.emulator.app)) as telegram,
            LoopbackServer(Distant(sandbox.app)) as provider,
            httpx.AsyncClient(trust_env=False, timeout=10) as client,
        ):
            self._client = client
            self.telegram = telegram
            try:
                yield telegram.url, provider.url
            finally:
                for task in self._posting:
                    task.cancel()
                await asyncio.gather(*self._posting, return_exceptions=True)
                await sandbox.close()
                await self.emulator.aclose()

    def config(self, *, telegram_url: str, provider_url: str, port: int, policy: str) -> str:
        """The bot's configuration file."""
        settings = self.provider.settings(provider_url)
        account = "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
        return (
            f'[telegram]\ntoken = "{BOT_TOKEN}"\napi_base_url = "{telegram_url}"\nowners = [{OWNER}]\n'
            f'on_ambiguous = "{policy}"\n[delivery]\non_ambiguous = "{policy}"\n'
            f"[web]\nport = {port}\n[accounts.{ACCOUNT}]\n{account}\n"
        )

    def routes(self) -> str:
        """The rules, as ``routes import`` reads them."""
        rules = []
        for k in range(STREAMS):
            rules.append(f"telegram:{chat_of(k)} <-> {ACCOUNT}:{self.provider.address('t', k)} name=link{k}")
            rules.append(f"{ACCOUNT}:{self.provider.address('p', k)} -> {ACCOUNT}:{self.provider.onward(k)} name=on{k}")
        return "".join(f"[[route]]\nrule = {json.dumps(rule)}\n" for rule in rules)

    # --- writing

    def write(self, kind: Kind, k: int) -> str:
        """Somebody writes the next message of a stream; returns its token."""
        stream = f"{kind}{k}"
        number = self._next[stream] = self._next.get(stream, 0) + 1
        token = f"{stream}.{number}"
        self.written.append(token)
        if kind in "hp":
            if stream not in self._to_post:
                self._to_post[stream] = asyncio.Queue()
                self._posting.append(asyncio.create_task(self._post(kind, k, self._to_post[stream])))
            self._unposted += 1
            self._to_post[stream].put_nowait(token)
        else:
            command = f"/send {ACCOUNT}:{self.provider.address('c', k)} "
            text = f"{command if kind == 'c' else ''}words {token}"
            self.message_ids[token] = self.emulator.say(OWNER, chat_of(k), text)["message_id"]
        return token

    async def _post(self, kind: Kind, k: int, queue: asyncio.Queue[str]) -> None:
        """Post a person's webhooks one after the other, each again until it is taken, as providers do."""
        while True:
            token = await queue.get()
            body, headers = self.provider.hook(kind, k, token)
            while True:
                status = 0
                try:
                    answer = await self._client.post(
                        self._hook_url, content=body, headers={"Content-Type": "application/json", **headers}
                    )
                    status = answer.status_code
                except httpx.TransportError:
                    pass
                self.hook_answers[status] += 1
                if 200 <= status < 300:
                    self.acknowledged.add(token)
                    break
                await asyncio.sleep(RETRY_HOOK_S)
            self._unposted -= 1

    @property
    def untold(self) -> int:
        """Messages that the bot has not acknowledged yet."""
        return self._unposted + self.emulator.bot.updates.pending

    def confirmed(self) -> set[str]:
        """Tokens of the chat messages that the bot told Telegram it has: all but the last that still wait there."""
        spoken = [token for token in self.written if token in self.message_ids]
        return set(spoken[: len(spoken) - self.emulator.bot.updates.pending])

    # --- the truth

    def arrivals(self) -> list[tuple[str, str]]:
        """Token and place of everything that arrived, on both sides, in order for each place."""
        found = [(token, place) for place, text in self.provider.accepted() for token in tokens_in(text)]
        for k in range(STREAMS):
            for message in self.emulator.messages(chat_of(k)):
                if message.get("from", {}).get("id") == self.emulator.bot.id:
                    found += [(token, str(chat_of(k))) for token in tokens_in(message.get("text", ""))]
        return found

    def place_of(self, token: str) -> str:
        """Where a token has to arrive."""
        stream = stream_of(token)
        return str(chat_of(int(stream[1:]))) if stream[0] == "h" else self.provider.target(stream)

    def mark_on(self, token: str) -> str:
        """The bot's reaction on the chat message of a token."""
        k = int(stream_of(token)[1:])
        reactions = self.emulator.reactions(chat_of(k), self.message_ids[token])
        return "".join(reaction["type"]["emoji"] for reaction in reactions)
