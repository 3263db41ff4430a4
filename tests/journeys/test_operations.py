"""What an operator of the bot uses: check, replay, health, metrics."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.journeys.world import SECRETS, SENT, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

SMS = (
    '{"id": "sms-recorded", "eventDescription": "Inbound SMS", "senderNumber": 85255507000,'
    ' "recipientNumber": 85255509999, "receiveTime": "2026-11-01T10:00:00.000Z", "contentType": "Text",'
    ' "content": "recorded earlier"}'
)


def _recording(folder: Path, body: str) -> Path:
    file = folder / "recorded.http"
    file.write_text(f"POST /hooks/support/some-secret-of-then HTTP/1.1\nContent-Type: application/json\n\n{body}")
    return file


async def test_check_lists_what_it_looked_at_and_exits_0_when_all_is_well(world: World) -> None:
    ops = world.group()
    await ops.ask("/route add support:* -> here name=checked")
    ended = await world.patchbay("check")
    assert (ended.code, ended.err) == (0, "")
    for part in ("configuration", "database", "route checked", "account telegram", "account support", "account club"):
        assert part in ended.out
    assert "WRONG" not in ended.out
    assert "@patchbay_bot" in ended.out


async def test_check_exits_1_and_says_which_account_is_wrong(world: World) -> None:
    world.plain.token = "something-else-entirely"
    await world.servers["club"].down()
    ended = await world.patchbay("check")
    world.plain.token = SECRETS["cinnox"]
    await world.servers["club"].up()
    assert ended.code == 1
    wrong = [line for line in ended.out.splitlines() if "WRONG" in line]
    assert len(wrong) == 2
    assert any("account plain" in line and "401" in line for line in wrong)
    assert any("account club" in line and "connect" in line for line in wrong)


async def test_check_sends_nothing(world: World) -> None:
    before = len(world.pushed()), len(world.club.accepted), len(world.telegram.calls)
    await world.patchbay("check")
    methods = {call.method.lower() for call in list(world.telegram.calls)[before[2] :]}
    assert (len(world.pushed()), len(world.club.accepted)) == before[:2]
    assert methods <= {"getme", "getupdates"}


async def test_check_names_a_route_whose_account_is_no_longer_there(world: World, tmp_path: Path) -> None:
    ops = world.group()
    await ops.ask("/route add club:lobby -> here name=orphan")
    text = world.config.read_text()
    start = text.index("[accounts.club]")
    file = tmp_path / "without.toml"
    file.write_text(text[:start])
    ended = await world.patchbay("check", config=file)
    assert ended.code == 1
    assert "there is no account 'club'" in next(line for line in ended.out.splitlines() if "orphan" in line)
    await ops.ask("/route remove orphan")


async def test_replay_feeds_a_recorded_webhook_through_the_real_intake_once(world: World, tmp_path: Path) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255507000")
    file = _recording(tmp_path, SMS)
    assert "relayed" in await world.quick("replay", "support", str(file))
    await ops.hears("recorded earlier")
    assert "duplicates" in await world.quick("replay", "support", str(file))
    await ops.quiet()
    assert sum("recorded earlier" in text for text in ops.texts()) == 1


async def test_replay_of_what_is_no_event_says_how_it_counts(world: World, tmp_path: Path) -> None:
    assert "unsupported" in await world.quick("replay", "support", str(_recording(tmp_path, '{"a": 1}')))


async def test_replay_of_what_cannot_be_read_is_told_in_one_line(world: World, tmp_path: Path) -> None:
    ended = await world.patchbay("replay", "support", str(_recording(tmp_path, "{")))
    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1


async def test_healthz_and_readyz_are_well(world: World) -> None:
    assert (await world.http.get("/healthz")).status_code == 200
    ready = await world.http.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"ready": True, "store": "ok", "telegram": "ok", "workers": "ok"}


async def test_metrics_agree_with_the_balance(world: World) -> None:
    ops = world.group()
    await ops.marked(ops.say("/send support:room-42 counted"), SENT)
    await world.settled()
    stats = await world.read("stats")
    page = (await world.http.get("/metrics")).text
    numbers = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in page.splitlines() if line[0] != "#"}
    for metric, side in (("patchbay_inbound_total", "inbound"), ("patchbay_deliveries_total", "deliveries")):
        label = "outcome" if side == "inbound" else "state"
        for name, number in stats[side].items():
            shown = (n for key, n in numbers.items() if key.startswith(metric) and f'{label}="{name}"' in key)
            assert sum(shown) == number, name
    for account in ("support", "plain", "club", "telegram"):
        assert numbers[f'patchbay_account_up{{account="{account}"}}'] == 1
        assert numbers[f'patchbay_outbox_depth{{account="{account}"}}'] == 0
        assert f'patchbay_outbox_oldest_seconds{{account="{account}"}}' in numbers
    assert numbers['patchbay_delivery_seconds_count{account="support"}'] >= 1
    assert numbers['patchbay_provider_requests_total{account="support",outcome="sent"}'] >= 1
    assert "patchbay_schedule_lateness_seconds_count" in page


async def test_stats_and_outbox_have_the_fields_that_scripts_rely_on(world: World) -> None:
    stats = await world.read("stats")
    assert set(stats) == {"inbound", "deliveries", "balanced"}
    assert list(stats["inbound"]) == [
        *("accepted", "relayed", "commands", "filtered", "unrouted"),
        *("echoes", "duplicates", "unsupported", "failed", "pending"),
    ]
    assert set(stats["deliveries"]) == {
        *("created", "sent", "held", "dead", "expired", "discarded", "cancelled", "queued", "sending"),
    }
    for row in await world.outbox():
        assert list(row) == [
            *("id", "account", "address", "state", "attempts", "error", "created_at", "due_at", "text"),
        ]


async def test_a_delivery_is_retried_redirected_and_discarded_by_the_command_line(world: World) -> None:
    ops = world.group()
    ids = []
    for n in range(3):
        await ops.answer(ops.say(f"/send support:room-404 by hand {n}"))
        ids.append(str((await world.delivery(f"by hand {n}"))["id"]))
    world.support.rooms.append("room-404")
    await world.quick("outbox", "retry", ids[0])
    await world.quick("outbox", "redirect", ids[1], "support:room-42")
    await world.quick("outbox", "discard", ids[2])
    await world.until(lambda: {"by hand 0", "by hand 1"} <= set(world.pushed()), within_s=2)
    assert "by hand 1" in world.pushed("room-42")
    assert "by hand 2" not in world.pushed()
    shown = await world.read("outbox", "show", ids[2])
    assert (shown["state"], shown["text"]) == ("discarded", "by hand 2")


async def test_trace_tells_where_a_message_went(world: World) -> None:
    ops = world.group()
    number = ops.say("/send support:room-42 traced")
    await ops.marked(number, SENT)
    told = await ops.ask("/trace", reply_to=number)
    row = await world.delivery("traced")
    assert f"delivery {row['id']} → support:room-42 (sent" in told
    assert row["created_at"][:10] in told


async def test_the_web_side_listens_where_it_was_told_to_and_nowhere_else(world: World) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
        with pytest.raises(httpx.TransportError):
            await http.get(f"http://127.0.0.2:{world.port}/healthz")
