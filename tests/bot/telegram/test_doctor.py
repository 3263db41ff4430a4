"""/doctor: what stops the bot from hearing or speaking, found on the side where it is, with the remedy."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from telegram import User, WebhookInfo

from bot import doctor as findings_of
from bot.addresses import telegram_address
from bot.doctor import FREE_FEW, FREE_LEAST, Finding, Level, Probe, ending, fine, odd, wrong
from bot.playground.emulator import Emulator
from bot.playground.hosting import LoopbackServer
from bot.settings import TelegramSettings
from bot.store import Tx
from bot.telegram import checkup
from bot.telegram.application import make_bot
from bot.telegram.checkup import Said
from bot.telegram.receiving import ALLOWED_UPDATES
from bot.telegram.surroundings import Installation, InTouch, Surroundings
from bridges.errors import BridgeError, Garbled, Unauthorized, Unavailable
from tests.bot.telegram.desk import ANN, BO, NEWS, OPS, TALK, Desk, a_desk

UTC_ZONE = ZoneInfo("UTC")
NOW = 1_800_000_000.0
FORUM = -1001000000007
CHANNEL = -1001000000008


@dataclass
class Clinic:
    """A desk whose bot is in touch with an emulator of Telegram."""

    desk: Desk
    telegram: Emulator
    touch: InTouch = field(default_factory=lambda: InTouch("polling", reached_at=NOW))

    async def report(self, *, by: int = ANN, chat: int = OPS, topic: int | None = None) -> str:
        """What /doctor says."""
        return await self.desk.ask("/doctor", by=by, chat=chat, topic=topic)

    async def line(self, part: str, **more: int) -> str:
        """The one finding with these words."""
        (found,) = [line for line in (await self.report(**more)).splitlines() if part in line]
        return found

    def set_up(self, **installation: object) -> None:
        about = self.desk.services.surroundings
        assert about is not None
        changed = replace(about, installation=replace(about.installation, **installation))  # type: ignore[arg-type]
        self.desk.services = replace(self.desk.services, surroundings=changed)


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[Clinic]:
    telegram = Emulator()
    for id, name in ((ANN, "Ann"), (BO, "Bo")):
        telegram.add_user(id, name)
    for chat, title in ((OPS, "Ops"), (NEWS, "News"), (TALK, "Talk")):
        telegram.add_group(chat, title, members=[BO], admins=[ANN, telegram.bot.id])
    async with LoopbackServer(telegram.app) as server, a_desk(tmp_path) as desk:
        bot = make_bot(TelegramSettings(token=telegram.bot.token, api_base_url=server.url))  # type: ignore[arg-type]
        await bot.initialize()
        clinic = Clinic(desk, telegram)
        about = Surroundings(bot, lambda: clinic.touch, ALLOWED_UPDATES, Installation(database=tmp_path / "p.sqlite3"))
        desk.services = replace(desk.services, surroundings=about)
        yield clinic
        await bot.shutdown()
    await telegram.aclose()


async def test_where_all_is_well_nothing_else_is_said(clinic: Clinic) -> None:
    lines = (await clinic.report()).splitlines()
    assert all(line.startswith("✅") for line in lines[:-2])
    assert lines[-1] == "Nothing stops me from hearing or speaking here."
    said = "\n".join(lines)
    for words in (
        "✅ I am an admin here and may write",
        "✅ I hear everything here",
        "✅ Telegram answers (polling)",
        "✅ This machine's clock is that of Telegram",
        "✅ club (Fake) answers in",
        "✅ The database takes writes",
    ):
        assert words in said


# --- this chat


async def test_privacy_mode_is_told_with_what_to_do(clinic: Clinic) -> None:
    clinic.telegram.set_member(OPS, clinic.telegram.bot.id, "member")
    found = await clinic.line("Privacy mode")
    assert found.startswith("⚠️ Privacy mode is on and I am no admin: I hear only commands and replies to me → ")
    assert "@BotFather, /setprivacy, Disable, then remove me from this group and add me again" in found


async def test_privacy_mode_stops_the_bot_where_a_rule_wants_to_hear(clinic: Clinic) -> None:
    clinic.telegram.set_member(OPS, clinic.telegram.bot.id, "member")
    await clinic.desk.line.route(f"telegram:{OPS} -> club:lobby")
    report = await clinic.report()
    assert "❌ Privacy mode is on" in report
    assert "⚠️ I am no admin, so I am not told of reactions → make me an admin here" in report
    assert report.endswith("2 findings, 1 of which stops something.")


async def test_without_privacy_mode_a_member_hears_all(clinic: Clinic) -> None:
    clinic.telegram.bot.can_read_all_group_messages = True
    clinic.telegram.set_member(OPS, clinic.telegram.bot.id, "member")
    assert (await clinic.line("Privacy mode")).startswith("✅ Privacy mode is off: I hear everything")


async def test_a_chat_that_takes_no_words_of_the_bot_is_told(clinic: Clinic) -> None:
    clinic.telegram.set_member(OPS, clinic.telegram.bot.id, "restricted")
    assert await clinic.line("may not write") == (
        "❌ I may not write here → allow members to send messages, or make me an admin"
    )


@pytest.mark.parametrize("status", ["left", "kicked"])
async def test_a_chat_that_the_bot_left_is_told(clinic: Clinic, status: str) -> None:
    clinic.telegram.set_member(OPS, clinic.telegram.bot.id, status)  # type: ignore[arg-type]
    assert (await clinic.report()).splitlines()[0].startswith("❌ ")
    assert "→ add me" in (await clinic.report()).splitlines()[0]


async def test_a_private_chat_has_no_rights_to_be_told_of(clinic: Clinic) -> None:
    clinic.telegram.private_chat(clinic.telegram.person(ANN), clinic.telegram.bot.id).started = True
    assert (await clinic.report(chat=ANN)).splitlines()[0] == "✅ A private chat: I hear and answer everything here"


async def test_rules_that_open_topics_need_a_forum_and_the_right(clinic: Clinic) -> None:
    telegram = clinic.telegram
    await clinic.desk.line.route(f"club:* -> new-topic(telegram:{OPS})", name="desk")
    assert "opens topics here, and this group has none → switch Topics on" in await clinic.line("opens topics")
    telegram.add_group(FORUM, "Forum", members=[BO], admins=[ANN, telegram.bot.id], is_forum=True)
    await clinic.desk.line.route(f"club:* -> new-topic(telegram:{FORUM})", name="forum")
    assert await clinic.line("topics", chat=FORUM) == "✅ I may open topics here"
    telegram.set_member(FORUM, telegram.bot.id, "administrator", rights={"can_manage_topics": False})
    assert "❌" in await clinic.line("and I may not → make me an admin with the right to manage topics", chat=FORUM)


async def test_a_topic_that_was_closed_is_told_until_it_is_opened(clinic: Clinic) -> None:
    telegram, store = clinic.telegram, clinic.desk.line.store
    telegram.add_group(FORUM, "Forum", members=[BO, telegram.bot.id], admins=[ANN], is_forum=True)
    place = telegram_address(FORUM, 17)
    await store.write(lambda tx: checkup.note_topic(tx, place, closed=True, now=NOW))
    assert (await clinic.line("is closed", chat=FORUM, topic=17)).startswith("❌ This topic is closed")
    assert "is closed" not in await clinic.report(chat=FORUM, topic=18)
    await store.write(lambda tx: checkup.note_topic(tx, place, closed=False, now=NOW))
    assert "is closed" not in await clinic.report(chat=FORUM, topic=17)


async def test_what_telegram_does_not_tell_is_a_finding_and_no_failure(clinic: Clinic) -> None:
    clinic.telegram.fail("server_error", methods=["getMe", "getWebhookInfo", "getChat", "getChatMember"])
    report = await clinic.report()
    assert "❌ Telegram does not show me this chat" in report
    assert "❌ Telegram does not answer" in report
    assert "✅ club (Fake) answers" in report


# --- how updates come

POLLING = InTouch("polling", reached_at=NOW)
POSTED = InTouch("webhook", "https://bridge.example.org/telegram/x", reached_at=NOW)
ME = User(99, "Patchbay", is_bot=True)


def info(url: str = "", **more: object) -> WebhookInfo:
    made: dict[str, object] = {"has_custom_certificate": False, "pending_update_count": 0, **more}
    return WebhookInfo(url, **made)  # type: ignore[arg-type]


def ago(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW - seconds, UTC)


CONTACT: dict[str, tuple[InTouch, WebhookInfo | BridgeError, list[str]]] = {
    "polling": (POLLING, info(), ["✅ Telegram answers (polling)"]),
    "a webhook that somebody set": (
        POLLING,
        info("https://other.example/secret-path"),
        ["❌ This bot polls, but somebody set a webhook to other.example", "restart this bot, which removes it"],
    ),
    "another poller": (
        replace(POLLING, conflict_at=NOW - 60),
        info(),
        ["❌ Another program receives with this bot's token (last seen 01-15 07:59 UTC) → end the other program"],
    ),
    "another poller, long ago": (replace(POLLING, conflict_at=NOW - 4000), info(), []),
    "trouble": (replace(POLLING, trouble="HTTP 502"), info(), ["❌ Telegram is not reached: HTTP 502"]),
    "silence": (replace(POLLING, reached_at=NOW - 300), info(), ["⚠️ Telegram was last reached 5 min ago"]),
    "kinds that are not brought": (
        POLLING,
        info(allowed_updates=["message", "my_chat_member"]),
        ["❌ Telegram does not bring ", "message_reaction", "→ restart this bot"],
    ),
    "all kinds": (POLLING, info(allowed_updates=[*ALLOWED_UPDATES, "poll"]), []),
    "webhook": (POSTED, info(POSTED.webhook_url or ""), ["✅ Telegram posts to bridge.example.org"]),
    "no webhook": (POSTED, info(), ["❌ No webhook is set, so Telegram brings nothing → restart this bot"]),
    "another webhook": (
        POSTED,
        info("https://other.example/secret-path"),
        ["❌ Telegram posts to other.example, which is not this bot"],
    ),
    "a webhook that fails": (
        POSTED,
        info(POSTED.webhook_url or "", last_error_date=ago(120), last_error_message="Connection refused"),
        ["❌ Telegram could not post to this bot (01-15 07:58 UTC): Connection refused → web.public_url has to lead"],
    ),
    "a webhook that failed long ago": (
        POSTED,
        info(POSTED.webhook_url or "", last_error_date=ago(9000), last_error_message="Connection refused"),
        ["✅ Telegram posts to"],
    ),
    "much that waits": (
        POSTED,
        info(POSTED.webhook_url or "", pending_update_count=500),
        ["⚠️ 500 updates wait at Telegram"],
    ),
    "no answer": (POLLING, Unavailable("no route"), ["⚠️ Telegram does not tell how updates are brought: no route"]),
}


@pytest.mark.parametrize("case", CONTACT)
def test_how_updates_come_is_told(case: str) -> None:
    touch, webhook, parts = CONTACT[case]
    said = Said(ME, webhook, Garbled(""), None, 0.0)
    lines = list(map(str, checkup.of_contact(touch, said, wanted=ALLOWED_UPDATES, zone=UTC_ZONE, now=NOW)))
    report = "\n".join(lines)
    for part in parts:
        assert part in report
    assert "secret-path" not in report
    if not parts:
        assert all(line.startswith("✅") for line in lines)


@pytest.mark.parametrize(
    ("ahead_s", "wrote_ago_s", "said"),
    [
        (0.4, 0, "✅ This machine's clock is that of Telegram"),
        (-4.0, 0, "✅ This machine's clock is that of Telegram"),
        (6.0, 0, "⚠️ This machine's clock is 6 s ahead of Telegram's → set it (timedatectl set-ntp true)"),
        (-300.0, 0, "❌ This machine's clock is 5 min behind Telegram's → set it"),
        (None, 3600, ""),
        (None, -90, "❌ This machine's clock is 90 s behind Telegram's"),
    ],
)
def test_the_clock_is_compared_with_telegrams(ahead_s: float | None, wrote_ago_s: float, said: str) -> None:
    answers = Said(ME, info(), Garbled(""), None, ahead_s)
    found = "".join(map(str, checkup.of_clock(answers, wrote_at=NOW - wrote_ago_s, now=NOW)))
    assert found.startswith(said)
    assert bool(found) == bool(said)


# --- accounts

PROBES: dict[str, tuple[BridgeError, str]] = {
    "refused": (
        Unauthorized("the key is refused"),
        "❌ club (Fake) refuses the credentials: the key is refused → correct accounts.club in the configuration",
    ),
    "away": (Unavailable("connection refused"), "❌ club (Fake) cannot be reached"),
    "strange": (Garbled("no JSON"), "❌ club (Fake) answers, but not as it should: no JSON → patchbay check"),
}


@pytest.mark.parametrize("case", PROBES)
async def test_what_is_wrong_with_an_account_is_told_with_the_remedy(clinic: Clinic, case: str) -> None:
    clinic.desk.line.club.error, said = PROBES[case]
    assert (await clinic.line("club (Fake)")).startswith(said)


async def test_an_account_that_does_not_answer_does_not_keep_the_others_back(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(account: object, *, within_s: float = 0.05) -> Probe:
        return await PROBE(account, within_s=0.05)  # type: ignore[arg-type]

    async def never() -> str:
        import asyncio

        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr("bot.telegram.commands.doctor.probe", slow)
    monkeypatch.setattr(clinic.desk.line.relay.accounts["club"], "probe", never)
    began = time.monotonic()
    report = await clinic.report()
    assert time.monotonic() - began < 4
    assert "❌ club (Fake) cannot be reached (5" in report
    assert "✅ desk (Fake) answers" in report


PROBE = findings_of.probe


async def test_a_clock_that_differs_from_a_providers_is_told(clinic: Clinic) -> None:
    account = SimpleNamespace(name="club", provider="fake")
    probe = Probe(0.01, "well", ahead_s=600.0)

    def read(tx: Tx) -> list[str]:
        hooks = findings_of.Hooks(frozenset(), None)
        queues = findings_of.Queues({}, {})
        made = findings_of.of_account(  # type: ignore[arg-type]
            tx, account, probe, queues=queues, hooks=hooks, zone=UTC_ZONE, now=NOW
        )
        return list(map(str, made))

    found = await clinic.desk.line.store.read(read)
    assert any("clock is 10 min ahead of that of club" in line and line.startswith("❌") for line in found)


async def test_a_paused_account_is_told_with_who_paused_it(clinic: Clinic) -> None:
    await clinic.desk.ask("/pause club")
    assert await clinic.line("club is paused") == (
        "⚠️ club is paused since 01-15 08:00 UTC by Ann (7) → /resume club sends what waits"
    )


async def test_what_waits_what_was_given_up_and_what_is_held_is_told(clinic: Clinic) -> None:
    await clinic.desk.write("/send club:lobby one")
    assert "for club, the oldest" not in await clinic.report()
    clinic.desk.line.clock.at += 600
    clinic.touch = replace(clinic.touch, reached_at=clinic.desk.line.clock())
    assert await clinic.line("for club, the oldest") == (
        "⚠️ 1 waits for club, the oldest for 10 min → /status tells the last error"
    )


async def subscribed(clinic: Clinic, *, active: bool = True, at: float = NOW - 3600, ends: float | None) -> None:
    text = f'{{"event": "messages", "active": {str(active).lower()}, "at": {at}, "expires_at": {ends or "null"}}}'
    await clinic.desk.line.store.write(lambda tx: tx.meta.set("subscription:club", text))


SUBSCRIPTIONS: dict[str, tuple[bool, float | None, str]] = {
    "for ever": (True, None, "✅ club is subscribed; nothing came from there yet"),
    "for long": (True, NOW + 86_400, "✅ club is subscribed until 01-16 08:00 UTC, renewed before"),
    "almost over": (True, NOW + 60, "⚠️ The subscription of club ends 01-15 08:01 UTC and is not renewed yet"),
    "over": (True, NOW - 60, "❌ The subscription of club ran out 01-15 07:59 UTC"),
    "ended": (False, None, "⚠️ The subscription of club was ended"),
}


@pytest.mark.parametrize("case", SUBSCRIPTIONS)
async def test_how_a_subscription_stands_is_told(clinic: Clinic, case: str) -> None:
    active, ends, said = SUBSCRIPTIONS[case]
    clinic.set_up(takes_hooks=("club",), public_url="https://bridge.example.org")
    await subscribed(clinic, active=active, ends=ends)
    assert (await clinic.line("club is subscribed" if said[0] == "✅" else "subscription of club")).startswith(said)


async def test_hooks_need_an_address_under_which_the_bot_is_reached(clinic: Clinic) -> None:
    clinic.set_up(takes_hooks=("club",))
    assert (await clinic.line("public_url")).startswith(
        "❌ club is told of messages by webhook, and web.public_url is not set → set it to the address"
    )


# --- rules, the database, the end


async def test_a_rule_about_an_account_that_is_gone_is_told(clinic: Clinic) -> None:
    await clinic.desk.line.route("gone:room -> telegram:-5", name="old")
    assert (await clinic.line("gone")).endswith(
        "is about gone, which is not configured → add accounts.gone to the configuration, or /route remove old"
    )


async def test_a_rule_that_rests_is_told_with_the_reason(clinic: Clinic) -> None:
    await clinic.desk.line.route(f"club:lobby -> telegram:{OPS}", name="ops")
    await clinic.desk.line.store.write(lambda tx: tx.routes.pause(f"telegram:{OPS}", f"telegram:{OPS}: bot was kicked"))
    found = await clinic.line("rests")
    assert "(ops) rests: " in found
    assert "bot was kicked → let me write there again, then /route enable ops" in found


async def test_a_role_for_this_chat_sees_no_other_chat(clinic: Clinic) -> None:
    for chat, name in ((OPS, "ours"), (NEWS, "theirs")):
        await clinic.desk.line.route(f"gone:room -> telegram:{chat}", name=name)
        await clinic.desk.line.route(f"telegram:{OPS} <-> telegram:{chat}", name=f"{name}2") if chat == NEWS else None
    await clinic.desk.grant(BO, "operator", chat=OPS)
    assert str(NEWS) in await clinic.report()
    report = await clinic.report(by=BO)
    assert "ours" in report
    assert str(NEWS) not in report
    assert "theirs" not in report


async def test_links_and_a_mute_of_this_chat_are_told(clinic: Clinic) -> None:
    await clinic.desk.ask("/link club:lobby")
    assert "✅ Linked with club:lobby" in await clinic.report()
    await clinic.desk.ask("/mute here")
    assert "⚠️ Nothing is relayed from here: it is muted → /unmute here" in await clinic.report()


STOPPED_BY: dict[str, tuple[str, str]] = {
    "a mute over there": ("/mute club:lobby", "⚠️ Nothing comes here from club:lobby: it is muted → /unmute club:lobby"),
    "a rule that is off": (
        "/route disable r1",
        "⚠️ Route r1 would link this chat with club:lobby, and is switched off → /route enable r1",
    ),
    "a paused account": ("/pause club", "⚠️ What is written here waits: club is paused → /resume club"),
}


@pytest.mark.parametrize("case", STOPPED_BY)
async def test_what_keeps_a_link_from_passing_words_on_is_told(clinic: Clinic, case: str) -> None:
    command, said = STOPPED_BY[case]
    await clinic.desk.ask("/link club:lobby")
    assert (await clinic.report()).endswith("Nothing stops me from hearing or speaking here.")
    await clinic.desk.ask(command)
    report = await clinic.report()
    assert said in report.splitlines()
    assert "Not linked" not in report
    assert "stops something." in report.splitlines()[-1]


async def test_an_account_that_is_away_is_told_where_it_is_linked(clinic: Clinic) -> None:
    await clinic.desk.ask("/link club:lobby")
    await clinic.desk.line.store.write(lambda tx: tx.notices.first("lost:club", now=NOW))
    assert await clinic.line("What is written here waits") == (
        "⚠️ What is written here waits: club takes no messages just now → /status tells the last error"
    )
    assert "What is written here waits" not in await clinic.report(chat=NEWS)


async def test_a_link_whose_rule_rests_is_told_once_with_the_reason(clinic: Clinic) -> None:
    await clinic.desk.ask("/link club:lobby")
    await clinic.desk.line.store.write(lambda tx: tx.routes.pause(f"telegram:{OPS}", f"telegram:{OPS}: not enough"))
    report = await clinic.report()
    assert report.count("❌") == 1
    assert f"❌ Route r1 would link this chat with club:lobby, and rests: telegram:{OPS}: not enough → let me" in report
    assert "Not linked" not in report


@pytest.mark.parametrize(
    ("free", "level"), [(None, "✅"), (FREE_LEAST - 1, "❌"), (FREE_FEW - 1, "⚠️"), (FREE_FEW, "✅")]
)
async def test_a_disk_that_is_almost_full_is_told(clinic: Clinic, free: int | None, level: str) -> None:
    found = await clinic.desk.line.store.read(lambda tx: list(findings_of.of_database(tx, free=free)))
    assert [each.level for each in found] == [level]


async def test_arrivals_that_were_not_dealt_with_are_told(clinic: Clinic) -> None:
    def unit(tx: Tx) -> None:
        tx.db.execute("INSERT INTO inbox (account, body, received_at, state) VALUES ('club', x'00', 1, 'failed')")

    await clinic.desk.line.store.write(unit)
    assert "⚠️ 1 arrival could not be dealt with" in await clinic.report()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([fine("a")], "Nothing stops me from hearing or speaking here."),
        ([fine("a"), odd("b", "c")], "1 finding, which does not stop me from hearing or speaking here."),
        ([odd("a", "c"), odd("b", "c")], "2 findings, none of which stops me from hearing or speaking here."),
        ([wrong("a", "c")], "1 finding, which stops something."),
        ([wrong("a", "c"), odd("b", "c")], "2 findings, 1 of which stops something."),
        ([wrong("a", "c"), wrong("b", "c")], "2 findings, 2 of which stop something."),
    ],
)
def test_the_end_says_how_many_there_are(found: Sequence[Finding], said: str) -> None:
    assert ending(list(found)) == said


def test_what_is_not_fine_has_a_remedy() -> None:
    assert str(Finding(Level.WRONG, "It is broken", "mend it")) == "❌ It is broken → mend it"


async def test_so_many_findings_that_they_fill_two_messages_are_cut_with_the_number(clinic: Clinic) -> None:
    for number in range(120):
        await clinic.desk.line.route(f"gone{number}:room -> club:room{number}", name=f"r{number}")
    answers = await clinic.desk.write("/doctor")
    assert len(answers) == 2
    assert "… and 57 more" in answers[1].text
    assert answers[1].text.endswith("120 findings, 120 of which stop something.")


async def test_nobody_without_a_role_sees_it(clinic: Clinic) -> None:
    before = len(clinic.telegram.calls)
    assert "needs the role operator" in await clinic.report(by=BO)
    assert len(clinic.telegram.calls) == before
