"""The state of a small Telegram: people, bots, chats, topics and messages, and what people do in it.

Everything here is synchronous and in memory. People act through the methods of ``World`` (say, edit, react, press …);
bots act through ``methods.py``. Every change is told to whoever subscribed and becomes an update for the bots that
would hear of it on the real Telegram: privacy mode, admin rights and ``allowed_updates`` are honoured
(https://core.telegram.org/bots/features#privacy-mode, read 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from bot.playground.emulator import entities as text_rules
from bot.playground.emulator import menus
from bot.playground.emulator.errors import WorldError
from bot.playground.emulator.files import File, media_content
from bot.playground.emulator.model import (
    GENERAL_TOPIC,
    PERMISSIONS,
    REACTIONS,
    TOPIC_COLOURS,
    BotAccount,
    Callback,
    Chat,
    Json,
    Member,
    Message,
    Person,
    Subscription,
    Topic,
    is_username,
    reaction_type,
)
from bot.playground.emulator.sharing import (
    key_of,
    keyboard_of,
    shared_chat,
    shared_people,
)
from bot.playground.emulator.stage import Stage

SLOW_MOST_S = 24 * 3600


class World(Stage):
    """Everything there is, and what people do with it."""

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
        if not self.find_chat(chat_id).type.endswith("group"):
            raise WorldError(f"chat {chat_id} is no group")
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
        if person.is_bot:
            raise WorldError(f"user {user_id} is a bot, not a person")
        if person.username:
            self.usernames.pop(person.username.lower(), None)
        person.first_name, person.last_name, person.username, person.deactivated = "", "", None, True
        self.tell("user", user=person.to_json())

    def slow_down(self, chat_id: int, seconds: float) -> None:
        """For so long, whatever a bot writes in a chat is answered 429 with what is left of it."""
        if not 0 <= seconds <= SLOW_MOST_S:
            raise WorldError(f"seconds must be from 0 to {SLOW_MOST_S}")
        self.closed_until[self.find_chat(chat_id).id] = self.clock() + seconds

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


__all__ = [
    "GENERAL_TOPIC",
    "PERMISSIONS",
    "REACTIONS",
    "TOPIC_COLOURS",
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
    "is_username",
    "reaction_type",
]
