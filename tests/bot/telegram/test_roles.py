"""Roles are given, taken and listed from the chat; people are known by @name once they were seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.store import Tx
from bot.store.audit import Deed
from bot.store.messages import Copy
from bot.store.people import Seen
from bot.telegram.outbound import message_id
from tests.bot.telegram.desk import ANN, BO, CY, NEWS, OPS, Desk, a_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        yield made


async def test_a_role_counts_at_once_and_where_it_was_given(desk: Desk) -> None:
    assert await desk.ask(f"/grant {BO} operator here") == f"{BO} is operator in this chat now."
    assert "role operator" in await desk.ask("/whoami", by=BO)
    assert "role viewer" in await desk.ask("/whoami", by=BO, chat=NEWS)
    assert (await desk.ask(f"/grant {BO} Admin")).endswith("is admin everywhere now.")
    assert "role admin" in await desk.ask("/whoami", by=BO, chat=NEWS)
    assert "role admin" in await desk.ask("/whoami", by=BO, topic=17)


async def test_of_two_roles_the_higher_one_counts(desk: Desk) -> None:
    await desk.grant(BO, "admin")
    told = await desk.ask(f"/grant {BO} viewer here")
    assert told.endswith("What counts here is admin, the higher role that they hold everywhere.")
    assert "role admin" in await desk.ask("/whoami", by=BO)


async def test_a_person_is_found_by_at_name_in_any_case_once_they_wrote(desk: Desk) -> None:
    told = await desk.ask("/grant @Bobby operator")
    assert "Nobody who was seen here is called @Bobby" in told
    assert "/whoami" in told
    desk.username[BO] = "bobby"
    await desk.write("hello", by=BO)
    assert await desk.ask("/grant @BOBBY operator") == f"Bo (@bobby, {BO}) is operator everywhere now."


async def test_a_name_that_moved_leads_to_whoever_has_it_now(desk: Desk) -> None:
    desk.username = {BO: "boss"}
    await desk.write("/here", by=BO)
    desk.username = {CY: "Boss"}
    await desk.write("/here", by=CY)
    assert (await desk.ask("/grant @boss operator")).startswith(f"Cy (@boss, {CY})")
    assert await desk.line.store.read(lambda tx: tx.people.get(str(BO))) == Seen(str(BO), "", "Bo")


async def test_somebody_who_is_seen_anew_is_written_down_only_if_something_changed(desk: Desk) -> None:
    for text in ("one", "two", "three"):
        await desk.write(text, by=BO)
        desk.line.clock.at += 10
    at = await desk.line.store.read(lambda tx: tx.db.execute("SELECT at FROM people").fetchall())
    assert at == [(desk.line.clock.at - 30,)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/grant @other_bot admin", "@other_bot is a bot"),
        ("/grant 1087968824 admin", "that id stands for all anonymous admins"),
        ("/grant 136817688 admin", "that id stands for all who write as a channel"),
        ("/grant -1001 admin", "“-1001” is not a person"),
        ("/grant 9999999999999999999 admin", "is not an id of Telegram's"),
        ("/grant 1002 king", "“king” is not viewer, operator, admin or owner"),
        ("/grant 1002", "viewer, operator, admin or owner is needed after “1002”"),
        ("/revoke @nobody_here", "Nobody who was seen here"),
    ],
)
async def test_who_can_hold_no_role_is_given_none(desk: Desk, line: str, why: str) -> None:
    told = await desk.ask(line)
    assert why in told
    assert "\nExample: " in told
    assert await desk.line.store.read(lambda tx: tx.roles.all()) == []


async def test_in_a_private_chat_here_is_refused(desk: Desk) -> None:
    assert "Here is a group" in await desk.ask(f"/grant {BO} admin here", chat=ANN)


async def test_owners_of_the_configuration_stay(desk: Desk) -> None:
    assert "telegram.owners" in await desk.ask(f"/revoke {ANN}")
    assert "telegram.owners" in await desk.ask(f"/grant {ANN} viewer")
    assert "owner everywhere already" in await desk.ask(f"/grant {ANN} owner")


async def test_the_last_owner_stays(desk: Desk) -> None:
    desk.line.relay.policy = replace(desk.line.relay.policy, owners=())
    await desk.grant(BO, "owner")
    for line in (f"/revoke {BO}", f"/grant {BO} admin", f"/grant {BO} viewer"):
        assert "is the last owner" in await desk.ask(line, by=BO)
    await desk.ask(f"/grant {CY} owner", by=BO)
    assert await desk.ask(f"/revoke {BO}", by=BO) == (
        f"Bo ({BO}) is not owner everywhere any more. What remains here: viewer, which anybody is."
    )
    assert "is the last owner" in await desk.ask(f"/revoke {CY}", by=CY)


async def test_revoke_takes_all_and_here_takes_what_was_given_here(desk: Desk) -> None:
    for scope in (None, OPS, NEWS):
        await desk.grant(BO, "operator", chat=scope)
    told = await desk.ask(f"/revoke {BO} here")
    assert (
        told == f"{BO} is not operator in this chat any more. What remains here: operator, which they hold everywhere."
    )
    told = await desk.ask(f"/revoke {BO}")
    assert told.startswith(f"{BO} is not operator everywhere, operator in telegram:{NEWS} any more.")
    assert await desk.ask(f"/revoke {BO}") == f"{BO} holds no role."
    assert await desk.ask(f"/revoke {BO} here") == f"{BO} holds no role here."


async def test_an_owner_of_one_chat_gives_takes_and_sees_roles_of_that_chat_only(desk: Desk) -> None:
    await desk.grant(BO, "owner", chat=OPS)
    await desk.grant(CY, "admin", chat=NEWS)
    for line in (f"/grant {CY} operator", f"/revoke {CY}"):
        assert "for this chat only: add here" in await desk.ask(line, by=BO)
    assert (await desk.ask(f"/grant {CY} operator here", by=BO)).endswith("is operator in this chat now.")
    assert await desk.ask("/roles", by=BO) == f"Bo ({BO}): owner in this chat\n{CY}: operator in this chat"
    await desk.ask(f"/revoke {CY} here", by=BO)
    assert await desk.line.store.read(lambda tx: tx.roles.held(str(CY))) == {str(NEWS): "admin"}


async def test_roles_lists_who_holds_what_where(desk: Desk) -> None:
    desk.username[BO] = "bobby"
    await desk.write("hello", by=BO)
    await desk.grant(BO, "admin")
    await desk.grant(CY, "operator", chat=NEWS)
    await desk.write("/here", chat=NEWS)
    assert (await desk.ask("/roles")).splitlines() == [
        f"Ann ({ANN}): owner everywhere, by telegram.owners in the configuration",
        f"Bo (@bobby, {BO}): admin everywhere",
        f"{CY}: operator in telegram:{NEWS} (News)",
    ]


# --- the audit


async def test_the_audit_tells_time_person_command_place_and_outcome(desk: Desk) -> None:
    await desk.ask("/send club:lobby secret words", by=BO)
    await desk.ask("/gratn", by=BO)
    await desk.ask("/grant", by=ANN)
    await desk.ask(f"/grant {BO} operator here")
    await desk.write("/send club:lobby secret words", by=BO, topic=17)
    await desk.ask("/whoami", by=0)
    assert (await desk.ask("/audit 6")).splitlines() == [
        f"2027-01-15 08:00:00 anonymous admin or channel /whoami: done, at telegram:{OPS}",
        f"2027-01-15 08:00:00 Bo ({BO}) /send: done, at telegram:{OPS}/17",
        f"2027-01-15 08:00:00 Ann ({ANN}) /grant: {BO} is operator in telegram:{OPS}, at telegram:{OPS}",
        f"2027-01-15 08:00:00 Ann ({ANN}) /grant: wrong argument, at telegram:{OPS}",
        f"2027-01-15 08:00:00 Bo ({BO}) /gratn: unknown, at telegram:{OPS}",
        f"2027-01-15 08:00:00 Bo ({BO}) /send: refused, at telegram:{OPS}",
    ]


async def test_an_admin_of_one_chat_sees_the_audit_of_that_chat_and_its_topics(desk: Desk) -> None:
    await desk.ask("/here", chat=NEWS)
    await desk.ask("/here", topic=17)
    await desk.grant(BO, "admin", chat=OPS)
    told = await desk.ask("/audit", by=BO)
    assert str(NEWS) not in told
    assert f"at telegram:{OPS}/17" in told


async def test_every_command_is_written_down_once(desk: Desk) -> None:
    lines = ["/here", "/nothing", "/show", "/roles", f"/grant {BO} admin", "/audit 2"]
    for line in lines:
        await desk.write(line)
    assert [command for _, command, _ in await desk.audit()] == [line.split()[0] for line in lines]


@pytest.mark.parametrize(
    ("by", "role", "outcome", "said"),
    [
        (BO, "viewer", "refused", "needs the role operator; yours is viewer. An owner can help."),
        (BO, "operator", "done", ""),
        (0, "viewer", "refused", "needs the role operator; you write as an anonymous admin or a channel"),
    ],
)
async def test_an_answer_by_hand_to_what_came_from_elsewhere_is_written_down(
    desk: Desk, by: int, role: str, outcome: str, said: str
) -> None:
    await desk.grant(BO, role)
    await desk.line.said("club:lobby", "what was said elsewhere", id="m1")
    copy = desk.message("what was said elsewhere", by=99)

    def kept(tx: Tx) -> None:
        origin = tx.messages.find("club", "m1")
        assert origin is not None
        tx.messages.add_copy(origin.id, Copy("telegram", str(OPS), message_id(OPS, copy["message_id"]), 1, 0))

    await desk.line.store.write(kept)
    answers = await desk.write("an answer", by=by, reply_to=copy)
    assert said in "".join(answer.text for answer in answers)
    assert await desk.audit() == [(str(by or ""), "reply", outcome)]
    assert bool(await desk.line.rows("club:lobby")) == (outcome == "done")


@pytest.mark.parametrize("sql", ["UPDATE audit SET outcome = 'done'", "DELETE FROM audit"])
async def test_nothing_that_was_written_down_can_be_changed_or_removed(desk: Desk, sql: str) -> None:
    await desk.ask("/roles", by=BO)
    with pytest.raises(Exception, match="append-only"):
        await desk.line.store.write(lambda tx: tx.db.execute(sql))
    assert await desk.audit() == [(str(BO), "/roles", "refused")]


async def test_all_of_the_audit_is_read_oldest_first_by_person_and_time(desk: Desk) -> None:
    await desk.ask("/here", by=BO)
    desk.line.clock.at += 60
    await desk.ask("/whoami", by=BO)
    await desk.ask("/here", by=CY)
    now = desk.line.clock.at

    def commands(deeds: list[Deed]) -> list[str]:
        return [f"{deed.person} {deed.command}" for deed in deeds]

    store = desk.line.store
    assert commands(list(await store.read(lambda tx: tx.audit.all(person=str(BO))))) == ["1002 /here", "1002 /whoami"]
    assert commands(list(await store.read(lambda tx: tx.audit.all(since=now)))) == ["1002 /whoami", "1003 /here"]


# --- who is nobody


async def test_commands_of_other_bots_are_silently_not_run_whatever_role_they_were_given(desk: Desk) -> None:
    await desk.grant(555, "owner")
    bot = {"id": 555, "is_bot": True, "first_name": "Other", "username": "other_bot"}
    assert await desk.takes(desk.message("/roles") | {"from": bot}) == []
    assert await desk.audit() == []


async def test_a_post_that_telegram_brought_into_the_discussion_group_is_not_run_there(desk: Desk) -> None:
    channel = {"id": -1009, "type": "channel", "title": "Channel"}
    telegram = {"id": 777000, "is_bot": False, "first_name": "Telegram"}
    origin = {"type": "channel", "chat": channel, "message_id": 3, "date": int(desk.line.clock())}
    message = desk.message("/whoami") | {
        "from": telegram,
        "sender_chat": channel,
        "is_automatic_forward": True,
        "forward_origin": origin,
    }
    assert await desk.takes(message) == []
    assert await desk.audit() == []


async def test_whoever_writes_as_a_channel_or_a_group_is_told_that_they_cannot_be_known(desk: Desk) -> None:
    for place in ({"by": 0}, {"chat": -1009}):
        desk.chats[-1009] = {"id": -1009, "type": "channel", "title": "Channel"}
        assert "I cannot tell who you are" in await desk.ask("/whoami", **place)
        assert "write as yourself" in await desk.ask("/send club:lobby hello", **place)
    assert await desk.line.rows() == []
    assert await desk.line.store.read(lambda tx: tx.people.get("1087968824")) is None
