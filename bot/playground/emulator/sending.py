"""What most methods do: find the chat and the message meant, see what is allowed there, put a message into it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from bot.playground.emulator import entities as text_rules
from bot.playground.emulator.calls import (
    Call,
    Json,
    bad,
    forbidden,
    too_many,
)
from bot.playground.emulator.keyboards import read_keyboard, suit
from bot.playground.emulator.world import (
    GENERAL_TOPIC,
    Chat,
    Message,
    is_username,
)

MEDIA = ("photo", "video", "animation", "document", "audio", "voice", "video_note", "sticker")


def find_chat(call: Call, value: str, *, write: bool, read_only: bool = False) -> Chat:
    """The chat a parameter names, if the bot may use it."""
    world, bot = call.world, call.bot
    if not value:
        raise bad("chat_id is empty")
    chat: Chat | None = None
    if is_username(value):
        thing = world.usernames.get(value[1:].lower())
        chat = thing if isinstance(thing, Chat) else None
    elif re.fullmatch(r"-?[0-9]+", value):
        number = int(value)
        if number > 0:
            return _private(call, number, write=write)
        chat = world.chats.get(number)
    if chat is None or (bot.id not in chat.members and not chat.username):
        raise bad("chat not found")
    _check_group(call, chat, write=write, read_only=read_only)
    return chat


def _private(call: Call, user_id: int, *, write: bool) -> Chat:
    world, bot = call.world, call.bot
    chat = world.private.get((bot.id, user_id))
    person = world.users.get(user_id)
    if person is None or person.id == bot.id:
        raise bad("chat not found")
    if person.is_bot:
        raise forbidden("bots can't send messages to bots") if write else bad("chat not found")
    if chat is None or not chat.started:
        # Somebody the bot only met in a group, or never.
        met = any(user_id in other.members and bot.id in other.members for other in world.chats.values())
        if not met and chat is None:
            raise bad("chat not found")
        if write:
            raise forbidden("bot can't initiate conversation with a user")
        chat = chat or Chat(user_id, "private", peer=person, bot_id=bot.id)
    if write and person.deactivated:
        raise forbidden("user is deactivated")
    if write and bot.id in person.blocked:
        raise forbidden("bot was blocked by the user")
    return chat


def _check_group(call: Call, chat: Chat, *, write: bool, read_only: bool) -> None:
    if chat.migrated_to:
        if write:
            raise bad("group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.migrated_to)
        return
    status = chat.member(call.bot.id).status
    if chat.username and read_only:
        return
    if status == "kicked":
        raise forbidden(f"bot was kicked from the {chat.noun} chat")
    if status == "left":
        raise forbidden(f"bot is not a member of the {chat.noun} chat")


def find_message(call: Call, chat: Chat, message_id: int, what: str) -> Message:
    message = chat.messages.get(message_id)
    if message is None:
        raise bad(f"{what} not found")
    return message


def is_admin(call: Call, chat: Chat) -> bool:
    return chat.member(call.bot.id).is_admin


def has_right(call: Call, chat: Chat, right: str) -> bool:
    member = chat.member(call.bot.id)
    return member.status == "creator" or (member.is_admin and member.rights.get(right, False))


_PERMISSION_OF = {
    "photo": ("can_send_photos", "photos"),
    "video": ("can_send_videos", "videos"),
    "audio": ("can_send_audios", "music"),
    "document": ("can_send_documents", "documents"),
    "voice": ("can_send_voice_notes", "voice notes"),
    "video_note": ("can_send_video_notes", "video notes"),
    "poll": ("can_send_polls", "polls"),
    "animation": ("can_send_other_messages", "animations"),
    "sticker": ("can_send_other_messages", "stickers"),
}


def may_write(call: Call, chat: Chat, thread_id: int, content: Json) -> None:
    """Whether the bot may say this here and now: rights, closed topics, flood control."""
    if chat.type == "channel":
        if not has_right(call, chat, "can_post_messages"):
            raise bad("need administrator rights in the channel chat")
    elif not chat.peer and not is_admin(call, chat):
        kind = next((name for name in _PERMISSION_OF if name in content), "")
        right, noun = _PERMISSION_OF.get(kind, ("can_send_messages", "text messages"))
        member = chat.member(call.bot.id)
        allowed = chat.permissions.get(right, True) and (
            member.status != "restricted" or member.rights.get(right, False)
        )
        if not allowed:
            raise bad(f"not enough rights to send {noun} to the chat")
        topic = chat.topics.get(thread_id) if thread_id else chat.general if chat.is_forum else None
        if topic is not None and topic.closed:
            raise bad("TOPIC_CLOSED")
    count_against_flood(call, chat)


def count_against_flood(call: Call, chat: Chat) -> None:
    closed_s = call.world.closed_until.get(chat.id, 0.0) - call.world.clock()
    if closed_s > 0:
        raise too_many(max(1, math.ceil(closed_s)))
    if call.flood is None:
        return
    wait = call.flood.check(call.bot.id, chat.id, is_group=chat.type != "private", clock=call.world.clock)
    if wait:
        raise too_many(wait)


def find_topic(call: Call, chat: Chat) -> int:
    """The topic to write to, 0 for none."""
    thread_id = max(0, call.integer("message_thread_id"))
    if not thread_id:
        return 0
    if chat.is_forum:
        # General takes messages without a thread id only (tdlib/telegram-bot-api Client.cpp, check_message_topic).
        if thread_id == GENERAL_TOPIC or thread_id not in chat.topics:
            raise bad("message thread not found")
        return thread_id
    if chat.peer:
        raise bad("message thread not found")
    return 0


@dataclass(slots=True)
class Reply:
    """What a message answers to."""

    message: Message | None = None
    quote: Json | None = None
    external: Json | None = None


def find_reply(call: Call, chat: Chat) -> Reply:
    value = call.parsed("reply_parameters", "reply parameters")
    if value is None and call.given("reply_to_message_id"):
        value = {
            "message_id": call.message_id("reply_to_message_id"),
            "allow_sending_without_reply": call.flag("allow_sending_without_reply"),
        }
    if value is None or value == {}:
        return Reply()
    if not isinstance(value, dict):
        raise bad("Object expected as reply parameters")
    if "message_id" not in value:
        raise bad('Can\'t find field "message_id"')
    try:
        message_id = max(0, int(value["message_id"]))
    except (TypeError, ValueError):
        raise bad('Field "message_id" must be of type Number') from None
    if not message_id:
        return Reply()
    other = str(value.get("chat_id") or "")
    source = find_chat(call, other, write=False) if other and other != str(chat.id) else chat
    message = source.messages.get(message_id)
    if message is None:
        if value.get("allow_sending_without_reply"):
            return Reply()
        raise bad("message to be replied not found")
    quote: Json | None = None
    if value.get("quote"):
        text, entities = text_rules.formatted(
            str(value["quote"]), str(value.get("quote_parse_mode") or ""), value.get("quote_entities")
        )
        if text not in message.text:
            raise bad("QUOTE_TEXT_INVALID")
        quote = {"text": text, "position": text_rules.utf16_length(message.text[: message.text.index(text)])}
        if entities:
            quote["entities"] = entities
        quote["is_manual"] = True
    if source is not chat:
        external: Json = {"origin": call.world.origin(message)}
        if source.type in ("supergroup", "channel"):
            external |= {"chat": source.to_json(), "message_id": message.id}
        return Reply(quote=quote, external=external)
    return Reply(message, quote)


def reply_markup(call: Call) -> Json | None:
    """The keyboard that comes with a message, of any kind."""
    return read_keyboard(call.text("reply_markup"))


def text_content(call: Call) -> Json:
    """The content of a text message."""
    given = call.text("text")
    if not given:
        raise bad("message text is empty")
    text, entities = text_rules.formatted(given, call.text("parse_mode"), call.entities("entities"))
    if not text:
        raise bad("text must be non-empty")
    if text_rules.utf16_length(text) > text_rules.TEXT_LIMIT:
        raise bad("message is too long")
    content = call.world.text_content(text, entities)
    preview = call.parsed("link_preview_options", "link preview options")
    if preview is not None:
        if not isinstance(preview, dict):
            raise bad("Object expected as link preview options")
        known = ("is_disabled", "url", "prefer_small_media", "prefer_large_media", "show_above_text")
        shown = {name: preview[name] for name in known if preview.get(name)}
        if shown:
            content["link_preview_options"] = shown
    return content


def caption_content(call: Call, fields: Json | None = None) -> Json:
    """The caption fields of a media message; ``fields`` stands in for the call's own parameters in an album."""
    if fields is None:
        given, mode, listed = call.text("caption"), call.text("parse_mode"), call.entities("caption_entities")
    else:
        given, mode = str(fields.get("caption") or ""), str(fields.get("parse_mode") or "")
        listed = fields.get("caption_entities")
    text, entities = text_rules.formatted(given, mode, listed)
    if text_rules.utf16_length(text) > text_rules.CAPTION_LIMIT:
        raise bad("message caption is too long")
    return call.world.text_content(text, entities, field="caption")


def send(call: Call, content: Json, *, forward_origin: Json | None = None) -> Message:
    """Put a message into the chat the call names."""
    markup = reply_markup(call)
    chat = find_chat(call, call.text("chat_id"), write=True)
    thread_id = find_topic(call, chat)
    reply = find_reply(call, chat)
    suit(markup, chat.type)
    may_write(call, chat, thread_id, content)
    call.used |= {"disable_notification", "message_effect_id", "allow_paid_broadcast"}
    stays = markup is not None and "inline_keyboard" in markup
    return call.world.post(
        chat,
        content,
        author=call.bot.user,
        thread_id=thread_id or None,
        reply_to=reply.message,
        reply_markup=markup if stays else None,
        keyboard=None if stays else markup,
        quote=reply.quote,
        external_reply=reply.external,
        forward_origin=forward_origin,
        protected=call.flag("protect_content"),
    )


def needs_right(call: Call, chat: Chat, right: str, purpose: str) -> None:
    if chat.peer or has_right(call, chat, right):
        return
    raise bad(f"not enough rights to {purpose}")
