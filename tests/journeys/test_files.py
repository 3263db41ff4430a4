"""Files: native where they can be, else as a link that this bot serves, else as a note; and what somebody might try."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bridges.netsapiens.sandbox import NetSapiensSandbox
from bridges.openim import wire as openim
from bridges.openim.sandbox import GROUP_ID, OpenIMSandbox
from bridges.sandboxes import Sandbox
from tests.journeys.kinds import PNG
from tests.journeys.world import ANN, SECRETS, SENT, TOKEN, Chat, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

ROOM = "support:room-42"
GROUP = f"im:group/{GROUP_ID}"
PDF = b"%PDF-1.4 " + bytes(range(256)) * 400
LINK = re.compile(r"http://[0-9.:]+/files/[\w=-]+")


def sides() -> dict[str, Sandbox]:
    """The accounts beside those that every world has."""
    return {
        "im": OpenIMSandbox(secret=SECRETS["openim"]),
        "pbx": NetSapiensSandbox(api_key=SECRETS["netsapiens"]),
    }


def openim_of(world: World) -> OpenIMSandbox:
    side = world.sides["im"]
    assert isinstance(side, OpenIMSandbox)
    return side


def document(world: World, chat: Chat, data: bytes = PDF, name: str = "plan.pdf", **more: Any) -> int:
    """Ann sends a document; returns the message's number."""
    sent = world.telegram.send_media(ANN, chat.id, "document", data, file_name=name, **more)
    return int(sent["message_id"])


async def lent(world: World, chat: Chat, **more: Any) -> str:
    """The link that stands in a room for a document."""
    seen = len(world.pushed("room-42"))
    await chat.marked(document(world, chat, **more), SENT)
    (said,) = world.pushed("room-42")[seen:]
    found = LINK.search(said)
    assert found is not None, said
    return found[0]


async def test_a_file_that_cannot_go_is_offered_as_a_link_that_serves_it_also_after_a_restart(world: World) -> None:
    ops = world.group()
    await ops.ask(f"/link {ROOM}")
    link = await lent(world, ops, caption="the plan")
    assert "the plan" in world.pushed("room-42")[-1]
    assert TOKEN not in link and TOKEN.partition(":")[0] not in link
    whole = await world.http.get(link)
    assert (whole.status_code, whole.content) == (200, PDF)
    await world.restart()
    part = await world.http.get(link, headers={"Range": "bytes=9-12"})
    assert (part.status_code, part.content) == (206, b"\x00\x01\x02\x03")
    changed = link[:-3] + ("A" if link[-3] != "A" else "B") + link[-2:]
    assert (await world.http.get(changed)).status_code == 404
    await ops.ask("/unlink")


async def test_a_link_waits_for_a_source_that_is_away_and_no_answer_shows_the_token(world: World) -> None:
    ops = world.group()
    await ops.ask(f"/link {ROOM}")
    link = await lent(world, ops, name="later.pdf")
    await world.servers["telegram"].down()
    away = await world.http.get(link)
    await world.servers["telegram"].up()
    assert away.status_code == 503 and int(away.headers["retry-after"]) > 0
    assert (await world.http.get(link)).content == PDF
    assert TOKEN not in away.text and TOKEN not in world.log.read_text()
    await ops.ask("/unlink")


async def test_a_document_goes_into_openim_as_it_is_and_its_bytes_lie_on_no_disk_of_ours_afterwards(
    world: World,
) -> None:
    ops, im = world.group(), openim_of(world)
    await ops.ask(f"/link {GROUP}")
    data = PDF + b"for openim"
    await ops.marked(document(world, ops, data), SENT)
    (content,) = (each.content for each in im.accepted if each.content.get("fileName") == "plan.pdf")
    assert content["fileSize"] == len(data)
    stored = await world.http.get(content["sourceUrl"], follow_redirects=True)
    assert stored.content == data
    folder = world.database.with_name(f"{world.database.name}.files")
    assert folder.stat().st_mode & 0o777 == 0o700
    await world.until(lambda: not any(file.read_bytes() == data for file in folder.iterdir()))
    await ops.ask("/unlink")


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("http://127.0.0.1:9/x", "another server"),
        ("https://169.254.169.254/latest/meta-data", "another server"),
        ("http://user:hunter2@10.0.0.1/x", "another server"),
        ("{im}/object/imAdmin/nothing.pdf", "not to be had"),
    ],
    ids=["loopback", "metadata", "login", "dead"],
)
async def test_a_link_that_is_not_followed_leaves_a_note_and_the_words_arrive(
    world: World, link: str, why: str
) -> None:
    ops, im = world.group(), openim_of(world)
    await ops.ask(f"/link {GROUP}")
    url = link.replace("{im}", world.servers["im"].url)
    file = {"uuid": "f1", "fileName": "plan.pdf", "fileSize": 14, "fileType": "pdf", "sourceUrl": url, "filePath": ""}
    await im.say_element("alice", f"group/{GROUP_ID}", openim.FILE, file)
    await im.say("alice", f"group/{GROUP_ID}", f"words after it {why}")
    said = await ops.hears("[file: plan.pdf, 14 B: ")
    assert why in said["text"]
    assert "hunter2" not in said["text"] and "10.0.0.1" not in said["text"]
    await ops.hears("words after it")
    await ops.ask("/unlink")


async def test_a_picture_from_openim_arrives_as_a_picture(world: World) -> None:
    ops, im = world.group(), openim_of(world)
    await ops.ask(f"/link {GROUP}")
    await im.say_picture("alice", f"group/{GROUP_ID}", PNG, base_url=world.servers["im"].url)
    await world.until(lambda: any("photo" in each for each in world.telegram.messages(ops.id)))
    await ops.ask("/unlink")


async def test_a_file_that_telegram_gives_to_no_bot_is_a_note_on_every_side(world: World) -> None:
    ops = world.group()
    await ops.ask(f"/link {ROOM}")
    number = document(world, ops, b"x" * (21 << 20), "film.bin", caption="too much")
    await ops.marked(number, SENT)
    said = world.pushed("room-42")[-1]
    assert "too much" in said and "[file: film.bin, 22 MB" in said and "/files/" not in said
    await ops.ask("/unlink")


async def test_a_name_of_64_kb_is_cut_where_it_is_shown(world: World) -> None:
    ops = world.group()
    await ops.ask(f"/link {ROOM}")
    link = await lent(world, ops, name="a\u202e" + "x" * 65536 + ".pdf", caption="long")
    said = world.pushed("room-42")[-1]
    assert len(said) < 1000 and "\u202e" not in said
    saved = (await world.http.get(link)).headers["content-disposition"]
    assert len(saved) < 300
    await ops.ask("/unlink")
