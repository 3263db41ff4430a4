"""What the page is shown: short JSON made of the emulator's world."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.playground.emulator import Emulator, menus
from bot.playground.emulator.sharing import keyboard_of
from bot.playground.emulator.world import Chat, Message, Person

Json = dict[str, Any]

MESSAGES_MOST = 300
QUOTE_MOST = 120
_FILES = ("photo", "video", "animation", "audio", "voice", "video_note", "sticker", "document")
_OTHER = ("venue", "location", "contact", "poll")
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_ASKS = ("request_chat", "request_users", "request_contact", "request_location", "request_poll", "web_app")
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


def telegram_view(emulator: Emulator, *, roles: Mapping[int, str] | None = None) -> Json:
    """People with their roles, chats with topics and their latest messages, and the menus of commands."""
    chats, bot = chats_of(emulator), emulator.bot
    people = [person for person in emulator.users.values() if not person.is_bot]
    return {
        "bot": {
            "id": bot.id,
            "name": bot.user.first_name,
            "username": bot.user.username,
            "privacy": not bot.can_read_all_group_messages,
        },
        "people": [
            {
                "id": person.id,
                "name": person.first_name or "Deleted account",
                "username": person.username,
                "role": (roles or {}).get(person.id, ""),
                "blocked": bot.id in person.blocked,
                "gone": person.deactivated,
            }
            for person in people
        ],
        "chats": [chat_view(chat) for chat in chats],
        "menus": [
            {"scope": scope, "language": language, "commands": commands}
            for (scope, language), commands in bot.commands.items()
        ],
        **_menus(emulator, chats, people),
        "messages": {str(chat.id): [message_view(message) for message in _latest(chat)] for chat in chats},
    }


def _menus(emulator: Emulator, chats: Iterable[Chat], people: Sequence[Person]) -> Json:
    """Every menu that somebody is shown somewhere, once, and which of them each person has in each chat."""
    lists: list[Json] = []
    numbers: dict[str, int] = {}
    for chat in chats:
        for person in people:
            # In private only the person themselves writes, whether or not they ever did.
            if chat.peer is not None or not chat.member(person.id).present:
                continue
            _note(lists, numbers, f"{chat.id}/{person.id}", emulator.menu_for(person.id, chat.id))
    for person in people:
        keys = menus.scopes(user_id=person.id, chat_id=person.id, is_private=True, is_admin=False)
        found = menus.pick(emulator.bot.commands, keys, language=person.language_code or "")
        _note(lists, numbers, f"{person.id}/{person.id}", found)
    return {"menus_shown": lists, "menu_of": numbers}


def _note(lists: list[Json], numbers: dict[str, int], key: str, found: Any) -> None:
    if found not in lists:
        lists.append(found)
    numbers[key] = lists.index(found)


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
        "owner": next((user_id for user_id, member in chat.members.items() if member.status == "creator"), None),
        "hears_all": _hears_all(chat),
        "keyboards": {str(user_id): shown for user_id in chat.members if (shown := _keyboard(chat, user_id))},
        "topics": [{"id": topic.id, "name": topic.name, "closed": topic.closed} for topic in chat.topics.values()],
    }


def _hears_all(chat: Chat) -> bool | None:
    """Whether the bot is told of everything here, or not, whatever its privacy mode is by now; None: as that says."""
    member = next((chat.member(bot_id) for bot_id in chat.bots), None)
    return None if member is None else True if member.is_admin else member.reads_all


def _keyboard(chat: Chat, user_id: int) -> Json | None:
    """The keyboard before a person: labels, and what a button asks for."""
    markup = keyboard_of(chat, user_id)
    if markup is None:
        return None
    rows = [
        [{"text": key["text"], "asks": next((name for name in key if name in _ASKS), ""), **_asked(key)} for key in row]
        for row in markup["keyboard"]
    ]
    return {
        "rows": rows,
        "one_time": bool(markup.get("one_time_keyboard")),
        "placeholder": str(markup.get("input_field_placeholder", "")),
        "message": chat.keyboards[str(user_id)],
    }


def _asked(key: Json) -> Json:
    """Which chats a button asks for."""
    asked = key.get("request_chat")
    return {} if asked is None else {"channel": bool(asked.get("chat_is_channel")), "forum": asked.get("chat_is_forum")}


def message_view(message: Message) -> Json:
    """A message as a bubble needs it."""
    content = message.content
    shown: Json = {
        "id": message.id,
        "chat": message.chat.id,
        "thread": message.thread_id if message.is_topic else None,
        "date": message.date,
        "edited": bool(message.edit_date),
        "pinned": message.id in message.chat.pinned,
        "from": _sender(message),
        "author": message.author,
        "text": message.text,
        "what": message.text or _what(content),
        "entities": content.get("entities") or content.get("caption_entities") or [],
        "reactions": [emoji for _, emoji in _reactions(message)],
        "reacted": [[actor, emoji] for actor, emoji in _reactions(message)],
        "buttons": [
            [
                {"text": button["text"], "data": button.get("callback_data"), "url": button.get("url")}
                | ({"style": button["style"]} if "style" in button else {})
                for button in row
            ]
            for row in (message.reply_markup or {}).get("inline_keyboard", [])
        ],
    }
    if message.keyboard is not None and "force_reply" in message.keyboard:
        shown["asks_reply"] = True
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
    if "chat_shared" in content:
        shared = content["chat_shared"]
        return f"The chat {shared.get('title') or shared['chat_id']} was shared with the bot"
    if "users_shared" in content:
        number = len(content["users_shared"]["users"])
        return f"{number} {'person was' if number == 1 else 'people were'} shared with the bot"
    if "new_chat_title" in content:
        return f"The chat is now called “{content['new_chat_title']}”"
    for name, words in _SERVICE.items():
        if name in content:
            return words
    return next(iter(content), "").replace("_", " ")
