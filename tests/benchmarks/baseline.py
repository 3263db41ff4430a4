"""The smallest relay on the same libraries, which keeps nothing: what durability is measured against."""

from __future__ import annotations

import asyncio
import json
import sys

import httpx
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.http import HttpClient


def relay(target: str) -> Starlette:
    """An application that passes each message on, in order for each sender, senders side by side."""
    client = HttpClient()
    lanes: dict[str, asyncio.Queue[str]] = {}
    tasks = set()

    async def lane(sender: str, queue: asyncio.Queue[str]) -> None:
        while True:
            text = await queue.get()
            body = {"key": "", "conversation": sender, "text": f"{sender}: {text}"}
            await client.send(httpx.Request("POST", f"{target}/messages", json=body))

    async def hook(request: Request) -> Response:
        event = json.loads(await request.body())
        sender = str(event["senderNumber"])
        if sender not in lanes:
            lanes[sender] = asyncio.Queue()
            tasks.add(asyncio.create_task(lane(sender, lanes[sender])))
        lanes[sender].put_nowait(event["content"])
        return Response(b'{"code":0,"result":{}}', media_type="application/json")

    return Starlette(routes=[Route("/hooks/{account}/{secret}", hook, methods=["POST"])])


async def main() -> None:
    """Serve on the port given, towards the address given."""
    port, target = int(sys.argv[1]), sys.argv[2]
    config = uvicorn.Config(
        relay(target), host="127.0.0.1", port=port, access_log=False, log_level="warning", lifespan="off"
    )
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(main())
