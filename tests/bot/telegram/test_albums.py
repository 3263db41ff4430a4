"""Albums and everything around them, with a real database and an emulator: one message, many ids, restarts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.feedback import Feedback
from bot.intake import Intake
from bot.playground.emulator import Emulator
from bot.playground.hosting import LoopbackServer
from bot.relay import Policy, Relay
from bot.settings import TelegramSettings
from bot.store import Tx
from bot.store.balance import balance
from bot.store.messages import Copy
from bot.store.outbox import Delivery
from bot.store.sqlite import SqliteStore
from bot.telegram.application import TelegramSide
from bot.telegram.outbound import TelegramAccount
from bridges.model import Message
from tests.bot.fakes import Clock, FakeBridge, fake_account
from tests.bot.telegram.test_lanes import Ticks
from tests.databases import new_database

ANN, BO = 1001, 1002
OPS, NEWS, TALK = -1001000000001, -1001000000002, -1001000000003
HOUR = 3600.0


class Scene:
    """The Telegram side of the bot, an emulator and a database; nothing is delivered, what is to be stays queued."""

    def __init__(self, store: SqliteStore, telegram: Emulator, url: str) -> None:
        self.store, self.telegram, self._url = store, telegram, url
        self.clock, self.ticks = Clock(), Ticks()

    async def start(self) -> None:
        self.side = TelegramSide(
            settings=TelegramSettings(
                token=SecretStr(self.telegram.bot.token), api_base_url=self._url, owners=(ANN,), poll_timeout=1
            ),
            store=self.store,
            default_timezone="UTC",
            clock=self.clock,
            monotonic=self.ticks,
            sleep=self.ticks.sleep,
        )
        policy = Policy(max_age_s=60, on_ambiguous="hold", telegram_on_ambiguous="resend", owners=(ANN,))
        club = fake_account(FakeBridge(attachments="bytes", edits=True, receipt_ids=True))
        relay = Relay(accounts={"telegram": TelegramAccount(self.side.bot), "club": club}, policy=policy)
        self.intake = Intake(store=self.store, accounts={}, relay=relay, clock=self.clock)
        self.side.join(relay=relay, intake=self.intake, feedback=Feedback(relay))
        await self.intake.start()
        self.side.start(webhook_url=None, webhook_secret="")

    async def stop(self) -> None:
        await self.side.stop()
        await self.intake.stop()
        await self.side.close()

    async def route(self, source: int, target: str = "club:lobby", **options: Any) -> None:
        """Messages of a chat go there."""

        def unit(tx: Tx) -> None:
            tx.routes.add(
                name=None,
                source=f"telegram:{source}",
                arrow="->",
                target=target,
                options=json.dumps(options),
                created_by="",
                now=0.0,
            )

        await self.store.write(unit)

    async def rows(self, account: str = "club") -> list[Delivery]:
        return list(await self.store.read(lambda tx: tx.outbox.list(account=account)))

    async def payloads(self, account: str = "club") -> list[Message]:
        """What is to be said there, oldest first."""
        rows = sorted(await self.rows(account), key=lambda row: row.id)
        return [Message.model_validate_json(row.payload) for row in rows]

    async def until(self, true: Callable[[], Any]) -> None:
        async with asyncio.timeout(15):
            while True:
                found = true()
                if await found if isinstance(found, Awaitable) else found:
                    return
                await asyncio.sleep(0.005)

    async def inbound(self) -> Mapping[str, int]:
        told = await self.store.read(balance)
        assert told["balanced"], told
        return told["inbound"]

    async def accepted(self, count: int) -> None:
        """Wait until so many updates were committed, and have found their lanes."""

        async def done() -> bool:
            told = await self.inbound()
            return told["accepted"] >= count and told["pending"] == len(self.side._lanes._ids)

        await self.until(done)

    async def decided(self, count: int) -> None:
        """Let time pass until so many updates are dealt with."""

        async def done() -> bool:
            await self.ticks.pass_by(1.1)
            told = await self.inbound()
            return told["accepted"] - told["pending"] >= count

        await self.until(done)

    def album(self, *names: str, caption: str = "", chat: int = OPS, **more: Any) -> list[int]:
        """Ann sends pictures that belong together; returns their numbers."""
        items = [("photo", name.encode(), f"{name}.jpg") for name in names]
        return [int(m["message_id"]) for m in self.telegram.send_album(ANN, chat, items, caption, **more)]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    telegram = Emulator(first_message_id=10)
    telegram.add_user(ANN, "Ann")
    telegram.add_user(BO, "Bo")
    for chat in (OPS, TALK):
        telegram.add_group(chat, "Ops", members=[BO], admins=[ANN, telegram.bot.id])
    telegram.add_channel(NEWS, "News", admins=[ANN, telegram.bot.id])
    store = await SqliteStore.open(new_database(tmp_path / "p.sqlite3"))
    async with LoopbackServer(telegram.app) as server:
        made = Scene(store, telegram, server.url)
        await made.start()
        yield made
        await made.stop()
        await telegram.aclose()
    await store.close()


async def test_an_album_is_one_message_with_all_files_and_its_caption_once(scene: Scene) -> None:
    await scene.route(OPS)
    first, second, third = scene.album("a", "b", "c", caption="a day out")
    await scene.accepted(3)
    await scene.decided(3)
    (said,) = await scene.payloads()
    assert said.text == "Ann: a day out"
    assert [file.kind for file in said.attachments] == ["image"] * 3
    assert len({file.ref for file in said.attachments}) == 3
    assert (await scene.inbound())["relayed"] == 3
    found = await scene.store.read(
        lambda tx: [tx.messages.locate("telegram", f"{OPS}/{number}") for number in (first, second, third)]
    )
    assert len({each.origin.id for each in found if each is not None}) == 1
    assert all(each is not None and each.is_original for each in found)


async def test_an_album_whose_first_picture_came_before_a_stop_is_whole_after_it(scene: Scene) -> None:
    await scene.route(OPS)
    group = scene.telegram.new_album()
    scene.telegram.send_media(ANN, OPS, "photo", b"a", caption="a day out", media_group_id=group)
    await scene.accepted(1)
    await scene.stop()
    assert await scene.rows() == []
    scene.telegram.send_media(ANN, OPS, "photo", b"b", media_group_id=group)
    scene.telegram.say(ANN, OPS, "that was nice")
    await scene.start()
    await scene.accepted(3)
    await scene.decided(3)
    album, after = await scene.payloads()
    assert (album.text, len(album.attachments)) == ("Ann: a day out", 2)
    assert after.text == "Ann: that was nice"


async def test_a_reply_to_any_picture_answers_the_album(scene: Scene) -> None:
    await scene.route(OPS)
    _, second = scene.album("a", "b", caption="a day out")
    await scene.accepted(2)
    await scene.decided(2)
    scene.telegram.say(BO, OPS, "nice", reply_to=second)
    await scene.accepted(3)
    await scene.decided(3)
    assert [said.text for said in await scene.payloads()] == ["Ann: a day out", "> Ann: a day out\nBo: nice"]


async def test_a_picture_that_comes_too_late_is_a_message_of_its_own(scene: Scene) -> None:
    await scene.route(OPS)
    group = scene.telegram.new_album()
    scene.telegram.send_media(ANN, OPS, "photo", b"a", caption="a day out", media_group_id=group)
    await scene.accepted(1)
    await scene.decided(1)
    scene.telegram.send_media(ANN, OPS, "photo", b"b", media_group_id=group)
    await scene.accepted(2)
    await scene.decided(2)
    assert [len(said.attachments) for said in await scene.payloads()] == [1, 1]


async def test_a_forwarded_album_says_once_where_it_comes_from(scene: Scene) -> None:
    await scene.route(OPS)
    scene.album("a", "b", caption="a day out", forward_from=BO)
    await scene.accepted(2)
    await scene.decided(2)
    (said,) = await scene.payloads()
    assert said.text == "Ann: forwarded from Bo:\na day out"


async def test_a_command_in_the_caption_of_an_album_runs_once_with_all_of_it(scene: Scene) -> None:
    first, second = scene.album("a", "b", caption="/send club:lobby look")
    await scene.accepted(2)
    await scene.decided(2)
    (said,) = await scene.payloads()
    assert (said.text, len(said.attachments)) == ("look", 2)
    assert (await scene.inbound())["commands"] == 2
    found = await scene.store.read(lambda tx: tx.messages.locate("telegram", f"{OPS}/{second}"))
    assert found is not None and found.origin.remote_id == f"{OPS}/{first}"


async def test_a_send_in_answer_to_one_picture_sends_the_album(scene: Scene) -> None:
    _, second = scene.album("a", "b", caption="a day out")
    await scene.accepted(2)
    await scene.decided(2)
    scene.telegram.say(ANN, OPS, "/send club:lobby", reply_to=second)
    await scene.decided(3)
    (said,) = await scene.payloads()
    assert (said.text, len(said.attachments)) == ("a day out", 2)


async def edits(scene: Scene) -> list[Message]:
    rows = [row for row in await scene.rows() if row.op in ("edit", "note")]
    return [Message.model_validate_json(row.payload) for row in sorted(rows, key=lambda row: row.id)]


async def delivered(scene: Scene) -> None:
    """What is queued has arrived over there."""

    def unit(tx: Tx) -> None:
        for number, row in enumerate(tx.outbox.list(account="club")):
            tx.outbox.settle_by_hand(row.id, state="sent", now=0.0)
            assert row.message is not None
            tx.messages.add_copy(row.message, Copy(row.account, row.conversation, f"c{number}", row.part, row.id))

    await scene.store.write(unit)


async def test_an_edit_of_the_caption_changes_the_album_and_keeps_its_files(scene: Scene) -> None:
    await scene.route(OPS)
    first, second = scene.album("a", "b", caption="a day out")
    await scene.accepted(2)
    await scene.decided(2)
    await delivered(scene)
    scene.telegram.edit(ANN, OPS, first, "two days out")
    await scene.accepted(3)
    await scene.decided(3)
    (edit,) = await edits(scene)
    assert "two days out" in edit.text
    # What is invisible about either picture changes nothing.
    scene.telegram.touch(OPS, first)
    scene.telegram.touch(OPS, second)
    await scene.accepted(5)
    await scene.decided(5)
    assert len(await edits(scene)) == 1
    assert (await scene.inbound())["filtered"] == 2


async def test_a_caption_that_moves_to_another_picture_is_the_albums(scene: Scene) -> None:
    await scene.route(OPS)
    _, second = scene.album("a", "b")
    await scene.accepted(2)
    await scene.decided(2)
    await delivered(scene)
    scene.telegram.edit(ANN, OPS, second, "a day out")
    await scene.accepted(3)
    await scene.decided(3)
    (edit,) = await edits(scene)
    assert "a day out" in edit.text
    kept = await scene.store.read(lambda tx: [p.captioned for p in tx.messages.pictures(1)])
    assert kept == [False, True]


async def test_an_edit_of_an_album_whose_files_are_forgotten_changes_nothing(scene: Scene) -> None:
    await scene.route(OPS)
    first, _ = scene.album("a", "b", caption="a day out")
    await scene.accepted(2)
    await scene.decided(2)
    await delivered(scene)
    assert await scene.store.write(lambda tx: tx.messages.prune_pictures(before=0.0)) == 0
    assert await scene.store.write(lambda tx: tx.messages.prune_pictures(before=1e12)) == 2
    scene.telegram.edit(ANN, OPS, first, "two days out")
    await scene.accepted(3)
    await scene.decided(3)
    assert await edits(scene) == []


# --- what is answered, posted and written by bots


async def test_what_was_said_before_the_bot_came_is_quoted_by_its_answer(scene: Scene) -> None:
    await scene.route(OPS)
    await scene.stop()
    question = int(scene.telegram.say(BO, OPS, "green or black?")["message_id"])
    scene.telegram.bot.updates.clear()
    await scene.start()
    scene.telegram.say(ANN, OPS, "green", reply_to=question)
    await scene.decided(1)
    (said,) = await scene.payloads()
    assert said.text == "> Bo: green or black?\nAnn: green"


async def test_words_that_were_picked_out_of_what_is_answered_are_what_is_quoted(scene: Scene) -> None:
    await scene.route(OPS)
    question = int(scene.telegram.say(BO, OPS, "green tea or black tea?")["message_id"])
    scene.telegram.say(ANN, OPS, "that one", reply_to=question, quote="black tea")
    await scene.decided(2)
    assert [said.text for said in await scene.payloads()][1] == "> Bo: black tea\nAnn: that one"


async def test_a_post_that_comes_to_the_discussion_group_too_is_relayed_once(scene: Scene) -> None:
    scene.telegram.link_discussion(NEWS, TALK)
    await scene.route(NEWS)
    await scene.route(TALK)
    scene.telegram.say(ANN, NEWS, "tea is served")
    await scene.decided(2)
    assert [said.text for said in await scene.payloads()] == ["News: tea is served"]
    told = await scene.inbound()
    assert (told["relayed"], told["filtered"]) == (1, 1)


async def test_a_post_is_relayed_from_the_discussion_group_where_no_rule_takes_the_channel(scene: Scene) -> None:
    scene.telegram.link_discussion(NEWS, TALK)
    await scene.route(TALK)
    scene.telegram.say(ANN, NEWS, "tea is served")
    await scene.decided(2)
    assert [said.text for said in await scene.payloads()] == ["News: tea is served"]


async def test_a_post_of_ours_does_not_come_back_from_the_discussion_group(scene: Scene) -> None:
    scene.telegram.link_discussion(NEWS, TALK)
    await scene.route(TALK)
    await scene.until(lambda: not scene.side.trouble)
    posted = await scene.side.bot.send_message(NEWS, "from elsewhere")

    def unit(tx: Tx) -> None:
        id = tx.messages.add(
            account="club", conversation="lobby", remote_id="c1", sender_id="p", sender_name="Pat", text="x", at=0.0
        )
        tx.messages.add_copy(id, Copy("telegram", str(NEWS), f"{NEWS}/{posted.message_id}", 1, 1))

    await scene.store.write(unit)
    await scene.decided(1)
    assert (await scene.inbound())["echoes"] == 1
    assert await scene.rows() == []


async def test_an_edited_post_is_an_edit_over_there(scene: Scene) -> None:
    await scene.route(NEWS)
    post = int(scene.telegram.say(ANN, NEWS, "tea at five")["message_id"])
    await scene.decided(1)
    await delivered(scene)
    scene.telegram.edit(ANN, NEWS, post, "tea at six")
    await scene.decided(2)
    (edit,) = await edits(scene)
    assert "tea at six" in edit.text


async def test_joins_go_where_a_route_asks_for_them(scene: Scene) -> None:
    scene.telegram.add_user(1003, "Cara")
    await scene.route(OPS, kinds=["joins"])
    scene.telegram.set_member(OPS, 1003, "member")
    scene.telegram.set_member(OPS, 1003, "left")
    await scene.decided(2)
    assert [said.text for said in await scene.payloads()] == ["→ Cara joined", "← Cara left"]


# --- what is missing


async def owners_hear(scene: Scene) -> list[str]:
    return [said.text for said in await scene.payloads("telegram")]


async def test_updates_that_never_came_are_said_to_the_owners_once(scene: Scene) -> None:
    scene.telegram.say(BO, OPS, "one")
    await scene.accepted(1)
    await scene.stop()
    for word in ("two", "three"):
        scene.telegram.say(BO, OPS, word)
    await scene.start()
    await scene.accepted(3)
    assert await owners_hear(scene) == []
    await scene.stop()
    for word in ("four", "five"):
        scene.telegram.say(BO, OPS, word)
    scene.telegram.bot.updates.clear()
    scene.telegram.say(BO, OPS, "six")
    await scene.start()
    await scene.accepted(4)
    scene.telegram.say(BO, OPS, "seven")
    await scene.accepted(5)
    (told,) = await owners_hear(scene)
    assert told.startswith("2 updates from Telegram never reached me")


async def test_a_long_absence_is_said_to_the_owners_and_a_short_one_is_not(scene: Scene) -> None:
    for away, heard in ((22 * HOUR, 0), (25 * HOUR, 1), (HOUR, 1)):
        await scene.until(lambda: not scene.side.trouble)
        await scene.accepted(0)
        await scene.stop()
        scene.clock.at += away
        await scene.start()
        await scene.until(lambda: scene.side._contact_at == scene.clock.at)
        assert len(await owners_hear(scene)) == heard
    assert (await owners_hear(scene))[0].startswith("I had no contact with Telegram for 25 hours")


async def test_with_a_webhook_updates_may_come_in_any_order_for_a_while(scene: Scene) -> None:
    scene.side._settings = scene.side._settings.model_copy(update={"mode": "webhook"})

    async def post(*ids: int) -> list[str]:
        await scene.side.accept([{"update_id": id} for id in ids])
        return await owners_hear(scene)

    assert await post(105) == []
    assert await post(108) == []
    assert await post(106) == []
    scene.clock.at += 601
    (told,) = await post(109)
    assert told.startswith("An update from Telegram never reached me")


async def test_a_kind_of_update_that_nobody_knows_is_counted_and_logged_once(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.until(lambda: not scene.side.trouble)
    await scene.side.accept([{"update_id": 105, "hologram": {}}, {"update_id": 106, "hologram": {}}])
    await scene.decided(2)
    assert (await scene.inbound())["unsupported"] == 2
    assert [r.message for r in caplog.records].count("a kind of update is not carried") == 1


async def test_a_message_that_the_library_does_not_take_is_relayed_as_a_note(scene: Scene) -> None:
    await scene.route(OPS)
    poll = {"id": "1", "question": "Tea?", "options": [{"text": "Yes", "voter_count": 0}]}
    chat = {"id": OPS, "type": "supergroup", "title": "Ops"}
    ann = {"id": ANN, "is_bot": False, "first_name": "Ann"}
    message = {"message_id": 500, "date": int(scene.clock()), "chat": chat, "from": ann, "poll": poll}
    await scene.side.accept([{"update_id": 900, "message": message}, {"update_id": 901, "message": {"poll": poll}}])
    await scene.decided(2)
    (said,) = await scene.payloads()
    assert said.text == "Ann: [a message of a kind I cannot show: poll]\nTea?\nYes"
    told = await scene.inbound()
    assert (told["relayed"], told["failed"]) == (1, 1)
