"""Telegram as an account: the same interface as a provider's, so that a route may go either way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import regex  # type: ignore[import-untyped]
import telegram
from telegram import (
    Bot,
    ChatFullInfo,
    ChatMember,
    ChatMemberAdministrator,
    ChatMemberMember,
    ChatMemberRestricted,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    KeyboardButtonRequestChat,
    LinkPreviewOptions,
    MessageEntity,
    ReactionTypeEmoji,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
    ReplyParameters,
    User,
)
from telegram.constants import ReactionEmoji
from telegram.error import BadRequest, TelegramError

from bot.accounts import ChatMoved, SentInPart
from bot.addresses import TELEGRAM, AddressError, split_telegram
from bot.files import Folder, LocalFile, NotFetched
from bot.http import HttpClient
from bot.limits import Pace, TelegramPace
from bot.shaping import attachment_note, contact_words, place_words
from bot.telegram.errors import (
    bridge_error,
    is_about_caption,
    is_about_entities,
    is_about_kind,
    is_about_photo,
    is_about_reply,
    is_about_voice,
    is_about_words,
)
from bot.telegram.kinds import EXPANDABLE
from bot.telegram.media import (
    ALBUM_MOST,
    ALBUMS,
    CAPTION_LIMIT,
    CAPTIONLESS,
    UPLOAD_MOST,
    Piece,
    Where,
    as_documents,
    described,
    fitting,
    pieces_of,
    send_files,
    without_voice,
)
from bot.text import cut, utf16_length, utf16_offsets
from bridges.api import Capabilities, File, Outgoing
from bridges.errors import BridgeError, Garbled, Inexpressible, Refused, Unavailable
from bridges.files import FETCHING, file_of
from bridges.model import (
    Attachment,
    Button,
    ChatsOffered,
    Contact,
    ConversationId,
    LinkButton,
    Location,
    Message,
    MessageId,
    Receipt,
    Span,
    SpanKind,
)

CAPABILITIES = Capabilities(
    text_limit=4096,
    text_unit="utf16",
    markup="entities",
    attachments="bytes",
    attachment_bytes=UPLOAD_MOST,
    attachments_most=ALBUM_MOST,
    caption_limit=CAPTION_LIMIT,
    albums=ALBUMS,
    captionless=CAPTIONLESS,
    keeps=TELEGRAM,
    locations=True,
    contacts=True,
    replies=True,
    edits=True,
    deletes=True,
    reactions=True,
    threads=True,
    receipt_ids=True,
    link_buttons=True,
)
"""https://core.telegram.org/bots/api#sendmessage and the methods after it, 2026-11: 1–4096 characters after entities
parsing, captions up to 1024; a place or a card stands alone; an album has no buttons."""

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
    SpanKind.TIME: MessageEntity.DATE_TIME,
}
CAPTION_LEAST = 200
"""Characters of a caption that Telegram is asked to take after it found one too long."""
NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


def message_id(chat_id: int, number: int) -> MessageId:
    """A message's id that is unique in the account: Telegram counts messages for each chat."""
    return MessageId(f"{chat_id}/{number}")


def split_message_id(id: str) -> tuple[int, int]:
    """Chat id and message number."""
    chat, _, number = id.partition("/")
    return int(chat), int(number)


def _first_of(ids: Sequence[MessageId]) -> tuple[int, int]:
    """Of the messages that are one, such as an album, the first."""
    return min(map(split_message_id, ids), key=lambda id: id[1])


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
        value = span.value or ""
        start, end = offsets[span.start], offsets[span.start + span.length]
        entity = MessageEntity(kind, start, end - start)
        match span.kind:
            case SpanKind.LINK:
                entity = MessageEntity(kind, start, end - start, url=value)
            case SpanKind.PRE:
                entity = MessageEntity(kind, start, end - start, language=value or None)
            case SpanKind.QUOTE if value == EXPANDABLE:
                entity = MessageEntity(MessageEntity.EXPANDABLE_BLOCKQUOTE, start, end - start)
            case SpanKind.TIME:
                unix, _, form = value.partition(" ")
                if not unix.isdecimal() or len(unix) > 10:
                    continue  # no point in time, or one after the year 2286
                at = datetime.fromtimestamp(int(unix), UTC)
                entity = MessageEntity(kind, start, end - start, unix_time=at, date_time_format=form or None)
        entities.append(entity)
    return entities


_HUES = re.compile("[\ufe0f\U0001f3fb-\U0001f3ff]")
_REACTIONS = {_HUES.sub("", each.value): each.value for each in ReactionEmoji}
"""What a reaction can be: https://core.telegram.org/bots/api#reactiontypeemoji, 2026-11."""


def reaction_of(emoji: str) -> str | None:
    """The emoji as Telegram has it among its reactions, whatever colour of skin it has elsewhere; None: not there."""
    return _REACTIONS.get(_HUES.sub("", emoji))


@dataclass(frozen=True, slots=True)
class Form:
    """How a message is tried: what Telegram refuses of it is left out the next time."""

    text: str
    spans: tuple[Span, ...] = ()
    pieces: tuple[Piece, ...] = ()
    location: Location | None = None
    contact: Contact | None = None
    reply: int | None = None
    keyboard: InlineKeyboardMarkup | None = None
    chooser: ReplyKeyboardMarkup | ReplyKeyboardRemove | None = None
    """What stands below the field for text; only with words."""
    left: tuple[Message, ...] = ()
    """Words for which there is no room in it; they are to follow."""
    silent: bool = False
    """Also what is to follow."""

    def in_words(self) -> Form:
        """The same with words in place of all that is no text."""
        lines = [attachment_note(piece.attachment) for piece in self.pieces]
        lines += [place_words(self.location)] if self.location else []
        lines += [contact_words(self.contact)] if self.contact else []
        text = "\n".join([*filter(None, [self.text]), *lines])
        return replace(self, text=text, pieces=(), location=None, contact=None)

    def with_less_beside(self) -> Form:
        """The same with only the beginning of its words beside its files; all of them are to follow."""
        words = Message(text=self.text, spans=self.spans)
        return replace(self, text=cut(self.text, CAPTION_LEAST), spans=(), left=(words, *self.left))


def keyboard_of(buttons: Sequence[Button | LinkButton]) -> InlineKeyboardMarkup | None:
    """Buttons in their rows; None without any."""
    rows: list[list[InlineKeyboardButton]] = []
    for button in buttons:
        if not (button.beside and rows):
            rows.append([])
        if isinstance(button, LinkButton):
            rows[-1].append(InlineKeyboardButton(button.label, url=button.url))
        else:
            rows[-1].append(InlineKeyboardButton(button.label, callback_data=button.data))
    return InlineKeyboardMarkup(rows) if rows else None


def chooser_of(offers: ChatsOffered) -> ReplyKeyboardMarkup | ReplyKeyboardRemove | None:
    """Buttons with which a person picks a chat that this bot is in too, in their app's own list of chats.

    https://core.telegram.org/bots/api#keyboardbuttonrequestchat, 2026-11: the answer is a service message.
    """
    if offers == "nothing":
        return ReplyKeyboardRemove()
    if not offers:
        return None
    rows = [
        [
            KeyboardButton(
                label,
                request_chat=KeyboardButtonRequestChat(
                    number, chat_is_channel=is_channel, bot_is_member=True, request_title=True
                ),
            )
        ]
        for number, (label, is_channel) in enumerate((("Choose a group", False), ("Choose a channel", True)), start=1)
    ]
    return ReplyKeyboardMarkup(rows, resize_keyboard=True, one_time_keyboard=True)


def form_of(out: Outgoing, *, chat_id: int) -> Form:
    """How a message is tried first. Raises ``Refused``."""
    message, reply = out.message, None
    if message.reply_to is not None:
        # The number means something in its own chat only: not in the supergroup that a group became.
        chat, number = split_message_id(message.reply_to)
        reply = number if chat == chat_id else None
    keyboard = keyboard_of((*message.links, *message.buttons))
    pieces, too_much = fitting(pieces_of(message.attachments, files=out.files))
    notes = "\n".join(attachment_note(piece.attachment) for piece in too_much)
    text, left = "\n".join(filter(None, [message.text, notes])), tuple[Message, ...]()
    if notes and message.text and utf16_length(text) > (CAPTION_LIMIT if pieces else CAPABILITIES.text_limit):
        text, left = message.text, (Message(text=notes),)
    chooser = chooser_of(message.offers)
    place, card = message.location, message.contact
    form = Form(text, message.spans, pieces, place, card, reply, keyboard, chooser, left, message.silent)
    wordless = any(each.way == "sticker" for each in form.pieces) or form.location or form.contact
    if (form.text and wordless) or (form.contact and not (form.contact.phone and form.contact.name)):
        return form.in_words()
    return form


def simplified(form: Form, error: TelegramError) -> Form | None:
    """What to try after Telegram refused it so; None: nothing simpler would be taken."""
    if form.spans and is_about_entities(error):
        return replace(form, spans=())
    if form.reply is not None and is_about_reply(error):
        return replace(form, reply=None)
    if form.pieces and len(form.text) > CAPTION_LEAST and is_about_caption(error):
        return form.with_less_beside()
    if form.pieces:
        other = form.pieces
        if is_about_photo(error):
            other = as_documents(form.pieces)
        elif is_about_voice(error):
            other = without_voice(form.pieces)
        if other != form.pieces:
            return replace(form, pieces=other)
    if (form.pieces or form.location or form.contact) and is_about_kind(error):
        return form.in_words()
    return None


TITLE_MOST = 128
_JOINER = "\u200d"
"""Joins the people of a family, and other emoji, to one."""


def topic_title(title: str) -> str:
    """One line that Telegram takes for a topic's name; cut between what a reader sees as characters."""
    shown = (char if char.isprintable() or char == _JOINER else " " for char in title)
    name = " ".join("".join(shown).split())
    size, kept = 0, list[str]()
    for cluster in regex.findall(r"\X", name[: 4 * TITLE_MOST]):
        size += utf16_length(cluster)
        if size > TITLE_MOST:
            break
        kept.append(cluster)
    return "".join(kept).strip() or "…"


@contextmanager
def _told(*, done: Sequence[str] = (), within: tuple[ConversationId, int] | None = None) -> Iterator[None]:
    """Telegram's errors as bridge errors; those that begin with one of ``done`` say that it is so already.

    ``within``: the conversation and the chat of a message that is there since before. It stays in its chat when a
    group becomes another, and nothing can be done to it there any more.
    """
    try:
        yield
    except TelegramError as error:
        if isinstance(error, BadRequest) and error.message.lower().startswith(tuple(done)):
            return
        made = bridge_error(error)
        if isinstance(made, ChatMoved) and within is not None and split_telegram(within[0])[0] != within[1]:
            made = Refused("the message stayed behind in what the group was before it became a supergroup")
        raise made from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The library reads the answer into its objects and stumbles over one that is not what was asked for.
        raise Garbled("Telegram's answer is not of the known shape") from error


def lacking(me: ChatMember, chat: ChatFullInfo | None, *, opens: bool) -> str:
    """What this bot lacks to write in a chat in which it is ``me`` (``opens``: to open topics); empty: nothing."""
    if me.status in (ChatMember.LEFT, ChatMember.BANNED):
        return "I am no member. Add me to it."
    if isinstance(me, ChatMemberAdministrator):
        if me.can_post_messages is False:
            return "I may not post there. Give me the right to post messages."
        may_open = me.can_manage_topics or not opens
        return "" if may_open else "I may not open topics there. Give me the right to manage topics."
    if opens:
        return "I may not open topics there. Make me an admin with the right to manage topics."
    if isinstance(me, ChatMemberRestricted) and not me.can_send_messages:
        return "I am restricted there. Let me send messages."
    permissions = chat.permissions if chat is not None else None
    if isinstance(me, ChatMemberMember) and permissions is not None and permissions.can_send_messages is False:
        return "Members may not write there. Make me an admin, or let members send messages."
    return ""


class TelegramAccount:
    """Sends into chats and topics."""

    name = TELEGRAM
    provider = "telegram"
    capabilities = CAPABILITIES
    slots = 64
    can_confirm = False

    def __init__(self, bot: Bot, *, folder: Folder | None = None) -> None:
        self._bot = bot
        self._http = HttpClient(connections=8, folder=folder)
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
        """Send one message; where Telegram refuses a part of it, once more without that part."""
        (out,) = outs
        chat_id, topic = split_telegram(out.conversation)
        form = form_of(out, chat_id=chat_id)
        while True:
            try:
                with _told():
                    receipt = await self._send(chat_id, topic, form)
                if not form.left:
                    return receipt
                left = tuple(each.model_copy(update={"silent": form.silent}) for each in form.left)
                return SentInPart(**dict(receipt), left=left)
            except BridgeError as error:
                # Telegram said no before it took anything, so the simpler one is no second message.
                simpler = simplified(form, error.__cause__) if isinstance(error.__cause__, TelegramError) else None
                if simpler is not None:
                    form = simpler
                elif type(error) is Refused and form.pieces:
                    raise Refused(f"{described(form.pieces)} was not taken. {error}") from error
                else:
                    raise

    async def _send(self, chat_id: int, topic: int | None, form: Form) -> Receipt:
        reply = None if form.reply is None else ReplyParameters(form.reply, allow_sending_without_reply=True)
        where = Where(message_thread_id=topic, reply_parameters=reply, disable_notification=form.silent or None)
        entities = entities_of(form.text, form.spans)
        bot, sent = self._bot, list[telegram.Message]()
        if form.pieces:
            sent += await send_files(
                bot, chat_id, form.pieces, caption=form.text, entities=entities, keyboard=form.keyboard, where=where
            )
        elif form.location is not None:
            sent.append(await self._send_place(chat_id, form.location, keyboard=form.keyboard, where=where))
        elif form.contact is not None:
            phone, name = form.contact.phone, form.contact.name
            sent.append(await bot.send_contact(chat_id, phone, name, reply_markup=form.keyboard, **where))
        else:
            sent.append(
                await bot.send_message(
                    chat_id,
                    form.text,
                    entities=entities,
                    reply_markup=form.keyboard or form.chooser,
                    link_preview_options=NO_PREVIEW,
                    **where,
                )
            )
        return Receipt(ids=tuple(message_id(each.chat_id, each.message_id) for each in sent), state="delivered")

    async def _send_place(
        self, chat_id: int, place: Location, *, keyboard: InlineKeyboardMarkup | None, where: Where
    ) -> telegram.Message:
        at = place.latitude, place.longitude
        if not place.name.strip():
            return await self._bot.send_location(chat_id, *at, reply_markup=keyboard, **where)
        title, comma, address = place.name.partition("\n" if "\n" in place.name.strip() else ", ")
        # Both must be there.
        address = address.strip() if comma and address.strip() else f"{place.latitude:.5f}, {place.longitude:.5f}"
        return await self._bot.send_venue(chat_id, *at, title.strip(), address, reply_markup=keyboard, **where)

    async def open_topic(self, chat: int, title: str) -> int:
        """Open a forum topic in a group; returns its number. Raises ``BridgeError``."""
        name = topic_title(title)
        with _told():
            made = await self._bot.create_forum_topic(chat, name)
            return made.message_thread_id

    async def missing_right(self, conversation: ConversationId, *, opens: bool) -> str:
        """Why nothing can be written there (``opens``: no topic opened), with the remedy; empty if it can.

        Asks ``getChatMember`` and, where this bot is no admin, ``getChat``. Raises ``BridgeError``.
        """
        chat_id, _ = split_telegram(conversation)
        if chat_id > 0:
            return ""
        try:
            with _told():
                me = await self._bot.get_chat_member(chat_id, self._bot.id)
                chat = None if me.status == ChatMember.ADMINISTRATOR else await self._bot.get_chat(chat_id)
        except Refused as error:
            return f"{error}. Add me to it as a member."
        return lacking(me, chat, opens=opens)

    async def edit(self, conversation: ConversationId, ids: Sequence[MessageId], message: Message) -> None:
        """See :meth:`bot.accounts.Account.edit`; what is so already is success. An album's words are its first's.

        An edit that names no buttons takes those away that are there, so that they are given again.
        """
        chat_id, number = _first_of(ids)
        caption, spans = bool(message.attachments), message.spans
        keyboard = keyboard_of((*message.links, *message.buttons))
        tried = set[tuple[bool, tuple[Span, ...]]]()
        while True:
            tried.add((caption, spans))
            try:
                with _told(done=("message is not modified",), within=(conversation, chat_id)):
                    text = message.text
                    await self._edit_words(chat_id, number, text, spans, caption=caption, keyboard=keyboard)
                return
            except BridgeError as error:
                cause = error.__cause__
                if isinstance(cause, TelegramError) and is_about_entities(cause):
                    spans = ()
                elif isinstance(cause, TelegramError) and is_about_words(cause):
                    # It went without its files, or it stands below files that the edit does not name.
                    caption = not caption
                if (caption, spans) in tried:
                    raise

    async def _edit_words(
        self,
        chat_id: int,
        number: int,
        text: str,
        spans: Sequence[Span],
        *,
        caption: bool,
        keyboard: InlineKeyboardMarkup | None,
    ) -> None:
        entities = entities_of(text, spans)
        if caption:
            await self._bot.edit_message_caption(
                chat_id, number, caption=text, caption_entities=entities, reply_markup=keyboard
            )
        else:
            await self._bot.edit_message_text(
                text,
                chat_id,
                number,
                entities=entities,
                link_preview_options=NO_PREVIEW,
                reply_markup=keyboard,
            )

    async def delete(self, conversation: ConversationId, ids: Sequence[MessageId]) -> None:
        """See :meth:`bot.accounts.Account.delete`; not there is success. An album goes as a whole."""
        by_chat: dict[int, list[int]] = {}
        for chat_id, number in sorted(map(split_message_id, ids)):
            by_chat.setdefault(chat_id, []).append(number)
        for chat_id, numbers in by_chat.items():
            with _told(done=("message to delete not found",), within=(conversation, chat_id)):
                if len(numbers) == 1:
                    await self._bot.delete_message(chat_id, numbers[0])
                else:
                    await self._bot.delete_messages(chat_id, numbers)

    async def react(self, conversation: ConversationId, id: MessageId, emoji: str) -> None:
        """See :meth:`bot.accounts.Account.react`: a bot has one reaction on a message."""
        chat_id, number = split_message_id(id)
        known = reaction_of(emoji)
        if emoji and known is None:
            raise Inexpressible("Telegram has no such reaction")
        with _told(done=("message is not modified",), within=(conversation, chat_id)):
            await self._bot.set_message_reaction(chat_id, number, [ReactionTypeEmoji(known)] if known else [])

    async def pin(self, conversation: ConversationId, ids: Sequence[MessageId]) -> None:
        """See :class:`bot.changing.Pins`. A message is pinned in its chat, whatever its topic."""
        chat_id, number = _first_of(ids)
        with _told(done=("chat_not_modified",), within=(conversation, chat_id)):
            await self._bot.pin_chat_message(chat_id, number, disable_notification=True)

    async def confirm(self, out: Outgoing) -> Receipt | None:
        """Telegram cannot be asked what became of a send."""
        raise Refused("Telegram cannot be asked what became of a send")

    async def fetch(self, attachment: Attachment) -> File:
        """See :meth:`bot.accounts.Account.fetch`: ``getFile``, then the download, whose address holds the token."""
        try:
            where = (await self._bot.get_file(attachment.ref)).file_path or ""
            if where.startswith("/"):
                return LocalFile.at(Path(where))  # a Bot API server of our own, on this machine
            response = await self._http.send(httpx.Request("GET", where, extensions=dict(FETCHING)))
        except BadRequest as error:
            if "too big" in error.message.lower():
                raise NotFetched(
                    "Telegram gives no files of this size", reason="it is too large to be fetched"
                ) from error
            if "temporarily unavailable" not in error.message.lower():
                raise NotFetched("Telegram has no such file any more", reason="it is no longer to be had") from error
            raise Unavailable("Telegram does not have the file, or not just now") from error
        except TelegramError as error:
            raise bridge_error(error) from error
        except httpx.HTTPError as error:
            # Its words may hold the address.
            raise Unavailable(f"the file did not come from Telegram ({type(error).__name__})") from None
        except (AttributeError, KeyError, TypeError, ValueError, httpx.InvalidURL) as error:
            raise Unavailable("Telegram's answer to getFile is not of the known shape") from error
        if response.status_code in (400, 404, 410):
            raise NotFetched("Telegram has no such file any more", reason="it is no longer to be had")
        if not response.is_success:
            raise Unavailable(f"the file did not come from Telegram (HTTP {response.status_code})")
        return file_of(response)

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
        await self._http.close()
