"""Methods about chats, their members and their topics."""

from __future__ import annotations

from bot.playground.emulator import entities as text_rules
from bot.playground.emulator.calls import (
    Call,
    Json,
    Result,
    bad,
    method,
)
from bot.playground.emulator.sending import (
    find_chat,
    has_right,
    is_admin,
    needs_right,
)
from bot.playground.emulator.world import (
    TOPIC_COLOURS,
    Chat,
)


@method("getChat")
async def get_chat(call: Call) -> Result:
    chat = find_chat(call, call.text("chat_id"), write=False, read_only=True)
    full: Json = chat.to_json() | {
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": {
            "unlimited_gifts": False,
            "limited_gifts": False,
            "unique_gifts": False,
            "premium_subscription": False,
            "gifts_from_channels": False,
        },
    }
    if chat.username:
        full["active_usernames"] = [chat.username]
    if chat.peer and chat.peer.username:
        full["active_usernames"] = [chat.peer.username]
    if chat.linked:
        full["linked_chat_id"] = chat.linked
    if chat.description:
        full["description"] = chat.description
    if chat.available_reactions is not None:
        full["available_reactions"] = [{"type": "emoji", "emoji": emoji} for emoji in chat.available_reactions]
    if chat.type in ("group", "supergroup"):
        full["permissions"] = dict(chat.permissions)
    if chat.pinned and chat.pinned[-1] in chat.messages:
        full["pinned_message"] = chat.messages[chat.pinned[-1]].to_json(with_reply=False)
    return full


def _shared(call: Call) -> Chat:
    return find_chat(call, call.text("chat_id"), write=False, read_only=True)


@method("getChatMember")
async def get_chat_member(call: Call) -> Result:
    user_id = max(0, call.integer("user_id"))
    if not user_id:
        raise bad("invalid user_id specified")
    chat = _shared(call)
    person = call.world.users.get(user_id)
    if person is None:
        raise bad("PARTICIPANT_ID_INVALID" if not chat.peer else "user not found")
    if user_id != call.bot.id and chat.type == "channel" and not is_admin(call, chat):
        raise bad("member list is inaccessible")
    return call.world.member_json(chat, person, chat.member(user_id))


@method("getChatAdministrators")
async def get_chat_administrators(call: Call) -> Result:
    chat = _shared(call)
    if chat.peer:
        raise bad("there are no administrators in the private chat")
    with_bots = call.flag("return_bots")
    found = list[Json]()
    for user_id, member in chat.members.items():
        person = call.world.users[user_id]
        if member.is_admin and (not person.is_bot or with_bots or user_id == call.bot.id):
            found.append(call.world.member_json(chat, person, member))
    return found


@method("getChatMemberCount")
async def get_chat_member_count(call: Call) -> Result:
    return sum(member.present for member in _shared(call).members.values())


@method("leaveChat")
async def leave_chat(call: Call) -> Result:
    chat = find_chat(call, call.text("chat_id"), write=True)
    if chat.peer:
        raise bad("chat member status can't be changed in private chats")
    call.world.set_member(chat.id, call.bot.id, "left", by=call.bot.id)
    return True


@method("setChatTitle")
async def set_chat_title(call: Call) -> Result:
    title = call.text("title").strip()
    chat = find_chat(call, call.text("chat_id"), write=True)
    if chat.peer:
        raise bad("can't change private chat title")
    if not 1 <= text_rules.utf16_length(title) <= 128:
        raise bad("title must be non-empty")
    needs_right(call, chat, "can_change_info", "change chat title")
    call.world.set_title(chat.id, title, by=call.bot.id)
    return True


def _forum(call: Call, purpose: str, *, own: int = 0) -> Chat:
    chat = find_chat(call, call.text("chat_id"), write=True)
    if not chat.is_forum:
        raise bad("the chat is not a forum")
    topic = chat.topics.get(own)
    if topic is not None and topic.creator == call.bot.id:
        return chat
    if not has_right(call, chat, "can_manage_topics"):
        raise bad(f"not enough rights to {purpose}")
    return chat


def _topic_name(call: Call) -> str:
    name = " ".join(call.text("name").split())
    if not name:
        raise bad("Title must be non-empty")
    if text_rules.utf16_length(name) > 128:
        # The server cuts a name that is too long (td/telegram/ForumTopicManager.cpp, MAX_FORUM_TOPIC_TITLE_LENGTH).
        name = text_rules.utf16_slice(name, 0, 128)
    return name


@method("createForumTopic")
async def create_forum_topic(call: Call) -> Result:
    chat = _forum(call, "create a topic")
    name = _topic_name(call)
    colour = call.integer("icon_color") or TOPIC_COLOURS[0]
    if colour not in TOPIC_COLOURS:
        raise bad("TOPIC_ICON_COLOR_INVALID")
    topic = call.world.open_topic(chat, call.bot.user, name, colour, call.text("icon_custom_emoji_id"))
    return topic.to_json()


@method("editForumTopic")
async def edit_forum_topic(call: Call) -> Result:
    thread_id = max(0, call.integer("message_thread_id"))
    chat = _forum(call, "edit the topic", own=thread_id)
    topic = chat.topics.get(thread_id)
    if topic is None:
        raise bad("TOPIC_ID_INVALID")
    changed: Json = {}
    if call.text("name").strip() and _topic_name(call) != topic.name:
        changed["name"] = topic.name = _topic_name(call)
    if "icon_custom_emoji_id" in call.form.fields and call.text("icon_custom_emoji_id") != topic.icon_custom_emoji_id:
        changed["icon_custom_emoji_id"] = topic.icon_custom_emoji_id = call.text("icon_custom_emoji_id")
    if not changed:
        raise bad("TOPIC_NOT_MODIFIED")
    call.world.service(chat, call.bot.user, {"forum_topic_edited": changed}, thread_id=thread_id)
    call.world.tell("topic", chat, topic=topic.to_json())
    return True


async def _toggle_topic(call: Call, *, closed: bool) -> Result:
    thread_id = max(0, call.integer("message_thread_id"))
    chat = _forum(call, "close or open the topic", own=thread_id)
    topic = chat.topics.get(thread_id)
    if topic is None:
        raise bad("TOPIC_ID_INVALID")
    if topic.closed == closed:
        raise bad("TOPIC_NOT_MODIFIED")
    call.world.set_topic_closed(chat, topic, call.bot.user, closed=closed)
    return True


@method("closeForumTopic")
async def close_forum_topic(call: Call) -> Result:
    return await _toggle_topic(call, closed=True)


@method("reopenForumTopic")
async def reopen_forum_topic(call: Call) -> Result:
    return await _toggle_topic(call, closed=False)


@method("deleteForumTopic")
async def delete_forum_topic(call: Call) -> Result:
    thread_id = max(0, call.integer("message_thread_id"))
    chat = find_chat(call, call.text("chat_id"), write=True)
    if not chat.is_forum:
        raise bad("the chat is not a forum")
    if not has_right(call, chat, "can_delete_messages"):
        raise bad("not enough rights to delete the topic")
    if thread_id not in chat.topics:
        raise bad("TOPIC_ID_INVALID")
    call.world.remove_topic(chat, thread_id)
    return True


@method("editGeneralForumTopic")
async def edit_general_forum_topic(call: Call) -> Result:
    chat = _forum(call, "edit the topic")
    chat.general.name = _topic_name(call)
    call.world.service(chat, call.bot.user, {"forum_topic_edited": {"name": chat.general.name}})
    return True


async def _toggle_general(call: Call, *, closed: bool) -> Result:
    chat = _forum(call, "close or open the topic")
    if chat.general.closed == closed:
        raise bad("TOPIC_NOT_MODIFIED")
    chat.general.closed = closed
    name = "forum_topic_closed" if closed else "forum_topic_reopened"
    call.world.service(chat, call.bot.user, {name: {}})
    return True


@method("closeGeneralForumTopic")
async def close_general_forum_topic(call: Call) -> Result:
    return await _toggle_general(call, closed=True)


@method("reopenGeneralForumTopic")
async def reopen_general_forum_topic(call: Call) -> Result:
    return await _toggle_general(call, closed=False)
