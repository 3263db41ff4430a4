"""Bridges that meet each other: what one brings is not brought back by the other, and nothing goes round."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.playground.hosting import LoopbackServer
from bridges.openim.sandbox import GROUP_ID, OpenIMSandbox
from bridges.returning_ai.sandbox import CHANNELS, Member, ReturningAiSandbox
from tests.journeys.world import SECRETS, SENT, Chat, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

HUNDRED = 100
GENERAL = CHANNELS[0].id
OTHER = Member("other@bridge.example", "Other bridge", "u-other")


class Fork:
    """Posts every webhook to both bots, as two installations that a provider knows are told of the same things."""

    def __init__(self) -> None:
        self.bots: list[World] = []
        self._client = httpx.AsyncClient(trust_env=False, timeout=30)
        self._http = LoopbackServer(Starlette(routes=[Route("/{rest:path}", self._post, methods=["POST"])]))
        self.start, self.stop = self._http.start, self._http.stop

    @property
    def url(self) -> str:
        return self._http.url

    async def close(self) -> None:
        await self.stop()
        await self._client.aclose()

    async def _post(self, request: Request) -> Response:
        body = await request.body()
        headers = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
        answers = await asyncio.gather(
            *(self._client.post(f"{bot.url}{request.url.path}", content=body, headers=headers) for bot in self.bots)
        )
        worst = max(answers, key=lambda answer: answer.status_code)
        return Response(worst.content, worst.status_code, media_type="application/json")


@dataclass(frozen=True)
class Pair:
    """Two installations, each with a Telegram of its own, and two providers between them."""

    one: World
    two: World
    im: OpenIMSandbox
    rai: ReturningAiSandbox


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    im = OpenIMSandbox(secret=SECRETS["openim"])
    rai = ReturningAiSandbox(token=SECRETS["returning_ai"], echoes=True)
    rai.members.append(OTHER)
    fork = Fork()
    await fork.start()
    try:
        async with World(tmp_path_factory.mktemp("one"), sides={"im": im, "rai": rai}) as one:
            accounts = {name: one.settings()[f"accounts.{name}"] for name in ("im", "rai")}
            changes = {
                "accounts.im": {**accounts["im"], "send_as": "bob"},
                "accounts.rai": {**accounts["rai"], "sender": OTHER.email},
            }
            async with World(tmp_path_factory.mktemp("two"), changes=changes) as two:
                im.hook_url = f"{fork.url}/hooks/im/{one.hook_secret('im')}"
                rai.hook_url = f"{fork.url}/hooks/rai/{one.hook_secret('rai')}"
                fork.bots += [one, two]
                yield Pair(one, two, im, rai)
    finally:
        await fork.close()


async def _linked(world: World, *addresses: str) -> Chat:
    chat = world.group()
    for address in addresses:
        assert "Linked" in await chat.ask(f"/link {address}")
    return chat


async def test_two_installations_joined_through_two_providers_bring_a_hundred_messages_exactly_once(pair: Pair) -> None:
    # OpenIM carries the mark of a Patchbay, so nobody relays it on from there; Returning.AI carries none.
    places = (f"im:group/{GROUP_ID}", f"rai:{GENERAL}")
    mine, theirs = await _linked(pair.one, *places), await _linked(pair.two, *places)
    numbers = [(mine, mine.say(f"from one {n}")) for n in range(HUNDRED)]
    numbers += [(theirs, theirs.say(f"from two {n}")) for n in range(HUNDRED)]
    for chat, number in numbers:
        await chat.marked(number, SENT, within_s=60)
    for world in (pair.one, pair.two):
        await world.settled(within_s=60)

    def heard(chat: Chat, words: str) -> Counter[str]:
        return Counter(text.rpartition(words)[2] for text in chat.texts() if words in text)

    await pair.two.until(lambda: len(heard(theirs, "from one ")) == HUNDRED)
    await pair.one.until(lambda: len(heard(mine, "from two ")) == HUNDRED)
    for world in (pair.one, pair.two):
        await world.settled()
    once = Counter({str(n): 1 for n in range(HUNDRED)})
    assert heard(theirs, "from one ") == once
    assert heard(mine, "from two ") == once
    assert not heard(mine, "from one ")
    assert not heard(theirs, "from two ")
    for side in (pair.im, pair.rai):
        assert len(side.accepted) == 2 * HUNDRED, "each wrote its own hundred there, and nobody wrote them again"
    for world in (pair.one, pair.two):
        await world.check()


async def test_two_installations_that_join_the_same_two_places_go_quiet_by_themselves(pair: Pair) -> None:
    """A person's words are brought by both, and what the two brought is not brought back and forth."""
    for world in (pair.one, pair.two):
        await world.quick("routes", "add", f"rai:{CHANNELS[1].id}/{CHANNELS[1].topics[0]} <-> im:user/alice name=ring")
    said = "round and round"
    before = len(pair.im.accepted)
    await pair.rai.say("Cleo", CHANNELS[1].id, said, topic=CHANNELS[1].topics[0])
    await pair.one.until(lambda: len(pair.im.accepted) >= before + 2)
    for world in (pair.one, pair.two):
        await world.settled()
        await world.quick("routes", "remove", "ring")
    assert [message.text for message in pair.rai.accepted if said in message.text] == []
    assert sum(said in message.text for message in pair.im.accepted) == 2
