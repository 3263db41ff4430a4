"""More than fits: texts of 100,000 characters, names of 64 kB, and what is made of them on every side."""

from __future__ import annotations

import re

import pytest

from bridges.netsapiens.sandbox import NetSapiensSandbox
from bridges.openim.sandbox import GROUP_ID, OpenIMSandbox, User
from bridges.returning_ai.sandbox import CHANNELS, ReturningAiSandbox
from bridges.sandboxes import Sandbox
from tests.journeys.world import SECRETS, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

WORDS = " ".join(f"word{n}" for n in range(20_000))[:100_000].rsplit(" ", 1)[0]
MARK = re.compile(r"\A(?:[^:\n]{1,80}: )?(?:\(\d+/\d+\) )?")


def sides() -> dict[str, Sandbox]:
    """The accounts beside those that every world has."""
    return {
        "pbx": NetSapiensSandbox(api_key=SECRETS["netsapiens"]),
        "im": OpenIMSandbox(secret=SECRETS["openim"]),
        "rai": ReturningAiSandbox(token=SECRETS["returning_ai"]),
    }


def _joined(texts: list[str]) -> str:
    return " ".join(MARK.sub("", text) for text in texts)


async def test_a_text_of_a_hundred_thousand_characters_arrives_whole_everywhere(world: World) -> None:
    im = world.sides["im"]
    assert isinstance(im, OpenIMSandbox)
    chat = world.group()
    targets = {
        "support": "support:room-42",
        "pbx": "pbx:chat/4101",
        "rai": f"rai:{CHANNELS[0].id}",
        "telegram": chat.address,
    }
    for target in targets.values():
        await world.quick("routes", "add", f"im:group/{GROUP_ID} -> {target}")
    await im.say("alice", f"group/{GROUP_ID}", WORDS)
    await world.settled(within_s=60)
    arrived = {name: [m.text for m in world.sides[name].accepted] for name in ("pbx", "rai")}
    arrived["support"] = world.pushed("room-42")
    arrived["telegram"] = [text for text in chat.texts() if "word" in text]
    for name, texts in arrived.items():
        assert len(texts) > 1, name
        assert _joined(texts).split() == WORDS.split(), name
    assert all(len(text) <= 4096 for text in arrived["telegram"])


async def test_a_name_of_64_kb_stands_before_the_words_in_short(world: World) -> None:
    im = world.sides["im"]
    assert isinstance(im, OpenIMSandbox)
    chat = world.group()
    im.users["long"] = User("long", "\u202e" + "N" * 65_536)
    im.groups[GROUP_ID].members.append("long")
    await world.quick("routes", "add", f"im:group/{GROUP_ID} -> {chat.address}")
    await im.say("long", f"group/{GROUP_ID}", "who am I")
    heard = await chat.hears("who am I")
    assert heard["text"] == f"{'N' * 63}…: who am I"
    await world.settled()
