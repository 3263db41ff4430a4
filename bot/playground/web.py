"""The playground's own port: the page, its API, and what is passed through to the bot.

GET  /                              the page (app.js, style.css, icon.svg beside it)
GET  /playground/info               what another program needs to join in
GET  /playground/state[/SECTION]    telegram accounts deliveries schedules bot switches tour log
                                    example
GET  /playground/events             the same, live: event ``state`` first, then one for each section that changes,
                                    ``message`` and ``deleted`` for single messages in Telegram
POST /playground/say                {"account", "text", "conversation"?, "person"?, "reply_to"?, "id"?}: somebody speaks
                                    at a provider; ``/playground/info`` has conversations and people, the first of them
                                    unless named; ``id``: of an SMS to CINNOX that did not arrive, to send it again
POST /playground/upload?name=NAME   the bytes of a file, 20 MB at most; answers {"file": its id here, "name", "type",
                                    "size"}; it is kept until it is sent
POST /playground/picture            {"account", "file", "conversation"?, "person"?, "text"?}: somebody sends a picture
                                    at a provider
POST /playground/change             {"account", "id", "text"}: somebody there rewords what they wrote
POST /playground/take_back          {"account", "id"}: somebody there takes back what they wrote
POST /playground/react              {"account", "id", "emoji", "person"?}: a reaction there; once more takes it away
                                    (each where people there can: "can" of the account)
POST /playground/send_files         {"user", "chat", "files": [ids], "text"?, "thread"?, "reply_to"?, "sender_chat"?}:
                                    a person in Telegram sends files, several that go together as an album
GET  /playground/file/SIDE/ID       a file that is shown: pictures to look at, anything else to keep
POST /playground/sms                {"from", "text", "to"?, "id"?}: the same for CINNOX, from any phone
POST /playground/echo               {"person", "text", "conversation"?, "reply_to"?}: the same for Echo
POST /playground/press              {"user", "chat", "message", "data"}: a button; waits for the bot's answer
POST /playground/switch             {"name", "mode", "delay_s"?, "retry_after_s"?, "remaining"?: so many requests}
POST /playground/bot                {"do": "kill" or "restart"}
POST /playground/tour               {}: takes the ticks away
*    /playground/telegram/…         the emulator's control: POST say, start, edit, react, content, key, share_chat,
                                    block, privacy …; GET state, messages, menu … (see emulator/README.md)
GET  /healthz /readyz /metrics      passed through to the bot, as is POST /hooks/…

Errors are ``{"error": text}``: 400 what was wrong, 409 not just now, 502 the bot was not reached. It is for the person
in front of this machine. A page of somebody else in their browser must neither act here nor read: requests that come
under another host's name or from another page are refused.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.playground.account import Account, Speak
from bot.playground.bodies import Wrong, number_of, only, text_of
from bot.playground.emulator.server import control_app
from bot.playground.emulator.world import WorldError
from bot.playground.uploads import FILE_MOST, TOO_LARGE, Upload, picture_type
from bot.store import StoreError
from bridges.faults import check_parameters

if TYPE_CHECKING:
    from bot.playground.main import Playground

Json = dict[str, Any]
Act = Callable[["Playground", Json], Awaitable[Json]]

PAGE = Path(__file__).with_name("page")
FILES = {"/": "index.html", "/app.js": "app.js", "/style.css": "style.css", "/icon.svg": "icon.svg"}
BODY_MOST = 256 << 10
UPLOAD = "/playground/upload"
HOOK_MOST = 1 << 20
"""What the bot takes. It cuts off whoever sends more, so that its own answer could not be passed on."""
PRESS_WITHIN_S = 10.0
SAFE = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_NOT_PASSED = frozenset({"host", "connection", "content-length", "transfer-encoding", "keep-alive", "accept-encoding"})
MODES = {"429": "too_many", "500": "server_error"}
"""Other names of modes."""


# --- who may come in


def is_loopback_name(host: str) -> bool:
    """Whether a Host header or an authority names this machine."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    # Browsers resolve every name under localhost to loopback themselves, RFC 6761 section 6.3.
    return name in ("127.0.0.1", "::1", "localhost") or name.endswith(".localhost")


def refusal(method: str, headers: Mapping[str, str]) -> str:
    """Why a request is not let in, or nothing. Pure: by method and headers alone."""
    host = headers.get("host", "")
    if not is_loopback_name(host):
        return f"this playground answers on this machine only, not as {host[:100]!r}; open it as http://127.0.0.1"
    if method in ("GET", "HEAD"):
        return ""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return f"a page of {origin[:100]!r} may not act here"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "a page from elsewhere may not act here"
    return ""


class Guard:
    """Lets in what belongs here, bounds bodies, and puts the safe headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        why = refusal(scope["method"], request.headers)
        if why:
            await _error(why, status=403)(scope, receive, send)
            return
        path = scope["path"]
        most = HOOK_MOST if path.startswith("/hooks/") else FILE_MOST if path == UPLOAD else BODY_MOST
        body = await _body(receive, most=most) if scope["method"] not in ("GET", "HEAD") else None
        if body is not None and len(body) > most:
            why = TOO_LARGE if path == UPLOAD else f"the body is over {most} bytes"
            answer = _error(why, status=413, headers={"Connection": "close"})
            await answer(scope, receive, send)
            return

        async def safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                extra = [(name.lower().encode(), value.encode()) for name, value in SAFE.items()]
                message["headers"] = [*message["headers"], *(pair for pair in extra if pair[0] not in there)]
            await send(message)

        await self._app(scope, receive if body is None else _given(body, receive), safe)


async def _body(receive: Receive, *, most: int) -> bytes:
    """The body, or a little more than ``most`` bytes of it."""
    body = bytearray()
    while len(body) <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body)


def _given(body: bytes, receive: Receive) -> Receive:
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _answer(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    # In ASCII: a lone surrogate that somebody wrote could not be encoded otherwise.
    return Response(json.dumps(value), status, headers, "application/json")


def _error(message: str, *, status: int = 400, headers: Mapping[str, str] | None = None) -> Response:
    return _answer({"error": message}, status=status, headers={**SAFE, **(headers or {})})


# --- what one can do


async def _say(playground: Playground, body: Json) -> Json:
    """Somebody speaks at a provider."""
    return await playground.speak(_account(playground, body).say, body)


def _account(playground: Playground, body: Json) -> Account:
    name = text_of(body, "account")
    account = playground.accounts.get(name)
    if account is None:
        raise Wrong(f"there is no account {name[:80]!r}; there are {', '.join(playground.accounts)}")
    return account


async def _picture(playground: Playground, body: Json) -> Json:
    """Somebody sends a picture at a provider."""
    account, id = _account(playground, body), text_of(body, "file")
    upload = playground.uploads.get(id)
    done = await playground.speak(lambda body: account.show(body, upload), body)
    playground.uploads.forget(id)
    return done


async def _change(playground: Playground, body: Json) -> Json:
    """Somebody at a provider rewords what they wrote."""
    return await playground.speak(_account(playground, body).change, body)


async def _take_back(playground: Playground, body: Json) -> Json:
    """Somebody at a provider takes back what they wrote."""
    return await playground.speak(_account(playground, body).take_back, body)


async def _react(playground: Playground, body: Json) -> Json:
    """Somebody at a provider puts a reaction on a message, or takes it away."""
    return await playground.speak(_account(playground, body).react, body)


ALBUM_MOST = 10
_TOGETHER = {"photo": "pictures", "video": "pictures", "document": "documents", "audio": "audio"}
"""What Telegram shows in one album (https://core.telegram.org/bots/api#sendmediagroup, 2026-11)."""


async def _send_files(playground: Playground, body: Json) -> Json:
    """A person in Telegram sends files."""
    only(body, ("user", "chat", "files", "text", *_WHERE))
    user, chat, ids = number_of(body, "user"), number_of(body, "chat"), body.get("files")
    if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids) or not 1 <= len(ids) <= ALBUM_MOST:
        raise Wrong(f"'files' must be a list of 1 to {ALBUM_MOST} ids of uploaded files")
    uploads = [playground.uploads.get(id) for id in ids]
    caption = text_of(body, "text") if body.get("text") is not None else ""
    more = {name: number_of(body, key) for key, name in _WHERE.items() if body.get(key) is not None}
    sent: list[int] = []
    try:
        for album in _albums(uploads):
            items = [(upload.telegram_kind, upload.data, upload.name) for upload in album]
            if len(items) > 1:
                messages = playground.emulator.send_album(user, chat, items, caption, **more)
            else:
                kind, data, name = items[0]
                about: Json = {"file_name": name, "mime_type": album[0].media_type, "caption": caption, **more}
                messages = [playground.emulator.send_media(user, chat, kind, data, **about)]
            sent += [message["message_id"] for message in messages]
            caption = ""
    except WorldError as error:
        raise Wrong(str(error)) from error
    for id in ids:
        playground.uploads.forget(id)
    return {"messages": sent}


_WHERE = {"thread": "thread_id", "reply_to": "reply_to", "sender_chat": "sender_chat"}


def _albums(uploads: Iterable[Upload]) -> Iterator[list[Upload]]:
    """Files that follow one another and can stand in one album, each time."""
    for _, group in groupby(enumerate(uploads), key=lambda one: _album_of(*one)):
        yield [upload for _, upload in group]


def _album_of(number: int, upload: Upload) -> str:
    return _TOGETHER.get(upload.telegram_kind, f"alone {number}")


async def _press(playground: Playground, body: Json) -> Json:
    """A person presses a button; waits for the bot's answer."""
    try:
        callback = playground.emulator.press(
            number_of(body, "user"), number_of(body, "chat"), number_of(body, "message"), text_of(body, "data")
        )
    except (WorldError, KeyError) as error:
        raise Wrong(str(error)) from error
    try:
        return {"answer": await callback.answered(PRESS_WITHIN_S)}
    except TimeoutError:
        return {"answer": None}


async def _switch(playground: Playground, body: Json) -> Json:
    """Make a side fail, or work again."""
    name, mode = text_of(body, "name"), text_of(body, "mode")
    if name not in playground.sides:
        raise Wrong(f"there is no side {name!r}; there are {', '.join(playground.sides)}", status=404)
    more = {key: body[key] for key in ("delay_s", "retry_after_s", "remaining") if body.get(key) is not None}
    if not all(type(value) in (int, float) for value in more.values()):
        raise Wrong("delay_s, retry_after_s and remaining are numbers")
    try:
        check_parameters(**more)
    except ValueError as error:
        raise Wrong(str(error)) from error
    try:
        return await playground.switch(name, MODES.get(mode, mode), **more)
    except ValueError as error:
        raise Wrong(f"{error}; modes are {', '.join(playground.modes)}") from error


async def _bot(playground: Playground, body: Json) -> Json:
    """``kill`` is kill -9, ``restart`` ends it cleanly first."""
    match body.get("do"):
        case "kill":
            pid = await playground.kill_bot()
            if pid is None:
                raise Wrong("the bot does not run just now", status=409)
            return {"killed": pid}
        case "restart":
            await playground.bot.restart()
            return playground.bot.to_json()
        case _:
            raise Wrong("'do' must be kill or restart")


async def _tour(playground: Playground, body: Json) -> Json:
    """Take the ticks away."""
    playground.start_tour_over()
    return playground.tour.to_json()


ACTIONS: dict[str, Act] = {
    "say": _say, "press": _press, "switch": _switch, "bot": _bot, "tour": _tour, "send_files": _send_files,
    "picture": _picture, "change": _change, "take_back": _take_back, "react": _react,
}  # fmt: skip
"""``POST /playground/<name>`` with a JSON object; accounts have further ones of their own."""


def actions_of(playground: Playground) -> dict[str, Act]:
    """Every action by its name."""

    def own(work: Speak) -> Act:
        return lambda playground, body: playground.speak(work, body)

    works = {name: work for account in playground.accounts.values() for name, work in account.actions().items()}
    return {**ACTIONS, **{name: own(work) for name, work in works.items()}}


# --- the application


def make_app(playground: Playground) -> ASGIApp:
    """Page, API and what is passed through."""
    actions = actions_of(playground)

    async def file(request: Request) -> Response:
        return FileResponse(PAGE / FILES[request.url.path])

    async def info(_: Request) -> Response:
        return _answer(playground.info())

    async def state(_: Request) -> Response:
        await fresh()
        return _answer(playground.hub.state())

    async def fresh() -> None:
        # Told of other processes' writes only now and then; whoever asks wants to know how it is now.
        with contextlib.suppress(StoreError):
            await playground.refresh()

    async def section(request: Request) -> Response:
        await fresh()
        found = playground.hub.state().get(request.path_params["section"])
        return _error("there is no such section", status=404) if found is None else _answer(found)

    async def events(_: Request) -> Response:
        return StreamingResponse(playground.hub.stream(), media_type="text/event-stream")

    async def act(request: Request) -> Response:
        action = actions.get(request.path_params["action"])
        if action is None:
            return _error(f"there is no such action; there are {', '.join(actions)}", status=404)
        try:
            body = json.loads(await request.body() or b"{}")
        except (ValueError, RecursionError):
            return _error("the body is no JSON")
        if not isinstance(body, dict):
            return _error("the body must be a JSON object")
        try:
            return _answer(await action(playground, body))
        except Wrong as error:
            return _error(str(error), status=error.status)

    async def upload(request: Request) -> Response:
        try:
            id, kept = playground.uploads.put(request.query_params.get("name", ""), await request.body())
        except Wrong as error:
            return _error(str(error), status=error.status)
        return _answer({"file": id, "name": kept.name, "type": kept.media_type, "size": len(kept.data)})

    async def shown(request: Request) -> Response:
        """A file of somebody's: it may be anything, so it never gets a say on this page."""
        data = playground.file(request.path_params["side"], request.path_params["id"])
        if data is None:
            return _error("there is no such file, or it was not kept", status=404)
        headers = {
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if not (media_type := picture_type(data)):
            media_type, headers["Content-Disposition"] = "application/octet-stream", "attachment"
        return Response(data, media_type=media_type, headers=headers)

    async def through(request: Request) -> Response:
        """To the bot and back, byte for byte."""
        headers = [(name, value) for name, value in request.headers.raw if name.decode() not in _NOT_PASSED]
        query = f"?{request.url.query}" if request.url.query else ""
        raw_path = request.scope.get("raw_path", request.url.path.encode()).decode("latin-1").partition("?")[0]
        try:
            answer = await playground.http.request(
                request.method, f"{playground.bot.url}{raw_path}{query}", content=await request.body(), headers=headers
            )
        except (httpx.TransportError, httpx.InvalidURL):
            why = playground.bot.why or playground.bot.state
            return _error(f"the bot does not answer just now ({why})", status=503, headers={"Retry-After": "1"})
        kept = {name: value for name, value in answer.headers.items() if name not in _NOT_PASSED | {"content-encoding"}}
        return Response(answer.content, answer.status_code, headers=kept)

    async def plain(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _error(error.detail, status=error.status_code)

    app = Starlette(
        routes=[
            *(Route(path, file, methods=["GET"]) for path in FILES),
            Route("/playground/info", info, methods=["GET"]),
            Route("/playground/state", state, methods=["GET"]),
            Route("/playground/state/{section}", section, methods=["GET"]),
            Route("/playground/events", events, methods=["GET"]),
            Mount("/playground/telegram", control_app(playground.emulator)),
            Route(UPLOAD, upload, methods=["POST"]),
            Route("/playground/file/{side}/{id:path}", shown, methods=["GET"]),
            Route("/playground/{action}", act, methods=["POST"]),
            *(Route(path, through, methods=["GET"]) for path in ("/healthz", "/readyz", "/metrics")),
            Route("/hooks/{rest:path}", through, methods=["POST"]),
        ],
        exception_handlers={HTTPException: plain},
    )
    return Guard(app)
