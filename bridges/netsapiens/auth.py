"""Credentials: a key that stays, or tokens by the OAuth password grant that expire and rotate."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from urllib.parse import urlencode

import httpx

from bridges.api import HARMLESS, Flow
from bridges.errors import Garbled, Refused, Unauthorized
from bridges.netsapiens import wire
from bridges.netsapiens.settings import NetSapiensSettings
from bridges.responses import parse_json, quoted, raise_for_status
from bridges.signing import KeptToken, binding

BARE: Mapping[str, bool] = {"bare": True}
"""Request extensions of a call that goes without our credentials: a link to a file carries its own."""

MARGIN = timedelta(seconds=60)
"""A token is renewed this long before its end, so that it does not end under way."""

_HEADERS = {"Accept": "application/json"}


class FixedBearer(httpx.Auth):
    """An API key or a JWT as a bearer token, except on requests marked ``BARE``; ``repr`` does not show it."""

    def __init__(self, token: str) -> None:
        self._value = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See ``httpx.Auth``."""
        if not request.extensions.get("bare"):
            request.headers["Authorization"] = self._value
        yield request


class PasswordGrant:
    """Tokens for a user name and a password; see :class:`bridges.api.Credentials`.

    A refresh token is good once: the answer brings the next one. Where it is refused, the password grant follows.
    Servers without the endpoint of v2 are asked at the legacy one, which is remembered.
    """

    def __init__(self, settings: NetSapiensSettings) -> None:
        self._settings = settings
        self._access: KeptToken | None = None
        self._refresh: KeptToken | None = None
        self._legacy = False

    @property
    def mark(self) -> str:
        """See :class:`bridges.api.Credentials`."""
        return self._access.mark if self._access else ""

    def stale(self, now: datetime) -> bool:
        """Whether there is no token, or one about to end."""
        return self._access is None or self._access.stale(now, margin=MARGIN)

    def put_on(self, request: httpx.Request) -> None:
        """See :class:`bridges.api.Credentials`; a request marked ``BARE`` stays without."""
        if self._access is not None and not request.extensions.get("bare"):
            request.headers["Authorization"] = f"Bearer {self._access.value}"

    def refused(self, response: httpx.Response) -> bool:
        """Any 401 may be an expired token, whatever its words, unless the request had none."""
        return response.status_code == 401 and not response.request.extensions.get("bare")

    def renew(self, now: datetime) -> Flow[None]:
        """Fetch tokens: by the refresh token once, then by the password. Raises any ``BridgeError``."""
        if self._refresh is not None:
            try:
                return (yield from self._fetch("refresh_token", now=now, refresh_token=self._refresh.value))
            except (Unauthorized, Refused):
                self._refresh = None  # ended or used elsewhere: the password is what it is for
        password = self._settings.password
        assert password is not None
        yield from self._fetch(
            "password", now=now, username=self._settings.username, password=password.get_secret_value()
        )

    def _fetch(self, grant: str, *, now: datetime, **fields: str) -> Flow[None]:
        secret = self._settings.client_secret
        assert secret is not None
        form = {
            "grant_type": grant,
            "client_id": self._settings.client_id,
            "client_secret": secret.get_secret_value(),
            **fields,
        }
        first, second = self._legacy, not self._legacy
        response = yield self._request(form, legacy=first)
        used = first
        # Whoever has not got the endpoint may say so in any words: a 404 is never about a password.
        if response.status_code in (404, 405):
            other = yield self._request(form, legacy=second)
            if other.status_code not in (404, 405):
                response, used = other, second
        self._take(response, now=now, hide=tuple(fields.values()))
        self._legacy = used

    def _request(self, form: Mapping[str, str], *, legacy: bool) -> httpx.Request:
        base = self._settings.base_url
        if not legacy:
            url = f"{base}{wire.API}/tokens"
            return httpx.Request("POST", url, json=form, headers=_HEADERS, extensions=dict(HARMLESS))
        return httpx.Request(
            "POST",
            f"{base}{wire.LEGACY_TOKENS}",
            content=urlencode({**form, "format": "json"}).encode(),
            headers={**_HEADERS, "Content-Type": "application/x-www-form-urlencoded"},
            extensions=dict(HARMLESS),
        )

    def _take(self, response: httpx.Response, *, now: datetime, hide: tuple[str, ...]) -> None:
        what = "NetSapiens token"
        said = quoted(wire.said_by(response), hide=(*self._settings.secrets(), *hide))
        if response.status_code in (400, 401, 403):
            raise Unauthorized(
                f"{what}: user name, password, client_id or client_secret was refused "
                f"(HTTP {response.status_code}){said and f': {said}'}"
            )
        raise_for_status(response, what=what, detail=said)
        try:
            body = parse_json(response.content)
        except Garbled as error:
            raise Garbled(f"{what}: the answer is not JSON") from error
        fields = wire.fields_of(body) if isinstance(body, dict) else {}
        scope, kind = wire.name_of(fields.get("scope")).lower(), wire.name_of(fields.get("token-type")).lower()
        if "mfa" in scope or "mfa" in kind:
            raise Unauthorized(
                f"{what}: this user has to enter a second factor (MFA), which a bot cannot: "
                'use a user without it, or auth = "api_key"'
            )
        if failure := wire.failure_in(body, sending=False):
            words = quoted(failure[1], hide=(*self._settings.secrets(), *hide))
            raise Unauthorized(f"{what}: refused{words and f': {words}'}")
        kept = _kept(fields.get("access-token"), until=_end_of(fields, now=now))
        if kept is None:
            raise Garbled(f"{what}: the answer holds no access_token that could be sent")
        self._access, self._refresh = kept, _kept(fields.get("refresh-token"), until=None) or self._refresh

    @cached_property
    def _bound_to(self) -> str:
        """Ties the tokens to the server and the login they were got with; computed on first use, for it is slow."""
        given = self._settings
        assert given.client_secret is not None and given.password is not None
        secrets = (given.client_secret.get_secret_value(), given.password.get_secret_value())
        return binding(given.base_url, given.client_id, given.username, *secrets)

    def recall(self, memory: Mapping[str, str]) -> None:
        """Take what :meth:`to_memory` gave."""
        if "token" in memory and (access := KeptToken.from_memory(memory, "token", bound_to=self._bound_to)):
            self._access = access
            self._refresh = KeptToken.from_memory(memory, "refresh_token", bound_to=self._bound_to)
        if memory.get("oauth") == "legacy":
            self._legacy = True

    def to_memory(self) -> dict[str, str]:
        """What is to survive a restart."""
        kept = {"oauth": "legacy"} if self._legacy else {}
        if self._access:
            kept |= self._access.to_memory("token", bound_to=self._bound_to)
        if self._refresh:
            kept |= self._refresh.to_memory("refresh_token", bound_to=self._bound_to)
        return kept


def _kept(value: object, *, until: datetime | None) -> KeptToken | None:
    sendable = KeptToken.from_memory({"token": value}) if isinstance(value, str) else None
    return None if sendable is None else KeptToken(sendable.value, until)


def _end_of(fields: Mapping[str, object], *, now: datetime) -> datetime | None:
    """When the token ends: ``expires_in`` in seconds, or the legacy ``expires`` as seconds since 1970."""
    try:
        if seconds := wire.count_of(fields.get("expires-in")):
            return now + timedelta(seconds=seconds)
        if epoch := wire.count_of(fields.get("expires")):
            return datetime.fromtimestamp(epoch, UTC)
    except (OverflowError, ValueError, OSError):
        pass  # further away than a calendar goes
    return None
