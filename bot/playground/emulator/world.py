"""The state of a small Telegram: people, bots, chats, topics and messages, and what people do in it.

Everything here is synchronous and in memory. People act through the methods of ``World`` (say, edit, react, press …);
bots act through ``methods.py``. Every change is told to whoever subscribed and becomes an update for the bots that
would hear of it on the real Telegram: privacy mode, admin rights and ``allowed_updates`` are honoured
(https://core.telegram.org/bots/features#privacy-mode, read 2026-11).
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from bot.playground.emulator import entities as text_rules
from bot.playground.emulator import menus
from bot.playground.emulator.errors import WorldError
from bot.playground.emulator.files import File, Files, media_content
from bot.playground.emulator.sharing import (
    hide_keyboard,
    key_of,
    keyboard_of,
    shared_chat,
    shared_people,
    show_keyboard,
)
from bot.playground.emulator.updates import Updates

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

_ADMIN_RIGHTS = (
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
_GROUP_RIGHTS = ("can_pin_messages", "can_manage_topics")
_CHANNEL_RIGHTS = ("can_post_messages", "can_edit_messages")
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

    def __init__(self, world: World, limit: int) -> None:
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


class World:
    """Everything there is, and what people do with it. Times come from ``clock`` (Unix seconds)."""

    def __init__(self, clock: Callable[[], float], *, first_message_id: int = 1) -> None:
        self.clock = clock
        self.users: dict[int, Person] = {}
        self.bots: dict[int, BotAccount] = {}
        self.chats: dict[int, Chat] = {}
        self.private: dict[tuple[int, int], Chat] = {}
        self.usernames: dict[str, Person | Chat] = {}
        self.callbacks: dict[str, Callback] = {}
        self.files = Files()
        #: Until when a chat answers 429 to whatever is written there; see ``slow_down``.
        self.closed_until: dict[int, float] = {}
        #: Rights of admins that came after Bot API 10.1, shown as well for clients that insist on them.
        self.newer_admin_rights: tuple[str, ...] = ()
        self._subscriptions: list[Subscription] = []
        self._first_message_id = first_message_id
        self._next_callback = itertools.count(secrets.randbelow(1 << 40) << 20)
        self._next_album = itertools.count(13_500_000_000_000_000)

    # ------------------------------------------------------------------------------------------------- who is there

    def now(self) -> int:
        return int(self.clock())

    def subscribe(self, limit: int = 10_000) -> Subscription:
        """Hear of every change from now on; close it, or use it in a ``with``."""
        subscription = Subscription(self, limit)
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def tell(self, kind: str, chat: Chat | None = None, **more: object) -> None:
        """Tell the subscribers that something changed."""
        if not self._subscriptions:
            return
        event: Json = {"type": kind, "at": self.clock(), **more}
        if chat:
            event["chat_id"] = chat.id
            event["chat_type"] = chat.type
            if chat.peer:
                event["bot_id"] = chat.bot_id
        for subscription in self._subscriptions:
            subscription.tell(event)

    def _tell_message(self, kind: str, message: Message) -> None:
        if self._subscriptions:
            self.tell(kind, message.chat, message_id=message.id, message=message.to_json())

    def _name(self, username: str | None, thing: Person | Chat) -> None:
        if username:
            if self.usernames.get(username.lower(), thing) is not thing:
                raise WorldError(f"the name @{username} is taken")
            self.usernames[username.lower()] = thing

    def add_user(
        self,
        user_id: int,
        first_name: str,
        username: str | None = None,
        *,
        last_name: str = "",
        language_code: str | None = "en",
        is_premium: bool = False,
    ) -> Json:
        """A person joins Telegram; returns the User."""
        if not 0 < user_id < 1 << 52 or user_id in self.users:
            raise WorldError(f"user id {user_id} is taken or no positive number")
        person = Person(user_id, first_name, last_name, username, language_code=language_code, is_premium=is_premium)
        self._name(username, person)
        self.users[user_id] = person
        self.tell("user", user=person.to_json())
        return person.to_json()

    def add_bot_account(self, account: BotAccount) -> None:
        if account.id in self.users:
            raise WorldError(f"user id {account.id} is taken")
        self._name(account.user.username, account.user)
        self.users[account.id] = account.user
        self.bots[account.id] = account

    def person(self, user_id: int) -> Person:
        person = self.users.get(user_id)
        if person is None:
            raise WorldError(f"there is no user {user_id}")
        return person

    def default_bot(self) -> BotAccount:
        return next(iter(self.bots.values()))

    def find_chat(self, chat_id: int, *, bot_id: int | None = None) -> Chat:
        """The chat with this id; a person's id is their private chat with ``bot_id``, else with the first bot."""
        chat = self.chats.get(chat_id)
        if chat is None:
            chat = self.private.get((bot_id or self.default_bot().id, chat_id))
        if chat is None:
            raise WorldError(f"there is no chat {chat_id}")
        return chat

    def chat_of(self, user_id: int, chat_id: int, *, bot_id: int | None = None) -> Chat:
        """The chat a person means: a group's id, a bot's id, or their own for the private chat with the first bot."""
        person = self.person(user_id)
        if chat_id in self.chats:
            return self.chats[chat_id]
        if chat_id in self.bots:
            bot_id = chat_id
        elif chat_id != user_id:
            raise WorldError(f"there is no chat {chat_id}")
        return self.private_chat(person, bot_id or self.default_bot().id)

    def private_chat(self, person: Person, bot_id: int) -> Chat:
        key = (bot_id, person.id)
        chat = self.private.get(key)
        if chat is None:
            chat = Chat(person.id, "private", peer=person, bot_id=bot_id, next_id=self._first_message_id)
            chat.members = {person.id: Member("member"), bot_id: Member("member")}
            chat.bots = {bot_id: None}
            self.private[key] = chat
            self.tell("chat", chat, info=chat.to_json())
        return chat

    def add_group(
        self,
        chat_id: int,
        title: str,
        members: Iterable[int] = (),
        admins: Iterable[int] = (),
        *,
        type: Literal["group", "supergroup"] = "supergroup",
        is_forum: bool = False,
        anonymous: Iterable[int] = (),
        username: str | None = None,
        description: str = "",
        available_reactions: Sequence[str] | None = None,
        bots: Iterable[int] | None = None,
    ) -> Json:
        """A group as it stands, with its members and admins; the first admin who is human owns it. Returns the Chat.

        Without ``bots`` every bot is a member; name a bot in ``admins`` to make it one. The bots are not told: what
        they see begins afterwards. Ids are negative, -100… for supergroups.
        """
        if chat_id >= 0 or chat_id in self.chats:
            raise WorldError(f"chat id {chat_id} is taken or not negative")
        if is_forum and type != "supergroup":
            raise WorldError("only a supergroup can be a forum")
        chat = Chat(chat_id, type, title, username=username, is_forum=is_forum, description=description)
        chat.next_id = self._first_message_id
        if available_reactions is not None:
            chat.available_reactions = [reaction_type(emoji)["emoji"] for emoji in available_reactions]
        self._name(username, chat)
        admins, anonymous = list(admins), set(anonymous)
        everyone = [*admins, *members, *anonymous, *(self.bots if bots is None else bots)]
        owner = next((user for user in admins if not self.person(user).is_bot), None)
        for user_id in everyone:
            person = self.person(user_id)
            if user_id in chat.members:
                continue
            status: Status = "member"
            if user_id in admins or user_id in anonymous:
                status = "creator" if user_id == owner else "administrator"
            self._join(chat, person, self._member(chat, status, anonymous=user_id in anonymous))
        self.chats[chat_id] = chat
        # The first message of every group tells that it was made; in a forum it belongs to the General topic.
        made = "supergroup_chat_created" if type == "supergroup" else "group_chat_created"
        self._service(chat, self.users.get(owner or 0), {made: True}, quiet=True)
        self.tell("chat", chat, info=chat.to_json())
        return chat.to_json()

    def add_channel(
        self,
        chat_id: int,
        title: str,
        admins: Iterable[int] = (),
        members: Iterable[int] = (),
        *,
        username: str | None = None,
        bots: Iterable[int] | None = None,
    ) -> Json:
        """A channel; bots in it are admins, as everywhere on Telegram. Returns the Chat."""
        if chat_id >= 0 or chat_id in self.chats:
            raise WorldError(f"chat id {chat_id} is taken or not negative")
        chat = Chat(chat_id, "channel", title, username=username, next_id=self._first_message_id)
        self._name(username, chat)
        admins = list(admins)
        for user_id in [*admins, *members, *(self.bots if bots is None else bots)]:
            person = self.person(user_id)
            status: Status = "member"
            if user_id in admins or person.is_bot:
                status = "creator" if admins and user_id == admins[0] else "administrator"
            if user_id not in chat.members:
                self._join(chat, person, self._member(chat, status))
        self.chats[chat_id] = chat
        self.tell("chat", chat, info=chat.to_json())
        return chat.to_json()

    def _member(
        self, chat: Chat, status: Status, *, anonymous: bool = False, rights: Mapping[str, bool] | None = None
    ) -> Member:
        member = Member(status, is_anonymous=anonymous)
        if status == "administrator":
            names = (*_ADMIN_RIGHTS, *(_CHANNEL_RIGHTS if chat.type == "channel" else _GROUP_RIGHTS))
            member.rights = {name: name != "can_promote_members" for name in names} | dict(rights or {})
        elif status == "restricted":
            member.rights = dict.fromkeys(PERMISSIONS, False) | dict(rights or {})
        return member

    def _join(self, chat: Chat, person: Person, member: Member) -> None:
        chat.members[person.id] = member
        if person.is_bot:
            if member.present:
                chat.bots[person.id] = None
            else:
                chat.bots.pop(person.id, None)

    def set_member(
        self,
        chat_id: int,
        user_id: int,
        status: Status,
        *,
        by: int | None = None,
        anonymous: bool = False,
        rights: Mapping[str, bool] | None = None,
    ) -> None:
        """Somebody becomes a member, an admin, restricted, or is out; ``by`` is who did it (the owner by default).

        The service message and the my_chat_member and chat_member updates of the real thing follow.
        """
        chat, person = self.find_chat(chat_id), self.person(user_id)
        actor = self.person(by) if by else self._owner(chat) or person
        old = chat.member(user_id)
        new = self._member(chat, status, anonymous=anonymous, rights=rights)
        if old.present and new.present:
            new.reads_all = old.reads_all
        self._join(chat, person, new)
        self._tell_member(chat, actor, person, old, new)
        if chat.type != "channel" and old.present != new.present:
            if new.present:
                self._service(chat, actor, {"new_chat_members": [person.to_json()]})
            else:
                message = self._service(chat, actor, {"left_chat_member": person.to_json()})
                if person.id in self.bots:
                    # The last thing a bot hears of a chat is that it is out.
                    self.push(self.bots[person.id], "message", message.to_json(), chat)

    def _owner(self, chat: Chat) -> Person | None:
        for user_id, member in chat.members.items():
            if member.status == "creator":
                return self.users[user_id]
        return None

    def _tell_member(self, chat: Chat, actor: Person, person: Person, old: Member, new: Member) -> None:
        update = {
            "chat": chat.to_json(),
            "from": actor.to_json(),
            "date": self.now(),
            "old_chat_member": self.member_json(chat, person, old),
            "new_chat_member": self.member_json(chat, person, new),
        }
        if person.is_bot and person.id in self.bots:
            self.push(self.bots[person.id], "my_chat_member", update, chat)
        for bot_id in chat.bots:
            if bot_id != person.id and chat.member(bot_id).is_admin:
                self.push(self.bots[bot_id], "chat_member", update, chat)
        self.tell("member", chat, user_id=person.id, status=new.status)

    def member_json(self, chat: Chat, person: Person, member: Member) -> Json:
        """A ChatMember of the right kind."""
        out: Json = {"status": member.status, "user": person.to_json()}
        match member.status:
            case "creator":
                out["is_anonymous"] = member.is_anonymous
            case "administrator":
                out |= {"can_be_edited": False, "is_anonymous": member.is_anonymous, **member.rights}
                out |= {name: out.get(name, False) for name in self.newer_admin_rights}
            case "restricted":
                out |= {"is_member": True, **member.rights, "until_date": member.until_date}
            case "kicked":
                out["until_date"] = member.until_date
        if member.custom_title and member.is_admin:
            out["custom_title"] = member.custom_title
        return out

    # ------------------------------------------------------------------------------------------------ what bots hear

    def push(self, bot: BotAccount, kind: str, payload: Json, chat: Chat) -> None:
        bot.updates.add(kind, payload, queue=chat.id)

    def hears(self, bot: BotAccount, message: Message) -> bool:
        """Whether a message reaches a bot (https://core.telegram.org/bots/features#privacy-mode)."""
        chat = message.chat
        if bot.id not in chat.bots:
            return False
        if message.author == bot.id:
            # A bot's own messages are not told to it, except some service messages (tdlib/telegram-bot-api
            # Client.cpp, need_skip_update_message).
            kept = ("forum_topic", "new_chat_title", "pinned_message", "left_chat_member", "general_forum")
            return message.is_service and any(name.startswith(kept) for name in message.content)
        if chat.type in ("private", "channel") or message.is_service:
            return True
        author = self.users.get(message.author)
        if author is not None and author.is_bot:
            return False
        member = chat.member(bot.id)
        reads_all = bot.can_read_all_group_messages if member.reads_all is None else member.reads_all
        if reads_all or member.is_admin or self._is_command_for(bot, message):
            return True
        answered = message.reply_to
        if answered is None or answered.is_service:
            return False
        return answered.author == bot.id or self._is_command_for(bot, answered)

    def set_privacy(self, *, on: bool, bot_id: int | None = None) -> None:
        """The owner of a bot switches its privacy mode. In groups it is in already, it counts once it is added anew."""
        bot = self.bots[bot_id] if bot_id else self.default_bot()
        if bot.can_read_all_group_messages is not on:
            return
        for chat in self.chats.values():
            member = chat.members.get(bot.id)
            if member is not None and member.present and member.reads_all is None:
                member.reads_all = bot.can_read_all_group_messages
        bot.can_read_all_group_messages = not on
        self.tell("bot", bot_id=bot.id)

    def _is_command_for(self, bot: BotAccount, message: Message) -> bool:
        listed = message.content.get("entities") or message.content.get("caption_entities") or []
        for entity in listed:
            if entity["type"] != "bot_command" or entity["offset"]:
                continue
            command = text_rules.utf16_slice(message.text, 0, entity["length"])
            _, _, name = command.partition("@")
            if name:
                return name.lower() == (bot.user.username or "").lower()
            return len(message.chat.bots) == 1 or message.chat.last_bot in (0, bot.id)
        return False

    def deliver(self, message: Message, *, edited: bool = False) -> None:
        """Make the updates for a new or edited message."""
        kind = "channel_post" if message.chat.type == "channel" else "message"
        if edited:
            kind = f"edited_{kind}"
        payload: Json | None = None
        for bot_id in list(message.chat.bots):
            bot = self.bots[bot_id]
            if self.hears(bot, message):
                payload = payload or message.to_json()
                self.push(bot, kind, payload, message.chat)

    # ------------------------------------------------------------------------------------------- making messages

    def post(
        self,
        chat: Chat,
        content: Json,
        *,
        author: Person | None,
        thread_id: int | None = None,
        reply_to: Message | None = None,
        as_chat: Chat | None = None,
        quiet: bool = False,
        **more: Any,
    ) -> Message:
        """Put a message into a chat, tell everybody. The caller has checked what is allowed."""
        message = Message(chat.next_id, chat, self.now(), content, author=author.id if author else 0)
        chat.next_id += 1
        for name, value in more.items():
            setattr(message, name, value)
        self._sign(message, author, as_chat)
        self._thread(message, thread_id, reply_to)
        chat.messages[message.id] = message
        chat.started = True
        if author and author.is_bot:
            chat.last_bot = author.id
        if message.keyboard is not None:
            show_keyboard(message, {user.id: user.username.lower() for user in self.users.values() if user.username})
            self.tell("keyboard", chat)
        self._tell_message("message", message)
        if not quiet:
            self.deliver(message)
        if chat.type == "channel" and chat.linked and not message.is_service:
            self._discuss(message)
        return message

    def _discuss(self, post: Message) -> None:
        """A channel post appears in the discussion group by itself, as a forward in the name of the channel."""
        group = self.chats[post.chat.linked]
        message = Message(group.next_id, group, self.now(), dict(post.content), sender=TELEGRAM, sender_chat=post.chat)
        message.forward_origin = self.origin(post)
        message.is_automatic_forward = True
        message.media_group_id = post.media_group_id
        group.next_id += 1
        group.messages[message.id] = message
        self._tell_message("message", message)
        self.deliver(message)

    def link_discussion(self, channel_id: int, group_id: int) -> None:
        """A channel gets a discussion group: its posts are forwarded there automatically."""
        channel, group = self.find_chat(channel_id), self.find_chat(group_id)
        if channel.type != "channel" or group.type != "supergroup" or group.is_forum:
            raise WorldError("a discussion joins a channel and a supergroup without topics")
        channel.linked, group.linked = group_id, channel_id

    def _sign(self, message: Message, author: Person | None, as_chat: Chat | None) -> None:
        chat = message.chat
        if chat.type == "channel":
            message.sender_chat = chat
            return
        member = chat.member(author.id) if author else None
        if as_chat is None and author and member and member.is_anonymous and member.is_admin:
            as_chat = chat
        if as_chat is None:
            message.sender = author.to_json() if author else None
            return
        # An anonymous admin speaks as the group, others as a channel of theirs.
        message.sender_chat = as_chat
        message.sender = ANONYMOUS_ADMIN if as_chat is chat else CHANNEL_AS_USER
        if as_chat is chat and member and member.custom_title:
            message.author_signature = member.custom_title

    def _thread(self, message: Message, thread_id: int | None, reply_to: Message | None) -> None:
        chat = message.chat
        message.reply_to = reply_to
        if chat.is_forum:
            if thread_id is None and reply_to is not None:
                thread_id = reply_to.thread_id if reply_to.is_topic else None
            if thread_id and thread_id != GENERAL_TOPIC:
                message.thread_id, message.is_topic = thread_id, True
                opening = chat.messages.get(thread_id)
                # Whatever is said in a topic replies to the message that opened it, unless it replies to another.
                if message.reply_to is None and opening is not None:
                    message.reply_to = opening
        elif chat.type == "supergroup" and reply_to is not None:
            # A chain of replies has a thread id as well, but is no topic.
            message.thread_id = reply_to.thread_id or reply_to.id

    def _service(self, chat: Chat, author: Person | None, content: Json, **more: Any) -> Message:
        return self.post(chat, content, author=author, is_service=True, **more)

    def service(self, chat: Chat, author: Person, content: Json, *, thread_id: int | None = None) -> Message:
        """A service message, such as a topic that was closed."""
        return self._service(chat, author, content, thread_id=thread_id)

    def open_topic(
        self, chat: Chat, author: Person, name: str, icon_color: int = TOPIC_COLOURS[0], icon: str = ""
    ) -> Topic:
        """A new topic, with the message that opens it."""
        topic = Topic(chat.next_id, name, icon_color, icon, creator=author.id)
        chat.topics[topic.id] = topic
        created = topic.to_json()
        del created["message_thread_id"]
        message = Message(chat.next_id, chat, self.now(), {"forum_topic_created": created}, is_service=True)
        message.author = author.id
        chat.next_id += 1
        self._sign(message, author, None)
        message.thread_id, message.is_topic = topic.id, True
        chat.messages[message.id] = message
        self.tell("topic", chat, topic=topic.to_json(), message_id=message.id)
        self._tell_message("message", message)
        self.deliver(message)
        return topic

    def remove_topic(self, chat: Chat, topic_id: int) -> None:
        """A topic with all its messages; no bot is told, as on the real Telegram."""
        del chat.topics[topic_id]
        for message in [m for m in chat.messages.values() if m.thread_id == topic_id and m.is_topic]:
            self.remove(message)
        self.tell("topic_deleted", chat, thread_id=topic_id)

    def change(self, message: Message, content: Json | None = None, *, tell_bots: bool = True) -> None:
        """Replace what a message says."""
        if content is not None:
            message.content = content
            message.edit_date = self.now()
        self._tell_message("edited", message)
        if tell_bots:
            self.deliver(message, edited=True)

    def remove(self, message: Message) -> None:
        """Delete a message; no bot is told."""
        message.deleted = True
        message.chat.messages.pop(message.id, None)
        if message.id in message.chat.pinned:
            message.chat.pinned.remove(message.id)
        hide_keyboard(message)
        self.tell("deleted", message.chat, message_id=message.id)

    def set_reactions(self, message: Message, actor: Person, kinds: list[Json]) -> None:
        """Replace one person's reactions on a message."""
        chat = message.chat
        old = message.reactions.pop(actor.id, [])
        if kinds:
            message.reactions[actor.id] = kinds
        if old == kinds:
            return
        self.tell("reaction", chat, message_id=message.id, reactions=message.reaction_list(), actor=actor.id)
        if actor.is_bot:
            return  # what bots put there is told to no bot
        if chat.type == "channel":
            counted: dict[str, Json] = {}
            for kind in (kind for kinds in message.reactions.values() for kind in kinds):
                entry = counted.setdefault(repr(sorted(kind.items())), {"type": kind, "total_count": 0})
                entry["total_count"] += 1
            name: str = "message_reaction_count"
            update: Json = {"reactions": list(counted.values())}
        else:
            member = chat.member(actor.id)
            who: Json = {"user": actor.to_json()}
            if member.is_anonymous and member.is_admin:
                who = {"actor_chat": chat.to_json()}
            name = "message_reaction"
            update = {**who, "old_reaction": old, "new_reaction": kinds}
        update = {"chat": chat.to_json(), "message_id": message.id, "date": self.now(), **update}
        for bot_id in chat.bots:
            if chat.type == "private" or chat.member(bot_id).is_admin:
                self.push(self.bots[bot_id], name, update, chat)

    def new_album(self) -> str:
        return str(next(self._next_album))

    # ---------------------------------------------------------------------------------------------- what people do

    def _may_speak(self, person: Person, chat: Chat, thread_id: int | None) -> None:
        if chat.peer:
            if person.id != chat.id:
                raise WorldError(f"user {person.id} is not in the private chat of {chat.id}")
            if chat.bot_id in person.blocked:
                raise WorldError(f"{person.first_name} has blocked the bot: unblock first")
            return
        if chat.migrated_to:
            raise WorldError(f"the group became the supergroup {chat.migrated_to}")
        member = chat.member(person.id)
        if not member.present:
            raise WorldError(f"user {person.id} is not a member of chat {chat.id}")
        if chat.type == "channel" and not member.is_admin:
            raise WorldError("only admins write in a channel")
        allowed = member.rights if member.status == "restricted" else chat.permissions
        if not member.is_admin and not allowed.get("can_send_messages", True):
            raise WorldError(f"{person.first_name} may not write in {chat.title}")
        if chat.is_forum and not member.is_admin and chat.general.closed and thread_id in (None, GENERAL_TOPIC):
            raise WorldError("the topic General is closed")
        if thread_id and thread_id != GENERAL_TOPIC:
            topic = chat.topics.get(thread_id)
            if topic is None:
                raise WorldError(f"chat {chat.id} has no topic {thread_id}")
            if topic.closed and not member.is_admin:
                raise WorldError(f"the topic {topic.name} is closed")

    def _message(self, chat: Chat, message_id: int) -> Message:
        message = chat.messages.get(message_id)
        if message is None:
            raise WorldError(f"chat {chat.id} has no message {message_id}")
        return message

    def origin(self, source: int | str | Message | Json) -> Json:
        """A MessageOrigin: of a user's id, of a hidden user's name, of a message, or ready made."""
        if isinstance(source, dict):
            return source
        date = self.now()
        if isinstance(source, str):
            return {"type": "hidden_user", "date": date, "sender_user_name": source}
        if isinstance(source, int):
            return {"type": "user", "date": date, "sender_user": self.person(source).to_json()}
        if source.forward_origin:
            return source.forward_origin
        date = source.date
        if source.chat.type == "channel":
            return {"type": "channel", "date": date, "chat": source.chat.to_json(), "message_id": source.id}
        if source.sender_chat:
            return {"type": "chat", "date": date, "sender_chat": source.sender_chat.to_json()}
        return {"type": "user", "date": date, "sender_user": self.users[source.author].to_json()}

    def _speak(
        self,
        user_id: int,
        chat_id: int,
        content: Json,
        *,
        thread_id: int | None = None,
        reply_to: int | None = None,
        quote: str | None = None,
        forward_from: int | str | Json | None = None,
        sender_chat: int | None = None,
        bot_id: int | None = None,
        **more: Any,
    ) -> Json:
        person, chat = self.person(user_id), self.chat_of(user_id, chat_id, bot_id=bot_id)
        self._may_speak(person, chat, thread_id)
        replied = self._message(chat, reply_to) if reply_to else None
        if quote:
            if replied is None or quote not in replied.text:
                raise WorldError("a quotation must be part of the message replied to")
            position = text_rules.utf16_length(replied.text[: replied.text.index(quote)])
            more["quote"] = {"text": quote, "position": position, "is_manual": True}
        if forward_from is not None:
            more["forward_origin"] = self.origin(forward_from)
        as_chat = self.find_chat(sender_chat) if sender_chat else None
        if as_chat is not None:
            _may_speak_as(person, chat, as_chat)
        message = self.post(
            chat, content, author=person, thread_id=thread_id, reply_to=replied, as_chat=as_chat, **more
        )
        return message.to_json()

    def say(
        self,
        user_id: int,
        chat_id: int,
        text: str,
        *,
        thread_id: int | None = None,
        reply_to: int | None = None,
        entities: Sequence[Json] | None = None,
        quote: str | None = None,
        forward_from: int | str | Json | None = None,
        sender_chat: int | None = None,
        bot_id: int | None = None,
    ) -> Json:
        """A person writes text; returns the Message. Commands, links and so on are found as the server does.

        ``chat_id`` is a group's or channel's id, or for a private chat the person's own id (``bot_id`` picks the bot)
        or the bot's. ``forward_from`` makes it a forward: a user's id, a hidden user's name, or a MessageOrigin.
        ``sender_chat`` lets the person speak as a channel; anonymous admins speak as the group by themselves.
        """
        content = self._text(text, entities)
        return self._speak(
            user_id,
            chat_id,
            content,
            thread_id=thread_id,
            reply_to=reply_to,
            quote=quote,
            forward_from=forward_from,
            sender_chat=sender_chat,
            bot_id=bot_id,
        )

    def forward(
        self,
        user_id: int,
        chat_id: int,
        from_chat_id: int,
        message_id: int,
        *,
        thread_id: int | None = None,
        bot_id: int | None = None,
    ) -> Json:
        """A person forwards a message that they can see."""
        source = self.chat_of(user_id, from_chat_id, bot_id=bot_id)
        message = self._message(source, message_id)
        if message.is_service or message.protected:
            raise WorldError(f"message {message_id} cannot be forwarded")
        return self._speak(
            user_id,
            chat_id,
            dict(message.content),
            thread_id=thread_id,
            forward_from=self.origin(message),
            bot_id=bot_id,
        )

    def start(self, user_id: int, payload: str = "", *, bot_id: int | None = None) -> Json:
        """A person opens the private chat with a bot and presses Start, or Restart where they had blocked it.

        ``payload`` is what a link t.me/<bot>?start=<payload> brought along.
        """
        _check_payload(payload)
        self.unblock(user_id, bot_id=bot_id)
        return self.say(user_id, user_id, f"/start {payload}".strip(), bot_id=bot_id)

    def start_in_group(self, user_id: int, chat_id: int, payload: str = "", *, bot_id: int | None = None) -> Json:
        """A person follows a link t.me/<bot>?startgroup=<payload> and picks a group: the bot is added and started."""
        _check_payload(payload)
        bot = self.bots[bot_id] if bot_id else self.default_bot()
        if not self.find_chat(chat_id).member(bot.id).present:
            self.set_member(chat_id, bot.id, "member", by=user_id)
        return self.say(user_id, chat_id, f"/start@{bot.user.username} {payload}".strip())

    def _text(self, text: str, entities: Sequence[Json] | None, *, field: str = "text", limit: int = 4096) -> Json:
        try:
            plain, found = text_rules.settle(text, text_rules.explicit(list(entities or ())))
        except text_rules.EntityError as error:
            raise WorldError(str(error)) from error
        if not plain and field == "text":
            raise WorldError("the text is empty")
        if text_rules.utf16_length(plain) > limit:
            raise WorldError(f"the text is longer than {limit}")
        return self.text_content(plain, found, field=field)

    def text_content(self, text: str, entities: list[Json], *, field: str = "text") -> Json:
        """The fields of a text or a caption; people who are mentioned by id are shown whole, or not at all."""
        shown = list[Json]()
        for entity in entities:
            if entity["type"] == "text_mention":
                person = self.users.get(entity["user"]["id"])
                if person is None:
                    continue
                entity = {**entity, "user": person.to_json()}
            shown.append(entity)
        content: Json = {field: text} if text else {}
        if shown:
            content["entities" if field == "text" else "caption_entities"] = shown
        return content

    def send_media(
        self,
        user_id: int,
        chat_id: int,
        kind: str,
        data: bytes,
        *,
        file_name: str = "",
        mime_type: str = "",
        caption: str = "",
        entities: Sequence[Json] | None = None,
        **more: Any,
    ) -> Json:
        """A person sends a file: photo, document, video, audio, voice, animation, video_note or sticker.

        The other keywords are those of ``say``, and ``media_group_id`` to make an album of several.
        """
        file = self.files.store(data, file_name=file_name, mime_type=mime_type, kind=kind)
        content = media_content(kind, file, {})
        if caption:
            content |= self._text(caption, entities, field="caption", limit=text_rules.CAPTION_LIMIT)
        return self._speak(user_id, chat_id, content, **more)

    def send_album(
        self, user_id: int, chat_id: int, items: Sequence[tuple[str, bytes, str]], caption: str = "", **more: Any
    ) -> list[Json]:
        """A person sends an album of (kind, bytes, file name); the caption stands at the first."""
        album = self.new_album()
        return [
            self.send_media(
                user_id,
                chat_id,
                kind,
                data,
                file_name=name,
                caption="" if index else caption,
                media_group_id=album,
                **more,
            )
            for index, (kind, data, name) in enumerate(items)
        ]

    def send_content(self, user_id: int, chat_id: int, content: Json, **more: Any) -> Json:
        """A person sends something else: the Bot API fields of a location, contact, poll, rich_message …"""
        return self._speak(user_id, chat_id, dict(content), **more)

    def edit(
        self, user_id: int, chat_id: int, message_id: int, text: str, entities: Sequence[Json] | None = None
    ) -> Json:
        """A person changes the text, or caption, of their own message."""
        person, chat = self.person(user_id), self.chat_of(user_id, chat_id)
        self._may_speak(person, chat, None)
        message = self._message(chat, message_id)
        if message.author != user_id or message.is_service:
            raise WorldError(f"message {message_id} is not {person.first_name}'s own")
        field = "text" if "text" in message.content else "caption"
        kept = {
            name: value
            for name, value in message.content.items()
            if name not in ("text", "entities", "caption", "caption_entities")
        }
        self.change(message, kept | self._text(text, entities, field=field))
        return message.to_json()

    def touch(self, chat_id: int, message_id: int) -> None:
        """An edit in which nothing visible changes, as happens when a link preview arrives or a reaction is set."""
        message = self._message(self.find_chat(chat_id), message_id)
        self.change(message, dict(message.content))

    def delete(self, user_id: int, chat_id: int, message_id: int) -> None:
        """A person deletes a message, their own or, as an admin, anybody's. Bots are not told."""
        chat = self.chat_of(user_id, chat_id)
        message = self._message(chat, message_id)
        if message.author != user_id and not chat.peer and not chat.member(user_id).is_admin:
            raise WorldError("only admins delete what others wrote")
        self.remove(message)

    def react(self, user_id: int, chat_id: int, message_id: int, emoji: str | None) -> None:
        """A person puts a reaction on a message, another instead, or none."""
        person, chat = self.person(user_id), self.chat_of(user_id, chat_id)
        if not chat.member(user_id).present:
            raise WorldError(f"user {user_id} is not a member of chat {chat.id}")
        kinds = [reaction_type(emoji)] if emoji else []
        if kinds and chat.available_reactions is not None and kinds[0]["emoji"] not in chat.available_reactions:
            raise WorldError(f"chat {chat.id} does not allow {emoji}")
        self.set_reactions(self._message(chat, message_id), person, kinds)

    def press(self, user_id: int, chat_id: int, message_id: int, callback_data: str) -> Callback:
        """A person presses an inline button, found by its callback data or else by its label."""
        person, chat = self.person(user_id), self.chat_of(user_id, chat_id)
        if not chat.member(user_id).present:
            raise WorldError(f"user {user_id} is not a member of chat {chat.id}")
        message = self._message(chat, message_id)
        rows = (message.reply_markup or {}).get("inline_keyboard", [])
        buttons = [button for row in rows for button in row if "callback_data" in button]
        chosen = [b for b in buttons if b["callback_data"] == callback_data]
        chosen = chosen or [b for b in buttons if b["text"] == callback_data]
        if not chosen:
            labels = ", ".join(repr(button["text"]) for button in buttons) or "none"
            raise WorldError(f"message {message_id} has no button {callback_data!r}; it has {labels}")
        bot = self.bots[message.author]
        callback = Callback(
            str(next(self._next_callback)), bot.id, user_id, chat, message_id, chosen[0]["callback_data"], self.clock()
        )
        self.callbacks[callback.id] = callback
        payload = {
            "id": callback.id,
            "from": person.to_json(),
            "message": message.to_json(),
            "chat_instance": str(abs(chat.id) * 7919 + 1),
            "data": callback.data,
        }
        self.push(bot, "callback_query", payload, chat)
        self.tell("pressed", chat, message_id=message_id, user_id=user_id, data=callback.data, callback=callback.id)
        return callback

    def block(self, user_id: int, *, bot_id: int | None = None) -> None:
        """A person blocks a bot."""
        self._set_blocked(user_id, bot_id, blocked=True)

    def unblock(self, user_id: int, *, bot_id: int | None = None) -> None:
        """A person lets a blocked bot write again."""
        self._set_blocked(user_id, bot_id, blocked=False)

    def _set_blocked(self, user_id: int, bot_id: int | None, *, blocked: bool) -> None:
        person = self.person(user_id)
        bot = self.bots[bot_id] if bot_id else self.default_bot()
        if (bot.id in person.blocked) == blocked:
            return
        (person.blocked.add if blocked else person.blocked.discard)(bot.id)
        chat = self.private_chat(person, bot.id)
        out, member = Member("kicked"), Member("member")
        old, new = (member, out) if blocked else (out, member)
        self._tell_member(chat, person, bot.user, old, new)

    def deactivate(self, user_id: int) -> None:
        """A person deletes their account: others see it without a name, and no bot can write to it."""
        person = self.person(user_id)
        if person.username:
            self.usernames.pop(person.username.lower(), None)
        person.first_name, person.last_name, person.username, person.deactivated = "", "", None, True
        self.tell("user", user=person.to_json())

    def slow_down(self, chat_id: int, seconds: float) -> None:
        """For so long, whatever a bot writes in a chat is answered 429 with what is left of it."""
        self.closed_until[chat_id] = self.clock() + seconds

    def menu_for(self, user_id: int, chat_id: int, *, bot_id: int | None = None) -> list[Json]:
        """The commands that Telegram shows a person in a chat, as they were set for its narrowest scope."""
        person, chat = self.person(user_id), self.chat_of(user_id, chat_id, bot_id=bot_id)
        member = chat.member(user_id)
        if not member.present:
            raise WorldError(f"user {user_id} is not a member of chat {chat.id}")
        bot = self.bots[bot_id or (chat.bot_id if chat.peer else next(iter(chat.bots), self.default_bot().id))]
        # A channel has no box to write commands into, nor has a group a menu of a bot that is not in it.
        if chat.type == "channel" or bot.id not in chat.bots:
            return []
        keys = menus.scopes(
            user_id=user_id, chat_id=chat.id, is_private=chat.peer is not None, is_admin=member.is_admin
        )
        return menus.pick(bot.commands, keys, language=person.language_code or "")

    def keyboard_for(self, user_id: int, chat_id: int, *, bot_id: int | None = None) -> Json | None:
        """The keyboard that a bot put before a person in the place of the letters, or None."""
        return keyboard_of(self.chat_of(user_id, chat_id, bot_id=bot_id), user_id)

    def press_key(self, user_id: int, chat_id: int, label: str, *, bot_id: int | None = None) -> Json:
        """A person presses a button of that keyboard that has nothing but a label: they say it."""
        key = key_of(self.chat_of(user_id, chat_id, bot_id=bot_id), user_id, label)
        if set(key) - {"text", "style", "icon_custom_emoji_id"}:
            raise WorldError(f"the button {label!r} asks for something: use share_chat or share_users")
        return self.say(user_id, chat_id, label, bot_id=bot_id)

    def share_chat(self, user_id: int, shared_id: int, button: str | None = None, *, bot_id: int | None = None) -> Json:
        """A person presses a button that asks for a chat (the first one, or by its label) and picks one of theirs.

        In their private chat with the bot; returns the service message with ``chat_shared``.
        """
        person = self.person(user_id)
        chat = self.private_chat(person, bot_id or self.default_bot().id)
        key = key_of(chat, user_id, button, asks="request_chat")
        content = {"chat_shared": shared_chat(self.find_chat(shared_id), person, chat.bot_id, key["request_chat"])}
        return self._share(chat, person, content)

    def share_users(
        self, user_id: int, shared_ids: Sequence[int], button: str | None = None, *, bot_id: int | None = None
    ) -> Json:
        """The same for a button that asks for people; returns the service message with ``users_shared``."""
        person = self.person(user_id)
        chat = self.private_chat(person, bot_id or self.default_bot().id)
        key = key_of(chat, user_id, button, asks="request_users")
        people = [self.person(shared_id) for shared_id in shared_ids]
        return self._share(chat, person, {"users_shared": shared_people(people, key["request_users"])})

    def _share(self, chat: Chat, person: Person, content: Json) -> Json:
        self._may_speak(person, chat, None)
        return self._service(chat, person, content).to_json()

    def kick_bot(self, chat_id: int, *, bot_id: int | None = None, by: int | None = None) -> None:
        """An admin throws a bot out of a group or channel."""
        self.set_member(chat_id, bot_id or self.default_bot().id, "kicked", by=by)

    def add_topic(self, chat_id: int, name: str, *, by: int | None = None, icon_color: int = TOPIC_COLOURS[0]) -> int:
        """A person opens a topic in a forum; returns its thread id."""
        chat = self.find_chat(chat_id)
        if not chat.is_forum:
            raise WorldError(f"chat {chat_id} is no forum")
        author = self.person(by) if by else self._owner(chat)
        if author is None:
            raise WorldError(f"chat {chat_id} has no owner: say who opens the topic (by)")
        return self.open_topic(chat, author, name, icon_color).id

    def delete_topic(self, chat_id: int, thread_id: int) -> None:
        """An admin deletes a topic and everything in it. No bot is told."""
        chat = self.find_chat(chat_id)
        if thread_id not in chat.topics:
            raise WorldError(f"chat {chat_id} has no topic {thread_id}")
        self.remove_topic(chat, thread_id)

    def close_topic(self, chat_id: int, thread_id: int, *, closed: bool = True, by: int | None = None) -> None:
        """An admin closes a topic, or opens it again."""
        chat = self.find_chat(chat_id)
        topic = chat.topics.get(thread_id)
        author = self.person(by) if by else self._owner(chat)
        if topic is None or author is None:
            raise WorldError(f"chat {chat_id} has no topic {thread_id}, or nobody to close it")
        self.set_topic_closed(chat, topic, author, closed=closed)

    def set_topic_closed(self, chat: Chat, topic: Topic, author: Person, *, closed: bool) -> None:
        topic.closed = closed
        name = "forum_topic_closed" if closed else "forum_topic_reopened"
        self.service(chat, author, {name: {}}, thread_id=topic.id)
        self.tell("topic", chat, topic=topic.to_json(), closed=closed)

    def set_title(self, chat_id: int, title: str, *, by: int | None = None) -> None:
        """An admin renames a chat."""
        chat = self.find_chat(chat_id)
        chat.title = title
        self._service(chat, self.person(by) if by else self._owner(chat), {"new_chat_title": title})

    def set_available_reactions(self, chat_id: int, emoji: Sequence[str] | None) -> None:
        """Which reactions a chat allows: None for all, an empty list for none."""
        allowed = None if emoji is None else [reaction_type(item)["emoji"] for item in emoji]
        self.find_chat(chat_id).available_reactions = allowed

    def set_permissions(self, chat_id: int, **permissions: bool) -> None:
        """What members who are no admins may do (``can_send_messages=False`` …)."""
        unknown = set(permissions) - set(PERMISSIONS)
        if unknown:
            raise WorldError(f"unknown permission {', '.join(sorted(unknown))}")
        self.find_chat(chat_id).permissions |= permissions

    def migrate(self, chat_id: int, new_id: int | None = None, *, is_forum: bool = False) -> int:
        """A basic group becomes a supergroup; returns the new id. Both service messages are told."""
        chat = self.find_chat(chat_id)
        if chat.type != "group" or chat.migrated_to:
            raise WorldError(f"chat {chat_id} is no basic group, or was upgraded already")
        new_id = new_id or int(f"-100{1_000_000_000 + abs(chat_id) % 1_000_000_000}")
        if new_id in self.chats or new_id >= 0:
            raise WorldError(f"chat id {new_id} is taken or not negative")
        fresh = Chat(new_id, "supergroup", chat.title, is_forum=is_forum, description=chat.description)
        fresh.next_id = self._first_message_id
        fresh.members = dict(chat.members)
        fresh.bots = dict(chat.bots)
        fresh.permissions = dict(chat.permissions)
        fresh.available_reactions = chat.available_reactions
        self.chats[new_id] = fresh
        owner = self._owner(chat)
        self._service(chat, owner, {"migrate_to_chat_id": new_id})
        chat.migrated_to = new_id
        self._service(fresh, owner, {"migrate_from_chat_id": chat_id})
        self.tell("chat", fresh, info=fresh.to_json(), migrated_from=chat_id)
        return new_id

    # ------------------------------------------------------------------------------------------------------ reading

    def messages(self, chat_id: int, thread_id: int | None = None, *, bot_id: int | None = None) -> list[Json]:
        """What a chat holds now, oldest first, as Bot API messages; ``thread_id`` picks a topic (1: General)."""
        chat = self.find_chat(chat_id, bot_id=bot_id)
        found = chat.messages.values()
        if thread_id == GENERAL_TOPIC:
            return [m.to_json() for m in found if not m.is_topic]
        return [m.to_json() for m in found if thread_id is None or m.thread_id == thread_id]

    def message(self, chat_id: int, message_id: int, *, bot_id: int | None = None) -> Json:
        """One message as it is now."""
        return self._message(self.find_chat(chat_id, bot_id=bot_id), message_id).to_json()

    def reactions(self, chat_id: int, message_id: int, *, bot_id: int | None = None) -> list[Json]:
        """Who put which reaction on a message: ``[{"actor": id, "type": ReactionType}]``."""
        return self._message(self.find_chat(chat_id, bot_id=bot_id), message_id).reaction_list()

    def topics(self, chat_id: int) -> list[Json]:
        """The topics of a forum, without General."""
        found = self.find_chat(chat_id).topics.values()
        return [{**topic.to_json(), "is_closed": topic.closed} for topic in found]

    def state(self) -> Json:
        """All of it as JSON, for a page: users, bots, chats with members, topics and messages with reactions."""
        return {
            "users": [person.to_json() for person in self.users.values() if not person.is_bot],
            "bots": [bot.to_json() for bot in self.bots.values()],
            "chats": [self._chat_state(chat) for chat in (*self.chats.values(), *self.private.values())],
        }

    def _chat_state(self, chat: Chat) -> Json:
        shown = chat.to_json()
        if chat.peer:
            shown["bot_id"] = chat.bot_id
            shown["blocked"] = chat.bot_id in chat.peer.blocked
        if chat.migrated_to:
            shown["migrated_to"] = chat.migrated_to
        shown["available_reactions"] = chat.available_reactions
        shown["members"] = [
            {"user_id": user_id, "status": member.status, "is_anonymous": member.is_anonymous}
            for user_id, member in chat.members.items()
        ]
        shown["topics"] = [{**topic.to_json(), "is_closed": topic.closed} for topic in chat.topics.values()]
        shown["messages"] = [
            {**message.to_json(), "reactions": message.reaction_list()} for message in chat.messages.values()
        ]
        return shown


def _check_payload(payload: str) -> None:
    """What may stand in a deep link: https://core.telegram.org/bots/features#deep-linking."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,64}", payload):
        raise WorldError("a link carries up to 64 letters, digits, _ and -")


def _may_speak_as(person: Person, chat: Chat, as_chat: Chat) -> None:
    """Admins may speak as their group, the owner of a channel as that, each in groups only."""
    if chat.type != "supergroup":
        raise WorldError(f"nobody speaks as a chat in {chat.title or 'a private chat'}")
    if as_chat is chat:
        if not chat.member(person.id).is_admin:
            raise WorldError(f"only admins speak as {chat.title}")
    elif as_chat.type != "channel" or as_chat.member(person.id).status != "creator":
        raise WorldError(f"{person.first_name} cannot speak as {as_chat.title}")


def is_username(text: str) -> bool:
    """Whether a chat is named by its public name."""
    return bool(re.fullmatch(r"@[A-Za-z0-9_]{3,32}", text))


__all__ = [
    "BotAccount",
    "Callback",
    "Chat",
    "File",
    "Member",
    "Message",
    "Person",
    "Subscription",
    "Topic",
    "World",
    "WorldError",
]
