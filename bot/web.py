"""The HTTP side: providers' webhooks, Telegram's webhook, files that are lent out, the calendar, health, metrics.

Order at each hook: size, secret in constant time, proof, JSON, answer, commit, and only then 2xx.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.accounts import ProviderAccount
from bot.faultpoints import point
from bot.files import LocalFile, OnDisk
from bot.intake import Intake, hook_of
from bot.lending import Gone, Lender
from bot.metrics import Metrics
from bot.store import StoreError
from bot.store.inbox import Arrived
from bridges.api import Answer, is_loopback
from bridges.errors import BridgeError, Garbled, Untrusted
from bridges.model import Attachment
from bridges.responses import parse_json
from bridges.signing import same

logger = logging.getLogger(__name__)

BODY_MOST = 1 << 20
DRAIN_MOST = 8 * BODY_MOST
BODY_S = 20.0
HEADERS_MOST = 64
RETRY_AFTER = {"Retry-After": "5"}
FILE_RETRY_AFTER = {"Retry-After": "30"}
CALENDAR_MAX_AGE_S = 300
NAME_MOST = 120
SHOWN = frozenset(
    {
        *("image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"),
        *("audio/mpeg", "audio/mp4", "audio/ogg", "audio/aac", "audio/wav", "audio/x-wav", "audio/webm", "audio/flac"),
        *("video/mp4", "video/webm", "video/ogg", "video/quicktime", "video/3gpp"),
    }
)
"""What a browser may show by itself: it runs nothing."""
OFFERED = frozenset({"application/pdf", "application/zip", "application/json", "text/plain", "text/csv"})
"""What keeps its type and is only offered to be saved."""
NOWHERE = "a secret that no account has, compared so that an unknown account takes as long as a wrong secret"

# What a reverse proxy adds: whoever asks through one is not on this machine, though the proxy may be.
_FORWARDED = {"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"}

AcceptUpdates = Callable[[Sequence[dict[str, Any]]], Awaitable[None]]
Readiness = Callable[[], Awaitable[dict[str, str]]]
Feed = Callable[[str], Awaitable[bytes | None]]
"""From the secret that was given to the calendar file; None: it is not the secret, or there is none."""


class TooLarge(Exception):
    """A body over the limit."""


async def read_body(request: Request) -> bytes:
    """The body, at most ``BODY_MOST`` bytes. Raises ``TooLarge``, or ``ClientDisconnect`` if it does not come whole.

    What is only somewhat too large is read to its end and dropped: a connection that is closed while the client still
    writes is reset, and the client would see that instead of the answer.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > DRAIN_MOST:
        raise TooLarge
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > DRAIN_MOST:
                    break
                if size <= BODY_MOST:
                    chunks.append(chunk)
    except TimeoutError as error:
        raise ClientDisconnect from error
    if size > BODY_MOST:
        raise TooLarge
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def not_found() -> Response:
    """The one answer for everything that is not here."""
    return PlainTextResponse("Not Found", 404)


class Web:
    """Builds the application."""

    def __init__(
        self,
        *,
        intake: Intake,
        accounts: Mapping[str, ProviderAccount],
        hook_secrets: Mapping[str, str],
        metrics: Metrics,
        lender: Lender,
        readiness: Readiness,
        metrics_token: str | None,
        clock: Callable[[], float] = time.time,
        calendar: Feed | None = None,
    ) -> None:
        self._intake = intake
        self._accounts = accounts
        self._secrets = hook_secrets
        self._metrics = metrics
        self._lender = lender
        self._readiness = readiness
        self._metrics_token = metrics_token
        self._clock = clock
        self._feed = calendar
        self._telegram: tuple[str, str, AcceptUpdates] | None = None
        self.app = Starlette(
            routes=[
                Route("/hooks/{account}/{secret}", self._hook, methods=["POST"]),
                Route("/hooks/{account}/{secret}/{rest:path}", self._hook, methods=["POST"]),
                Route("/telegram/{random}", self._update, methods=["POST"]),
                Route("/files/{token}", self._file, methods=["GET"]),
                Route("/calendar/{secret}.ics", self._calendar, methods=["GET"]),
                Route("/healthz", self._healthz, methods=["GET"]),
                Route("/readyz", self._readyz, methods=["GET"]),
                Route("/metrics", self._metrics_page, methods=["GET"]),
            ],
            exception_handlers={HTTPException: _plain, Exception: _our_bug},
        )
        self.app.router.redirect_slashes = False

    def takes_updates(self, *, random: str, secret: str, accept: AcceptUpdates) -> None:
        """Serve Telegram's webhook at ``/telegram/{random}``."""
        self._telegram = (random, secret, accept)

    # --- providers

    async def _hook(self, request: Request) -> Response:
        try:
            body = await read_body(request)
        except TooLarge:
            return PlainTextResponse("the body is over 1 MiB", 413, headers={"Connection": "close"})
        except ClientDisconnect:
            return PlainTextResponse("the body did not arrive whole", 400)
        name = request.path_params["account"]
        expected = self._secrets.get(name, NOWHERE)
        if not same(request.path_params["secret"], expected) or name not in self._accounts:
            return not_found()
        account = self._accounts[name]
        arrived = Arrived(
            account=name,
            body=body,
            received_at=self._clock(),
            path=request.path_params.get("rest", ""),
            headers=tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in request.headers.raw[:HEADERS_MOST]),
        )
        hook = hook_of(arrived)
        try:
            account.bridge.verify(hook)
            parse_json(body)
            answer = account.answer(hook)
        except Untrusted as error:
            logger.warning("a webhook was refused", extra={"action": "hook", "account": name, "error": str(error)})
            return PlainTextResponse("the proof of origin is missing or wrong", 401)
        except Garbled as error:
            logger.warning("a webhook was refused", extra={"action": "hook", "account": name, "error": str(error)})
            return PlainTextResponse("not JSON, or not of a known shape", 400)
        if not answer.handshake:
            point("hook.arrived")
            try:
                await self._intake.accept(arrived)
            except StoreError as error:
                logger.error("a webhook cannot be stored", extra={"action": "hook", "error": str(error)})
                return PlainTextResponse("try again soon", 503, headers=RETRY_AFTER)
            point("hook.committed")
        return _response(answer)

    # --- Telegram

    async def _update(self, request: Request) -> Response:
        try:
            body = await read_body(request)
        except TooLarge:
            return PlainTextResponse("the body is over 1 MiB", 413, headers={"Connection": "close"})
        except ClientDisconnect:
            return PlainTextResponse("the body did not arrive whole", 400)
        random, secret, accept = self._telegram or (NOWHERE, NOWHERE, None)
        given = request.headers.get("x-telegram-bot-api-secret-token", "")
        if not (same(request.path_params["random"], random) & same(given, secret)) or accept is None:
            return not_found()
        try:
            update = parse_json(body)
        except Garbled:
            return PlainTextResponse("not JSON", 400)
        if not isinstance(update, dict) or not isinstance(update.get("update_id"), int):
            return PlainTextResponse("not an update", 400)
        try:
            await accept([update])
        except StoreError as error:
            logger.error("an update cannot be stored", extra={"action": "hook", "error": str(error)})
            return PlainTextResponse("try again soon", 503, headers=RETRY_AFTER)
        return JSONResponse({})

    # --- files

    async def _file(self, request: Request) -> Response:
        """A file that is lent out; parts of it where they are asked for. ``HEAD`` too."""
        try:
            found = await self._lender.look_up(request.path_params["token"], now=self._clock())
            if found is None:
                return not_found()
            id, attachment = found
            file = await self._lender.file(id, attachment)
        except Gone as error:
            return PlainTextResponse(str(error), 410)
        except (StoreError, BridgeError) as error:
            logger.warning("a lent file is not at hand", extra={"action": "files", "error": str(error)})
            return PlainTextResponse("try again soon", 503, headers=FILE_RETRY_AFTER)
        return Lent(file, attachment)

    # --- calendar

    async def _calendar(self, request: Request) -> Response:
        """What is planned, for calendar programs, which ask again and again: unchanged, it is not sent again."""
        if self._feed is None:
            return not_found()
        try:
            feed = await self._feed(request.path_params["secret"])
        except StoreError as error:
            logger.warning("the calendar is not at hand", extra={"action": "calendar", "error": str(error)})
            return PlainTextResponse("try again soon", 503, headers=RETRY_AFTER)
        if feed is None:
            return not_found()
        tag = f'"{hashlib.sha256(feed).hexdigest()[:32]}"'
        headers = {"Cache-Control": f"private, max-age={CALENDAR_MAX_AGE_S}", "ETag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        headers |= {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
        return Response(feed, headers=headers, media_type="text/calendar; charset=utf-8")

    # --- health

    async def _healthz(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _readyz(self, request: Request) -> Response:
        checks = await self._readiness()
        ready = all(value == "ok" for value in checks.values())
        return JSONResponse({"ready": ready, **checks}, 200 if ready else 503)

    async def _metrics_page(self, request: Request) -> Response:
        if self._metrics_token is not None:
            if not same(request.headers.get("authorization", ""), f"Bearer {self._metrics_token}"):
                return PlainTextResponse("a bearer token is needed", 401, headers={"WWW-Authenticate": "Bearer"})
        elif not is_loopback(request.client.host if request.client else "") or _FORWARDED & set(request.headers):
            return not_found()
        page = await self._metrics.page(now=self._clock())
        return Response(page, media_type="text/plain; version=0.0.4; charset=utf-8")


class Lent(FileResponse):
    """A lent file on its way to whoever has the link, who may be anybody: it must not act as a page of ours."""

    def __init__(self, file: OnDisk | LocalFile, attachment: Attachment) -> None:
        media_type = attachment.media_type.partition(";")[0].strip().lower()
        shown = media_type in SHOWN
        super().__init__(
            file.path,
            media_type=media_type if shown or media_type in OFFERED else "application/octet-stream",
            filename=_file_name(attachment),
            content_disposition_type="inline" if shown else "attachment",
            headers={
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "private, max-age=3600",
                "Content-Security-Policy": "default-src 'none'; sandbox",
            },
        )
        self.file = file  # on disk for as long as it is held


def _file_name(attachment: Attachment) -> str:
    """What it is saved as: no path, nothing invisible, not too long."""
    name = " ".join("".join(c for c in attachment.name if c.isprintable() and c not in '/\\"').split()).strip(". ")
    stem, dot, end = name.rpartition(".")
    if len(name) > NAME_MOST:
        name = f"{stem[: NAME_MOST - len(end) - 1]}.{end}" if dot and len(end) <= 8 else name[:NAME_MOST]
    return name or attachment.kind


def _response(answer: Answer) -> Response:
    return Response(
        answer.body,
        answer.status,
        headers={"X-Content-Type-Options": "nosniff", **dict(answer.headers)},
        media_type=answer.media_type,
    )


async def _plain(request: Request, error: Exception) -> Response:
    """Whatever is not here is the same 404, other methods on a known path included."""
    return not_found()


async def _our_bug(request: Request, error: Exception) -> Response:
    logger.error("a request failed", exc_info=error, extra={"action": "web"})
    return PlainTextResponse("this failed on our side", 500)
