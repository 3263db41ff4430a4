"""The same stories with Telegram's webhook instead of polling, and with a token for the metrics."""

from __future__ import annotations

import sqlite3
from urllib.parse import urlsplit

import pytest

from tests.journeys.world import ANN, SECRETS, SENT, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

CHANGES = {
    "telegram": {"mode": "webhook", "webhook_secret": SECRETS["webhook"]},
    "web": {"metrics_token": SECRETS["metrics"]},
}


def _path(world: World) -> str:
    webhook = world.telegram.bot.updates.webhook
    assert webhook is not None
    return urlsplit(webhook.url).path


async def test_the_webhook_is_set_with_a_random_path_and_the_secret(world: World) -> None:
    webhook = world.telegram.bot.updates.webhook
    assert webhook is not None
    assert webhook.url.startswith(f"{world.url}/telegram/")
    assert len(_path(world)) > 40
    assert webhook.secret_token == SECRETS["webhook"]


async def test_a_send_and_its_mark_work_as_with_polling(world: World) -> None:
    ops = world.group()
    await ops.marked(ops.say("/send support:room-42 by webhook"), SENT)
    assert world.pushed() == ["by webhook"]


async def test_mirroring_and_replying_work_as_with_polling(world: World) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255503333")
    await world.sms("from outside", sender="85255503333")
    mirrored = await ops.hears("from outside")
    await ops.marked(ops.say("and back", reply_to=mirrored["message_id"]), SENT)
    assert world.pushed("room-43")[-1] == "> 85255503333: from outside\nAnn: and back"


async def test_an_update_without_the_right_secret_or_path_is_not_found_and_not_taken(world: World) -> None:
    update = {"update_id": 7, "message": {"message_id": 1, "date": 0, "chat": {"id": 1, "type": "private"}}}
    right = {"X-Telegram-Bot-Api-Secret-Token": SECRETS["webhook"]}
    before = (await world.read("stats"))["inbound"]["accepted"]
    elsewhere = "/telegram/" + "x" * 43
    answers = [
        await world.http.post(_path(world), json=update),
        await world.http.post(_path(world), json=update, headers={"X-Telegram-Bot-Api-Secret-Token": "wrong"}),
        await world.http.post(elsewhere, json=update, headers=right),
        await world.http.get(_path(world), headers=right),
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, "Not Found")}
    assert (await world.read("stats"))["inbound"]["accepted"] == before


async def test_what_is_no_update_is_refused(world: World) -> None:
    right = {"X-Telegram-Bot-Api-Secret-Token": SECRETS["webhook"]}
    for body in ("", "{", "[]", "{}", '{"update_id": "1"}', "null"):
        assert (await world.http.post(_path(world), content=body, headers=right)).status_code == 400
    assert (await world.http.post(_path(world), content="x" * (1 << 20) + "x", headers=right)).status_code == 413


async def test_an_update_that_comes_twice_is_done_once(world: World) -> None:
    ops = world.group()
    number = ops.say("/send support:room-42 twice")
    await world.until(lambda: "twice" in world.pushed())
    update = {
        "update_id": world.telegram.bot.updates.next_id - 1,
        "message": world.telegram.message(ops.id, number),
    }
    right = {"X-Telegram-Bot-Api-Secret-Token": SECRETS["webhook"]}
    assert (await world.http.post(_path(world), json=update, headers=right)).status_code == 200
    await ops.quiet()
    assert world.pushed().count("twice") == 1


async def test_while_the_store_is_locked_updates_get_503_and_come_again(world: World) -> None:
    ops = world.group()
    holder = sqlite3.connect(world.database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    number = ops.say("/send support:room-42 in spite of the lock")
    await world.until(lambda: "503" in world.telegram.bot.updates.last_error, within_s=30)
    assert "in spite of the lock" not in world.pushed()
    holder.execute("ROLLBACK")
    holder.close()
    await ops.marked(number, SENT, within_s=30)
    assert world.pushed().count("in spite of the lock") == 1


async def test_updates_that_come_while_the_bot_is_down_are_done_at_the_next_start(world: World) -> None:
    ops = world.group()
    await world.bot.kill()
    number = ops.say("/send support:room-42 said to a dead bot")
    await world.start()
    await ops.marked(number, SENT)
    assert world.pushed().count("said to a dead bot") == 1


async def test_the_path_and_the_secret_stay_over_a_restart(world: World) -> None:
    before = _path(world)
    await world.restart()
    assert _path(world) == before


async def test_when_telegram_is_away_at_the_start_hooks_are_still_worked_on_and_the_bot_still_stops(
    world: World,
) -> None:
    """Updates may come in by webhook before Telegram itself was reached: they wait, and nothing else waits for them."""
    ops = world.group()
    await ops.ask("/route add support:sms/85255503334 -> club:lobby name=across")
    await world.bot.kill()
    telegram = world.telegram
    telegram.fail("server_error")
    number = ops.say("/send support:room-42 early")
    await world.start(wait=False)
    await telegram.bot.updates.drained()
    await world.sms("past the silence", sender="85255503334")
    await world.until(lambda: any("past the silence" in m.text for m in world.club.accepted))
    assert await world.bot.stop() == 0
    telegram.fail("ok")
    await world.start()
    await ops.marked(number, SENT)
    assert world.pushed().count("early") == 1
    await ops.ask("/route remove across", by=ANN)


async def test_metrics_want_the_token_where_one_is_set(world: World) -> None:
    answers = [
        await world.http.get("/metrics", headers=headers)
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": SECRETS["metrics"]},
            {"Authorization": f"Bearer {SECRETS['metrics']}"},
        )
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 200]
    assert (await world.http.get("/healthz")).status_code == 200
