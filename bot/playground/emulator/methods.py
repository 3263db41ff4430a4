"""The Bot API methods: each checks what the real server checks and fails in its words.

Names, parameters and results are those of https://core.telegram.org/bots/api (Bot API 10.1); checks and error texts
follow the open-source server (https://github.com/tdlib/telegram-bot-api, Client.cpp, read 2026-11). A method that
exists but is not emulated says so; one that does not exist is answered 404.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NoReturn
from urllib.parse import urlsplit

from bot.playground.emulator import entities as text_rules
from bot.playground.emulator.files import (
    DOWNLOAD_LIMIT,
    PHOTO_LIMIT,
    PHOTO_RATIO_MOST,
    PHOTO_SIDES_MOST,
    UPLOAD_LIMIT,
    File,
    media_content,
    picture_size,
)
from bot.playground.emulator.flood import FloodLimits
from bot.playground.emulator.forms import Form, Upload
from bot.playground.emulator.keyboards import KeyboardError, only_inline, read_keyboard, suit
from bot.playground.emulator.menus import SCOPES
from bot.playground.emulator.updates import LONG_POLL_LIMIT_S, Conflict, Webhook
from bot.playground.emulator.world import (
    GENERAL_TOPIC,
    TOPIC_COLOURS,
    BotAccount,
    Chat,
    Message,
    World,
    WorldError,
    is_username,
    reaction_type,
)

Json = dict[str, Any]
Result = Any

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


class ApiError(Exception):
    """A refusal as the server words it, with its HTTP status."""

    def __init__(self, code: int, description: str, parameters: Json | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters or {}

    def to_json(self) -> Json:
        out: Json = {"ok": False, "error_code": self.code, "description": self.description}
        if self.parameters:
            out["parameters"] = self.parameters
        return out


def bad(text: str, **parameters: int) -> ApiError:
    """A 400; the first letter is made small as the server does, unless it looks like a code."""
    if not re.match(r".[A-Z_]", text):
        text = text[:1].lower() + text[1:]
    return ApiError(400, f"Bad Request: {text}", dict(parameters))


def forbidden(text: str) -> ApiError:
    return ApiError(403, f"Forbidden: {text}")


def too_many(seconds: int) -> ApiError:
    return ApiError(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})


@dataclass(slots=True)
class Call:
    """One request of a bot, with readers for its parameters that fail as the server does."""

    world: World
    bot: BotAccount
    form: Form
    flood: FloodLimits | None = None
    used: set[str] = field(default_factory=set)

    def text(self, name: str, default: str = "") -> str:
        self.used.add(name)
        return self.form.fields.get(name, default)

    def given(self, name: str) -> bool:
        self.used.add(name)
        return self.form.fields.get(name, "") != ""

    def integer(self, name: str, default: int = 0, low: int | None = None, high: int | None = None) -> int:
        """A number; what is none counts as 0 and what is out of range is moved to its edge, as on the server."""
        value = self.text(name).strip()
        if not value:
            return default
        match = re.match(r"[+-]?[0-9]+", value)
        number = int(match[0]) if match else 0
        if low is not None:
            number = max(low, number)
        return number if high is None else min(high, number)

    def number(self, name: str) -> float:
        try:
            return float(self.text(name))
        except ValueError:
            return 0.0

    def flag(self, name: str) -> bool:
        return self.text(name).strip().lower() in ("true", "yes", "1")

    def parsed(self, name: str, what: str) -> Any:
        """A JSON value, or None if it was not given."""
        value = self.text(name)
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise bad(f"Can't parse {what} JSON object") from None

    def entities(self, name: str) -> object:
        value = self.text(name)
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            return None  # the server ignores entities that it cannot read

    def message_id(self, name: str = "message_id") -> int:
        return max(0, self.integer(name))


Method = Callable[[Call], Awaitable[Result]]
METHODS: dict[str, Method] = {}
#: The methods of Bot API 10.1 that are not here; a bot that calls one is told so.
NOT_EMULATED = frozenset(
    """
    answerChatJoinRequestQuery answerGuestQuery answerInlineQuery answerPreCheckoutQuery answerShippingQuery
    answerWebAppQuery addStickerToSet approveChatJoinRequest approveSuggestedPost banChatMember banChatSenderChat
    convertGiftToStars createChatInviteLink createChatSubscriptionInviteLink createInvoiceLink createNewStickerSet
    declineChatJoinRequest declineSuggestedPost deleteAllMessageReactions deleteBusinessMessages deleteChatPhoto
    deleteChatStickerSet deleteMessageReaction deleteStickerFromSet deleteStickerSet deleteStory editChatInviteLink
    editChatSubscriptionInviteLink editMessageChecklist editMessageLiveLocation editStory editUserStarSubscription
    exportChatInviteLink getAvailableGifts getBusinessAccountGifts getBusinessAccountStarBalance
    getBusinessConnection getChatGifts getCustomEmojiStickers getForumTopicIconStickers getGameHighScores
    getManagedBotAccessSettings getManagedBotToken getMyStarBalance getStarTransactions getStickerSet
    getUserChatBoosts getUserGifts getUserPersonalChatMessages getUserProfileAudios getUserProfilePhotos
    giftPremiumSubscription hideGeneralForumTopic postStory promoteChatMember readBusinessMessage refundStarPayment
    removeBusinessAccountProfilePhoto removeChatVerification removeMyProfilePhoto removeUserVerification
    replaceManagedBotToken replaceStickerInSet repostStory restrictChatMember revokeChatInviteLink
    savePreparedInlineMessage savePreparedKeyboardButton sendChatJoinRequestWebApp sendChecklist sendGame sendGift
    sendInvoice sendLivePhoto sendMessageDraft sendPaidMedia sendRichMessage sendRichMessageDraft
    setBusinessAccountBio setBusinessAccountGiftSettings setBusinessAccountName setBusinessAccountProfilePhoto
    setBusinessAccountUsername setChatAdministratorCustomTitle setChatDescription setChatMemberTag
    setChatPermissions setChatPhoto setChatStickerSet setCustomEmojiStickerSetThumbnail setGameScore
    setManagedBotAccessSettings setMyProfilePhoto setPassportDataErrors setStickerEmojiList setStickerKeywords
    setStickerMaskPosition setStickerPositionInSet setStickerSetThumbnail setStickerSetTitle setUserEmojiStatus
    stopMessageLiveLocation transferBusinessAccountStars transferGift unbanChatMember unbanChatSenderChat
    unhideGeneralForumTopic unpinAllForumTopicMessages unpinAllGeneralForumTopicMessages upgradeGift
    uploadStickerFile verifyChat verifyUser
    """.lower().split()
)


def method(name: str) -> Callable[[Method], Method]:
    def register(function: Method) -> Method:
        METHODS[name.lower()] = function
        return function

    return register


async def run(name: str, call: Call) -> Result:
    """Run one method; raises ApiError."""
    found = METHODS.get(name.lower())
    if found is None:
        if name.lower() in NOT_EMULATED:
            raise ApiError(400, f'Bad Request: method "{name}" is not emulated')
        raise ApiError(404, "Not Found: method not found")
    if call.bot.logged_out:
        raise ApiError(400, "Bad Request: Logged out")
    try:
        return await found(call)
    except (text_rules.EntityError, KeyboardError) as error:
        raise bad(str(error)) from error
    except Conflict as error:
        raise ApiError(409, str(error)) from error


# ------------------------------------------------------------------------------------------------ chats and messages


def find_chat(call: Call, value: str, *, write: bool, read_only: bool = False) -> Chat:
    """The chat a parameter names, if the bot may use it."""
    world, bot = call.world, call.bot
    if not value:
        raise bad("chat_id is empty")
    chat: Chat | None = None
    if is_username(value):
        thing = world.usernames.get(value[1:].lower())
        chat = thing if isinstance(thing, Chat) else None
    elif re.fullmatch(r"-?[0-9]+", value):
        number = int(value)
        if number > 0:
            return _private(call, number, write=write)
        chat = world.chats.get(number)
    if chat is None or (bot.id not in chat.members and not chat.username):
        raise bad("chat not found")
    _check_group(call, chat, write=write, read_only=read_only)
    return chat


def _private(call: Call, user_id: int, *, write: bool) -> Chat:
    world, bot = call.world, call.bot
    chat = world.private.get((bot.id, user_id))
    person = world.users.get(user_id)
    if person is None or person.id == bot.id:
        raise bad("chat not found")
    if person.is_bot:
        raise forbidden("bots can't send messages to bots") if write else bad("chat not found")
    if chat is None or not chat.started:
        # Somebody the bot only met in a group, or never.
        met = any(user_id in other.members and bot.id in other.members for other in world.chats.values())
        if not met and chat is None:
            raise bad("chat not found")
        if write:
            raise forbidden("bot can't initiate conversation with a user")
        chat = chat or Chat(user_id, "private", peer=person, bot_id=bot.id)
    if write and person.deactivated:
        raise forbidden("user is deactivated")
    if write and bot.id in person.blocked:
        raise forbidden("bot was blocked by the user")
    return chat


def _check_group(call: Call, chat: Chat, *, write: bool, read_only: bool) -> None:
    if chat.migrated_to:
        if write:
            raise bad("group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.migrated_to)
        return
    status = chat.member(call.bot.id).status
    if chat.username and read_only:
        return
    if status == "kicked":
        raise forbidden(f"bot was kicked from the {chat.noun} chat")
    if status == "left":
        raise forbidden(f"bot is not a member of the {chat.noun} chat")


def find_message(call: Call, chat: Chat, message_id: int, what: str) -> Message:
    message = chat.messages.get(message_id)
    if message is None:
        raise bad(f"{what} not found")
    return message


def is_admin(call: Call, chat: Chat) -> bool:
    return chat.member(call.bot.id).is_admin


def has_right(call: Call, chat: Chat, right: str) -> bool:
    member = chat.member(call.bot.id)
    return member.status == "creator" or (member.is_admin and member.rights.get(right, False))


_PERMISSION_OF = {
    "photo": ("can_send_photos", "photos"),
    "video": ("can_send_videos", "videos"),
    "audio": ("can_send_audios", "music"),
    "document": ("can_send_documents", "documents"),
    "voice": ("can_send_voice_notes", "voice notes"),
    "video_note": ("can_send_video_notes", "video notes"),
    "poll": ("can_send_polls", "polls"),
    "animation": ("can_send_other_messages", "animations"),
    "sticker": ("can_send_other_messages", "stickers"),
}


def may_write(call: Call, chat: Chat, thread_id: int, content: Json) -> None:
    """Whether the bot may say this here and now: rights, closed topics, flood control."""
    if chat.type == "channel":
        if not has_right(call, chat, "can_post_messages"):
            raise bad("need administrator rights in the channel chat")
    elif not chat.peer and not is_admin(call, chat):
        kind = next((name for name in _PERMISSION_OF if name in content), "")
        right, noun = _PERMISSION_OF.get(kind, ("can_send_messages", "text messages"))
        member = chat.member(call.bot.id)
        allowed = chat.permissions.get(right, True) and (
            member.status != "restricted" or member.rights.get(right, False)
        )
        if not allowed:
            raise bad(f"not enough rights to send {noun} to the chat")
        topic = chat.topics.get(thread_id) if thread_id else chat.general if chat.is_forum else None
        if topic is not None and topic.closed:
            raise bad("TOPIC_CLOSED")
    count_against_flood(call, chat)


def count_against_flood(call: Call, chat: Chat) -> None:
    closed_s = call.world.closed_until.get(chat.id, 0.0) - call.world.clock()
    if closed_s > 0:
        raise too_many(max(1, math.ceil(closed_s)))
    if call.flood is None:
        return
    wait = call.flood.check(call.bot.id, chat.id, is_group=chat.type != "private", clock=call.world.clock)
    if wait:
        raise too_many(wait)


def find_topic(call: Call, chat: Chat) -> int:
    """The topic to write to, 0 for none."""
    thread_id = max(0, call.integer("message_thread_id"))
    if not thread_id:
        return 0
    if chat.is_forum:
        # General takes messages without a thread id only (tdlib/telegram-bot-api Client.cpp, check_message_topic).
        if thread_id == GENERAL_TOPIC or thread_id not in chat.topics:
            raise bad("message thread not found")
        return thread_id
    if chat.peer:
        raise bad("message thread not found")
    return 0


@dataclass(slots=True)
class Reply:
    """What a message answers to."""

    message: Message | None = None
    quote: Json | None = None
    external: Json | None = None


def find_reply(call: Call, chat: Chat) -> Reply:
    value = call.parsed("reply_parameters", "reply parameters")
    if value is None and call.given("reply_to_message_id"):
        value = {
            "message_id": call.message_id("reply_to_message_id"),
            "allow_sending_without_reply": call.flag("allow_sending_without_reply"),
        }
    if value is None or value == {}:
        return Reply()
    if not isinstance(value, dict):
        raise bad("Object expected as reply parameters")
    if "message_id" not in value:
        raise bad('Can\'t find field "message_id"')
    try:
        message_id = max(0, int(value["message_id"]))
    except (TypeError, ValueError):
        raise bad('Field "message_id" must be of type Number') from None
    if not message_id:
        return Reply()
    other = str(value.get("chat_id") or "")
    source = find_chat(call, other, write=False) if other and other != str(chat.id) else chat
    message = source.messages.get(message_id)
    if message is None:
        if value.get("allow_sending_without_reply"):
            return Reply()
        raise bad("message to be replied not found")
    quote: Json | None = None
    if value.get("quote"):
        text, entities = text_rules.formatted(
            str(value["quote"]), str(value.get("quote_parse_mode") or ""), value.get("quote_entities")
        )
        if text not in message.text:
            raise bad("QUOTE_TEXT_INVALID")
        quote = {"text": text, "position": text_rules.utf16_length(message.text[: message.text.index(text)])}
        if entities:
            quote["entities"] = entities
        quote["is_manual"] = True
    if source is not chat:
        external: Json = {"origin": call.world.origin(message)}
        if source.type in ("supergroup", "channel"):
            external |= {"chat": source.to_json(), "message_id": message.id}
        return Reply(quote=quote, external=external)
    return Reply(message, quote)


def reply_markup(call: Call) -> Json | None:
    """The keyboard that comes with a message, of any kind."""
    return read_keyboard(call.text("reply_markup"))


def text_content(call: Call) -> Json:
    """The content of a text message."""
    given = call.text("text")
    if not given:
        raise bad("message text is empty")
    text, entities = text_rules.formatted(given, call.text("parse_mode"), call.entities("entities"))
    if not text:
        raise bad("text must be non-empty")
    if text_rules.utf16_length(text) > text_rules.TEXT_LIMIT:
        raise bad("message is too long")
    content = call.world.text_content(text, entities)
    preview = call.parsed("link_preview_options", "link preview options")
    if preview is not None:
        if not isinstance(preview, dict):
            raise bad("Object expected as link preview options")
        known = ("is_disabled", "url", "prefer_small_media", "prefer_large_media", "show_above_text")
        shown = {name: preview[name] for name in known if preview.get(name)}
        if shown:
            content["link_preview_options"] = shown
    return content


def caption_content(call: Call, fields: Json | None = None) -> Json:
    """The caption fields of a media message; ``fields`` stands in for the call's own parameters in an album."""
    if fields is None:
        given, mode, listed = call.text("caption"), call.text("parse_mode"), call.entities("caption_entities")
    else:
        given, mode = str(fields.get("caption") or ""), str(fields.get("parse_mode") or "")
        listed = fields.get("caption_entities")
    text, entities = text_rules.formatted(given, mode, listed)
    if text_rules.utf16_length(text) > text_rules.CAPTION_LIMIT:
        raise bad("message caption is too long")
    return call.world.text_content(text, entities, field="caption")


def send(call: Call, content: Json, *, forward_origin: Json | None = None) -> Message:
    """Put a message into the chat the call names."""
    markup = reply_markup(call)
    chat = find_chat(call, call.text("chat_id"), write=True)
    thread_id = find_topic(call, chat)
    reply = find_reply(call, chat)
    suit(markup, chat.type)
    may_write(call, chat, thread_id, content)
    call.used |= {"disable_notification", "message_effect_id", "allow_paid_broadcast"}
    stays = markup is not None and "inline_keyboard" in markup
    return call.world.post(
        chat,
        content,
        author=call.bot.user,
        thread_id=thread_id or None,
        reply_to=reply.message,
        reply_markup=markup if stays else None,
        keyboard=None if stays else markup,
        quote=reply.quote,
        external_reply=reply.external,
        forward_origin=forward_origin,
        protected=call.flag("protect_content"),
    )


# ----------------------------------------------------------------------------------------------------- about the bot


@method("getMe")
async def get_me(call: Call) -> Result:
    return call.bot.to_json()


@method("logOut")
async def log_out(call: Call) -> Result:
    call.bot.logged_out = True
    call.bot.updates.clear()
    return True


@method("close")
async def close(call: Call) -> Result:
    return True


def _allowed_updates(call: Call) -> list[str] | None:
    if not call.given("allowed_updates"):
        return None
    try:
        value = json.loads(call.text("allowed_updates"))
    except ValueError:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return None
    return value


@method("getUpdates")
async def get_updates(call: Call) -> Result:
    updates = call.bot.updates
    offset = call.integer("offset")
    limit = call.integer("limit", 100, 1, 100)
    timeout = call.integer("timeout", 0, 0, LONG_POLL_LIMIT_S)
    if not updates.webhook:
        updates.allow(_allowed_updates(call))
    return await updates.poll(offset=offset, limit=limit, timeout=timeout)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@method("setWebhook")
async def set_webhook(call: Call) -> Result:
    url = call.text("url")
    secret = call.text("secret_token")
    updates = call.bot.updates
    if not url:
        return await delete_webhook(call)
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise bad("invalid webhook URL specified")
    if len(secret) > 256:
        raise bad("secret token is too long")
    if not re.fullmatch(r"[A-Za-z0-9_-]*", secret):
        raise bad("secret token contains unallowed characters")
    # The cloud takes https only; here a bot on the same machine may go without.
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise bad("bad webhook: An HTTPS URL must be provided for webhook")
    if not _is_loopback(parts.hostname):
        raise bad("bad webhook: the emulator delivers to this machine only")
    if call.flag("drop_pending_updates"):
        updates.clear()
    updates.allow(_allowed_updates(call))
    updates.set_webhook(
        Webhook(
            parts.geturl(),
            secret,
            call.integer("max_connections", 40, 1, 100),
            call.text("ip_address"),
            has_certificate="certificate" in call.form.files,
        )
    )
    return True


@method("deleteWebhook")
async def delete_webhook(call: Call) -> Result:
    if call.flag("drop_pending_updates"):
        call.bot.updates.clear()
    call.bot.updates.set_webhook(None)
    return True


@method("getWebhookInfo")
async def get_webhook_info(call: Call) -> Result:
    updates = call.bot.updates
    webhook = updates.webhook
    info: Json = {
        "url": webhook.url if webhook else "",
        "has_custom_certificate": bool(webhook and webhook.has_certificate),
        "pending_update_count": updates.pending,
    }
    if webhook:
        info["max_connections"] = webhook.max_connections
        if webhook.ip_address:
            info["ip_address"] = webhook.ip_address
        if updates.last_error:
            info["last_error_date"] = updates.last_error_at
            info["last_error_message"] = updates.last_error
    if updates.allowed_given:
        info["allowed_updates"] = updates.allowed_given
    return info


def _scope(call: Call) -> tuple[str, str]:
    """The key of a list of commands: its scope and its language."""
    value = call.parsed("scope", "BotCommandScope")
    prefix = "can't parse BotCommandScope: "
    if value is None:
        value = {"type": "default"}
    if not isinstance(value, dict):
        raise bad(prefix + "BotCommandScope must be an Object")
    if "type" not in value:
        raise bad(prefix + 'Can\'t find field "type"')
    kind = str(value["type"])
    if kind not in SCOPES:
        raise bad(prefix + "Unsupported type specified")
    for name in SCOPES[kind]:
        if name not in value:
            raise bad(prefix + f'Can\'t find field "{name}"')
    parts = [kind]
    if "chat_id" in SCOPES[kind]:
        parts += _scope_ids(call, kind, str(value["chat_id"]), value.get("user_id"))
    language = call.text("language_code")
    if not re.fullmatch(r"(?:[a-z]{2})?", language):
        raise bad("invalid language code specified")
    return ":".join(parts), language


def _scope_ids(call: Call, kind: str, chat_id: str, user: object) -> list[str]:
    """The chat, and the person in it, that a list of commands is for."""
    prefix = "can't parse BotCommandScope: "
    if not chat_id:
        raise bad(prefix + "Empty chat_id specified")
    user_id = 0
    if kind == "chat_member":
        try:
            user_id = int(str(user))
        except ValueError:
            raise bad(prefix + 'Field "user_id" must be a valid Number') from None
        if user_id <= 0:
            raise bad(prefix + "Invalid user_id specified")
    chat = find_chat(call, chat_id, write=False)
    if user_id and user_id not in call.world.users:
        raise bad("user not found")
    if chat.peer and kind != "chat":
        raise bad("can't use specified scope in private chats")
    if chat.type == "channel":
        raise bad("can't change commands in channel chats")
    return [str(chat.id), *([str(user_id)] if user_id else [])]


@method("setMyCommands")
async def set_my_commands(call: Call) -> Result:
    value = call.parsed("commands", "commands")
    if value is None:
        value = []
    if not isinstance(value, list):
        raise bad("expected an Array of BotCommand")
    given = [_command_fields(item) for item in value]
    key = _scope(call)
    commands = [_command(name, description) for name, description in given]
    if len(commands) > 100:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    if commands:
        call.bot.commands[key] = commands
    else:
        call.bot.commands.pop(key, None)
    call.world.tell("commands", scope=key[0], language=key[1], commands=commands)
    return True


def _command_fields(item: object) -> tuple[str, str]:
    prefix = "can't parse BotCommand: "
    if not isinstance(item, dict):
        raise bad(prefix + "expected an Object")
    for name in ("command", "description"):
        if name not in item:
            raise bad(prefix + f'Can\'t find field "{name}"')
    return str(item["command"]).strip().removeprefix("/"), str(item["description"]).strip()


def _command(name: str, description: str) -> Json:
    """A command as it is kept (td/telegram/BotCommand.cpp, set_commands; the letters are checked behind it)."""
    if not name:
        raise bad("command must be non-empty")
    if len(name) > 32:
        raise bad("command length must not exceed 32")
    if not description:
        raise bad("command description must be non-empty")
    if len(description) > 256:
        raise bad("command description length must not exceed 256")
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise bad("BOT_COMMAND_INVALID")
    return {"command": name, "description": description}


@method("getMyCommands")
async def get_my_commands(call: Call) -> Result:
    return call.bot.commands.get(_scope(call), [])


@method("deleteMyCommands")
async def delete_my_commands(call: Call) -> Result:
    key = _scope(call)
    call.bot.commands.pop(key, None)
    call.world.tell("commands", scope=key[0], language=key[1], commands=[])
    return True


def _naming(name: str, field_name: str, limit: int, default: Callable[[Call], str]) -> None:
    @method(f"setMy{name}")
    async def set_it(call: Call) -> Result:
        value = call.text(field_name)
        if text_rules.utf16_length(value) > limit:
            raise bad(f"{field_name} is too long")
        call.bot.names[(field_name, call.text("language_code"))] = value
        return True

    @method(f"getMy{name}")
    async def get_it(call: Call) -> Result:
        names = call.bot.names
        value = names.get((field_name, call.text("language_code"))) or names.get((field_name, ""))
        return {field_name: value or default(call)}


_naming("Name", "name", 64, lambda call: call.bot.user.first_name)
_naming("Description", "description", 512, lambda call: "")
_naming("ShortDescription", "short_description", 120, lambda call: "")


@method("setChatMenuButton")
async def set_chat_menu_button(call: Call) -> Result:
    value = call.parsed("menu_button", "menu button") or {"type": "default"}
    if not isinstance(value, dict) or value.get("type") not in ("commands", "web_app", "default"):
        raise bad("MenuButton has unsupported type")
    call.bot.names[("menu_button", call.text("chat_id"))] = json.dumps(value)
    return True


@method("getChatMenuButton")
async def get_chat_menu_button(call: Call) -> Result:
    return json.loads(call.bot.names.get(("menu_button", call.text("chat_id")), '{"type": "default"}'))


@method("setMyDefaultAdministratorRights")
async def set_my_default_administrator_rights(call: Call) -> Result:
    call.bot.names[("rights", call.text("for_channels"))] = call.text("rights")
    return True


@method("getMyDefaultAdministratorRights")
async def get_my_default_administrator_rights(call: Call) -> Result:
    given = json.loads(call.bot.names.get(("rights", call.text("for_channels"))) or "{}")
    names = (
        "is_anonymous can_manage_chat can_delete_messages can_manage_video_chats can_restrict_members"
        " can_promote_members can_change_info can_invite_users can_post_stories can_edit_stories can_delete_stories"
    )
    return {name: False for name in names.split()} | given


# --------------------------------------------------------------------------------------------------------- messages


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
    if not any(kind in message.content for kind in _MEDIA):
        raise bad("there is no caption in the message to edit")
    kept = {k: v for k, v in message.content.items() if k not in ("caption", "caption_entities")}
    return _edit(call, message, kept | caption)


@method("editMessageMedia")
async def edit_message_media(call: Call) -> Result:
    item = call.parsed("media", "input media")
    content = _album_item(call, item)
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
    if "caption" in call.form.fields and any(kind in content for kind in _MEDIA):
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


@method("pinChatMessage")
async def pin_chat_message(call: Call) -> Result:
    chat = find_chat(call, call.text("chat_id"), write=True)
    message = find_message(call, chat, call.message_id(), "message to pin")
    _needs_right(call, chat, "can_pin_messages", "manage pinned messages in the chat")
    if message.id not in chat.pinned:
        chat.pinned.append(message.id)
        call.world.service(
            chat, call.bot.user, {"pinned_message": message}, thread_id=message.thread_id if message.is_topic else None
        )
    call.used.add("disable_notification")
    return True


@method("unpinChatMessage")
async def unpin_chat_message(call: Call) -> Result:
    chat = find_chat(call, call.text("chat_id"), write=True)
    _needs_right(call, chat, "can_pin_messages", "manage pinned messages in the chat")
    message_id = call.message_id() or (chat.pinned[-1] if chat.pinned else 0)
    if message_id not in chat.pinned:
        raise bad("message to unpin not found")
    chat.pinned.remove(message_id)
    return True


@method("unpinAllChatMessages")
async def unpin_all_chat_messages(call: Call) -> Result:
    chat = find_chat(call, call.text("chat_id"), write=True)
    _needs_right(call, chat, "can_pin_messages", "manage pinned messages in the chat")
    chat.pinned.clear()
    return True


def _needs_right(call: Call, chat: Chat, right: str, purpose: str) -> None:
    if chat.peer or has_right(call, chat, right):
        return
    raise bad(f"not enough rights to {purpose}")


# ------------------------------------------------------------------------------------------------------------ chats


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
    _needs_right(call, chat, "can_change_info", "change chat title")
    call.world.set_title(chat.id, title, by=call.bot.id)
    return True


# ----------------------------------------------------------------------------------------------------------- topics


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


# ------------------------------------------------------------------------------------------------------------ media

_MEDIA = ("photo", "video", "animation", "document", "audio", "voice", "video_note", "sticker")
_TYPE_NAMES = {
    "photo": "Photo",
    "photo_document": "Photo",
    "video": "Video",
    "animation": "Animation",
    "audio": "Audio",
    "voice": "VoiceNote",
    "video_note": "VideoNote",
    "sticker": "Sticker",
}


def _no_file(kind: str) -> NoReturn:
    raise bad(f"there is no {kind.replace('_', ' ')} in the request")


def _input_file(call: Call, kind: str, value: str, upload: Upload | None) -> File:
    """The file a parameter means: an upload, ``attach://name``, or a file id."""
    if upload is None and value.startswith("attach://"):
        upload = call.form.files.get(value.removeprefix("attach://"))
    if upload is not None:
        if not upload.data:
            raise bad("file must be non-empty")
        limit = PHOTO_LIMIT if kind == "photo" else UPLOAD_LIMIT
        if len(upload.data) > limit:
            # The server itself cuts off requests over 50 MB with 413; photos are refused later.
            if kind == "photo":
                raise bad(
                    "file of size "
                    + f"{len(upload.data)} bytes is too big for a photo; the maximum size is {limit} bytes"
                )
            raise ApiError(413, "Request Entity Too Large")
        if kind == "photo":
            width, height = picture_size(upload.data)
            if width + height > PHOTO_SIDES_MOST or max(width, height) > PHOTO_RATIO_MOST * min(width, height):
                raise bad("PHOTO_INVALID_DIMENSIONS")
        return call.world.files.store(upload.data, file_name=upload.name, mime_type=upload.mime_type, kind=kind)
    if not value:
        _no_file(kind)
    if re.match(r"https?://", value, re.IGNORECASE):
        # The emulator has no network; the words are those for an address that cannot be read.
        raise bad("failed to get HTTP URL content")
    file = call.world.files.get(value)
    if file is None:
        raise bad("wrong remote file identifier specified: Wrong character in the string")
    # Photos are kept apart; all others are documents inside (td/telegram/files/FileType.cpp, get_file_type_class).
    if (kind == "photo") != (file.kind in ("photo", "photo_document")):
        was, wanted = (_TYPE_NAMES.get(name, "Document") for name in (file.kind, kind))
        raise bad(f"can't use file of type {was} as {wanted}")
    return file


def _media_method(name: str, kind: str) -> None:
    @method(name)
    async def send_it(call: Call) -> Result:
        file = _input_file(call, kind, call.text(kind), call.form.files.get(kind))
        shown_as = kind
        content = media_content(shown_as, file, call.form.fields)
        if kind not in ("sticker", "video_note"):
            content |= caption_content(call)
        if call.flag("has_spoiler") and kind in ("photo", "video", "animation"):
            content["has_media_spoiler"] = True
        if call.flag("show_caption_above_media") and kind in ("photo", "video", "animation"):
            content["show_caption_above_media"] = True
        return send(call, content).to_json()


for _name, _kind in (
    ("sendPhoto", "photo"),
    ("sendDocument", "document"),
    ("sendVideo", "video"),
    ("sendAudio", "audio"),
    ("sendVoice", "voice"),
    ("sendSticker", "sticker"),
    ("sendAnimation", "animation"),
    ("sendVideoNote", "video_note"),
):
    _media_method(_name, _kind)


def _album_item(call: Call, item: object) -> Json:
    if not isinstance(item, dict):
        raise bad("Can't parse InputMedia: expected an Object")
    kind = item.get("type")
    if kind not in ("photo", "video", "audio", "document", "animation"):
        raise bad("Can't parse InputMedia: type must be one of photo, video, audio, document")
    value = item.get("media")
    if not isinstance(value, str) or not value:
        raise bad("Can't parse InputMedia: media not found")
    if value.startswith("attach://") and value.removeprefix("attach://") not in call.form.files:
        raise bad("Can't parse InputMedia: media not found")
    given = {name: str(part) for name, part in item.items() if isinstance(part, str | int)}
    content = media_content(kind, _input_file(call, kind, value, None), given)
    return content | caption_content(call, item)


@method("sendMediaGroup")
async def send_media_group(call: Call) -> Result:
    value = call.parsed("media", "media")
    if not isinstance(value, list):
        raise bad("expected an Array of InputMedia")
    if not 2 <= len(value) <= 10:
        if not value:
            raise bad("too few media to send as an album")
        raise (
            bad("too many messages to send as an album")
            if len(value) > 10
            else bad("media group must include 2-10 items")
        )
    kinds = {item.get("type") for item in value if isinstance(item, dict)}
    if "animation" in kinds or (len(kinds) > 1 and kinds & {"audio", "document"}):
        raise bad("Can't use the media of the specified type in the album")
    contents = [_album_item(call, item) for item in value]
    chat = find_chat(call, call.text("chat_id"), write=True)
    thread_id = find_topic(call, chat)
    reply = find_reply(call, chat)
    album = call.world.new_album()
    call.used |= {"disable_notification", "message_effect_id"}
    for content in contents:
        may_write(call, chat, thread_id, content)
    return [
        call.world.post(
            chat,
            content,
            author=call.bot.user,
            thread_id=thread_id or None,
            reply_to=reply.message,
            media_group_id=album,
            protected=call.flag("protect_content"),
        ).to_json()
        for content in contents
    ]


def _location(call: Call) -> Json:
    for name in ("latitude", "longitude"):
        if not call.text(name).strip():
            raise bad(f"{name} is empty")
    latitude, longitude = call.number("latitude"), call.number("longitude")
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise bad("wrong location specified")
    return {"latitude": latitude, "longitude": longitude}


@method("sendLocation")
async def send_location(call: Call) -> Result:
    location = _location(call)
    if call.integer("live_period"):
        location["live_period"] = call.integer("live_period")
    return send(call, {"location": location}).to_json()


@method("sendVenue")
async def send_venue(call: Call) -> Result:
    location = _location(call)
    for name in ("title", "address"):
        if not call.text(name):
            raise bad(f'parameter "{name}" is required')
    venue = {"location": location, "title": call.text("title"), "address": call.text("address")}
    return send(call, {"venue": venue, "location": location}).to_json()


@method("sendContact")
async def send_contact(call: Call) -> Result:
    contact: Json = {}
    for name in ("phone_number", "first_name"):
        contact[name] = call.text(name)
        if not contact[name]:
            raise bad(f'parameter "{name}" is required')
    for name in ("last_name", "vcard"):
        if call.text(name):
            contact[name] = call.text(name)
    return send(call, {"contact": contact}).to_json()


@method("sendDice")
async def send_dice(call: Call) -> Result:
    emoji = call.text("emoji", "🎲")
    return send(call, {"dice": {"emoji": emoji, "value": 1 + call.world.now() % 6}}).to_json()


@method("sendPoll")
async def send_poll(call: Call) -> Result:
    question, question_entities = text_rules.formatted(
        call.text("question"), call.text("question_parse_mode"), call.entities("question_entities")
    )
    if not question:
        raise bad("poll question must be non-empty")
    if text_rules.utf16_length(question) > 300:
        raise bad("poll question length must not exceed 300")
    value = call.parsed("options", "options")
    if not isinstance(value, list):
        raise bad("expected an Array of String as options")
    options = list[Json]()
    for index, item in enumerate(value):
        given = item if isinstance(item, dict) else {"text": item}
        if not isinstance(given.get("text"), str):
            raise bad("expected an option to be of type String")
        text, entities = text_rules.formatted(
            given["text"], str(given.get("text_parse_mode") or ""), given.get("text_entities")
        )
        if not text:
            raise bad("poll option must be non-empty")
        if text_rules.utf16_length(text) > 100:
            raise bad("poll options length must not exceed 100")
        option: Json = {"persistent_id": str(index), "text": text, "voter_count": 0}
        if entities:
            option["text_entities"] = entities
        options.append(option)
    if not options:
        raise bad("poll must have at least 1 option")
    if len(options) > 12:
        raise bad("poll can't have more than 12 options")
    kind = call.text("type") or "regular"
    if kind not in ("regular", "quiz"):
        raise bad("unsupported poll type specified")
    poll: Json = {
        "id": str(call.world.now()) + str(call.bot.updates.pending),
        "question": question,
        "options": options,
        "total_voter_count": 0,
        "is_closed": call.flag("is_closed"),
        "is_anonymous": call.text("is_anonymous", "true").lower() != "false",
        "type": kind,
        "allows_multiple_answers": call.flag("allows_multiple_answers"),
        "allows_revoting": call.flag("allows_revoting"),
        "members_only": call.flag("members_only"),
    }
    if question_entities:
        poll["question_entities"] = question_entities
    if kind == "quiz":
        correct = call.parsed("correct_option_ids", "correct option identifiers")
        if correct is None and call.given("correct_option_id"):
            correct = [call.integer("correct_option_id")]
        if not isinstance(correct, list) or not all(isinstance(i, int) and 0 <= i < len(options) for i in correct):
            raise bad("wrong correct option ID specified")
        poll["correct_option_ids"] = correct
    return send(call, {"poll": poll}).to_json()


@method("stopPoll")
async def stop_poll(call: Call) -> Result:
    chat = find_chat(call, call.text("chat_id"), write=True)
    message = find_message(call, chat, call.message_id(), "message with poll to stop")
    poll = message.content.get("poll")
    if poll is None or message.author != call.bot.id:
        raise bad("message is not a poll")
    if poll["is_closed"]:
        raise bad("poll has already been closed")
    call.world.change(message, {"poll": {**poll, "is_closed": True}}, tell_bots=False)
    return message.content["poll"]


@method("getFile")
async def get_file(call: Call) -> Result:
    if not call.text("file_id"):
        raise bad("file_id not specified")
    file = call.world.files.get(call.text("file_id"))
    if file is None:
        raise bad("invalid file_id")
    if len(file.data) > DOWNLOAD_LIMIT:
        raise bad("file is too big")
    return file.to_json()
