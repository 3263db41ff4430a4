"""What there is in a small Telegram: people, bots, chats, topics, messages, presses, and those who listen."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from bot.playground.emulator.errors import WorldError
from bot.playground.emulator.updates import Updates

if TYPE_CHECKING:
    from bot.playground.emulator.stage import Stage

Json = dict[str, Any]
ChatType = Literal["private", "group", "supergroup", "channel"]
Status = Literal["creator", "administrator", "member", "restricted", "left", "kicked"]

GENERAL_TOPIC = 1
TOPIC_COLOURS = (7322096, 16766590, 13338331, 9367192, 16749490, 16478047)
#: The emoji of ReactionTypeEmoji (https://core.telegram.org/bots/api#reactiontypeemoji, Bot API 10.1).
REACTIONS = tuple(
    re.findall(
        r"\S+",
        "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡"
        " 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿"
        " 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡",
    )
)
_REACTIONS = frozenset(REACTIONS)
# The users that stand in "from" where a chat speaks (https://core.telegram.org/bots/api#message, field "from").
ANONYMOUS_ADMIN: Json = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
TELEGRAM: Json = {"id": 777000, "is_bot": False, "first_name": "Telegram"}
CHANNEL_AS_USER: Json = {"id": 136817688, "is_bot": True, "first_name": "Channel", "username": "Channel_Bot"}

ADMIN_RIGHTS = (
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
)
GROUP_RIGHTS = ("can_pin_messages", "can_manage_topics")
CHANNEL_RIGHTS = ("can_post_messages", "can_edit_messages")
PERMISSIONS = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_react_to_messages",
    "can_edit_tag",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
)


@dataclass(slots=True)
class Person:
    """A user, human or bot, as everybody sees them."""

    id: int
    first_name: str
    last_name: str = ""
    username: str | None = None
    language_code: str | None = None
    is_bot: bool = False
    is_premium: bool = False
    blocked: set[int] = field(default_factory=set)
    deactivated: bool = False

    def to_json(self) -> Json:
        out: Json = {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name}
        if self.last_name:
            out["last_name"] = self.last_name
        if self.username:
            out["username"] = self.username
        if self.language_code and not self.is_bot:
            out["language_code"] = self.language_code
        if self.is_premium:
            out["is_premium"] = True
        return out


@dataclass(slots=True)
class BotAccount:
    """A bot's login: its user, its settings and the updates that wait for it."""

    token: str = field(repr=False)
    user: Person
    updates: Updates
    can_read_all_group_messages: bool = False
    can_join_groups: bool = True
    supports_inline_queries: bool = False
    commands: dict[tuple[str, str], list[Json]] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    logged_out: bool = False

    @property
    def id(self) -> int:
        return self.user.id

    def to_json(self) -> Json:
        """The user as getMe shows it to its owner."""
        return {
            **self.user.to_json(),
            "can_join_groups": self.can_join_groups,
            "can_read_all_group_messages": self.can_read_all_group_messages,
            "supports_guest_queries": False,
            "supports_inline_queries": self.supports_inline_queries,
            "can_connect_to_business": False,
            "has_main_web_app": False,
            "has_topics_enabled": False,
            "allows_users_to_create_topics": False,
            "can_manage_bots": False,
            "supports_join_request_queries": False,
        }


@dataclass(slots=True)
class Member:
    """What somebody is in a chat."""

    status: Status
    is_anonymous: bool = False
    custom_title: str = ""
    rights: dict[str, bool] = field(default_factory=dict)
    until_date: int = 0
    #: Of a bot: whether it reads everything here, where that was settled before its privacy mode was changed.
    reads_all: bool | None = None

    @property
    def present(self) -> bool:
        return self.status not in ("left", "kicked")

    @property
    def is_admin(self) -> bool:
        return self.status in ("creator", "administrator")


@dataclass(slots=True)
class Topic:
    """A topic of a forum; its id is the id of the message that opened it."""

    id: int
    name: str
    icon_color: int
    icon_custom_emoji_id: str = ""
    closed: bool = False
    hidden: bool = False
    creator: int = 0

    def to_json(self) -> Json:
        out: Json = {"message_thread_id": self.id, "name": self.name, "icon_color": self.icon_color}
        if self.icon_custom_emoji_id:
            out["icon_custom_emoji_id"] = self.icon_custom_emoji_id
        return out


@dataclass(slots=True, eq=False)
class Message:
    """A message; ``content`` holds the Bot API fields of its kind (text, entities, photo, caption …)."""

    id: int
    chat: Chat
    date: int
    content: Json
    sender: Json | None = None
    sender_chat: Chat | None = None
    author: int = 0
    thread_id: int | None = None
    is_topic: bool = False
    reply_to: Message | None = None
    external_reply: Json | None = None
    quote: Json | None = None
    forward_origin: Json | None = None
    edit_date: int = 0
    media_group_id: str = ""
    author_signature: str = ""
    protected: bool = False
    is_automatic_forward: bool = False
    reply_markup: Json | None = None
    keyboard: Json | None = None
    """What came with it beside its own buttons: a keyboard for the people, one to be taken away, a reply asked for."""
    is_service: bool = False
    deleted: bool = False
    reactions: dict[int, list[Json]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return str(self.content.get("text", self.content.get("caption", "")))

    def to_json(self, *, with_reply: bool = True) -> Json:
        """The message as the Bot API shows it; a message replied to is shown without its own reply."""
        out: Json = {"message_id": self.id}
        if self.sender:
            out["from"] = self.sender
        if self.sender_chat:
            out["sender_chat"] = self.sender_chat.to_json()
        if self.author_signature:
            out["author_signature"] = self.author_signature
        out["chat"] = self.chat.to_json()
        out["date"] = self.date
        if self.edit_date:
            out["edit_date"] = self.edit_date
        if self.thread_id:
            out["message_thread_id"] = self.thread_id
        if self.forward_origin:
            out["forward_origin"] = self.forward_origin
        if self.is_automatic_forward:
            out["is_automatic_forward"] = True
        if with_reply and self.reply_to and not self.reply_to.deleted:
            out["reply_to_message"] = self.reply_to.to_json(with_reply=False)
        if self.external_reply:
            out["external_reply"] = self.external_reply
        if self.quote:
            out["quote"] = self.quote
        if self.media_group_id:
            out["media_group_id"] = self.media_group_id
        out |= self.content
        pinned = out.get("pinned_message")
        if isinstance(pinned, Message):
            out["pinned_message"] = pinned.to_json(with_reply=False)
        if self.reply_markup:
            out["reply_markup"] = self.reply_markup
        if self.is_topic:
            out["is_topic_message"] = True
        if self.protected:
            out["has_protected_content"] = True
        return out

    def reaction_list(self) -> list[Json]:
        """Who put which reaction on it, oldest first."""
        return [{"actor": actor, "type": dict(kind)} for actor, kinds in self.reactions.items() for kind in kinds]


@dataclass(slots=True, eq=False)
class Chat:
    """A conversation: private with one bot, a basic group, a supergroup or a channel."""

    id: int
    type: ChatType
    title: str = ""
    username: str | None = None
    peer: Person | None = None
    bot_id: int = 0
    is_forum: bool = False
    description: str = ""
    available_reactions: list[str] | None = None
    permissions: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(PERMISSIONS, True))
    members: dict[int, Member] = field(default_factory=dict)
    bots: dict[int, None] = field(default_factory=dict)
    topics: dict[int, Topic] = field(default_factory=dict)
    general: Topic = field(default_factory=lambda: Topic(GENERAL_TOPIC, "General", TOPIC_COLOURS[0]))
    messages: dict[int, Message] = field(default_factory=dict)
    pinned: list[int] = field(default_factory=list)
    next_id: int = 1
    migrated_to: int = 0
    last_bot: int = 0
    started: bool = False
    linked: int = 0
    keyboards: dict[str, int] = field(default_factory=dict)
    """Who has a keyboard of a bot before them (an id in letters, as JSON has it), and the message it came with."""

    def to_json(self) -> Json:
        if self.peer:
            out = self.peer.to_json()
            shown: Json = {"id": self.id}
            for name in ("first_name", "last_name", "username"):
                if name in out:
                    shown[name] = out[name]
            shown["type"] = "private"
            return shown
        shown = {"id": self.id, "title": self.title}
        if self.username:
            shown["username"] = self.username
        shown["type"] = self.type
        if self.is_forum:
            shown["is_forum"] = True
        return shown

    @property
    def noun(self) -> str:
        """What error texts call it."""
        return "private" if self.type == "private" else self.type

    def member(self, user_id: int) -> Member:
        return self.members.get(user_id) or Member("left")


@dataclass(slots=True)
class Callback:
    """A press on a button, until the bot answers it."""

    id: str
    bot_id: int
    user_id: int
    chat: Chat
    message_id: int
    data: str
    at: float
    answer: Json | None = None
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    def settle(self, answer: Json) -> None:
        self.answer = answer
        self._answered.set()

    async def answered(self, timeout: float = 10.0) -> Json:
        """Wait for the bot's answer: ``text``, ``show_alert``, ``url``, ``cache_time``; TimeoutError without one."""
        async with asyncio.timeout(timeout):
            await self._answered.wait()
        assert self.answer is not None
        return self.answer


class Subscription:
    """A live stream of changes; an async iterator and a context manager. A reader that lags loses the oldest."""

    def __init__(self, world: Stage, limit: int) -> None:
        self._world = world
        self._events: deque[Json] = deque(maxlen=limit)
        self._wake = asyncio.Event()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._closed = True
        self._wake.set()
        self._world.unsubscribe(self)

    def tell(self, event: Json) -> None:
        self._events.append(event)
        self._wake.set()

    def pending(self) -> list[Json]:
        """What has happened and was not read yet, without waiting."""
        events = list(self._events)
        self._events.clear()
        return events

    def __aiter__(self) -> AsyncIterator[Json]:
        return self

    async def __anext__(self) -> Json:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._events.popleft()


def reaction_type(emoji: str) -> Json:
    """The ReactionType of an emoji; a variation selector at its end does not matter."""
    plain = emoji.rstrip("\ufe0f") if emoji not in _REACTIONS else emoji
    if plain not in _REACTIONS:
        raise WorldError(f"{emoji} is no reaction that Telegram offers")
    return {"type": "emoji", "emoji": plain}


def is_username(text: str) -> bool:
    """Whether a chat is named by its public name."""
    return bool(re.fullmatch(r"@[A-Za-z0-9_]{3,32}", text))
