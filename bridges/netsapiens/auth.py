"""Credentials: a key that stays, or tokens by the OAuth password grant that expire and rotate."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from urllib.parse import urlencode

import httpx

from bridges.api import HARMLESS, Flow
from bridges.errors import BridgeError, Garbled, Unauthorized
from bridges.netsapiens import wire
from bridges.netsapiens.hidden import Hidden
from bridges.netsapiens.settings import NetSapiensSettings
from bridges.responses import parse_json, quoted, raise_for_status
from bridges.signing import KeptToken, binding

BARE: Mapping[str, bool] = {"bare": True}
"""Request extensions of a call that goes without our credentials: a link to a file carries its own."""

MARGIN = timedelta(seconds=60)
"""A token is renewed this long before its end, so that it does not end under way; a short-lived one when a tenth of
its life is left."""

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

    A refresh token is good once: the answer brings the next one. Whatever else is answered to it, the password grant
    follows in the same renewal, for servers refuse a used one in many words and with any status. Servers without the
    endpoint of v2 are asked at the legacy one, which is remembered.
    """

    def __init__(self, settings: NetSapiensSettings, *, hidden: Hidden) -> None:
        self._settings = settings
        self._hidden = hidden
        self._access: KeptToken | None = None
        self._refresh: KeptToken | None = None
        self._legacy = False

    @property
    def mark(self) -> str:
        """See :class:`bridges.api.Credentials`."""
        return self._access.mark if self._access else ""

    def stale(self, now: datetime) -> bool:
        """Whether there is no token, or one about to end."""
        return self._access is None or self._access.stale(now, margin=timedelta(0))

    def put_on(self, request: httpx.Request) -> None:
        """See :class:`bridges.api.Credentials`; a request marked ``BARE`` stays without."""
        if self._access is not None and not request.extensions.get("bare"):
            request.headers["Authorization"] = f"Bearer {self._access.value}"

    def refused(self, response: httpx.Response) -> bool:
        """Any 401 may be an expired token, whatever its words and wherever it stands, unless the request had none."""
        if response.request.extensions.get("bare"):
            return False
        return response.status_code == 401 or (response.is_success and wire.code_inside(response) == 401)

    def renew(self, now: datetime) -> Flow[None]:
        """Fetch tokens: by the refresh token once, then by the password. Raises any ``BridgeError``."""
        if self._refresh is not None:
            refresh = self._refresh.value
            response, legacy = yield from self._ask("refresh_token", refresh_token=refresh)
            try:
                self._take(response, now=now, legacy=legacy)
            except BridgeError:
                self._refresh = None  # used up, ended, or not wanted here: the password is what it is for
            else:
                return
        password = self._settings.password
        assert password is not None
        username = self._settings.username
        response, legacy = yield from self._ask("password", username=username, password=password.get_secret_value())
        self._take(response, now=now, legacy=legacy)

    def _ask(self, grant: str, **fields: str) -> Flow[tuple[httpx.Response, bool]]:
        """The answer, and whether it is the legacy endpoint's. Raises only if nobody answers."""
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
        # Whoever has not got the endpoint may say so in any words: a 404 is never about a password.
        if response.status_code in (404, 405):
            other = yield self._request(form, legacy=second)
            if other.status_code not in (404, 405):
                return other, second
        return response, first

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

    def _take(self, response: httpx.Response, *, now: datetime, legacy: bool) -> None:
        what = "NetSapiens token"
        try:
            body: object = parse_json(response.content)
        except Garbled:
            body = None
        fields = wire.fields_of(body) if isinstance(body, dict) else {}
        access, refresh = _kept(fields.get("access-token")), _kept(fields.get("refresh-token"))
        for token in (access, refresh):
            if token is not None:
                self._hidden.add(token.value)
        hide = self._hidden.forms()
        said = quoted(wire.said_by(response), hide=hide)
        if response.status_code in (400, 401, 403):
            raise Unauthorized(
                f"{what}: user name, password, client_id or client_secret was refused "
                f"(HTTP {response.status_code}){said and f': {said}'}"
            )
        raise_for_status(response, what=what, detail=said)
        scope, kind = wire.name_of(fields.get("scope")).lower(), wire.name_of(fields.get("token-type")).lower()
        if "mfa" in scope or "mfa" in kind:
            raise Unauthorized(
                f"{what}: this user has to enter a second factor (MFA), which a bot cannot: "
                'use a user without it, or auth = "api_key"'
            )
        if failure := wire.failure_in(body, sending=access is None):
            code, words = failure
            line = quoted(words, hide=hide)
            if code in (408, 429) or 500 <= code < 600:
                raise_for_status(httpx.Response(code), what=what, detail=line)
            raise Unauthorized(f"{what}: refused{line and f': {line}'}")
        if access is None:
            raise Garbled(f"{what}: the answer holds no access_token that could be sent")
        self._access = KeptToken(access.value, _renewable_at(fields, now=now))
        self._refresh = refresh or self._refresh
        self._legacy = legacy

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
            for token in (access, self._refresh):
                if token is not None:
                    self._hidden.add(token.value)
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


def _kept(value: object) -> KeptToken | None:
    return KeptToken.from_memory({"token": value}) if isinstance(value, str) else None


def _renewable_at(fields: Mapping[str, object], *, now: datetime) -> datetime | None:
    """When to renew the token: before its end, which is ``expires_in`` in seconds from now, or the legacy
    ``expires`` in seconds since 1970; None where neither makes sense: then it is used until it is refused."""
    try:
        life = timedelta(seconds=wire.count_of(fields.get("expires-in")) or 0)
        if not life and (epoch := wire.count_of(fields.get("expires"))):
            life = datetime.fromtimestamp(epoch, UTC) - now
        return now + life - min(MARGIN, life / 10) if life > timedelta(0) else None
    except (OverflowError, ValueError, OSError):
        return None  # further away than a calendar goes
