"""From Telegram's update to what it means here. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from telegram import (
    Chat,
    Message,
    MessageEntity,
    MessageReactionUpdated,
    ReactionTypeEmoji,
    TelegramObject,
    Update,
    User,
)

from bot.addresses import TELEGRAM, Address, telegram_address
from bot.shaping import codepoint_offsets
from bot.telegram.outbound import message_id
from bridges import model
from bridges.model import (
    Attachment,
    Conversation,
    ConversationId,
    Edited,
    MembersChanged,
    Person,
    PersonId,
    Reacted,
    Received,
    Span,
    SpanKind,
)
from bridges.responses import clean

ANONYMOUS_ADMIN = 1087968824
"""@GroupAnonymousBot, the sender that Telegram names for an admin who stays anonymous (facts: 2026-11)."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A message that begins with a command meant for this bot."""

    name: str
    arguments: str
    """The rest as written, without the blanks around it."""
    message: Message


@dataclass(frozen=True, slots=True)
class Talk:
    """A message to be relayed if a rule says so."""

    event: Received
    message: Message


@dataclass(frozen=True, slots=True)
class Press:
    """A button was pressed."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Nothing to do, and how it counts: ``filtered`` or ``unsupported``."""

    outcome: str
    why: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A group became a supergroup and has another id from now on."""

    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Change:
    """Something became of a message, or people came and went."""

    event: Edited | Reacted | MembersChanged


Meaning: TypeAlias = CommandLine | Talk | Change | Press | Passed | Moved


def lane(update: Update) -> str:
    """Updates of one lane are dealt with in order: those of one chat."""
    chat = update.effective_chat
    if chat is not None:
        return str(chat.id)
    return str(update.effective_user.id) if update.effective_user else ""


def here(message: Message) -> Address:
    """The chat or topic in which a message stands."""
    topic = message.message_thread_id if message.is_topic_message else None
    return telegram_address(message.chat_id, topic)


def meaning(update: Update, *, bot: User) -> Meaning:
    """What an update asks of us."""
    if update.callback_query is not None:
        return Press()
    if update.edited_message is not None:
        if _command(update.edited_message, bot=bot) is not None:
            return Passed("filtered", "an edited command is not run")
        return _edited(update, update.edited_message)
    if update.message_reaction is not None:
        return _reacted(update, update.message_reaction)
    message = update.message
    if message is None:
        # Edits, reactions, channel posts and membership changes are not carried yet.
        return Passed("unsupported", "this kind of update is not carried")
    # Two service messages tell of it, one in each chat, and not always both come.
    if message.migrate_to_chat_id is not None:
        return Moved(message.chat_id, message.migrate_to_chat_id)
    if message.migrate_from_chat_id is not None:
        return Moved(message.migrate_from_chat_id, message.chat_id)
    user = message.from_user
    if user is not None and user.is_bot and message.sender_chat is None:
        # Anonymous admins and people who write as a channel come with a bot of Telegram's as their sender.
        return Passed("filtered", "written by a bot")
    command = _command(message, bot=bot)
    if command is not None:
        return command
    event = received(update, message)
    return Talk(event, message) if event is not None else Passed("unsupported", "a service message")


def _edited(update: Update, message: Message) -> Meaning:
    event = received(update, message)
    if event is None or event.id is None:
        return Passed("unsupported", "a service message")
    # An edit is told at the time of the edit.
    at = message.edit_date or message.date
    return Change(Edited(key=event.key, at=at, conversation=event.conversation, id=event.id, message=event.message))


def _reacted(update: Update, told: MessageReactionUpdated) -> Meaning:
    person = told.user
    if person is not None and person.is_bot:
        return Passed("filtered", "a bot's reaction")
    if person is not None:
        who = Person(id=PersonId(str(person.id)), name=clean(person.full_name))
    elif told.actor_chat is not None:
        name = told.actor_chat.title or str(told.actor_chat.id)
        who = Person(id=PersonId(str(told.actor_chat.id)), name=clean(name), kind="system")
    else:
        return Passed("unsupported", "nobody's reaction")
    emoji = tuple(each.emoji for each in told.new_reaction if isinstance(each, ReactionTypeEmoji))
    return Change(
        Reacted(
            key=f"update/{update.update_id}",
            at=told.date,
            conversation=Conversation(
                id=ConversationId(str(told.chat.id)), title=clean(told.chat.title or told.chat.full_name or "")
            ),
            id=message_id(told.chat.id, told.message_id),
            person=who,
            reactions=emoji,
        )
    )


def _command(message: Message, *, bot: User) -> CommandLine | Passed | None:
    text = message.text or message.caption
    entities = message.entities if message.text else message.caption_entities
    if not text or not entities:
        return None
    first = entities[0]
    if first.type != MessageEntity.BOT_COMMAND or first.offset != 0:
        return None
    word, rest = text[1 : first.length], text[first.length :]
    name, _, addressee = word.partition("@")
    if addressee and addressee.lower() != (bot.username or "").lower():
        return Passed("filtered", "a command for another bot")
    if message.forward_origin is not None or message.is_automatic_forward:
        return Passed("filtered", "a forwarded command is not run")
    return CommandLine(name.lower(), rest.strip(), message)


def received(update: Update, message: Message) -> Received | None:
    """A message as a neutral event; None if nobody said anything in it."""
    text = message.text if message.text is not None else message.caption or ""
    attachments = attachments_of(message)
    if not text and not attachments:
        return None
    entities = message.entities if message.text is not None else message.caption_entities
    address = here(message)
    parent = _parent(message)
    return Received(
        key=f"update/{update.update_id}",
        at=message.date,
        conversation=Conversation(
            id=ConversationId(address.conversation),
            kind="topic" if message.is_topic_message else "direct" if message.chat.type == Chat.PRIVATE else "group",
            title=clean(message.chat.title or message.chat.full_name or ""),
        ),
        id=message_id(message.chat_id, message.message_id),
        message=model.Message(
            text=clean(text),
            spans=spans_of(text, entities),
            attachments=attachments,
            sender=sender_of(message),
            reply_to=None if parent is None else message_id(message.chat_id, parent.message_id),
        ),
    )


def _parent(message: Message) -> Message | None:
    """The message that this one answers; in a topic, Telegram calls the topic's first message the parent of all."""
    parent = message.reply_to_message
    if parent is None or parent.forum_topic_created is not None:
        return None
    return parent


def sender_of(message: Message) -> Person:
    """Who wrote: a person, or the channel or group in whose name they wrote."""
    chat = message.sender_chat
    if chat is not None:
        return Person(id=PersonId(str(chat.id)), name=clean(chat.title or chat.username or str(chat.id)), kind="system")
    user = message.from_user
    if user is None:
        return Person(id=PersonId(str(message.chat_id)), name=clean(message.chat.title or ""), kind="system")
    return Person(id=PersonId(str(user.id)), name=clean(user.full_name), kind="bot" if user.is_bot else "member")


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
}


def spans_of(text: str, entities: tuple[MessageEntity, ...] | None) -> tuple[Span, ...]:
    """Entities, counted in UTF-16 units, as spans, counted in code points. What only Telegram knows is left out."""
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
            spans.append(Span(kind=kind, start=start, length=end - start, value=entity.url or entity.language))
    return tuple(spans)


def attachments_of(message: Message) -> tuple[Attachment, ...]:
    """What hangs on a message; its bytes are fetched when they are sent on."""
    if message.photo:
        photo = message.photo[-1]
        return (_attachment("image", photo, media_type="image/jpeg"),)
    if message.sticker:
        return (_attachment("sticker", message.sticker, name=message.sticker.emoji or ""),)
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
    """One of Telegram's files; of a round video only one side is told."""
    told = file.to_dict()
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
