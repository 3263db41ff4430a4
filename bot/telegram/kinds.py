"""What a Telegram message holds, whatever its kind, as a neutral message: never silence, a note at worst."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from telegram import (
    Chat,
    Checklist,
    ExternalReplyInfo,
    Giveaway,
    GiveawayWinners,
    Message,
    MessageEntity,
    MessageOrigin,
    MessageOriginChannel,
    MessageOriginChat,
    MessageOriginHiddenUser,
    MessageOriginUser,
    TelegramObject,
)

from bot.addresses import TELEGRAM
from bot.names import display_name
from bot.shaping import quote_line
from bot.telegram.rich import read_rich, time_value
from bot.text import codepoint_offsets
from bridges import model
from bridges.model import Attachment, Contact, Location, Person, PersonId, Poll, Span, SpanKind
from bridges.responses import clean

logger = logging.getLogger(__name__)

LIVE = "live location"
"""What a location is called that goes on moving: only its first point is relayed."""

ENVELOPE = frozenset(
    {
        "message_id", "message_thread_id", "direct_messages_topic", "from", "sender_chat", "sender_boost_count",
        "sender_business_bot", "sender_tag", "date", "guest_query_id", "business_connection_id", "chat",
        "forward_origin", "is_topic_message", "is_automatic_forward", "reply_to_message", "external_reply", "quote",
        "reply_to_story", "reply_to_checklist_task_id", "reply_to_poll_option_id", "via_bot", "guest_bot_caller_user",
        "guest_bot_caller_chat", "edit_date", "has_protected_content", "is_from_offline", "is_paid_post",
        "media_group_id", "author_signature", "paid_star_count", "link_preview_options", "suggested_post_info",
        "effect_id", "show_caption_above_media", "has_media_spoiler", "reply_markup", "is_ephemeral",
    }
)  # fmt: skip
"""What is told about every message and is not what it says."""

SERVICE = frozenset(
    {
        "new_chat_members", "new_chat_member", "new_chat_participant", "left_chat_member", "left_chat_participant",
        "chat_owner_left", "chat_owner_changed", "new_chat_title", "new_chat_photo", "delete_chat_photo",
        "group_chat_created", "supergroup_chat_created", "channel_chat_created", "message_auto_delete_timer_changed",
        "migrate_to_chat_id", "migrate_from_chat_id", "pinned_message", "successful_payment", "refunded_payment",
        "users_shared", "chat_shared", "gift", "unique_gift", "gift_upgrade_sent", "connected_website",
        "write_access_allowed", "passport_data", "proximity_alert_triggered", "boost_added", "chat_background_set",
        "checklist_tasks_done", "checklist_tasks_added", "direct_message_price_changed", "forum_topic_created",
        "forum_topic_edited", "forum_topic_closed", "forum_topic_reopened", "general_forum_topic_hidden",
        "general_forum_topic_unhidden", "giveaway_created", "giveaway_completed", "managed_bot_created",
        "paid_message_price_changed", "poll_option_added", "poll_option_deleted", "suggested_post_approved",
        "suggested_post_approval_failed", "suggested_post_declined", "suggested_post_paid", "suggested_post_refunded",
        "video_chat_scheduled", "video_chat_started", "video_chat_ended", "video_chat_participants_invited",
        "web_app_data", "community_chat_added", "community_chat_removed",
    }
)  # fmt: skip
"""What Telegram tells about a chat in the form of a message: nobody said it."""

UNREAD = "unread"
"""Where a message that the library could not read has what it holds (``reading.py``)."""

_TEXTS = ("title", "question", "name", "text", "caption", "description")
_DEEPEST = 20


def content_of(message: Message) -> model.Message | None:
    """What is said in a message, without who said it to whom; None for a service message.

    One that is not of the shape that Telegram documents is a note, too: whatever of it cannot be read, it is there.
    """
    try:
        return _read(message)
    except Exception as error:
        logger.warning("a message is not of the known shape: %s", type(error).__name__, extra={"action": "intake"})
        return _unknown(_raw(message))


def _read(message: Message) -> model.Message | None:
    text = message.text if message.text is not None else message.caption or ""
    spans = spans_of(text, message.entities if message.text is not None else message.caption_entities)
    found = model.Message(
        text=clean(text),
        spans=spans,
        attachments=attachments_of(message),
        location=_location(message),
        contact=_contact(message),
        poll=_poll(message),
    )
    note = _note(message)
    if note:
        return headed(found, note)
    if found != model.Message():
        return found
    return _newer(message)


def headed(message: model.Message, head: str) -> model.Message:
    """The message with a line before its words."""
    line = f"{head}\n" if message.text else head
    spans = tuple(span.model_copy(update={"start": span.start + len(line)}) for span in message.spans)
    return message.model_copy(update={"text": line + message.text, "spans": spans})


# --- words -----------------------------------------------------------------------------------------------

EXPANDABLE = "expandable"
"""Value of a quotation that is shown cut until somebody opens it."""
_KINDS = {
    MessageEntity.BOLD: SpanKind.BOLD,
    MessageEntity.ITALIC: SpanKind.ITALIC,
    MessageEntity.UNDERLINE: SpanKind.UNDERLINE,
    MessageEntity.STRIKETHROUGH: SpanKind.STRIKE,
    MessageEntity.SPOILER: SpanKind.SPOILER,
    MessageEntity.CODE: SpanKind.CODE,
    MessageEntity.PRE: SpanKind.PRE,
    MessageEntity.BLOCKQUOTE: SpanKind.QUOTE,
    MessageEntity.EXPANDABLE_BLOCKQUOTE: SpanKind.QUOTE,
    MessageEntity.TEXT_LINK: SpanKind.LINK,
    MessageEntity.DATE_TIME: SpanKind.TIME,
}


def spans_of(text: str, entities: Sequence[MessageEntity] | None) -> tuple[Span, ...]:
    """Entities, counted in UTF-16 units, as spans, counted in code points.

    What only Telegram knows is left out, and what everybody finds in the words by themselves: mentions and hashtags,
    addresses and numbers. A custom emoji is in the text as the emoji that stands for it.
    """
    if not entities:
        return ()
    offsets = codepoint_offsets(text)
    spans = []
    for entity in entities:
        kind = _KINDS.get(entity.type)
        if kind is None or entity.offset + entity.length >= len(offsets):
            continue
        start, end = offsets[entity.offset], offsets[entity.offset + entity.length]
        if end > start:
            spans.append(Span(kind=kind, start=start, length=end - start, value=_value(entity)))
    return tuple(spans)


def _value(entity: MessageEntity) -> str | None:
    if entity.type == MessageEntity.DATE_TIME and entity.unix_time is not None:
        return time_value(int(entity.unix_time.timestamp()), entity.date_time_format)
    if entity.type == MessageEntity.EXPANDABLE_BLOCKQUOTE:
        return EXPANDABLE
    return entity.url or entity.language


# --- files -----------------------------------------------------------------------------------------------


def attachments_of(message: Message | ExternalReplyInfo) -> tuple[Attachment, ...]:
    """What hangs on a message; its bytes are fetched when they are sent on."""
    if message.photo:
        # A live photo comes as a photo too: its moment of video is left out.
        return (_attachment("image", message.photo[-1], media_type="image/jpeg"),)
    sticker = message.sticker
    if sticker:
        moving = (
            "application/x-tgsticker" if sticker.is_animated else "video/webm" if sticker.is_video else "image/webp"
        )
        return (_attachment("sticker", sticker, name=sticker.emoji or "", media_type=moving),)
    for kind, file in (
        ("video", message.video or message.video_note or message.animation),
        ("voice", message.voice),
        ("audio", message.audio),
        ("file", message.document),
    ):
        if file is not None:
            return (_attachment(kind, file),)
    return ()


def _attachment(kind: str, file: TelegramObject, *, name: str = "", media_type: str = "") -> Attachment:
    return _described(kind, file.to_dict(), name=name, media_type=media_type)


def _described(kind: str, told: Mapping[str, Any], *, name: str = "", media_type: str = "") -> Attachment:
    """One of Telegram's files; of a round video only one side is told."""
    return Attachment.model_validate(
        {
            "kind": kind,
            "ref": told["file_id"],
            "name": clean(name or told.get("file_name", "")),
            "media_type": media_type or told.get("mime_type", ""),
            "size": told.get("file_size"),
            "width": told.get("width", told.get("length")),
            "height": told.get("height", told.get("length")),
            "duration_s": told.get("duration"),
            "account": TELEGRAM,
        }
    )


# --- fields of their own ---------------------------------------------------------------------------------


def _location(message: Message) -> Location | None:
    venue = message.venue
    if venue is not None:
        name = ", ".join(filter(None, (venue.title, venue.address)))
        return Location(latitude=venue.location.latitude, longitude=venue.location.longitude, name=clean(name))
    place = message.location
    if place is None:
        return None
    return Location(latitude=place.latitude, longitude=place.longitude, name=LIVE if place.live_period else "")


def _contact(message: Message) -> Contact | None:
    card = message.contact
    if card is None:
        return None
    name = " ".join(filter(None, (card.first_name, card.last_name)))
    return Contact(name=clean(name), phone=clean(card.phone_number))


def _poll(message: Message) -> Poll | None:
    poll = message.poll
    if poll is None:
        return None
    return Poll(question=clean(poll.question), options=tuple(clean(option.text) for option in poll.options))


# --- what is said in a note ------------------------------------------------------------------------------


def _note(message: Message) -> str:
    """The words for a message of a kind that no other network has; empty for the others."""
    if message.dice is not None:
        return f"[dice: {message.dice.emoji} {message.dice.value}]"
    if message.game is not None:
        return _bracketed("game", message.game.title, message.game.description)
    if message.story is not None:
        return _bracketed("story", f"by {_chat_name(message.story.chat)}")
    if message.invoice is not None:
        return _bracketed("invoice", message.invoice.title, message.invoice.description)
    if message.paid_media is not None:
        # Who has paid may see it; nobody else may get it from us.
        return f"[paid media: {message.paid_media.star_count} ⭐]"
    if message.checklist is not None:
        return _checklist(message.checklist)
    if message.giveaway is not None:
        return _giveaway(message.giveaway)
    if message.giveaway_winners is not None:
        return _winners(message.giveaway_winners)
    return ""


def _bracketed(kind: str, *words: str) -> str:
    return f"[{kind}: {'; '.join(_one_line(each) for each in words if each)}]"


def _checklist(checklist: Checklist) -> str:
    lines = [f"[checklist: {_one_line(checklist.title)}]"]
    for task in checklist.tasks:
        lines.append(f"{'☑' if task.completion_date else '☐'} {_one_line(task.text)}")
    return "\n".join(lines)


def _giveaway(giveaway: Giveaway) -> str:
    return _bracketed(
        "giveaway",
        _prizes(giveaway.winner_count, giveaway.prize_star_count, giveaway.premium_subscription_month_count),
        giveaway.prize_description or "",
        f"drawn on {_date(giveaway.winners_selection_date)}",
    )


def _winners(giveaway: GiveawayWinners) -> str:
    return _bracketed(
        "giveaway has ended",
        _prizes(giveaway.winner_count, giveaway.prize_star_count, giveaway.premium_subscription_month_count),
        giveaway.prize_description or "",
        f"won by {', '.join(user.full_name for user in giveaway.winners)}" if giveaway.winners else "",
    )


def _prizes(winners: int, stars: int | None, months: int | None) -> str:
    prize = f" of {stars} ⭐ in all" if stars else f" of {months} months of Premium" if months else ""
    return f"{winners} prize{'' if winners == 1 else 's'}{prize}"


def _date(at: datetime) -> str:
    return at.strftime("%Y-%m-%d")


def _one_line(text: str) -> str:
    return " ".join(clean(text).split())


# --- what came after this was written --------------------------------------------------------------------


def _newer(message: Message) -> model.Message | None:
    """A message of a kind that nobody here knows: the words in it, or a note that it is there."""
    raw = _raw(message)
    if raw.keys() & SERVICE:
        return None
    if "rich_message" in raw:
        rich = read_rich(raw["rich_message"], attachment=_described)
        if rich.text or rich.attachments:
            return model.Message(text=rich.text, spans=rich.spans, attachments=rich.attachments)
    return _unknown(raw)


def _raw(message: Message) -> Mapping[str, Any]:
    """What a message holds, as Telegram tells it."""
    told = message.to_dict()
    unread = told.pop(UNREAD, None)
    if isinstance(unread, Mapping):
        told = {**told, **unread}
    return {name: told[name] for name in told.keys() - ENVELOPE if told[name] is not None and told[name] is not False}


def _unknown(raw: Mapping[str, Any]) -> model.Message:
    kind = ", ".join(sorted(raw))
    note = f"[a message of a kind I cannot show{f': {kind}' if kind else ''}]"
    return model.Message(text="\n".join([note, *_texts(raw, depth=0)]))


def _texts(node: object, *, depth: int) -> list[str]:
    """Words in something of no known shape, found by what such fields are called."""
    if depth > _DEEPEST:
        return []
    if isinstance(node, list):
        return [text for each in node for text in _texts(each, depth=depth + 1)]
    if not isinstance(node, Mapping):
        return []
    found = [clean(node[name]) for name in _TEXTS if isinstance(node.get(name), str) and node[name].strip()]
    for value in node.values():
        found += _texts(value, depth=depth + 1)
    return found


# --- where it comes from ---------------------------------------------------------------------------------


def forwarded(origin: MessageOrigin) -> str:
    """The words before a message that somebody wrote elsewhere first."""
    return f"forwarded from {_shown(_origin_name(origin))}"


def answered_elsewhere(message: Message) -> str:
    """A line for what a message answers where that is in no chat with it; empty where there is nothing of it."""
    if message.external_reply is not None and message.reply_to_message is None:
        words = message.quote.text if message.quote is not None else ""
        original = model.Message(
            text=clean(words) or "a message in another chat",
            sender=Person(id=PersonId("0"), name=clean(_origin_name(message.external_reply.origin))),
        )
        return quote_line(original).rstrip("\n")
    if message.reply_to_story is not None:
        return f"> a story by {_shown(_chat_name(message.reply_to_story.chat))}"
    return ""


def _origin_name(origin: MessageOrigin) -> str:
    match origin:
        case MessageOriginUser():
            return origin.sender_user.full_name
        case MessageOriginHiddenUser():
            return origin.sender_user_name
        case MessageOriginChat():
            return _signed(origin.sender_chat, origin.author_signature)
        case MessageOriginChannel():
            return _signed(origin.chat, origin.author_signature)
    return "elsewhere"


def _signed(chat: Chat, signature: str | None) -> str:
    return f"{_chat_name(chat)} ({signature})" if signature else _chat_name(chat)


def _chat_name(chat: Chat) -> str:
    return chat.title or chat.full_name or chat.username or str(chat.id)


def _shown(name: str) -> str:
    return display_name(Person(id=PersonId("0"), name=clean(name)))
