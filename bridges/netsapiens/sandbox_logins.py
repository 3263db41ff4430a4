"""Who may call the sandbox: API keys, and tokens by the OAuth password grant that expire and rotate."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridges.netsapiens.sandbox_store import Refusal

GRANTS_MOST = 1000


@dataclass(slots=True)
class ApiKey:
    """A key as ``/apikeys/~`` describes it."""

    key: str
    readonly: bool = False
    scope: str = "Office Manager"

    def row(self, domain: str) -> dict[str, object]:
        """As the call lists it."""
        return {
            "key-id": self.key[:8],
            "description": "sandbox key",
            "domain": domain,
            "user": "*",
            "user-scope": self.scope,
            "readonly": "yes" if self.readonly else "no",
            "can-create-keys": "no",
        }


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose credentials a request carried."""

    user: str
    expires_at: datetime | None
    """None: an API key."""


class Logins:
    """Keys, logins and the tokens handed out to them."""

    def __init__(self, *, domain: str, key: str, lifetime_s: int, clock: Callable[[], datetime]) -> None:
        self.domain = domain
        self.lifetime_s = lifetime_s
        self.keys = {key: ApiKey(key)}
        self.passwords = {f"4100@{domain}": "sandbox-password", f"4101@{domain}": "sandbox-password"}
        self.with_mfa = {f"4101@{domain}"}
        """Logins that have to enter a second factor."""
        self.client_id, self.client_secret = "sandbox-client", "sandbox-client-secret"
        self.grants: deque[str] = deque(maxlen=GRANTS_MOST)
        """Each token handed out, by its grant."""
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._refresh: dict[str, str] = {}
        self._clock = clock

    def revoke(self) -> None:
        """Every access token handed out so far ends now; refresh tokens stay."""
        self._tokens.clear()

    def caller(self, token: str, *, extension: str) -> Caller:
        """Who it is; a key is nobody's and counts as ``extension``. Raises ``Refusal`` with 401."""
        if token in self.keys:
            return Caller(extension, None)
        login, expires_at = self._tokens.get(token, ("", None))
        if expires_at is None:
            raise Refusal("the access token is not valid", status=401)
        if self._clock() >= expires_at:
            raise Refusal("the access token provided has expired", status=401)
        return Caller(login.partition("@")[0], expires_at)

    def grant(self, fields: Mapping[str, str], *, version: str) -> dict[str, object]:
        """The answer to a request for tokens with these fields, which are there and of the right types."""
        if (fields["client_id"], fields["client_secret"]) != (self.client_id, self.client_secret):
            raise Refusal("the client credentials are invalid", status=401)
        if fields["grant_type"] == "password":
            login = fields["username"]
            if self.passwords.get(login) != fields["password"]:
                raise Refusal("invalid username and password combination", status=401)
        else:
            login = self._refresh.pop(fields["refresh_token"], "")
            if not login:
                raise Refusal("invalid refresh token")
        access, refresh = secrets.token_hex(16), secrets.token_hex(16)
        body: dict[str, object] = {
            "username": login,
            "user": login.partition("@")[0],
            "territory": "sample",
            "domain": self.domain,
            "uid": login,
            "scope": "mfa_required" if login in self.with_mfa else "Office Manager",
            "access_token": access,
            "expires_in": self.lifetime_s,
            "token_type": "Bearer",
            "client_id": self.client_id,
            "apiversion": f"Version: {version}",
        }
        if login in self.with_mfa:
            return body
        now = self._clock()
        self._tokens = {token: kept for token, kept in self._tokens.items() if kept[1] > now}
        self._tokens[access] = (login, now + timedelta(seconds=self.lifetime_s))
        self._refresh[refresh] = login
        self.grants.append(fields["grant_type"])
        return {**body, "refresh_token": refresh}
