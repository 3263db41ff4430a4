"""The whole world as JSON and back, so that a playground goes on where it was stopped.

Written down are people, bots' settings, chats with members, topics, messages, reactions and keyboards, files, and the
updates nobody confirmed. Tokens are not: the world is restored into an emulator that has the same bots. What lives
only for a moment (presses that wait for an answer, webhooks, flood counters) is forgotten.
"""

from __future__ import annotations

import base64
from copy import deepcopy
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from bot.playground.emulator.files import File
from bot.playground.emulator.updates import Update
from bot.playground.emulator.world import Chat, Member, Message, Person, Topic, WorldError

if TYPE_CHECKING:
    from bot.playground.emulator.world import World

Json = dict[str, Any]

VERSION = 1
# Fields of a chat and of a message that point elsewhere and are written down in their own way.
_CHAT_LINKS = frozenset({"peer", "members", "bots", "topics", "general", "messages"})
_MESSAGE_LINKS = frozenset({"chat", "sender_chat", "reply_to", "reactions", "content"})


def take_snapshot(world: World) -> Json:
    """Everything that is kept, as plain JSON values that the world does not touch again."""
    return deepcopy(_whole(world))


def _whole(world: World) -> Json:
    return {
        "version": VERSION,
        "users": [_person(person) for person in world.users.values()],
        "bots": [
            {
                "id": bot.id,
                "reads_all": bot.can_read_all_group_messages,
                "commands": [[*key, commands] for key, commands in bot.commands.items()],
                "names": [[*key, value] for key, value in bot.names.items()],
                "allowed": sorted(bot.updates.allowed),
                "next_update": bot.updates.next_id,
                "updates": [asdict(update) for update in bot.updates.waiting()],
            }
            for bot in world.bots.values()
        ],
        "chats": [_chat(chat) for chat in (*world.chats.values(), *world.private.values())],
        "files": [{**asdict(file), "data": base64.b64encode(file.data).decode()} for file in world.files.everything()],
    }


def _person(person: Person) -> Json:
    return {**asdict(person), "blocked": sorted(person.blocked)}


def _plain(thing: Chat | Message, left_out: frozenset[str]) -> Json:
    return {item.name: getattr(thing, item.name) for item in fields(thing) if item.name not in left_out}


def _chat(chat: Chat) -> Json:
    return {
        **_plain(chat, _CHAT_LINKS),
        "members": [[user_id, asdict(member)] for user_id, member in chat.members.items()],
        "topics": [asdict(topic) for topic in (chat.general, *chat.topics.values())],
        "messages": [_message(message) for message in chat.messages.values()],
    }


def _message(message: Message) -> Json:
    content = dict(message.content)
    pinned = content.pop("pinned_message", None)
    return {
        **_plain(message, _MESSAGE_LINKS),
        "content": content,
        "pins": pinned.id if isinstance(pinned, Message) else 0,
        "sender_chat": message.sender_chat.id if message.sender_chat else 0,
        "reply_to": message.reply_to.id if message.reply_to and not message.reply_to.deleted else 0,
        "reactions": [[actor, kinds] for actor, kinds in message.reactions.items()],
    }


def put_back(world: World, snapshot: Json) -> None:
    """Replace a world by what was written down; WorldError if it is of another version or its bots are missing."""
    if snapshot.get("version") != VERSION:
        raise WorldError(f"a snapshot of version {snapshot.get('version')!r} cannot be read")
    missing = {entry["id"] for entry in snapshot["bots"]} - set(world.bots)
    if missing:
        raise WorldError(f"the snapshot has bots that are not here: {', '.join(map(str, sorted(missing)))}")
    snapshot = deepcopy(snapshot)
    for name in ("users", "chats", "private", "usernames", "callbacks"):
        getattr(world, name).clear()
    for entry in snapshot["users"]:
        person = Person(**{**entry, "blocked": set(entry["blocked"])})
        if person.id in world.bots:
            person = world.bots[person.id].user
        world.users[person.id] = person
        if person.username:
            world.usernames[person.username.lower()] = person
    for account in world.bots.values():
        world.users.setdefault(account.id, account.user)
    for entry in snapshot["files"]:
        world.files.put(File(**{**entry, "data": base64.b64decode(entry["data"])}))
    for entry in snapshot["chats"]:
        _put_chat(world, entry)
    for entry in snapshot["chats"]:
        _put_messages(world, entry)
    for entry in snapshot["bots"]:
        bot = world.bots[entry["id"]]
        # What was written down before there was a switch for it does not have it.
        bot.can_read_all_group_messages = entry.get("reads_all", bot.can_read_all_group_messages)
        bot.commands = {(scope, language): commands for scope, language, commands in entry["commands"]}
        bot.names = {(name, language): value for name, language, value in entry["names"]}
        bot.updates.put_back([Update(**update) for update in entry["updates"]], entry["next_update"], entry["allowed"])


def _put_chat(world: World, entry: Json) -> None:
    plain = {name: value for name, value in entry.items() if name not in _CHAT_LINKS}
    chat = Chat(**plain)
    general, *topics = [Topic(**topic) for topic in entry["topics"]]
    chat.general = general
    chat.topics = {topic.id: topic for topic in topics}
    chat.members = {user_id: Member(**member) for user_id, member in entry["members"]}
    chat.bots = {user_id: None for user_id, member in chat.members.items() if user_id in world.bots and member.present}
    if chat.type == "private":
        chat.peer = world.users[chat.id]
        world.private[(chat.bot_id, chat.id)] = chat
    else:
        world.chats[chat.id] = chat
        if chat.username:
            world.usernames[chat.username.lower()] = chat


def _put_messages(world: World, entry: Json) -> None:
    chat = world.private[(entry["bot_id"], entry["id"])] if entry["type"] == "private" else world.chats[entry["id"]]
    for item in entry["messages"]:
        plain = {name: value for name, value in item.items() if name not in _MESSAGE_LINKS and name != "pins"}
        message = Message(chat=chat, content=item["content"], **plain)
        message.sender_chat = world.chats.get(item["sender_chat"])
        message.reply_to = chat.messages.get(item["reply_to"])
        message.reactions = dict(item["reactions"])
        if item["pins"] in chat.messages:
            message.content["pinned_message"] = chat.messages[item["pins"]]
        chat.messages[message.id] = message
