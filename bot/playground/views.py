"""What the page is shown: short JSON made of the emulator's world."""

from __future__ import annotations

from typing import Any

from bot.playground.emulator import Emulator
from bot.playground.emulator.world import Chat, Message

Json = dict[str, Any]

MESSAGES_MOST = 300
QUOTE_MOST = 120
_FILES = ("photo", "video", "animation", "audio", "voice", "video_note", "sticker", "document")
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
        "entities": content.get("entities") or content.get("caption_entities") or [],
        "reactions": [str(kind.get("emoji", "★")) for kinds in message.reactions.values() for kind in kinds],
        "buttons": [
            [{"text": button["text"], "data": button.get("callback_data"), "url": button.get("url")} for button in row]
            for row in (message.reply_markup or {}).get("inline_keyboard", [])
        ],
    }
    if message.is_service:
        shown["service"] = _service(content)
    for kind in _FILES:
        if kind in content:
            name = content[kind].get("file_name", "") if isinstance(content[kind], dict) else ""
            shown["file"] = {"kind": kind.replace("_", " "), "name": name}
            break
    if message.forward_origin:
        shown["forwarded"] = True
    answered = message.reply_to
    if answered is not None and not answered.deleted and not answered.is_service:
        shown["reply_to"] = {
            "id": answered.id,
            "name": _sender(answered)["name"],
            "text": str((message.quote or {}).get("text", answered.text))[:QUOTE_MOST],
        }
    return shown


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
