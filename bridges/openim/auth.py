"""The admin token: fetched, kept, renewed; and the operationID that every call must have.

The server only wants operationIDs not to be empty (tools, mw/gin.go), but it keeps the state of a send under it, so one
that came twice would make one send answer for another. A send's is made of the message's key, which no other message
has, and of the attempt, which never comes again (:func:`send_operation`). Every other call's is made of its time and a
count: the time differs between two starts and, to the microsecond, between two processes, the count within one. The
time is not asked for but given: the driver says what time it is before each request.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property

import httpx

from bridges.api import HARMLESS, Flow
from bridges.errors import Garbled, Unauthorized
from bridges.openim import wire
from bridges.openim.answers import check_answer, code_of, data_of
from bridges.openim.settings import OpenIMSettings
from bridges.signing import KeptToken, binding, fingerprint

OPERATION_PREFIX = "patchbay-"
"""Callbacks repeat the operationID of the call that caused them: so ours are known again."""
AGAIN = "-r"
"""What the operationID of a request ends with that is repeated with a renewed token."""

KEEPS_OPERATION = "keeps_operation"
"""Extension of a request whose operationID names another call and must stay."""
ELSEWHERE = "elsewhere"
"""Extension of a request that does not go to the API: it gets neither token nor operationID."""

_EARLY_MOST = timedelta(minutes=5)
_LIFE_MOST_S = 10 * 366 * 86400


def send_operation(key: str, *, attempt: int, part: int = 0, turn: int = 0) -> str:
    """The operationID of one request to send: of a message's ``part``, for the ``turn``-th time in this attempt."""
    return f"{OPERATION_PREFIX}{fingerprint('send', key, str(attempt))}-{part}-{turn}"


class AdminToken:
    """The token of the admin (``bridges.api.Credentials``); its ``repr`` does not show it."""

    def __init__(self, settings: OpenIMSettings) -> None:
        self._settings = settings
        self._token: KeptToken | None = None
        self._memory: Mapping[str, str] = {}
        self._now: datetime | None = None
        self._count = 0

    # What is kept across restarts

    def recall(self, memory: Mapping[str, str]) -> None:
        """Take a token that was kept, if it was got with these settings."""
        token = KeptToken.from_memory(memory, bound_to=self._bound_to) if "token" in memory else None
        if token is not None and token != self._token:
            self._keep(token)

    def learnt(self) -> Mapping[str, str]:
        """The token as it is kept; the same object as long as it is the same token."""
        return self._memory

    def _keep(self, token: KeptToken) -> None:
        self._token = token
        self._memory = token.to_memory(bound_to=self._bound_to)

    @cached_property
    def _bound_to(self) -> str:
        settings = self._settings
        return binding(settings.base_url, settings.admin_user, settings.secret.get_secret_value())

    @property
    def value(self) -> str:
        """The token itself, to be hidden in what is said about an answer; empty while there is none."""
        return self._token.value if self._token else ""

    # Credentials

    @property
    def mark(self) -> str:
        """See :class:`bridges.api.Credentials`."""
        return self._token.mark if self._token else ""

    def stale(self, now: datetime) -> bool:
        """Whether there is none, or it is about to end."""
        self._now = now
        return self._token is None or self._token.stale(now, margin=timedelta(0))

    def put_on(self, request: httpx.Request) -> None:
        """Put token and operationID on a request; one that comes again gets an operationID of its own."""
        if ELSEWHERE in request.extensions:
            return
        again = wire.TOKEN in request.headers
        if wire.OPERATION not in request.headers:
            request.headers[wire.OPERATION] = self.operation()
        elif again and KEEPS_OPERATION not in request.extensions:
            request.headers[wire.OPERATION] += AGAIN
        request.headers[wire.TOKEN] = self.value

    def refused(self, response: httpx.Response) -> bool:
        """Whether the envelope says so: the HTTP status is 200."""
        # Looked for first, for reading the JSON of every answer twice would be half of all the work.
        return b"150" in response.content and code_of(response) in wire.CODES_TOKEN

    def renew(self, now: datetime) -> Flow[None]:
        """Fetch a token. On the main line that retires the former one five minutes later (internal/rpc/auth)."""
        self._now = now
        settings = self._settings
        what, secret = "OpenIM admin token", settings.secret.get_secret_value()
        response = yield httpx.Request(
            "POST",
            settings.base_url + wire.GET_ADMIN_TOKEN,
            headers={wire.OPERATION: self.operation()},
            json={"secret": secret, "userID": settings.admin_user},
            extensions=dict(HARMLESS),
        )
        hide = (secret, settings.hook_secret.get_secret_value())
        if code_of(response) in (wire.CODE_ARGS, wire.CODE_NOT_FOUND, wire.CODE_USER_UNKNOWN):
            raise Unauthorized(f"{what}: the server has no admin {settings.admin_user}; check admin_user (share.yml)")
        if code_of(response) == wire.CODE_NO_PERMISSION:
            raise Unauthorized(f"{what}: the secret is not the server's; check secret (share.yml)")
        check_answer(response, what=what, hide=hide)
        answer = data_of(response, wire.AdminToken, what=what, hide=hide)
        if not all("!" <= c <= "~" for c in answer.token):
            raise Garbled(f"{what}: the token cannot be sent in a header")
        self._keep(KeptToken(answer.token, _end_of(answer.expireTimeSeconds, now=now)))

    def operation(self) -> str:
        """An operationID that no call had before."""
        self._count += 1
        micros = 0 if self._now is None else (self._now - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
        return f"{OPERATION_PREFIX}{micros:x}-{self._count}"


def _end_of(life: object, *, now: datetime) -> datetime | None:
    """When to fetch the next one: a tenth of its life before the end, five minutes at most."""
    try:
        seconds = int(life) if isinstance(life, int | str) and not isinstance(life, bool) else 0
    except ValueError:
        seconds = 0
    if seconds <= 0:
        return None
    lasts = timedelta(seconds=min(seconds, _LIFE_MOST_S))
    return now + lasts - min(lasts / 10, _EARLY_MOST)
