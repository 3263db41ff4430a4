"""Requests to API v2 and what their answers mean: the part that every call shares."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

import httpx

from bridges.api import HARMLESS, RECEIVED_AT, File, Flow
from bridges.errors import Garbled, Refused, Unavailable
from bridges.files import json_request
from bridges.netsapiens import wire
from bridges.netsapiens.hidden import Hidden
from bridges.netsapiens.settings import NetSapiensSettings
from bridges.responses import parse_json, quoted, raise_for_status, retry_after

T = TypeVar("T")
PAGES_MOST = 50
ROWS_MOST = PAGES_MOST * wire.PAGE
"""A list of so many rows may go on."""
AHEAD_MOST = 32
AHEAD_GOOD_FOR = timedelta(minutes=10)


class Missing(Refused):
    """Not there. ``route``: this server has no such call, as opposed to no such record."""

    def __init__(self, message: str, *, route: bool) -> None:
        super().__init__(message)
        self.route = route


class Forbidden(Refused):
    """A 403: the key or the user may not do this here."""


class Calls:
    """Builds the requests of one account and judges the answers."""

    def __init__(self, settings: NetSapiensSettings, *, hidden: Hidden) -> None:
        self._settings = settings
        self._hidden = hidden
        self.root = f"{settings.base_url}{wire.API}"
        self.heard_at: datetime | None = None
        """When the latest answer came, by our clock."""
        self._ahead: deque[tuple[datetime, timedelta]] = deque(maxlen=AHEAD_MOST)

    @property
    def ahead(self) -> timedelta | None:
        """How far the server's clock is ahead of ours at least; None: it was not heard.

        An answer's ``Date`` was cut to whole seconds, and the answer took a while: each tells too little, and the most
        of the recent ones is the closest.
        """
        if not self._ahead:
            return None
        latest = self._ahead[-1][0]
        return max(ahead for at, ahead in self._ahead if abs(latest - at) <= AHEAD_GOOD_FOR)

    def url(self, *segments: str) -> str:
        """A URL below the root, each segment percent-encoded."""
        return "/".join((self.root, *(quote(segment, safe="") for segment in segments)))

    def domain(self, *segments: str) -> str:
        """A URL below the account's domain."""
        return self.url("domains", self._settings.domain, *segments)

    def user(self, user: str, *segments: str) -> str:
        """A URL below an extension of the domain."""
        return self.domain("users", user, *segments)

    def session(self, user: str, session: str, *segments: str) -> str:
        """A URL below a session of an extension."""
        return self.user(user, "messagesessions", session, *segments)

    def get(self, url: str, *, what: str) -> Flow[object]:
        """Read one thing."""
        response = yield httpx.Request("GET", url, extensions=dict(HARMLESS))
        return self.judge(response, what=what)

    def rows(self, url: str, *, what: str, most: int | None = None) -> Flow[list[dict[str, Any]]]:
        """Read a list, page after page until it ends or ``most`` rows are there; each row once."""
        rows: list[dict[str, Any]] = []
        seen: set[str] = set()
        size = min(most or wire.PAGE, wire.PAGE)
        for _ in range(PAGES_MOST):
            # Whether rows are counted from 0 or from 1 is documented both ways; read as 1, a row comes twice.
            start = f"&start={len(rows)}" if rows else ""
            try:
                page = wire.rows_of((yield from self.get(f"{url}?limit={size}{start}", what=what)))
            except Garbled as error:
                raise Garbled(f"{what}: the answer is not of the known shape") from error
            fresh = [row for row in page if repr(row) not in seen]
            seen.update(map(repr, page))
            rows += fresh
            if len(page) < size or not fresh or (most is not None and len(rows) >= most):
                break
        return rows if most is None else rows[:most]

    def change(
        self, method: str, url: str, *, what: str, body: Mapping[str, object] | None = None, hide: Sequence[str] = ()
    ) -> Flow[object]:
        """Change something in a way that may be repeated freely."""
        response = yield httpx.Request(method, url, json=body, extensions=dict(HARMLESS))
        return self.judge(response, what=what, hide=hide)

    def send(
        self, url: str, *, what: str, body: Mapping[str, object], text: str, file: File | None = None
    ) -> Flow[Mapping[str, Any]]:
        """Send a message: the fields of the answer, which usually are ``code`` 202 and no id."""
        if file is None:
            response = yield httpx.Request("POST", url, json=body)
        else:
            response = yield json_request(url, body, field="data", file=file)
        answer = self.judge(response, what=what, hide=(text,), sending=True)
        if answer is None and not response.content.strip():
            return {}
        if not isinstance(answer, dict):
            raise Garbled(f"{what}: the answer is not of the known shape")
        return wire.fields_of(answer)

    def judge(self, response: httpx.Response, *, what: str, hide: Sequence[str] = (), sending: bool = False) -> object:
        """The body of a success; raises the error that anything else means, a failure inside a 200 included."""
        self._hear(response)
        if not response.is_success:
            self._raise(response, what=what, said=self._quoted(wire.said_by(response), hide=hide))
        if not response.content.strip():
            return None
        try:
            body: object = parse_json(response.content)
        except Garbled as error:
            raise Garbled(f"{what}: the answer is not JSON") from error
        if failure := wire.failure_in(body, sending=sending):
            code, words = failure
            line = self._quoted(words, hide=hide)
            if 400 <= code < 600 and code not in (403, 404):
                raise_for_status(httpx.Response(code, headers=_waiting(response)), what=what, detail=line)
            raise Refused(f"{what}: the server answered {code or 'with a failure'}{line and f': {line}'}")
        return body

    def _raise(self, response: httpx.Response, *, what: str, said: str) -> NoReturn:
        status = response.status_code
        route = wire.route_missing(response)
        if route or status == 404:
            raise Missing(f"{what}: HTTP {status}{said and f': {said}'}", route=route)
        if status == 403:
            raise Forbidden(f"{what}: HTTP 403{said and f': {said}'}")
        raise_for_status(response, what=what, detail=said)
        raise Garbled(f"{what}: HTTP {status}, which is no answer")

    def _quoted(self, said: object, *, hide: Sequence[str]) -> str:
        return quoted(said, hide=self._hidden.forms(*hide))

    def _hear(self, response: httpx.Response) -> None:
        received_at = response.extensions.get(RECEIVED_AT)
        if not isinstance(received_at, datetime):
            return
        self.heard_at = received_at
        try:
            at = parsedate_to_datetime(response.headers["date"])
            self._ahead.append((received_at, (at if at.tzinfo else at.replace(tzinfo=UTC)) - received_at))
        except (KeyError, ValueError, TypeError, OverflowError):
            return


def before_sending(flow: Flow[T]) -> Flow[T]:
    """Run what comes before a send: whatever fails in it, the message has surely not been sent."""
    try:
        return (yield from flow)
    except Unavailable as error:
        raise Unavailable(str(error), retry_after=error.retry_after) from error
    except Garbled as error:
        raise Unavailable(str(error)) from error


def _waiting(response: httpx.Response) -> dict[str, str]:
    seconds = retry_after(response)
    return {} if seconds is None else {"retry-after": f"{seconds:g}"}
