"""The HTTP side: the Bot API as bots see it, and the control API for people outside the process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.playground.emulator.forms import Form, FormError, read_form
from bot.playground.emulator.world import Callback, WorldError

if TYPE_CHECKING:
    from bot.playground.emulator.emulator import Emulator

Json = dict[str, Any]

# The server takes files up to 50 MB; the rest of a request needs some room.
_BODY_LIMIT = (50 << 20) + (1 << 20)


def _answer(status: int, value: object, headers: dict[str, str] | None = None) -> Response:
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, status, headers, "application/json")


def _refusal(status: int, description: str) -> Response:
    return _answer(status, {"ok": False, "error_code": status, "description": description})


def flood_answer(retry_after_s: int) -> tuple[dict[str, str], bytes]:
    """What the Bot API says when there was too much."""
    body = {
        "ok": False,
        "error_code": 429,
        "description": f"Too Many Requests: retry after {retry_after_s}",
        "parameters": {"retry_after": retry_after_s},
    }
    return {"content-type": "application/json", "retry-after": str(retry_after_s)}, json.dumps(body).encode()


def broken_answer() -> tuple[dict[str, str], bytes]:
    """What the Bot API says when it is broken itself."""
    body = {"ok": False, "error_code": 500, "description": "Internal Server Error"}
    return {"content-type": "application/json"}, json.dumps(body).encode()


def form_of(values: Json) -> Form:
    """Parameters given as JSON values."""
    return Form(
        {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in values.items()
            if value is not None
        }
    )


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or None when it is too large or the client left."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > _BODY_LIMIT:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def api_app(emulator: Emulator) -> ASGIApp:
    """The Bot API: /bot<token>/<method> and /file/bot<token>/<path>."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        response = await _respond(emulator, scope, receive)
        if response is not None:
            # Bots tell from it whether their clock is right.
            response.headers["Date"] = formatdate(emulator.clock() + emulator.clock_ahead_s, usegmt=True)
            await response(scope, receive, send)

    return app


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _respond(emulator: Emulator, scope: Scope, receive: Receive) -> Response | None:
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    match = re.fullmatch(r"/bot([^/]+)/([^/]*)/?", path)
    if match is None:
        file = re.fullmatch(r"/file/bot([^/]+)/(.+)", path)
        return _file(emulator, *file.groups()) if file else _refusal(404, "Not Found")
    if scope["method"] not in ("GET", "POST"):
        return _refusal(405, "Method Not Allowed")
    token, method = match.groups()
    account = emulator.bot_by_token(token)
    if account is None:
        return _refusal(401, "Unauthorized")
    body = await _body(receive)
    if body is None:
        return _refusal(413, "Request Entity Too Large")
    headers = {name: value for name, value in scope["headers"] if name == b"content-type"}
    try:
        form = read_form(scope["query_string"], headers.get(b"content-type", b"").decode("latin-1"), body)
    except FormError as error:
        return _refusal(400, f"Bad Request: {error}")
    method = method or form.fields.get("method", "")
    status, answer = await _while_connected(emulator.handle(account, method, form), receive)
    if not status:
        return None
    retry_after = answer.get("parameters", {}).get("retry_after")
    return _answer(status, answer, {"Retry-After": str(retry_after)} if retry_after else None)


async def _while_connected(work: Any, receive: Receive) -> tuple[int, Json]:
    """Run a method; one that waits is given up when its client leaves."""
    task = asyncio.ensure_future(work)
    # Most methods end at once: only the long poll is worth watching the connection for.
    await asyncio.sleep(0)
    if task.done():
        return task.result()  # type: ignore[no-any-return]
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else (0, {})
    finally:
        for one in (task, gone):
            if not one.done():
                one.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await one


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def method_of(scope: Scope) -> str:
    """The name of the method that a request asks for, in small letters; nothing for files."""
    match = re.search(r"/bot[^/]+/([A-Za-z]+)/?$", scope["path"])
    return match[1].lower() if match and "/file/" not in scope["path"] else ""


def _file(emulator: Emulator, token: str, path: str) -> Response:
    if emulator.bot_by_token(token) is None:
        return _refusal(401, "Unauthorized")
    file = emulator.files.at(path)
    if file is None:
        return _refusal(404, "Not Found")
    return Response(file.data, media_type="application/octet-stream")


# ---------------------------------------------------------------------------------------------------------- control


def _shown(result: object) -> object:
    if isinstance(result, Callback):
        return {"callback": result.id, "data": result.data, "answer": result.answer}
    return result


_Action = Callable[["Emulator", Json], object]


def _take(body: Json, **names: str) -> Json:
    """The keywords of a Python call from the names used in JSON."""
    return {name: body[key] for key, name in names.items() if body.get(key) is not None}


_SEND = {"thread": "thread_id", "bot": "bot_id"} | {
    name: name for name in ("reply_to", "quote", "forward_from", "sender_chat")
}
_SAY = {**_SEND, "entities": "entities"}


def _actions() -> dict[str, _Action]:
    return {
        "user": lambda e, b: e.add_user(
            b["id"],
            b["first_name"],
            b.get("username"),
            **_take(b, last_name="last_name", language_code="language_code"),
        ),
        "group": lambda e, b: e.add_group(
            b["id"],
            b["title"],
            b.get("members", ()),
            b.get("admins", ()),
            **_take(
                b,
                type="type",
                is_forum="is_forum",
                anonymous="anonymous",
                username="username",
                description="description",
                available_reactions="available_reactions",
                bots="bots",
            ),
        ),
        "channel": lambda e, b: e.add_channel(
            b["id"], b["title"], b.get("admins", ()), b.get("members", ()), **_take(b, username="username", bots="bots")
        ),
        "member": lambda e, b: e.set_member(
            b["chat"], b["user"], b["status"], **_take(b, by="by", anonymous="anonymous", rights="rights")
        ),
        "forward": lambda e, b: e.forward(
            b["user"], b["chat"], b["from_chat"], b["message"], **_take(b, thread="thread_id", bot="bot_id")
        ),
        "start": lambda e, b: e.start(b["user"], b.get("payload", ""), **_take(b, bot="bot_id")),
        "start_in_group": lambda e, b: e.start_in_group(
            b["user"], b["chat"], b.get("payload", ""), **_take(b, bot="bot_id")
        ),
        "say": lambda e, b: e.say(b["user"], b["chat"], b["text"], **_take(b, **_SAY)),
        "content": lambda e, b: e.send_content(b["user"], b["chat"], b["content"], **_take(b, **_SEND)),
        "edit": lambda e, b: e.edit(b["user"], b["chat"], b["message"], b["text"], b.get("entities")),
        "delete": lambda e, b: e.delete(b["user"], b["chat"], b["message"]),
        "key": lambda e, b: e.press_key(b["user"], b["chat"], b["label"], **_take(b, bot="bot_id")),
        "share_chat": lambda e, b: e.share_chat(b["user"], b["chat"], b.get("button"), **_take(b, bot="bot_id")),
        "share_users": lambda e, b: e.share_users(b["user"], b["users"], b.get("button"), **_take(b, bot="bot_id")),
        "privacy": lambda e, b: e.set_privacy(on=_flag(b, "on"), **_take(b, bot="bot_id")),
        "deactivate": lambda e, b: e.deactivate(b["user"]),
        "slow_down": lambda e, b: e.slow_down(b["chat"], b["seconds"]),
        "react": lambda e, b: e.react(b["user"], b["chat"], b["message"], b.get("emoji")),
        "press": lambda e, b: e.press(b["user"], b["chat"], b["message"], b["data"]),
        "block": lambda e, b: e.block(b["user"], **_take(b, bot="bot_id")),
        "unblock": lambda e, b: e.unblock(b["user"], **_take(b, bot="bot_id")),
        "kick_bot": lambda e, b: e.kick_bot(b["chat"], **_take(b, bot="bot_id", by="by")),
        "topic": lambda e, b: {"thread": e.add_topic(b["chat"], b["name"], **_take(b, by="by"))},
        "close_topic": lambda e, b: e.close_topic(b["chat"], b["thread"], **_take(b, closed="closed", by="by")),
        "delete_topic": lambda e, b: e.delete_topic(b["chat"], b["thread"]),
        "link_discussion": lambda e, b: e.link_discussion(b["channel"], b["group"]),
        "title": lambda e, b: e.set_title(b["chat"], b["title"], **_take(b, by="by")),
        "available_reactions": lambda e, b: e.set_available_reactions(b["chat"], b.get("emoji")),
        "permissions": lambda e, b: e.set_permissions(b["chat"], **b["permissions"]),
        "migrate": lambda e, b: {"chat": e.migrate(b["chat"], b.get("new"), **_take(b, is_forum="is_forum"))},
        "fault": _set_fault,
    }


def _flag(body: Json, name: str) -> bool:
    if not isinstance(body[name], bool):
        raise WorldError(f"{name!r} must be true or false")
    return bool(body[name])


def _set_fault(emulator: Emulator, body: Json) -> object:
    emulator.fail(**body)
    return emulator.faults.to_json()


def control_app(emulator: Emulator) -> Starlette:
    """GET /state, /messages, /reactions, /calls, /events; POST /<action> with a JSON body. Errors are 400 with text."""
    actions = _actions()

    async def act(request: Request) -> Response:
        action = actions.get(request.path_params["action"])
        if action is None:
            return _answer(404, {"error": f"unknown action; one of {', '.join(sorted(actions))}"})
        try:
            body = json.loads(await request.body() or b"{}")
        except ValueError:
            return _answer(400, {"error": "the body is no JSON"})
        if not isinstance(body, dict):
            return _answer(400, {"error": "the body must be a JSON object"})
        try:
            result = action(emulator, body)
        except KeyError as error:
            return _answer(400, {"error": f"{error.args[0]!r} is missing or unknown"})
        except (WorldError, TypeError, ValueError, AttributeError) as error:
            return _answer(400, {"error": str(error)})
        return _answer(200, {"ok": True, "result": _shown(result)})

    async def state(_: Request) -> Response:
        return _answer(200, emulator.state())

    def number(request: Request, name: str) -> int | None:
        value = request.query_params.get(name)
        return int(value) if value else None

    async def messages(request: Request) -> Response:
        try:
            chat = number(request, "chat")
            if chat is None:
                raise WorldError("'chat' is missing")
            found = emulator.messages(chat, number(request, "thread"), bot_id=number(request, "bot"))
        except ValueError as error:
            return _answer(400, {"error": str(error)})
        return _answer(200, {"messages": found})

    async def reactions(request: Request) -> Response:
        try:
            chat, message = number(request, "chat"), number(request, "message")
            if chat is None or message is None:
                raise WorldError("'chat' or 'message' is missing")
            found = emulator.reactions(chat, message, bot_id=number(request, "bot"))
        except ValueError as error:
            return _answer(400, {"error": str(error)})
        return _answer(200, {"reactions": found})

    async def menu(request: Request) -> Response:
        try:
            user, chat = number(request, "user"), number(request, "chat")
            if user is None or chat is None:
                raise WorldError("'user' or 'chat' is missing")
            found = emulator.menu_for(user, chat, bot_id=number(request, "bot"))
        except (ValueError, KeyError) as error:
            return _answer(400, {"error": str(error)})
        return _answer(200, {"commands": found})

    async def callback(request: Request) -> Response:
        found = emulator.callbacks.get(request.path_params["id"])
        if found is None:
            return _answer(404, {"error": "unknown callback"})
        return _answer(200, _shown(found))

    async def events(_: Request) -> Response:
        async def stream() -> AsyncIterator[str]:
            with emulator.subscribe() as changes:
                yield ": listening\n\n"
                async for change in changes:
                    yield f"data: {json.dumps(change, ensure_ascii=False)}\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def calls(request: Request) -> Response:
        try:
            last = int(request.query_params.get("last", "100"))
        except ValueError as error:
            return _answer(400, {"error": str(error)})
        listed = list(emulator.calls)[-last:] if last > 0 else []
        return _answer(
            200,
            {
                "calls": [
                    {
                        "at": call.at,
                        "bot": call.bot_id,
                        "method": call.method,
                        "params": call.params,
                        "files": call.files,
                        "status": call.status,
                        "answer": call.answer,
                    }
                    for call in listed
                ]
            },
        )

    return Starlette(
        routes=[
            Route("/state", state, methods=["GET"]),
            Route("/messages", messages, methods=["GET"]),
            Route("/reactions", reactions, methods=["GET"]),
            Route("/menu", menu, methods=["GET"]),
            Route("/callback/{id}", callback, methods=["GET"]),
            Route("/events", events, methods=["GET"]),
            Route("/calls", calls, methods=["GET"]),
            Route("/{action}", act, methods=["POST"]),
        ]
    )
