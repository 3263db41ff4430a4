"""What stops the bot from hearing or speaking in a chat: what Telegram says of it, and what that means.

:func:`ask` asks Telegram, everything at once; the rest makes findings of the answers and changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from telegram import (
    ChatFullInfo,
    ChatMember,
    ChatMemberAdministrator,
    ChatMemberOwner,
    ChatMemberRestricted,
    User,
    WebhookInfo,
)
from telegram.error import TelegramError

from bot.addresses import Address, NewTopic, split_telegram
from bot.doctor import CLOCK_REMEDY, Finding, fine, odd, wrong
from bot.operations import one_line
from bot.routing import Rule
from bot.store import Tx
from bot.telegram.errors import bridge_error
from bot.telegram.request import Request
from bot.telegram.surroundings import InTouch, Surroundings
from bot.zones import clock, span
from bridges.errors import BridgeError, Garbled, Unavailable

T = TypeVar("T")
ASK_S = 5.0
CLOCK_ODD_S, CLOCK_WRONG_S = 5.0, 60.0
LATELY_S = 3600.0
"""A conflict or a failed webhook that is longer ago is over."""
SILENT_S = 120.0
PENDING_MOST = 100
WORDS_MOST = 200
_TOKEN_REMEDY = "end the other program, or give it a bot of its own (@BotFather, /newbot)"
PRIVACY_REMEDY = (
    "@BotFather, /setprivacy, Disable, then remove me from this group and add me again; or make me an admin here"
)


@dataclass(frozen=True, slots=True)
class Said:
    """What Telegram said of the bot and of a chat; an error where it said none of it."""

    me: User | BridgeError
    webhook: WebhookInfo | BridgeError
    chat: ChatFullInfo | BridgeError
    member: ChatMember | BridgeError | None
    """None: in a private chat nobody is a member."""
    ahead_s: float | None
    """How far this machine's clock is ahead of Telegram's."""


async def ask(about: Surroundings, place: Address) -> Said:
    """Ask Telegram what it knows of the bot here; raises nothing."""
    bot, (chat, _) = about.bot, split_telegram(place.conversation)
    async with asyncio.TaskGroup() as group:
        me = group.create_task(_answer(bot.get_me()))
        webhook = group.create_task(_answer(bot.get_webhook_info()))
        full = group.create_task(_answer(bot.get_chat(chat)))
        member = group.create_task(_answer(bot.get_chat_member(chat, bot.id))) if chat < 0 else None
    request = bot.request
    ahead_s = request.clock_skew_s if isinstance(request, Request) else None
    return Said(me.result(), webhook.result(), full.result(), None if member is None else member.result(), ahead_s)


async def _answer(asked: Awaitable[T]) -> T | BridgeError:
    try:
        async with asyncio.timeout(ASK_S):
            return await asked
    except TimeoutError:
        return Unavailable(f"nothing came back within {ASK_S:g} s")
    except TelegramError as error:
        return bridge_error(error)
    except (AttributeError, KeyError, TypeError, ValueError):
        return Garbled("Telegram's answer is not of the known shape")


# --- receiving


def of_contact(touch: InTouch, said: Said, *, wanted: Sequence[str], zone: ZoneInfo, now: float) -> Iterator[Finding]:
    """Whether updates come: a second program with the token, a webhook that somebody set, trouble on the way."""
    if isinstance(said.me, BridgeError):
        yield wrong(f"Telegram does not answer: {said.me}", "look at the network and telegram.api_base_url")
    elif touch.trouble:
        yield wrong(f"Telegram is not reached: {touch.trouble}", "it is tried again by itself")
    elif touch.reached_at is not None and touch.mode == "polling" and now - touch.reached_at > SILENT_S:
        yield odd(f"Telegram was last reached {span(now - touch.reached_at)} ago", "it is tried again by itself")
    else:
        yield fine(f"Telegram answers ({touch.mode})")
    if touch.conflict_at is not None and now - touch.conflict_at < LATELY_S:
        at = clock(touch.conflict_at, zone)
        yield wrong(f"Another program receives with this bot's token (last seen {at})", _TOKEN_REMEDY)
    if isinstance(said.webhook, BridgeError):
        yield odd(f"Telegram does not tell how updates are brought: {said.webhook}", "try /doctor again")
        return
    yield from of_webhook(touch, said.webhook, wanted=wanted, zone=zone, now=now)


def of_webhook(
    touch: InTouch, info: WebhookInfo, *, wanted: Sequence[str], zone: ZoneInfo, now: float
) -> Iterator[Finding]:
    """Whether Telegram brings updates in the way that is configured."""
    if touch.mode == "polling" and info.url:
        yield wrong(
            f"This bot polls, but somebody set a webhook to {_host(info.url)}, and then polling brings nothing",
            "end the program that set it, then restart this bot, which removes it",
        )
    elif touch.mode == "webhook" and not info.url:
        yield wrong("No webhook is set, so Telegram brings nothing", "restart this bot, which sets it")
    elif touch.mode == "webhook" and info.url != touch.webhook_url:
        where = f"Telegram posts to {_host(info.url)}, which is not this bot"
        yield wrong(where, "end the program that set that webhook, then restart this bot, which sets its own")
    elif touch.mode == "webhook":
        yield from _posting(info, zone=zone, now=now)
    if info.allowed_updates:
        missing = [kind for kind in wanted if kind not in info.allowed_updates]
        if missing:
            yield wrong(f"Telegram does not bring {', '.join(missing)}", "restart this bot, which asks for them again")


def _posting(info: WebhookInfo, *, zone: ZoneInfo, now: float) -> Iterator[Finding]:
    failed_at = info.last_error_date.timestamp() if info.last_error_date is not None else None
    if failed_at is not None and now - failed_at < LATELY_S:
        why = one_line(info.last_error_message or "no reason", most=WORDS_MOST)
        yield wrong(
            f"Telegram could not post to this bot ({clock(failed_at, zone)}): {why}",
            "web.public_url has to lead to this bot, by https with a certificate that is valid",
        )
    if info.pending_update_count > PENDING_MOST:
        yield odd(f"{info.pending_update_count} updates wait at Telegram", "is this bot busy, or hard to reach?")
    elif failed_at is None or now - failed_at >= LATELY_S:
        yield fine(f"Telegram posts to {_host(info.url)}")


def _host(url: str) -> str:
    """Where a webhook leads, without its path, which may be a secret."""
    return urlsplit(url).hostname or "another place"


def of_clock(said: Said, *, wrote_at: float, now: float) -> Iterator[Finding]:
    """This machine's clock by Telegram's. ``wrote_at``: when, by Telegram's, the command was written."""
    ahead_s = said.ahead_s
    if ahead_s is None:
        # Without their clock at hand: what was just written was not written after now.
        ahead_s = min(0.0, now - wrote_at)
    off_s = abs(ahead_s)
    if off_s <= CLOCK_ODD_S:
        if said.ahead_s is not None:
            yield fine("This machine's clock is that of Telegram")
        return
    words = f"This machine's clock is {span(off_s)} {'ahead of' if ahead_s > 0 else 'behind'} Telegram's"
    yield (wrong if off_s > CLOCK_WRONG_S else odd)(words, CLOCK_REMEDY)


# --- this chat


def of_chat(tx: Tx, said: Said, place: Address, *, rules: Sequence[Rule]) -> Iterator[Finding]:
    """Whether the bot hears all that is said in this chat, and may say there what it is to say."""
    chat_id, topic = split_telegram(place.conversation)
    if isinstance(said.chat, BridgeError):
        yield wrong(f"Telegram does not show me this chat: {said.chat}", "add me to it again")
        return
    if said.member is None:
        yield fine("A private chat: I hear and answer everything here")
        return
    if isinstance(said.member, BridgeError):
        yield wrong(f"Telegram does not tell what I am here: {said.member}", "add me to this chat again")
        return
    yield from of_rights(said.chat, said.member, said.me, rules=[rule for rule in rules if _is_about(rule, chat_id)])
    if topic is not None and is_closed(tx, place):
        admin = isinstance(said.member, ChatMemberAdministrator | ChatMemberOwner)
        remedy = "open it again" if admin else "open it again, or make me an admin who may manage topics"
        yield (odd if admin else wrong)("This topic is closed: its members cannot write", remedy)


def of_rights(
    chat: ChatFullInfo, me: ChatMember, bot: User | BridgeError, *, rules: Sequence[Rule]
) -> Iterator[Finding]:
    """What follows from what the bot is in a group or channel. ``rules``: those about this chat."""
    if me.status in (ChatMember.LEFT, ChatMember.BANNED):
        yield wrong("I am not a member of this chat any more", "add me again")
        return
    admin = me if isinstance(me, ChatMemberAdministrator) else None
    leads = isinstance(me, ChatMemberAdministrator | ChatMemberOwner)
    if chat.type == "channel":
        if admin is not None and not admin.can_post_messages:
            yield wrong("I may not post in this channel", "give me the admin right to post messages")
        else:
            yield fine("I am an admin of this channel and may post")
        return
    silenced = (isinstance(me, ChatMemberRestricted) and not me.can_send_messages) or (
        not leads and chat.permissions is not None and not chat.permissions.can_send_messages
    )
    if silenced:
        yield wrong("I may not write here", "allow members to send messages, or make me an admin")
    else:
        yield fine("I am an admin here and may write" if leads else "I am a member here and may write")
    yield from _hears(me, bot, leads=leads, relays=bool(rules))
    yield from _topics(chat, admin, leads=leads, rules=rules)


def _hears(me: ChatMember, bot: User | BridgeError, *, leads: bool, relays: bool) -> Iterator[Finding]:
    if leads:
        yield fine("I hear everything here, reactions too")
        return
    if isinstance(bot, User) and bot.can_read_all_group_messages:
        hears = "Privacy mode is off: I hear everything that is written here, if I was added after it was switched off"
        yield fine(hears)
    else:
        text = "Privacy mode is on and I am no admin: I hear only commands and replies to me"
        yield (wrong if relays else odd)(text, PRIVACY_REMEDY)
    if relays:
        yield odd("I am no admin, so I am not told of reactions", "make me an admin here, no right is needed")


def _topics(
    chat: ChatFullInfo, admin: ChatMemberAdministrator | None, *, leads: bool, rules: Sequence[Rule]
) -> Iterator[Finding]:
    opens = [rule for rule in rules if isinstance(rule.target, NewTopic)]
    if not opens:
        return
    if not chat.is_forum:
        yield wrong(f"{opens[0]} opens topics here, and this group has none", "switch Topics on in its settings")
    elif not leads or (admin is not None and not admin.can_manage_topics):
        text = f"{opens[0]} opens topics here, and I may not"
        yield wrong(text, "make me an admin with the right to manage topics")
    else:
        yield fine("I may open topics here")


def _is_about(rule: Rule, chat_id: int) -> bool:
    """Whether a rule has an end in this chat or in one of its topics."""
    ends = (rule.source, rule.target.chat if isinstance(rule.target, NewTopic) else rule.target)
    return any(isinstance(end, Address) and str(end).partition("/")[0] == f"telegram:{chat_id}" for end in ends) and (
        rule.works
    )


# --- topics that are closed: Telegram tells when that happens, and cannot be asked


def note_topic(tx: Tx, place: Address, *, closed: bool, now: float) -> None:
    """A topic was closed or opened again."""
    if closed:
        tx.notices.first(_closed(place), now=now)
    else:
        tx.notices.forget(_closed(place))


def is_closed(tx: Tx, place: Address) -> bool:
    """Whether a topic was closed and not opened again."""
    return tx.notices.at(_closed(place)) is not None


def _closed(place: Address) -> str:
    return f"closed:{place}"
