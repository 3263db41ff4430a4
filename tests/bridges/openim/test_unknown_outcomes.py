"""OpenIM: what is known of a send that was refused once, repeated, and then lost; and of one whose file has gone."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from bridges.api import Answered, Outgoing
from bridges.driver import drive
from bridges.errors import Unavailable
from bridges.files import Bytes
from bridges.model import Attachment, MessageId, Receipt
from bridges.openim import wire
from bridges.openim.auth import send_operation
from bridges.openim.sandbox import OpenIMSandbox
from bridges.openim.sending import WORDS
from bridges.testing import play
from tests.bridges.openim.common import ANN, Running, Serve, bridge_for, out

PICTURE = {"attachments": (Attachment(kind="image", ref="r", name="cat.png", media_type="image/png"),)}
FILES = {**PICTURE, "files": (Bytes(b"bytes"),)}
QUOTED = {"reply_to": MessageId("c0"), "answered": Answered(id=MessageId("c0"), text="ship it?")}


class Late(Running):
    """A server that takes one request, and neither answers it nor shows anything of it before it ``catches_up``."""

    taken: httpx.Request | None = None
    lost: str = ""
    """The operationID of that request."""

    async def send(self, request: httpx.Request) -> httpx.Response:
        operation = request.headers.get("operationid", "")
        if request.url.path == wire.SEND_MSG and operation == self.lost and self.taken is None:
            self.taken = request
            raise httpx.ReadError("cut", request=request)
        return await self.client.send(request)

    async def catches_up(self) -> None:
        assert self.taken is not None
        await self.client.send(self.taken)

    async def attempt(self, message: Outgoing) -> Receipt:
        return await drive(self.bridge.deliver(message), send=self.send, auth=self.bridge.auth, clock=self.clock)


def texts(world: Running) -> list[str]:
    return [message.text for message in world.sandbox.accepted]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [({"send_as": "puppet"}, {"sender": ANN}), ({"server_line": "main"}, QUOTED)],
    ids=["after an invitation", "without what the server does not know"],
)
async def test_a_repetition_that_was_lost_is_looked_for_twice_although_the_first_was_refused(
    changes: dict[str, Any], fields: dict[str, Any], serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Late(serve, client, OpenIMSandbox())
    world.bridge = bridge_for(world.url, **changes)
    world.lost = send_operation("k1", attempt=1, part=WORDS, turn=1)
    with pytest.raises(Unavailable) as caught:
        await world.attempt(out(**fields))
    assert caught.value.maybe_sent
    with pytest.raises(Unavailable, match="once more"):
        await world.run(world.bridge.confirm(out(**fields)))
    await world.catches_up()
    assert await world.run(world.bridge.confirm(out(**fields))) is not None
    assert len(texts(world)) == 1


async def test_a_repetition_that_failed_as_well_has_surely_not_arrived(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Running(serve, client, OpenIMSandbox(), send_as="puppet")
    for turn in range(2):
        world.sandbox.statuses[send_operation("k1", attempt=1, turn=turn)] = wire.STATUS_FAILED
    assert await world.run(world.bridge.confirm(out(sender=ANN))) is None


async def test_a_failure_of_an_earlier_attempt_says_nothing_about_a_later_one(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Late(serve, client, OpenIMSandbox())
    await world.run(world.bridge.deliver(out("", **FILES)))
    world.sandbox.statuses[send_operation("k1", attempt=1, part=WORDS)] = wire.STATUS_FAILED
    world.lost = send_operation("k1", attempt=2, part=WORDS)
    with pytest.raises(Unavailable):
        await world.attempt(out("look", attempt=2, **FILES))
    with pytest.raises(Unavailable, match="once more"):
        await world.run(world.bridge.confirm(out("look", attempt=2, **FILES)))
    await world.catches_up()
    assert await world.run(world.bridge.confirm(out("look", attempt=2, **FILES))) is not None
    assert texts(world)[1:] == ["look"]


# What cannot be read


@pytest.mark.parametrize("status", [500, 501, 502, 504, 599])
@pytest.mark.parametrize("body", [b"", b"<html>oops</html>", b'{"error":"no"}', b'{"errCode":0}'])
def test_an_error_of_the_server_without_an_envelope_leaves_the_outcome_open(status: int, body: bytes) -> None:
    error = play(bridge_for().deliver(out()), httpx.Response(status, content=body)).error
    assert isinstance(error, Unavailable) and error.maybe_sent


@pytest.mark.parametrize("status", [408, 429, 503])
def test_an_answer_that_asks_to_wait_says_that_nothing_was_sent(status: int) -> None:
    error = play(bridge_for().deliver(out()), httpx.Response(status, content=b"<html>")).error
    assert isinstance(error, Unavailable) and not error.maybe_sent


async def test_a_send_that_was_answered_with_an_unreadable_500_is_asked_about_and_found(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox())

    async def fail(request: httpx.Request) -> httpx.Response:
        answer = await client.send(request)
        return httpx.Response(500, request=request) if request.url.path == wire.SEND_MSG else answer

    with pytest.raises(Unavailable) as caught:
        await drive(world.bridge.deliver(out()), send=fail, auth=world.bridge.auth, clock=world.clock)
    assert caught.value.maybe_sent
    assert (await world.run(world.bridge.confirm(out()))).ids == (world.sandbox.accepted[0].id,)


# A file that is not to be had any more: the bot asks about the message as it was and sends words alone


async def test_a_caption_is_missed_although_its_file_is_not_to_be_had_any_more(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Late(serve, client, OpenIMSandbox())
    world.lost = send_operation("k1", attempt=1, part=WORDS)
    with pytest.raises(Unavailable):
        await world.attempt(out("look", **FILES))
    asked = out("look", **PICTURE)
    with pytest.raises(Unavailable, match="once more"):
        await world.run(world.bridge.confirm(asked))
    assert await world.run(world.bridge.confirm(asked)) is None
    await world.run(world.bridge.deliver(out("look\n[image: cat.png]", attempt=2)))
    assert texts(world)[1:] == ["look\n[image: cat.png]"]


@pytest.mark.parametrize("text", ["look", ""])
async def test_words_that_went_alone_because_the_file_had_gone_are_all_there_is_to_find(
    text: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox())
    receipt = await world.deliver(f"{text}\n[image: cat.png]".strip())
    assert await world.run(world.bridge.confirm(out(text, **PICTURE))) == receipt
    world.sandbox.statuses.clear()
    assert await world.run(world.bridge.confirm(out(text, **PICTURE))) == receipt


async def test_a_picture_whose_caption_holds_nothing_to_send_is_all_there_is_to_find(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = Running(serve, client, OpenIMSandbox())
    receipt = await world.deliver("\x00", **FILES)
    assert await world.run(world.bridge.confirm(out("\x00", **PICTURE))) == receipt


async def test_an_album_is_there_only_if_all_of_it_is(serve: Serve, client: httpx.AsyncClient) -> None:
    world = Late(serve, client, OpenIMSandbox())
    album = {"attachments": PICTURE["attachments"] * 2, "files": (Bytes(b"1"), Bytes(b"2"))}
    world.lost = send_operation("k1", attempt=1, part=2)
    with pytest.raises(Unavailable):
        await world.attempt(out("", **album))
    with pytest.raises(Unavailable, match="once more"):
        await world.run(world.bridge.confirm(out("", **album)))
    await world.catches_up()
    receipt = await world.run(world.bridge.confirm(out("", **album)))
    assert receipt.ids == tuple(message.id for message in world.sandbox.accepted)
