"""Methods that write, edit, delete, copy and mark messages, and answer presses."""

from __future__ import annotations

from itertools import pairwise

from bot.playground.emulator import entities as text_rules
from bot.playground.emulator.calls import (
    ApiError,
    Call,
    Json,
    Result,
    bad,
    forbidden,
    method,
)
from bot.playground.emulator.keyboards import only_inline
from bot.playground.emulator.methods_media import album_item
from bot.playground.emulator.sending import (
    MEDIA,
    caption_content,
    count_against_flood,
    find_chat,
    find_message,
    find_topic,
    has_right,
    may_write,
    needs_right,
    reply_markup,
    send,
    text_content,
)
from bot.playground.emulator.world import (
    Chat,
    Message,
    WorldError,
    reaction_type,
)

CALLBACK_LIFETIME_S = 60.0
_CHAT_ACTIONS = frozenset(
    (
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    )
)


@method("sendMessage")
async def send_message(call: Call) -> Result:
    return send(call, text_content(call)).to_json()


def _own_message(call: Call) -> Message:
    """The bot's own message that is to be edited."""
    message_id = call.message_id()
    if not call.text("chat_id") and not message_id:
        if not call.text("inline_message_id"):
            raise bad("message identifier is not specified")
        raise bad("MESSAGE_ID_INVALID")
    chat = find_chat(call, call.text("chat_id"), write=False)
    message = find_message(call, chat, message_id, "message to edit")
    may_edit = message.author == call.bot.id or (chat.type == "channel" and has_right(call, chat, "can_edit_messages"))
    # With a keyboard that is not under it, it stays as it is (td/telegram/MessagesManager.cpp, can_edit_message).
    if not may_edit or message.is_service or message.forward_origin or message.keyboard:
        raise bad("message can't be edited")
    if chat.peer and chat.peer.deactivated:
        raise forbidden("user is deactivated")
    if chat.peer and call.bot.id in chat.peer.blocked:
        raise forbidden("bot was blocked by the user")
    return message


def _not_modified() -> ApiError:
    return bad(
        "message is not modified: specified new message content and reply markup are exactly the same as a current"
        " content and reply markup of the message"
    )


def _edit(call: Call, message: Message, content: Json) -> Result:
    markup = only_inline(reply_markup(call))
    if content == message.content and markup == message.reply_markup:
        raise _not_modified()
    count_against_flood(call, message.chat)
    message.reply_markup = markup
    call.world.change(message, content)
    return message.to_json()


@method("editMessageText")
async def edit_message_text(call: Call) -> Result:
    content = text_content(call)
    reply_markup(call)
    message = _own_message(call)
    if "text" not in message.content:
        raise bad("there is no text in the message to edit")
    return _edit(call, message, content)


@method("editMessageCaption")
async def edit_message_caption(call: Call) -> Result:
    caption = caption_content(call)
    message = _own_message(call)
    if not any(kind in message.content for kind in MEDIA):
        raise bad("there is no caption in the message to edit")
    kept = {k: v for k, v in message.content.items() if k not in ("caption", "caption_entities")}
    return _edit(call, message, kept | caption)


@method("editMessageMedia")
async def edit_message_media(call: Call) -> Result:
    item = call.parsed("media", "input media")
    content = album_item(call, item)
    return _edit(call, _own_message(call), content)


@method("editMessageReplyMarkup")
async def edit_message_reply_markup(call: Call) -> Result:
    markup = reply_markup(call)
    message = _own_message(call)
    only_inline(markup)
    if markup == message.reply_markup:
        raise _not_modified()
    count_against_flood(call, message.chat)
    message.reply_markup = markup
    call.world.change(message, tell_bots=False)
    return message.to_json()


def _may_delete(call: Call, message: Message) -> bool:
    chat = message.chat
    fresh = call.world.now() - message.date < 48 * 3600
    own = message.author == call.bot.id
    if chat.peer:
        return fresh
    if message.id == 1 and message.is_service and chat.type == "supergroup":
        return False  # the message that tells that the group was made stays
    return (own and fresh) or has_right(call, chat, "can_delete_messages")


@method("deleteMessage")
async def delete_message(call: Call) -> Result:
    if not call.text("chat_id"):
        raise bad("chat identifier is not specified")
    if not call.message_id():
        raise bad("message identifier is not specified")
    chat = find_chat(call, call.text("chat_id"), write=True)
    message = find_message(call, chat, call.message_id(), "message to delete")
    if not _may_delete(call, message):
        raise bad("message can't be deleted")
    call.world.remove(message)
    return True


def _message_ids(call: Call, limit: int) -> list[int]:
    value = call.parsed("message_ids", "message_ids")
    if value is None:
        raise bad("message identifiers are not specified")
    if not isinstance(value, list):
        raise bad("expected an Array of message identifiers")
    if len(value) > limit:
        raise bad("too many message identifiers specified")
    ids = list[int]()
    for item in value:
        if not isinstance(item, int | str) or isinstance(item, bool):
            raise bad("message identifier must be a Number")
        try:
            ids.append(int(item))
        except ValueError:
            raise bad("can't parse message identifier as a Number") from None
        if ids[-1] <= 0:
            raise bad("invalid message identifier specified")
    if not ids:
        raise bad("message identifiers are not specified")
    return ids


@method("deleteMessages")
async def delete_messages(call: Call) -> Result:
    ids = _message_ids(call, 100)
    chat = find_chat(call, call.text("chat_id"), write=True)
    found = [chat.messages[message_id] for message_id in ids if message_id in chat.messages]
    if not all(_may_delete(call, message) for message in found):
        raise bad("message can't be deleted")
    for message in found:
        call.world.remove(message)
    return True


def _source(call: Call, what: str) -> tuple[Chat, Message]:
    source = find_chat(call, call.text("from_chat_id"), write=False)
    message = find_message(call, source, call.message_id(), what)
    if message.is_service:
        raise bad(f"message can't be {'forwarded' if 'forward' in what else 'copied'}")
    if message.protected:
        raise bad(f"message has protected content and can't be {'forwarded' if 'forward' in what else 'copied'}")
    return source, message


@method("forwardMessage")
async def forward_message(call: Call) -> Result:
    _, message = _source(call, "message to forward")
    return send(call, dict(message.content), forward_origin=call.world.origin(message)).to_json()


@method("copyMessage")
async def copy_message(call: Call) -> Result:
    _, message = _source(call, "message to copy")
    content = dict(message.content)
    if "caption" in call.form.fields and any(kind in content for kind in MEDIA):
        for name in ("caption", "caption_entities"):
            content.pop(name, None)
        content |= caption_content(call)
    if "poll" in content and content["poll"]["type"] == "quiz" and "correct_option_ids" not in content["poll"]:
        raise bad("message can't be copied")
    return {"message_id": send(call, content).id}


def _several(call: Call, *, forward: bool) -> Result:
    ids = _message_ids(call, 100)
    if any(later <= earlier for earlier, later in pairwise(ids)):
        raise bad("message identifiers must be in a strictly increasing order")
    source = find_chat(call, call.text("from_chat_id"), write=False)
    chat = find_chat(call, call.text("chat_id"), write=True)
    thread_id = find_topic(call, chat)
    # What cannot be sent is left out without a word; albums stay albums.
    found = [source.messages[i] for i in ids if i in source.messages]
    found = [message for message in found if not message.is_service and not message.protected]
    if not found:
        raise bad(f"there are no messages to {'forward' if forward else 'copy'}")
    albums: dict[str, str] = {}
    sent = list[Json]()
    for message in found:
        content = dict(message.content)
        if not forward and call.flag("remove_caption"):
            for name in ("caption", "caption_entities"):
                content.pop(name, None)
        may_write(call, chat, thread_id, content)
        album = ""
        if message.media_group_id:
            album = albums.setdefault(message.media_group_id, call.world.new_album())
        copy = call.world.post(
            chat,
            content,
            author=call.bot.user,
            thread_id=thread_id or None,
            media_group_id=album,
            forward_origin=call.world.origin(message) if forward else None,
            protected=call.flag("protect_content"),
        )
        sent.append({"message_id": copy.id})
    return sent


@method("forwardMessages")
async def forward_messages(call: Call) -> Result:
    return _several(call, forward=True)


@method("copyMessages")
async def copy_messages(call: Call) -> Result:
    return _several(call, forward=False)


@method("setMessageReaction")
async def set_message_reaction(call: Call) -> Result:
    value = call.parsed("reaction", "reaction types")
    value = [] if value is None else value
    if not isinstance(value, list):
        raise bad("expected an Array of ReactionType")
    kinds = list[Json]()
    for item in value:
        if not isinstance(item, dict):
            raise bad("Can't parse ReactionType: expected an Object")
        match item.get("type"):
            case "emoji":
                if not isinstance(item.get("emoji"), str):
                    raise bad("Can't parse ReactionType: Can't find field \"emoji\"")
                kinds.append({"type": "emoji", "emoji": item["emoji"]})
            case "custom_emoji":
                kinds.append({"type": "custom_emoji", "custom_emoji_id": str(item.get("custom_emoji_id", ""))})
            case "paid":
                raise bad("Can't parse ReactionType: invalid reaction type specified")
            case _:
                raise bad("Can't parse ReactionType: invalid reaction type specified")
    chat = find_chat(call, call.text("chat_id"), write=False)
    message = find_message(call, chat, call.message_id(), "message to react")
    if chat.peer and call.bot.id in chat.peer.blocked:
        raise forbidden("bot was blocked by the user")
    if len(kinds) > 1:
        raise bad("REACTIONS_TOO_MANY")
    allowed = chat.available_reactions
    for kind in kinds:
        if kind["type"] != "emoji":
            raise bad("REACTION_INVALID")
        try:
            kind["emoji"] = reaction_type(kind["emoji"])["emoji"]
        except WorldError:
            raise bad("REACTION_INVALID") from None
        if allowed is not None and kind["emoji"] not in allowed:
            raise bad("REACTION_INVALID")
    if message.media_group_id:
        # Reactions of an album stand at its first message.
        message = next(m for m in chat.messages.values() if m.media_group_id == message.media_group_id)
    call.used.add("is_big")
    call.world.set_reactions(message, call.bot.user, kinds)
    return True


@method("answerCallbackQuery")
async def answer_callback_query(call: Call) -> Result:
    callback = call.world.callbacks.get(call.text("callback_query_id"))
    text = call.text("text")
    if text_rules.utf16_length(text) > 200:
        raise bad("MESSAGE_TOO_LONG")
    late = callback is None or call.world.clock() - callback.at > CALLBACK_LIFETIME_S
    if callback is None or late or callback.answer is not None or callback.bot_id != call.bot.id:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    answer = {
        "text": text,
        "show_alert": call.flag("show_alert"),
        "url": call.text("url"),
        "cache_time": call.integer("cache_time"),
    }
    callback.settle(answer)
    call.world.tell(
        "answered",
        callback.chat,
        callback=callback.id,
        user_id=callback.user_id,
        message_id=callback.message_id,
        **answer,
    )
    return True


@method("sendChatAction")
async def send_chat_action(call: Call) -> Result:
    action = call.text("action").lower()
    if action not in _CHAT_ACTIONS:
        raise bad("wrong parameter action in request")
    chat = find_chat(call, call.text("chat_id"), write=True)
    call.world.tell("action", chat, action=action, thread_id=call.integer("message_thread_id"))
    return True


def _may_pin(call: Call, chat: Chat) -> None:
    # In a channel it counts as editing (td/telegram/DialogManager.cpp, can_pin_messages).
    right = "can_edit_messages" if chat.type == "channel" else "can_pin_messages"
    needs_right(call, chat, right, "manage pinned messages in the chat")


@method("pinChatMessage")
async def pin_chat_message(call: Call) -> Result:
    chat = find_chat(call, call.text("chat_id"), write=True)
    message = find_message(call, chat, call.message_id(), "message to pin")
    _may_pin(call, chat)
    if message.is_service:
        raise bad("a service message can't be pinned")
    if message.id not in chat.pinned:
        chat.pinned.append(message.id)
        call.world.change(message, tell_bots=False)
        call.world.service(
            chat, call.bot.user, {"pinned_message": message}, thread_id=message.thread_id if message.is_topic else None
        )
    call.used.add("disable_notification")
    return True


@method("unpinChatMessage")
async def unpin_chat_message(call: Call) -> Result:
    chat = find_chat(call, call.text("chat_id"), write=True)
    _may_pin(call, chat)
    message_id = call.message_id() or (chat.pinned[-1] if chat.pinned else 0)
    if message_id not in chat.pinned:
        raise bad("message to unpin not found")
    chat.pinned.remove(message_id)
    if message_id in chat.messages:
        call.world.change(chat.messages[message_id], tell_bots=False)
    return True


@method("unpinAllChatMessages")
async def unpin_all_chat_messages(call: Call) -> Result:
    chat = find_chat(call, call.text("chat_id"), write=True)
    _may_pin(call, chat)
    gone, chat.pinned = chat.pinned, []
    for message_id in gone:
        call.world.change(chat.messages[message_id], tell_bots=False)
    return True
