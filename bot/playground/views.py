"""What the page is shown: short JSON made of the emulator's world."""

from __future__ import annotations

from typing import Any

from bot.playground.emulator import Emulator
from bot.playground.emulator.world import Chat, Message

Json = dict[str, Any]

MESSAGES_MOST = 300
QUOTE_MOST = 120
_FILES = ("photo", "video", "animation", "audio", "voice", "video_note", "sticker", "document")
_OTHER = ("venue", "location", "contact", "poll")
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_SERVICE = {
    "supergroup_chat_created": "The group was created",
    "group_chat_created": "The group was created",
    "forum_topic_closed": "The topic was closed",
    "forum_topic_reopened": "The topic was opened again",
    "pinned_message": "A message was pinned",
    "new_chat_members": "Somebody joined",
    "left_chat_member": "Somebody left",
    "migrate_to_chat_id": "The group became a supergroup",
    "migrate_from_chat_id": "The group was upgraded",
}


def telegram_view(emulator: Emulator) -> Json:
    """People, chats with topics and their latest messages, and the menus of commands."""
    chats = chats_of(emulator)
    return {
        "bot": {"id": emulator.bot.id, "name": emulator.bot.user.first_name, "username": emulator.bot.user.username},
        "people": [
            {"id": person.id, "name": person.first_name, "username": person.username}
            for person in emulator.users.values()
            if not person.is_bot
        ],
        "chats": [chat_view(chat) for chat in chats],
        "menus": [
            {"scope": scope, "language": language, "commands": commands}
            for (scope, language), commands in emulator.bot.commands.items()
        ],
        "messages": {str(chat.id): [message_view(message) for message in _latest(chat)] for chat in chats},
    }


def chats_of(emulator: Emulator) -> list[Chat]:
    """The chats with the first bot; groups that were upgraded live on under their new id."""
    groups = [chat for chat in emulator.chats.values() if not chat.migrated_to]
    return [*groups, *(chat for (bot, _), chat in emulator.private.items() if bot == emulator.bot.id)]


def _latest(chat: Chat) -> list[Message]:
    return list(chat.messages.values())[-MESSAGES_MOST:]


def chat_view(chat: Chat) -> Json:
    """A chat without its messages."""
    return {
        "id": chat.id,
        "type": chat.type,
        "title": chat.title,
        "is_forum": chat.is_forum,
        "members": [user_id for user_id, member in chat.members.items() if member.present],
        "admins": [user_id for user_id, member in chat.members.items() if member.is_admin],
        "topics": [{"id": topic.id, "name": topic.name, "closed": topic.closed} for topic in chat.topics.values()],
    }


def message_view(message: Message) -> Json:
    """A message as a bubble needs it."""
    content = message.content
    shown: Json = {
        "id": message.id,
        "chat": message.chat.id,
        "thread": message.thread_id if message.is_topic else None,
        "date": message.date,
        "edited": bool(message.edit_date),
        "from": _sender(message),
        "text": message.text,
        "what": message.text or _what(content),
        "entities": content.get("entities") or content.get("caption_entities") or [],
        "reactions": [emoji for _, emoji in _reactions(message)],
        "reacted": [[actor, emoji] for actor, emoji in _reactions(message)],
        "buttons": [
            [{"text": button["text"], "data": button.get("callback_data"), "url": button.get("url")} for button in row]
            for row in (message.reply_markup or {}).get("inline_keyboard", [])
        ],
    }
    if message.is_service:
        shown["service"] = _service(content)
    if (kind := next((kind for kind in _FILES if kind in content), "")) != "":
        shown["file"] = _file(kind, content[kind])
    shown |= {name: content[name] for name in _OTHER if name in content}
    if message.media_group_id:
        shown["album"] = message.media_group_id
    if message.forward_origin:
        shown["forwarded"] = True
    answered = message.reply_to
    if answered is not None and not answered.deleted and not answered.is_service:
        shown["reply_to"] = {
            "id": answered.id,
            "name": _sender(answered)["name"],
            "text": str((message.quote or {}).get("text") or answered.text or _what(answered.content))[:QUOTE_MOST],
        }
    return shown


def _reactions(message: Message) -> list[tuple[int, str]]:
    """Who put which reaction on a message."""
    return [(actor, str(kind.get("emoji", "★"))) for actor, kinds in message.reactions.items() for kind in kinds]


def _file(kind: str, content: Any) -> Json:
    """A file; of a photo its largest size."""
    about: Json = content[-1] if isinstance(content, list) else content
    is_picture = kind == "photo" or str(about.get("mime_type", "")) in _PICTURES
    if kind == "sticker":
        is_picture = not (about.get("is_animated") or about.get("is_video"))
    shown = {"kind": kind.replace("_", " "), "name": about.get("file_name", ""), "size": about.get("file_size", 0)}
    shown |= {"url": f"/playground/file/telegram/{about['file_id']}", "is_picture": is_picture}
    return {**shown, **{name: about[name] for name in ("width", "height", "emoji", "duration") if name in about}}


def _what(content: Json) -> str:
    """A word for a message without words."""
    return next((kind.replace("_", " ") for kind in (*_FILES, *_OTHER) if kind in content), "a message")


def _sender(message: Message) -> Json:
    if message.sender_chat is not None:
        return {"id": message.sender_chat.id, "name": message.sender_chat.title, "bot": False}
    sender = message.sender or {"id": 0, "first_name": "", "is_bot": False}
    return {"id": sender["id"], "name": sender["first_name"], "bot": bool(sender["is_bot"])}


def _service(content: Json) -> str:
    if "forum_topic_created" in content:
        return f"Topic “{content['forum_topic_created'].get('name', '')}” was opened"
    if "new_chat_title" in content:
        return f"The chat is now called “{content['new_chat_title']}”"
    for name, words in _SERVICE.items():
        if name in content:
            return words
    return next(iter(content), "").replace("_", " ")
