"""Keyboards that stand before people in the place of the letters, and what their buttons share with a bot.

A keyboard stays until another comes, it is taken away or its message is deleted
(https://core.telegram.org/bots/api#replykeyboardmarkup, Bot API 10.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bot.playground.emulator import entities as text_rules
from bot.playground.emulator.errors import WorldError

if TYPE_CHECKING:
    from bot.playground.emulator.model import Chat, Message, Person

Json = dict[str, Any]


def show_keyboard(message: Message, usernames: Mapping[int, str]) -> None:
    """Put a new message's keyboard before those whom it is for, or take theirs away; who is called what is given."""
    markup = message.keyboard
    if markup is None or "force_reply" in markup:
        return
    for user_id in _meant(message, usernames, selective=bool(markup.get("selective"))):
        if "keyboard" in markup:
            message.chat.keyboards[str(user_id)] = message.id
        else:
            message.chat.keyboards.pop(str(user_id), None)


def _meant(message: Message, usernames: Mapping[int, str], *, selective: bool) -> list[int]:
    chat = message.chat
    everybody = [user_id for user_id, member in chat.members.items() if member.present]
    if chat.peer or not selective:
        return everybody
    named, names = set[int](), set[str]()
    for entity in message.content.get("entities", ()):
        if entity["type"] == "text_mention":
            named.add(entity["user"]["id"])
        elif entity["type"] == "mention":
            names.add(text_rules.utf16_slice(message.text, entity["offset"] + 1, entity["length"] - 1).lower())
    if message.reply_to is not None:
        named.add(message.reply_to.author)
    return [user_id for user_id in everybody if user_id in named or usernames.get(user_id, "") in names]


def hide_keyboard(message: Message) -> None:
    """A message is gone, and its keyboard with it."""
    for user_id in [user_id for user_id, shown in message.chat.keyboards.items() if shown == message.id]:
        del message.chat.keyboards[user_id]


def keyboard_of(chat: Chat, user_id: int) -> Json | None:
    """The keyboard before a person, or None."""
    message = chat.messages.get(chat.keyboards.get(str(user_id), 0))
    return message.keyboard if message is not None else None


def key_of(chat: Chat, user_id: int, label: str | None, *, asks: str = "") -> Json:
    """A button of a person's keyboard: by its label, or the first that asks for this. WorldError if there is none."""
    keyboard = keyboard_of(chat, user_id) or {"keyboard": []}
    keys: list[Json] = [key for row in keyboard["keyboard"] for key in row]
    found = next((key for key in keys if (label is None or key["text"] == label) and (not asks or asks in key)), None)
    if found is None:
        labels = ", ".join(repr(key["text"]) for key in keys) or "none"
        what = f"{label!r}" if label is not None else asks
        raise WorldError(f"there is no button {what} before user {user_id}; there are {labels}")
    return found


def shared_chat(shared: Chat, person: Person, bot_id: int, asked: Mapping[str, Any]) -> Json:
    """What a bot is told of a chat that somebody picked. WorldError if it is not of those that were asked for."""
    member, bot = shared.member(person.id), shared.member(bot_id)
    named = shared.title or str(shared.id)
    if shared.peer or not member.present:
        raise WorldError(f"{person.first_name} is not in {named}")
    if (shared.type == "channel") is not bool(asked.get("chat_is_channel")):
        raise WorldError(
            f"{named} is not what was asked for: {'a channel' if asked.get('chat_is_channel') else 'a group'}"
        )
    for name, has in (("chat_is_forum", shared.is_forum), ("chat_has_username", bool(shared.username))):
        if name in asked and bool(asked[name]) is not has:
            raise WorldError(f"{named} is not what was asked for: {name} {str(asked[name]).lower()}")
    if asked.get("chat_is_created") and member.status != "creator":
        raise WorldError(f"{named} does not belong to {person.first_name}")
    if asked.get("bot_is_member") and not bot.present:
        raise WorldError(f"the bot is not in {named}: add it first")
    for who, whose in (("user", member), ("bot", bot)):
        wanted = {name for name, on in (asked.get(f"{who}_administrator_rights") or {}).items() if on is True}
        lacks = {name for name in wanted - {"is_anonymous"} if whose.status != "creator" and not whose.rights.get(name)}
        if lacks or (asked.get(f"{who}_administrator_rights") is not None and not whose.is_admin):
            raise WorldError(f"in {named} the {who} lacks {', '.join(sorted(lacks)) or 'the rights of an admin'}")
    told: Json = {"request_id": asked["request_id"], "chat_id": shared.id}
    if asked.get("request_title"):
        told["title"] = shared.title
    if asked.get("request_username") and shared.username:
        told["username"] = shared.username
    return told


def shared_people(people: Sequence[Person], asked: Mapping[str, Any]) -> Json:
    """What a bot is told of people whom somebody picked. WorldError if they are not those that were asked for."""
    most = min(10, max(1, int(asked.get("max_quantity", 1))))
    if not 1 <= len(people) <= most:
        raise WorldError(f"from 1 to {most} people can be picked, not {len(people)}")
    told = list[Json]()
    for person in people:
        for name, has in (("user_is_bot", person.is_bot), ("user_is_premium", person.is_premium)):
            if name in asked and bool(asked[name]) is not has:
                raise WorldError(f"user {person.id} is not what was asked for: {name} {str(asked[name]).lower()}")
        shown: Json = {"user_id": person.id}
        if asked.get("request_name"):
            shown["first_name"] = person.first_name
            if person.last_name:
                shown["last_name"] = person.last_name
        if asked.get("request_username") and person.username:
            shown["username"] = person.username
        told.append(shown)
    return {"request_id": asked["request_id"], "users": told}
