"""The stage on which people and bots act: who is there, who hears what, and how messages come about."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from bot.playground.emulator import entities as text_rules
from bot.playground.emulator.errors import WorldError
from bot.playground.emulator.files import Files
from bot.playground.emulator.model import (
    ADMIN_RIGHTS,
    ANONYMOUS_ADMIN,
    CHANNEL_AS_USER,
    CHANNEL_RIGHTS,
    GENERAL_TOPIC,
    GROUP_RIGHTS,
    PERMISSIONS,
    TELEGRAM,
    TOPIC_COLOURS,
    BotAccount,
    Callback,
    Chat,
    Json,
    Member,
    Message,
    Person,
    Status,
    Subscription,
    Topic,
    reaction_type,
)
from bot.playground.emulator.sharing import (
    hide_keyboard,
    show_keyboard,
)


class Stage:
    """Who and what is there, and what follows from a message. Times come from ``clock`` (Unix seconds)."""

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
            names = (*ADMIN_RIGHTS, *(CHANNEL_RIGHTS if chat.type == "channel" else GROUP_RIGHTS))
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
