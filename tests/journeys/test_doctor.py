"""What an operator sees of how things stand, and what a pause by hand does: over real HTTP, with the real bot."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from tests.journeys.test_checking import served_in_the_past
from tests.journeys.world import ANN, BO, CARA, EYES, PLAIN, SECRETS, SENT, TOKEN, Chat, World

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def finding(chat: Chat, part: str) -> str:
    """The one finding of /doctor with these words."""
    report = await chat.ask("/doctor")
    lines = [line for line in report.splitlines() if part in line]
    assert len(lines) == 1, report
    return lines[0]


async def test_where_all_is_well_nothing_stops_the_bot(world: World) -> None:
    report = await world.group().ask("/doctor")
    lines = report.splitlines()
    assert lines[-1] == "Nothing stops me from hearing or speaking here."
    assert all(line.startswith("✅") for line in lines[:-2])
    for words in ("support (CINNOX) answers in", "plain (CINNOX) answers in", "club (Echo) answers in", "GB are free"):
        assert words in report


async def test_privacy_mode_is_found_and_gone_once_the_remedy_is_followed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255509901")
    world.telegram.set_member(ops.id, world.telegram.bot.id, "member")
    assert (await finding(ops, "Privacy mode")).startswith("❌ Privacy mode is on and I am no admin")
    unheard = ops.say("nobody hears this")
    world.telegram.set_member(ops.id, world.telegram.bot.id, "administrator")
    assert "I hear everything here" in await finding(ops, "I hear")
    heard = ops.say("somebody hears this")
    await ops.marked(heard, SENT)
    assert ops.marks(unheard) == []


async def test_privacy_mode_that_is_off_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ops = world.group()
    monkeypatch.setattr(world.telegram.bot, "can_read_all_group_messages", True)
    world.telegram.set_member(ops.id, world.telegram.bot.id, "member")
    assert (await finding(ops, "Privacy mode")).startswith("✅ Privacy mode is off")


async def test_another_program_with_the_token_is_found(world: World) -> None:
    ops = world.group()
    url = f"{world.servers['telegram'].url}/bot{TOKEN}/getUpdates"

    async def conflict() -> bool:
        async with httpx.AsyncClient(trust_env=False) as other:
            await other.post(url, json={"timeout": 1}, timeout=10)
        return "with this token" in world.log.read_text()

    await world.until(conflict)
    assert (await finding(ops, "this bot's token")).startswith(
        "❌ Another program receives with this bot's token (last seen"
    )


async def test_a_webhook_that_somebody_set_is_found_with_where_it_leads(world: World) -> None:
    ops = world.group()
    telegram, base = world.telegram, world.servers["telegram"].url
    number = ops.say("/doctor")  # it is fetched before the webhook is there, and looked into afterwards
    telegram.fail("slow", methods=["getWebhookInfo"], delay_s=1.0, remaining=1)
    await world.until(lambda: any(call.method == "getMe" for call in list(telegram.calls)[-8:]))
    async with httpx.AsyncClient(trust_env=False) as other:
        await other.post(f"{base}/bot{TOKEN}/setWebhook", json={"url": "http://127.0.0.1:9/secret-path"})
    report = await ops.answer(number)
    async with httpx.AsyncClient(trust_env=False) as other:
        await other.post(f"{base}/bot{TOKEN}/deleteWebhook")
    telegram.fail("ok")
    assert "❌ This bot polls, but somebody set a webhook to 127.0.0.1, and then polling brings nothing" in report
    assert "secret-path" not in report
    assert "→ end the program that set it" in report


async def test_a_provider_that_is_down_and_one_that_refuses_the_key_are_told_apart(world: World) -> None:
    ops = world.group()
    await world.servers[PLAIN].down()
    world.support.token = "another-token"
    report = await ops.ask("/doctor")
    await world.servers[PLAIN].up()
    world.support.token = SECRETS["cinnox"]
    assert "❌ plain (CINNOX) cannot be reached" in report
    assert "❌ support (CINNOX) refuses the credentials" in report
    assert "✅ club (Echo) answers" in report
    assert report.splitlines()[-1].endswith(" of which stop something.")


async def test_what_an_account_that_refused_the_key_holds_back_is_found_and_resumed(world: World) -> None:
    ops = world.group()
    world.support.token = "another-token"
    number = ops.say("/send support:room-42 with a key that is refused")
    await world.private(ANN).hears("support is paused")
    world.support.token = SECRETS["cinnox"]
    assert (await finding(ops, "support is paused")).startswith("❌ support is paused since")
    assert "1 waiting" in await ops.ask("/resume support")
    await ops.marked(number, SENT)


async def test_what_a_person_paused_waits_over_a_restart_and_is_seen_everywhere(world: World) -> None:
    ops = world.group()
    assert "support is paused: nothing is sent there until /resume support" in await ops.ask("/pause support")
    number = ops.say("/send support:room-42 not before it is resumed")
    await ops.marked(number, EYES)
    await world.restart()
    still = ops.say("/send plain:room-42 while support is paused")
    await ops.marked(still, SENT)
    assert "not before it is resumed" not in world.pushed()
    for shown in (
        await ops.ask("/status"),
        await ops.ask("/account"),
        await ops.ask("/doctor"),
        await world.quick("account"),
        await world.quick("check"),
    ):
        assert f"by Ann ({ANN})" in shown
    assert 'patchbay_account_up{account="support"} 0.0' in (await world.http.get("/metrics")).text
    assert await ops.ask("/resume support") == "support sends again: 1 waiting."
    await ops.marked(number, SENT)
    assert world.pushed().count("not before it is resumed") == 1


async def test_what_comes_from_a_paused_account_is_relayed_all_the_same(world: World) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255509902")
    await ops.ask("/pause support")
    await world.sms("still heard", sender="85255509902")
    await ops.hears("still heard")
    await ops.ask("/resume support")


async def test_the_last_thing_that_came_by_webhook_is_told(world: World) -> None:
    await world.sms("hello", sender="85255509903")
    assert "the last thing came " in await finding(world.group(), "Webhooks of support")


async def test_stats_in_the_chat_are_those_of_the_command_line(world: World) -> None:
    ops = world.group()
    await ops.marked(ops.say("/send support:room-42 counted"), SENT)
    said = await ops.ask("/stats")
    stats = await world.read("stats")
    assert f"sent {stats['deliveries']['sent'] - 1}," in said or f"sent {stats['deliveries']['sent']}," in said
    for name in (*stats["inbound"], *stats["deliveries"]):
        assert f"{name} " in said
    assert "This is balanced." in said


async def test_the_time_zone_of_a_chat_lasts_and_counts_for_its_rules(world: World) -> None:
    ops = world.group()
    assert "The time zone of this chat is Asia/Tokyo" in await ops.ask("/timezone asia/tokyo")
    await world.restart()
    assert "Asia/Tokyo" in await ops.ask("/timezone")
    said = await ops.ask("/route add support:sms/85255509904 -> here hours=mon-fri,08:00-18:00 name=tokyo")
    assert "08:00-18:00 Asia/Tokyo" in said
    await ops.ask("/route remove tokyo")


async def test_a_link_to_the_bot_opens_the_page_of_a_command(world: World) -> None:
    private = world.private(CARA)
    private.say("/start help_send", by=CARA)
    assert "/send ADDRESS" in (await private.hears("who may:"))["text"]


async def test_the_buttons_of_start_check_the_chat_and_survive_a_restart(world: World) -> None:
    ops = world.group()
    number = ops.say("/start")
    await ops.answer(number)
    card = await ops.hears("This is Patchbay")
    await world.restart()
    assert await ops.press(card, "Check this chat", by=BO) == "Only the person who asked for this may press here."
    assert await ops.press(card, "Check this chat") == "Checked."
    await ops.hears("Nothing stops me from hearing or speaking here.")


async def test_a_group_that_adds_the_bot_is_told_once_what_it_needs(world: World) -> None:
    ops, bot = world.group(), world.telegram.bot.id
    for _ in range(2):
        world.telegram.set_member(ops.id, bot, "left")
        world.telegram.set_member(ops.id, bot, "member")
        await ops.hears("make me an admin of this group")
    await ops.quiet()
    assert len([text for text in ops.texts() if text.startswith("I am Patchbay.")]) == 1


async def test_a_clock_that_is_off_is_found(world: World) -> None:
    async with served_in_the_past(world.telegram.app, by=timedelta(minutes=5)) as url:
        world.configure(telegram={"api_base_url": url})
        await world.restart()
        ops = world.group()
        found = await finding(ops, "Telegram's")
        world.configure()
        await world.restart()
    assert found.startswith("❌ This machine's clock is 5 min ahead of Telegram's → set it")
