"""The sandbox's event subscriptions: kept until they end, posted to, with the state that the documents give them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from bridges.netsapiens.sandbox_store import TIME_FORMAT, Refusal, written

KEY_YEARS = 20
"""How long a subscription made with an API key lasts, unless it says otherwise."""
MODELS = (
    "agent",
    "auditlog",
    "auditlog_lite",
    "call",
    "call_origid",
    "cdr",
    "message",
    "messagesession",
    "subscriber",
    "presence",
    "voicemail",
)
FIELDS: Mapping[str, type] = {
    "model": str,
    "post-url": str,
    "subscription-geo-support": str,
    "reseller": str,
    "domain": str,
    "user": str,
    "subscription-expires-datetime": str,
    "preferred-server": str,
    "user-scope": str,
}
CHANGEABLE: Mapping[str, type] = {**FIELDS, "error-count": int, "posts-count": int}


class Subscriptions:
    """Subscriptions of one domain."""

    def __init__(self, *, domain: str, new_id: Callable[[], str], clock: Callable[[], datetime]) -> None:
        self._domain = domain
        self._new_id = new_id
        self._clock = clock
        self._kept: dict[str, dict[str, Any]] = {}

    def live(self) -> list[dict[str, Any]]:
        """Those that have not ended; the others are gone."""
        now = written(self._clock())
        self._kept = {id: kept for id, kept in self._kept.items() if kept["subscription-expires-datetime"] > now}
        return list(self._kept.values())

    def get(self, id: str) -> dict[str, Any]:
        """One of them. Raises ``Refusal`` with 404."""
        for kept in self.live():
            if kept["id"] == id:
                return kept
        raise Refusal("subscription not found", status=404)

    def same(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """The one that a new one like this would double."""
        names = ("model", "post-url", "user", "domain")
        return next((kept for kept in self.live() if all(kept[name] == body[name] for name in names)), None)

    def make(self, body: Mapping[str, Any], *, until: datetime | None) -> dict[str, Any]:
        """A new one, which ends when it says, else ``until``, else in twenty years."""
        now = self._clock()
        made: dict[str, Any] = {
            "id": self._new_id(),
            "user-scope": "Office Manager",
            "reseller": "*",
            "preferred-server": "",
            "current-active-server": "",
            "subscription-geo-support": "yes",
            "subscription-expires-datetime": written(until or now + timedelta(days=365 * KEY_YEARS)),
            **body,
            "status": "pending",
            "error-count": 0,
            "posts-count": 0,
            "subscription-creation-datetime": written(now),
        }
        self._kept[made["id"]] = made
        return made

    def end(self, id: str) -> None:
        """End one."""
        del self._kept[id]

    def check(self, body: Mapping[str, Any], *, extensions: Collection[str]) -> None:
        """Raise ``Refusal`` unless the fields that are there have documented values."""
        if body.get("model", "message") not in MODELS:
            raise Refusal("model is not one of the known models")
        if "post-url" in body and urlsplit(body["post-url"]).scheme not in ("http", "https"):
            raise Refusal("post-url must be a URL")
        if body.get("subscription-geo-support", "yes") not in ("yes", "no"):
            raise Refusal("subscription-geo-support must be yes or no")
        if body.get("domain", self._domain) not in (self._domain, "*"):
            raise Refusal("domain not found", status=404)
        if body.get("user", "*") not in ("*", *extensions):
            raise Refusal("user not found", status=404)
        if body.get("error-count", 0) or body.get("posts-count", 0):
            raise Refusal("error-count and posts-count can only be set to 0")
        try:
            datetime.strptime(body.get("subscription-expires-datetime", "2030-01-01 00:00:00"), TIME_FORMAT)
        except ValueError as error:
            raise Refusal("subscription-expires-datetime must be YYYY-MM-DD HH:MM:SS") from error

    async def post(self, model: str, events: object, *, users: Collection[str], client: httpx.AsyncClient) -> int:
        """Post to whoever subscribed to this model of one of these users (none: of anybody); the last status.

        0 means that nobody was reached. Whether the server tries again is not documented, so this does not.
        """
        status = 0
        for kept in self.live():
            if kept["model"] != model or (users and kept["user"] not in ("*", *users)):
                continue
            try:
                headers = {"X-Correlation-ID": secrets.token_hex(16)}
                status = (await client.post(kept["post-url"], json=events, headers=headers)).status_code
            except (httpx.TransportError, httpx.InvalidURL):
                status = 0
            # As the documents count it: no answer, or one above 302, is a failure.
            failed = not 0 < status <= 302
            kept["status"] = "error" if failed else "active"
            kept["error-count"] += failed
            kept["posts-count"] += not failed
        return status

    def snapshot(self) -> list[dict[str, Any]]:
        """All of them, ready for JSON."""
        return [dict(kept) for kept in self._kept.values()]

    def restore(self, snapshot: list[dict[str, Any]]) -> None:
        """Go on from a snapshot."""
        self._kept = {kept["id"]: dict(kept) for kept in snapshot}
