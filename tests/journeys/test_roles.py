"""Who may do what, and how everybody else is answered."""

from __future__ import annotations

import pytest

from bot.telegram.access import Role
from bot.telegram.commands import registry
from bot.telegram.commands.registry import Command
from tests.journeys.world import ANN, BO, DAN, SENT, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

COMMANDS = sorted(registry.commands.values(), key=lambda command: command.name)
RESTRICTED = [command for command in COMMANDS if command.role > Role.VIEWER]
OTHER_BOT, CHANNEL = "200002:another-bots-token-another-bots-token", -1001900000001


def _used(command: Command) -> str:
    """The command as its own example shows it."""
    return command.example.partition(" (")[0]


@pytest.mark.parametrize("command", RESTRICTED, ids=lambda command: command.name)
async def test_somebody_without_a_role_is_told_which_one_it_needs_and_nothing_happens(
    world: World, command: Command
) -> None:
    ops = world.group()
    routes, sent = await world.read("routes", "list"), len(world.pushed())
    told = await ops.ask(_used(command), by=BO)
    assert f"/{command.name} needs the role {command.role.word}; yours is viewer" in told
    assert await world.read("routes", "list") == routes
    assert len(world.pushed()) == sent


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
async def test_the_example_of_every_command_works_for_the_owner(world: World, command: Command) -> None:
    """With a message to reply to where it wants one, and a delivery with the number that the examples name."""
    ops = world.group()
    while len(await world.outbox()) < 12:
        await ops.marked(ops.say("/send support:room-42 one of twelve"), SENT)
    above = ops.say("something said before", by=DAN)
    number = ops.say(_used(command), reply_to=above if "reply" in command.example else None)
    await world.until(lambda: ops.marks(number) or any(_answers(m, number) for m in ops.heard()))
    for text in (m["text"] for m in ops.heard() if _answers(m, number)):
        assert not text.startswith(f"/{command.name} needs")
        assert "went wrong on my side" not in text
    for row in await world.read("routes", "list"):
        await world.quick("routes", "remove", row["name"])


def _answers(message: dict[str, dict[str, object]], number: int) -> bool:
    return message.get("reply_to_message", {}).get("message_id") == number


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.role is Role.VIEWER], ids=lambda command: command.name)
async def test_what_anyone_may_use_answers_anyone(world: World, command: Command) -> None:
    assert "needs the role" not in await world.group().ask(f"/{command.name}", by=BO)


async def test_help_lists_only_what_the_person_may_run(world: World) -> None:
    ops = world.group()
    lines = (await ops.ask("/help", by=BO)).splitlines()
    shown = {line.split()[0].removeprefix("/").rstrip(":") for line in lines if line.startswith("/")}
    assert shown - {"help"} == {c.name for c in COMMANDS if c.least is Role.VIEWER} - {"help"}
    for command in COMMANDS:
        assert f"/{command.name}" in await ops.ask("/help")


@pytest.mark.parametrize(
    ("written", "meant"), [("/sned x", "/send"), ("/stauts", "/status"), ("/routs", "/route"), ("/SEND x", "address")]
)
async def test_an_unknown_command_is_answered_with_the_nearest_one(world: World, written: str, meant: str) -> None:
    assert meant in await world.group().ask(written)


@pytest.mark.parametrize("name", ["", "@patchbay_bot", "@PATCHBAY_BOT"])
async def test_a_command_may_name_this_bot(world: World, name: str) -> None:
    ops = world.group()
    assert await ops.ask(f"/here{name}") == f"This is {ops.address}"


async def test_a_command_for_another_bot_is_silently_not_run(world: World) -> None:
    ops = world.group()
    ops.say("/send@other_bot support:room-42 not for us")
    await ops.quiet()
    assert len(ops.texts()) == 1
    assert "not for us" not in world.pushed()


async def test_a_forwarded_command_is_silently_not_run(world: World) -> None:
    ops = world.group()
    ops.say("/send support:room-42 forwarded", forward_from=DAN)
    await ops.quiet()
    assert len(ops.texts()) == 1
    assert "forwarded" not in world.pushed()


async def test_an_edited_command_is_silently_not_run(world: World) -> None:
    ops = world.group()
    number = ops.say("/here")
    await ops.answer(number)
    world.telegram.edit(ANN, ops.id, number, "/send support:room-42 edited")
    await ops.quiet()
    assert len(ops.texts()) == 2
    assert "edited" not in world.pushed()


async def test_a_command_in_the_middle_of_a_text_is_just_text(world: World) -> None:
    ops = world.group()
    ops.say("please do /send support:room-42 nothing")
    await ops.quiet()
    assert len(ops.texts()) == 1
    assert world.pushed()[-1:] != ["nothing"]


async def test_a_command_in_a_caption_is_run(world: World) -> None:
    ops = world.group()
    photo = world.telegram.send_media(
        ANN, ops.id, "document", b"bytes", file_name="a.txt", caption="/send support:room-42 in a caption"
    )
    await ops.marked(photo["message_id"], SENT)
    assert world.pushed()[-1].startswith(f"in a caption\n[file: a.txt, 5 B] {world.url}/files/")


async def test_an_anonymous_admin_is_told_in_words_that_it_cannot_be_known_who_they_are(world: World) -> None:
    ops = world.group()
    world.telegram.set_member(ops.id, DAN, "administrator", anonymous=True)
    told = await ops.ask("/send support:room-42 anonymous", by=DAN)
    assert "anonymous admin" in told
    assert "operator" in told
    assert "anonymous" not in world.pushed()


async def test_an_owner_who_writes_as_a_channel_holds_no_role(world: World) -> None:
    ops = world.group()
    world.telegram.add_channel(CHANNEL, "News", [ANN])
    told = await ops.ask("/send support:room-42 as a channel", sender_chat=CHANNEL)
    assert "operator" in told
    assert "as a channel" not in world.pushed()


async def test_a_bot_is_not_obeyed(world: World) -> None:
    other = world.telegram.add_bot(OTHER_BOT, "other_bot")
    ops = world.group()
    world.telegram.say(other.id, ops.id, "/send support:room-42 from a bot")
    await ops.quiet()
    assert "from a bot" not in world.pushed()


async def test_somebody_who_just_talks_in_private_is_pointed_to_help(world: World) -> None:
    bo = world.private(BO)
    bo.say("hello?", by=BO)
    assert "/help" in (await bo.hears("/help"))["text"]


async def test_ordinary_talk_in_a_group_is_not_answered(world: World) -> None:
    ops = world.group()
    for text in ("hello", "how are you?", "💥", "support:room-42"):
        ops.say(text, by=DAN)
    await ops.quiet()
    assert ops.texts() == [f"This is {ops.address}"]
