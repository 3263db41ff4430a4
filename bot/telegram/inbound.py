"""From Telegram's update to what it means here. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from telegram import (
    Chat,
    ChatMember,
    ChatMemberUpdated,
    Message,
    MessageEntity,
    MessageOriginChannel,
    MessageReactionUpdated,
    ReactionType,
    ReactionTypeCustomEmoji,
    ReactionTypeEmoji,
    Update,
    User,
)

from bot.addresses import Address, telegram_address
from bot.telegram.kinds import answered_elsewhere, content_of, forwarded, headed
from bot.telegram.outbound import message_id
from bridges import model
from bridges.model import (
    Attachment,
    Conversation,
    ConversationId,
    Edited,
    MembersChanged,
    MessageId,
    Person,
    PersonId,
    Reacted,
    Received,
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
    album: tuple[Message, ...] = ()
    """Every message of the album whose caption it is, itself among them; empty: it is in no album."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A message of an album."""

    id: MessageId
    attachments: tuple[Attachment, ...]
    captioned: bool
    """Whether it has the album's words; of several that have, the first."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A message to be relayed if a rule says so."""

    event: Received
    message: Message
    """The message, of an album the first one."""
    answered: Received | None = None
    """What it answers, as far as Telegram tells it along: not that of this bot."""
    pictures: tuple[Picture, ...] = ()
    """Of an album: its messages in order."""
    posted: MessageId | None = None
    """The post in a channel that this is, where Telegram brought it into the discussion group by itself."""


@dataclass(frozen=True, slots=True)
class ChatPicked:
    """Somebody picked a chat in their app's own list, because this bot offered it."""

    message: Message
    chat: int
    title: str


@dataclass(frozen=True, slots=True)
class Press:
    """A button was pressed."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Nothing to do, and how it counts: ``filtered`` or ``unsupported``."""

    outcome: str
    why: str
    unknown: str = ""
    """What Telegram calls the kind of update, where it is one that nobody here knows."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A group became a supergroup and has another id from now on."""

    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Membership:
    """What this bot is in a chat has changed: it was added or made an admin, restricted, removed or blocked."""

    chat_id: int
    status_old: str
    status_new: str
    by: int
    """Who did it."""

    @property
    def why_not(self) -> str:
        """Why nothing can be said or heard there any more; empty where it can."""
        if self.status_new == ChatMember.BANNED:
            return "I am blocked" if self.chat_id > 0 else "I was kicked"
        return "I am not a member" if self.status_new == ChatMember.LEFT else ""


@dataclass(frozen=True, slots=True)
class Change:
    """Something became of a message, or people came and went."""

    event: Edited | Reacted | MembersChanged
    picture: Picture | None = None
    """The message of an album that was edited: the event is about this one alone."""


Meaning: TypeAlias = CommandLine | Talk | Change | Membership | ChatPicked | Press | Passed | Moved


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


def album_of(update: Update) -> str:
    """What the messages of one album have in common; empty for anything else."""
    message = update.message or update.channel_post
    return (message.media_group_id or "") if message is not None else ""


def meaning(*updates: Update, bot: User) -> Meaning:
    """What an update asks of us, or the updates that an album is made of."""
    update = updates[0]
    if len(updates) > 1:
        return _album(updates, bot=bot)
    if update.callback_query is not None:
        return Press()
    edited = update.edited_message or update.edited_channel_post
    if edited is not None:
        return _edited(update, edited, bot=bot)
    if update.message_reaction is not None:
        return _reacted(update, update.message_reaction)
    if update.my_chat_member is not None:
        return _membership(update.my_chat_member)
    message = update.message or update.channel_post
    if message is None:
        kind = next((kind for kind in update.to_dict() if kind != "update_id"), "")
        return Passed("unsupported", "this kind of update is not carried", unknown=kind)
    return _said(update, (message,), bot=bot)


def _album(updates: Sequence[Update], *, bot: User) -> Meaning:
    """Several messages that are one; whatever makes one of them something else makes all of them that."""
    ordered = sorted(updates, key=lambda update: update.effective_message.message_id if update.effective_message else 0)
    messages = tuple(update.effective_message for update in ordered if update.effective_message is not None)
    for update, message in zip(ordered, messages, strict=True):
        meant = _said(update, (message,), bot=bot)
        if isinstance(meant, CommandLine):
            return CommandLine(meant.name, meant.arguments, message, album=messages)
        if not isinstance(meant, Talk):
            return meant
    return _said(ordered[0], messages, bot=bot)


def _said(update: Update, messages: tuple[Message, ...], *, bot: User) -> Meaning:
    message = messages[0]
    # Two service messages tell of it, one in each chat, and not always both come.
    if message.migrate_to_chat_id is not None:
        return Moved(message.chat_id, message.migrate_to_chat_id)
    if message.migrate_from_chat_id is not None:
        return Moved(message.migrate_from_chat_id, message.chat_id)
    if message.new_chat_members or message.left_chat_member is not None:
        return _members(update, message, bot=bot)
    if message.chat_shared is not None:
        return ChatPicked(message, message.chat_shared.chat_id, clean(message.chat_shared.title or ""))
    refused = _not_for_others(message, bot=bot)
    if refused is not None:
        return refused
    command = _command(message, bot=bot)
    if command is not None:
        return command
    event = received(update, messages)
    if event is None:
        return Passed("unsupported", "a service message")
    return Talk(
        event,
        message,
        answered=_answered(update, message, bot=bot),
        pictures=pictures_of(messages) if message.media_group_id else (),
        posted=_posted(message),
    )


def _not_for_others(message: Message, *, bot: User) -> Passed | None:
    """Why a message is nobody else's business, or None."""
    user = message.from_user
    # Anonymous admins and people who write as a channel come with a bot of Telegram's as their sender.
    if user is not None and user.id == bot.id and message.sender_chat is None:
        return Passed("filtered", "written by this bot")
    if message.api_kwargs.get("is_ephemeral") and _command(message, bot=bot) is None:
        return Passed("filtered", "shown to this bot alone")
    return None


def _posted(message: Message) -> MessageId | None:
    origin = message.forward_origin
    if not message.is_automatic_forward or not isinstance(origin, MessageOriginChannel):
        return None
    return message_id(origin.chat.id, origin.message_id)


def _answered(update: Update, message: Message, *, bot: User) -> Received | None:
    """What a message answers; not where this bot wrote it: its copies are known by their own way."""
    parent = _parent(message)
    if parent is None or (parent.from_user is not None and parent.from_user.id == bot.id):
        return None
    return received(update, (parent,))


def pictures_of(messages: Sequence[Message]) -> tuple[Picture, ...]:
    """The messages of an album, in order."""
    captioned = next((message.message_id for message in messages if message.caption), None)
    return tuple(
        Picture(message_id(each.chat_id, each.message_id), _files(each), each.message_id == captioned)
        for each in messages
        if each.message_id
    )


def _files(message: Message) -> tuple[Attachment, ...]:
    content = content_of(message)
    return content.attachments if content is not None else ()


def _members(update: Update, message: Message, *, bot: User) -> Meaning:
    joined = tuple(_person(user) for user in message.new_chat_members if user.id != bot.id)
    gone = message.left_chat_member
    left = () if gone is None or gone.id == bot.id else (_person(gone),)
    if not joined and not left:
        return Passed("unsupported", "a service message")
    return Change(
        MembersChanged(
            key=f"update/{update.update_id}", at=message.date, conversation=_place(message), joined=joined, left=left
        )
    )


def _membership(told: ChatMemberUpdated) -> Membership:
    return Membership(
        chat_id=told.chat.id,
        status_old=str(told.old_chat_member.status),
        status_new=str(told.new_chat_member.status),
        by=told.from_user.id,
    )


def _edited(update: Update, message: Message, *, bot: User) -> Meaning:
    if _command(message, bot=bot) is not None:
        return Passed("filtered", "an edited command is not run")
    refused = _not_for_others(message, bot=bot)
    if refused is not None:
        return refused
    event = received(update, (message,))
    if event is None or event.id is None:
        return Passed("unsupported", "a service message")
    # An edit is told at the time of the edit.
    at = message.edit_date or message.date
    return Change(
        Edited(key=event.key, at=at, conversation=event.conversation, id=event.id, message=event.message),
        picture=next(iter(pictures_of((message,))), None) if message.media_group_id else None,
    )


def _reacted(update: Update, told: MessageReactionUpdated) -> Meaning:
    person = told.user
    if person is not None and person.is_bot:
        return Passed("filtered", "a bot's reaction")
    if person is not None:
        who = _person(person)
    elif told.actor_chat is not None:
        who = _in_the_name_of(told.actor_chat)
    else:
        return Passed("unsupported", "nobody's reaction")
    return Change(
        Reacted(
            key=f"update/{update.update_id}",
            at=told.date,
            conversation=Conversation(id=ConversationId(str(told.chat.id)), title=_title(told.chat)),
            id=message_id(told.chat.id, told.message_id),
            person=who,
            reactions=tuple(_reaction(each) for each in told.new_reaction),
        )
    )


def _reaction(reaction: ReactionType) -> str:
    match reaction:
        case ReactionTypeEmoji():
            return str(reaction.emoji)
        case ReactionTypeCustomEmoji():
            return "a custom emoji"
    return "⭐" if reaction.type == ReactionType.PAID else "in a way I cannot show"


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
    user = message.from_user
    if user is not None and user.is_bot and message.sender_chat is None:
        # Two bots that answer each other's commands would not come to an end.
        return Passed("filtered", "a command by another bot is not run")
    return CommandLine(clean(name).lower(), clean(rest).strip(), message)


def received(update: Update, messages: Sequence[Message]) -> Received | None:
    """A message (or the messages of an album, in order) as one neutral event; None if nobody said anything in it."""
    first = messages[0]
    content = _content(messages)
    if content is None:
        return None
    answered = answered_elsewhere(first)
    if answered:
        content = headed(content, answered)
    origin = first.forward_origin
    if origin is not None and not first.is_automatic_forward:
        who = forwarded(origin)
        content = headed(content, f"{who}:" if content.text else who)
    parent = _parent(first)
    picked = first.quote if parent is not None and first.quote is not None and first.quote.is_manual else None
    return Received(
        key=f"update/{update.update_id}",
        at=first.date,
        conversation=_place(first),
        id=_id(first),
        message=content.model_copy(
            update={
                "sender": sender_of(first),
                "reply_to": None if parent is None else _id(parent),
                "quote": "" if picked is None else clean(picked.text),
            }
        ),
    )


def _content(messages: Sequence[Message]) -> model.Message | None:
    """What is said in all of them together: every file, and the words once."""
    contents = [content for message in messages if (content := content_of(message)) is not None]
    if not contents:
        return None
    whole = contents[0]
    for content in contents[1:]:
        words = whole
        if content.text and not whole.text:
            words = content
        elif content.text and content.text != whole.text:
            words = headed(content, whole.text)
            words = words.model_copy(update={"spans": (*whole.spans, *words.spans)})
        whole = words.model_copy(update={"attachments": (*whole.attachments, *content.attachments)})
    return whole


def _id(message: Message) -> MessageId | None:
    """None for a message that Telegram has not given a number yet (a video that it still works on): all have 0 then."""
    return message_id(message.chat_id, message.message_id) if message.message_id else None


def _place(message: Message) -> Conversation:
    address = here(message)
    kind = "topic" if message.is_topic_message else "direct" if message.chat.type == Chat.PRIVATE else "group"
    return Conversation(id=ConversationId(address.conversation), kind=kind, title=_title(message.chat))


def _title(chat: Chat) -> str:
    return clean(chat.title or chat.full_name or "")


def _parent(message: Message) -> Message | None:
    """The message that this one answers; in a topic, Telegram calls the topic's first message the parent of all."""
    parent = message.reply_to_message
    if parent is None or parent.forum_topic_created is not None:
        return None
    return parent


def sender_of(message: Message) -> Person:
    """Who wrote: a person or another bot, or the channel or group in whose name they wrote."""
    if message.sender_chat is not None:
        return _in_the_name_of(message.sender_chat)
    if message.from_user is None:
        return _in_the_name_of(message.chat)
    return _person(message.from_user)


def _person(user: User) -> Person:
    return Person(id=PersonId(str(user.id)), name=clean(user.full_name), kind="bot" if user.is_bot else "member")


def _in_the_name_of(chat: Chat) -> Person:
    name = chat.title or chat.full_name or chat.username or str(chat.id)
    return Person(id=PersonId(str(chat.id)), name=clean(name), kind="system")
