"""Telegram as an account: the same interface as a provider's, so that a route may go either way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from telegram import (
    Bot,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    MessageEntity,
    ReactionTypeEmoji,
    ReplyParameters,
    User,
)
from telegram.constants import ReactionEmoji
from telegram.error import BadRequest, ChatMigrated, TelegramError

from bot.addresses import TELEGRAM, AddressError, split_telegram
from bot.limits import Pace, TelegramPace
from bot.shaping import utf16_offsets
from bot.telegram.errors import bridge_error
from bridges.api import Capabilities, File, Outgoing
from bridges.errors import Garbled, Inexpressible, Refused, Unavailable
from bridges.files import Bytes
from bridges.model import Attachment, ConversationId, Message, MessageId, Receipt, Span, SpanKind

CAPABILITIES = Capabilities(
    text_limit=4096,
    text_unit="utf16",
    markup="entities",
    replies=True,
    edits=True,
    deletes=True,
    reactions=True,
    threads=True,
    receipt_ids=True,
)
"""https://core.telegram.org/bots/api#sendmessage, 2026-11: 1–4096 characters after entities parsing."""

_KINDS = {
    SpanKind.BOLD: MessageEntity.BOLD,
    SpanKind.ITALIC: MessageEntity.ITALIC,
    SpanKind.UNDERLINE: MessageEntity.UNDERLINE,
    SpanKind.STRIKE: MessageEntity.STRIKETHROUGH,
    SpanKind.SPOILER: MessageEntity.SPOILER,
    SpanKind.CODE: MessageEntity.CODE,
    SpanKind.PRE: MessageEntity.PRE,
    SpanKind.QUOTE: MessageEntity.BLOCKQUOTE,
    SpanKind.LINK: MessageEntity.TEXT_LINK,
}
NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


def message_id(chat_id: int, number: int) -> MessageId:
    """A message's id that is unique in the account: Telegram counts messages for each chat."""
    return MessageId(f"{chat_id}/{number}")


def split_message_id(id: str) -> tuple[int, int]:
    """Chat id and message number."""
    chat, _, number = id.partition("/")
    return int(chat), int(number)


def entities_of(text: str, spans: Sequence[Span]) -> list[MessageEntity] | None:
    """Spans as Telegram's entities, counted in UTF-16 units."""
    if not spans:
        return None
    offsets = utf16_offsets(text)
    entities = []
    for span in spans:
        kind = _KINDS.get(span.kind)
        if kind is None:
            continue
        start, end = offsets[span.start], offsets[span.start + span.length]
        entities.append(
            MessageEntity(
                kind,
                start,
                end - start,
                url=span.value if span.kind is SpanKind.LINK else None,
                language=span.value if span.kind is SpanKind.PRE else None,
            )
        )
    return entities


REACTIONS = frozenset(each.value for each in ReactionEmoji)
"""What a reaction can be: https://core.telegram.org/bots/api#reactiontypeemoji, 2026-11."""


@contextmanager
def _told(*, done: Sequence[str] = ()) -> Iterator[None]:
    """Telegram's errors as bridge errors; those that begin with one of ``done`` say that it is so already."""
    try:
        yield
    except TelegramError as error:
        if isinstance(error, BadRequest) and error.message.lower().startswith(tuple(done)):
            return
        raise bridge_error(error) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The library reads the answer into its objects and stumbles over one that is not what was asked for.
        raise Garbled("Telegram's answer is not of the known shape") from error


class TelegramAccount:
    """Sends into chats and topics."""

    name = TELEGRAM
    provider = "telegram"
    capabilities = CAPABILITIES
    slots = 64
    can_confirm = False

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self.pace: Pace = TelegramPace()

    def check(self, conversation: ConversationId) -> None:
        """A chat id, with ``/topic`` for a forum topic."""
        try:
            split_telegram(conversation)
        except AddressError as error:
            raise Refused(str(error)) from error

    def pace_key(self, conversation: ConversationId) -> str:
        """The chat: its topics share its limits."""
        return conversation.partition("/")[0]

    async def deliver(self, outs: Sequence[Outgoing]) -> Receipt:
        """Send one message."""
        (out,) = outs
        chat_id, topic = split_telegram(out.conversation)
        try:
            try:
                return await self._send(chat_id, topic, out.message)
            except ChatMigrated as moved:
                # Telegram kept the group under a new id and took nothing: the message goes there.
                return await self._send(moved.new_chat_id, topic, out.message)
        except TelegramError as error:
            raise bridge_error(error) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # The library reads the answer into its objects and stumbles over one that is not a message.
            raise Garbled("Telegram's answer is not of the known shape") from error

    async def _send(self, chat_id: int, topic: int | None, message: Message) -> Receipt:
        reply = None
        if message.reply_to is not None:
            _, number = split_message_id(message.reply_to)
            reply = ReplyParameters(number, allow_sending_without_reply=True)
        keyboard = None
        if message.buttons:
            row = [InlineKeyboardButton(b.label, callback_data=b.data) for b in message.buttons]
            keyboard = InlineKeyboardMarkup([row])
        sent = await self._bot.send_message(
            chat_id,
            message.text,
            entities=entities_of(message.text, message.spans),
            message_thread_id=topic,
            reply_parameters=reply,
            reply_markup=keyboard,
            link_preview_options=NO_PREVIEW,
        )
        return Receipt(ids=(message_id(sent.chat_id, sent.message_id),), state="delivered")

    async def edit(self, conversation: ConversationId, ids: Sequence[MessageId], message: Message) -> None:
        """See :meth:`bot.accounts.Account.edit`; what is so already is success."""
        chat_id, number = split_message_id(ids[0])
        with _told(done=("message is not modified",)):
            await self._bot.edit_message_text(
                message.text,
                chat_id,
                number,
                entities=entities_of(message.text, message.spans),
                link_preview_options=NO_PREVIEW,
            )

    async def delete(self, conversation: ConversationId, ids: Sequence[MessageId]) -> None:
        """See :meth:`bot.accounts.Account.delete`; not there is success."""
        for id in ids:
            chat_id, number = split_message_id(id)
            with _told(done=("message to delete not found",)):
                await self._bot.delete_message(chat_id, number)

    async def react(self, conversation: ConversationId, id: MessageId, emoji: str) -> None:
        """See :meth:`bot.accounts.Account.react`: a bot has one reaction on a message."""
        chat_id, number = split_message_id(id)
        if emoji and emoji not in REACTIONS:
            raise Inexpressible(f"Telegram has no reaction {emoji}")
        with _told(done=("message is not modified",)):
            await self._bot.set_message_reaction(chat_id, number, [ReactionTypeEmoji(emoji)] if emoji else [])

    async def confirm(self, out: Outgoing) -> Receipt | None:
        """Telegram cannot be asked what became of a send."""
        raise Refused("Telegram cannot be asked what became of a send")

    async def fetch(self, attachment: Attachment) -> File:
        """See :meth:`bot.accounts.Account.fetch`: ``getFile``, then the download."""
        try:
            file = await self._bot.get_file(attachment.ref)
            return Bytes(bytes(await file.download_as_bytearray()))
        except TelegramError as error:
            raise bridge_error(error) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Unavailable("Telegram's answer to getFile is not of the known shape") from error

    async def probe(self) -> str:
        """``getMe``."""
        try:
            me: User = await self._bot.get_me()
        except TelegramError as error:
            raise bridge_error(error) from error
        return f"@{me.username}"

    async def close(self) -> None:
        """Close the bot's connections."""
        for request in self._bot._request:
            await request.shutdown()
