"""Event subscriptions: one for each model, each with a URL of its own, for a post does not say what it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx

from bridges.api import HARMLESS, Flow, Subscription
from bridges.errors import Refused
from bridges.netsapiens import wire
from bridges.netsapiens.calls import Calls, Missing
from bridges.netsapiens.settings import NetSapiensSettings

WHAT = "NetSapiens event subscription"
CONFLICT = 409


class Subscriptions:
    """Makes, adopts, renews and ends the subscriptions that post to us; those of others are left alone."""

    def __init__(self, settings: NetSapiensSettings, *, calls: Calls, zone: ZoneInfo) -> None:
        self._settings = settings
        self._calls = calls
        self._zone = zone

    def all(self) -> Flow[list[dict[str, Any]]]:
        """Every subscription that the credentials can see."""
        return (yield from self._calls.rows(self._calls.url("subscriptions"), what=f"{WHAT}s"))

    def make(self, url: str, *, now: datetime) -> Flow[Subscription]:
        """See :meth:`bridges.api.Subscribes.subscribe`: list, then adopt or create, for each model."""
        rows = yield from self.all()
        made = []
        for model in self._settings.subscription_models:
            made.append((yield from self._make_one(model, f"{url}/{model}", rows=rows, now=now)))
        return _together(made, url=url)

    def _make_one(
        self, model: wire.Model, url: str, *, rows: Sequence[Mapping[str, Any]], now: datetime
    ) -> Flow[Subscription]:
        ends_at = now + timedelta(days=self._settings.subscription_days)
        ours = self._ours(rows, model=model, url=url)
        adopted = yield from self._adopt(ours, model=model, url=url, now=now, ends_at=ends_at)
        if adopted is not None:
            return adopted
        body = {
            "model": model,
            "post-url": url,
            "domain": self._settings.domain,
            "user": self._settings.subscription_user,
            "subscription-geo-support": "yes",
            # Left out, it would end with the token that made it: https://docs.ns-api.com/reference/createsubscription
            "subscription-expires-datetime": self._written(ends_at),
        }
        request = httpx.Request("POST", self._calls.url("subscriptions"), json=body, extensions=dict(HARMLESS))
        response = yield request
        if response.status_code != CONFLICT:
            answer = self._calls.judge(response, what=WHAT, hide=(url,))
            made = wire.rows_of(answer)[0] if isinstance(answer, dict) and answer else {}
            return self._shown(made, model=model, url=url, ends_at=self._end_of(made) or ends_at)
        ours = self._ours((yield from self.all()), model=model, url=url)
        adopted = yield from self._adopt(ours, model=model, url=url, now=now, ends_at=ends_at)
        if adopted is None:
            raise Refused(
                f"{WHAT}: the server has one like it already (HTTP 409) and does not show it to these credentials; "
                "end it in the portal, or with the credentials that made it"
            )
        return adopted

    def _adopt(
        self, ours: Sequence[Mapping[str, Any]], *, model: wire.Model, url: str, now: datetime, ends_at: datetime
    ) -> Flow[Subscription | None]:
        """Take over the first that is there, with a new end if it ends soon, and end its doubles; None: none is."""
        kept: Subscription | None = None
        for row in ours:
            if kept is not None:
                yield from self._delete(row, hide=url)
                continue
            there_until = self._end_of(row)
            changes: dict[str, object] = {}
            if there_until is not None and there_until - now < (ends_at - now) / 2:
                changes["subscription-expires-datetime"] = self._written(ends_at)
                there_until = ends_at
            if (wire.name_of(row.get("user")) or "*") != self._settings.subscription_user:
                changes["user"] = self._settings.subscription_user
            if _has_failed(row):
                changes["error-count"] = 0
            if changes:
                try:
                    yield from self._calls.change(
                        "PUT", self._url_of(row), what=f"{WHAT}, renewal", body=changes, hide=(url,)
                    )
                except Missing:
                    continue  # it ended in between
            kept = self._shown(row, model=model, url=url, ends_at=there_until)
        return kept

    def _delete(self, row: Mapping[str, Any], *, hide: str) -> Flow[None]:
        # The documented body; below Super User the domain is needed.
        body = {"subscription_id": _id_of(row), "domain": self._settings.domain}
        with suppress(Missing):  # then it ended by itself
            yield from self._calls.change("DELETE", self._url_of(row), what=f"{WHAT}, its end", body=body, hide=(hide,))

    def state(self, url: str) -> Flow[Subscription | None]:
        """See :meth:`bridges.api.Inspects.subscribed`: None if that of any model is missing."""
        rows = yield from self.all()
        found = []
        for model in self._settings.subscription_models:
            # One that ended is listed for some time.
            ours = [row for row in self._ours(rows, model=model, url=f"{url}/{model}") if not self._has_ended(row)]
            if not ours:
                return None
            # Of doubles one that works is enough.
            failed = [row for row in ours if _has_failed(row)]
            row = next((row for row in ours if row not in failed), ours[0])
            found.append(
                replace(
                    self._shown(row, model=model, url=f"{url}/{model}", ends_at=self._end_of(row)),
                    active=row not in failed,
                    detail=_standing(row, model=model),
                )
            )
        return _together(found, url=url)

    def _has_ended(self, row: Mapping[str, Any]) -> bool:
        ends_at, now = self._end_of(row), self._calls.heard_at
        return ends_at is not None and now is not None and ends_at <= now

    def end(self, url: str) -> Flow[Subscription]:
        """See :meth:`bridges.api.Subscribes.unsubscribe`: end those that post below ``url``."""
        rows = yield from self.all()
        models: list[str] = []
        for model in wire.MODELS:
            for row in rows:
                if self._is_ours(row, model=model, url=f"{url}/{model}"):
                    yield from self._delete(row, hide=url)
                    models.append(model)
        return Subscription(
            event=", ".join(dict.fromkeys(models)) or ", ".join(self._settings.subscription_models),
            url=url,
            active=False,
        )

    def lines(self) -> Flow[str]:
        """All of them for a person. URLs are cut to their host, for their paths are secrets."""
        rows = yield from self.all()
        lines = []
        for row in rows:
            host = _host_of(wire.name_of(row.get("post-url")))
            users = f"user {wire.name_of(row.get('user')) or '*'}"
            status, ends = wire.name_of(row.get("status")) or "unknown", self._end_of(row)
            until = f"until {ends:%Y-%m-%d %H:%M} UTC" if ends else "without end"
            errors = wire.count_of(row.get("error-count")) or 0
            failed = f", {errors} errors" if errors else ""
            model = wire.name_of(row.get("model")) or "unknown model"
            lines.append(f"{_id_of(row)}: {model} of {users}, to {host}, {status}, {until}{failed}")
        return "\n".join(lines) or "no event subscriptions"

    def _ours(self, rows: Sequence[Mapping[str, Any]], *, model: wire.Model, url: str) -> list[Mapping[str, Any]]:
        return [row for row in rows if self._is_ours(row, model=model, url=url)]

    def _is_ours(self, row: Mapping[str, Any], *, model: str, url: str) -> bool:
        domain = wire.name_of(row.get("domain")) or self._settings.domain
        return (
            bool(_id_of(row))
            and wire.name_of(row.get("model")).lower() == model
            and row.get("post-url") == url
            and domain in (self._settings.domain, "*")
        )

    def _shown(self, row: Mapping[str, Any], *, model: str, url: str, ends_at: datetime | None) -> Subscription:
        status = wire.name_of(row.get("status"))
        return Subscription(
            event=model, url=url, active=True, detail=f"status {status}" if status else "", expires_at=ends_at
        )

    def _end_of(self, row: Mapping[str, Any]) -> datetime | None:
        return wire.time_of(row.get("subscription-expires-datetime"), zone=self._zone)

    def _written(self, at: datetime) -> str:
        return at.astimezone(self._zone).strftime(wire.EXPIRY_FORMAT)

    def _url_of(self, row: Mapping[str, Any]) -> str:
        return self._calls.url("subscriptions", _id_of(row))


def _together(each: Sequence[Subscription], *, url: str) -> Subscription:
    """Those of all models as one: it ends with the first of them, and works if all of them do."""
    ends = [one.expires_at for one in each if one.expires_at is not None]
    return Subscription(
        event=", ".join(one.event for one in each),
        url=each[0].url if len(each) == 1 else url,
        active=all(one.active for one in each),
        detail="; ".join(dict.fromkeys(one.detail for one in each if one.detail)),
        expires_at=min(ends) if ends else None,
    )


def _has_failed(row: Mapping[str, Any]) -> bool:
    return wire.name_of(row.get("status")).lower() == "error"


def _standing(row: Mapping[str, Any], *, model: str) -> str:
    """How a subscription stands, in words; the server's own ones only where they are documented."""
    status = wire.name_of(row.get("status")).lower()
    said = status if status in ("active", "pending", "error") else "of unknown status"
    errors = wire.count_of(row.get("error-count")) or 0
    failed = f", {errors} posts failed" if errors else ""
    remedy = "; check that web.public_url leads here, then subscribe again" if _has_failed(row) else ""
    return f"{model} is {said}{failed}{remedy}"


def _id_of(row: Mapping[str, Any]) -> str:
    return wire.name_of(wire.pick(row, "id", "subscription-id"))


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or "no URL"
    except ValueError:
        return "no URL"
