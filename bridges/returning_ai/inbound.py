"""From a webhook's body, or a message that was polled, to an event: by the paths configured, else by guesses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import emoji

from bridges.api import Hook
from bridges.decoding import arrived_at, unsupported
from bridges.errors import Garbled
from bridges.model import (
    Attachment,
    Conversation,
    ConversationId,
    Event,
    Message,
    MessageId,
    Person,
    PersonId,
    Reacted,
    Received,
    Unsupported,
)
from bridges.responses import clean, parse_json
from bridges.returning_ai import wire
from bridges.returning_ai.settings import FieldPaths, ReturningAiSettings, is_id
from bridges.signing import fingerprint

POLLED = "poll/"
"""What the path of a hook begins with that was polled; the channel follows."""
GAP = "gap/"
"""What the path of a hook begins with that says that more came in a channel than could be seen."""
SKIPPED = "skip/"
"""What the path of a hook begins with that says that a channel could not be read."""
IMAGES_MOST = 20

_AS_DOCUMENTED = FieldPaths()


def decode(hook: Hook, settings: ReturningAiSettings, *, ours: Set[str]) -> Sequence[Event]:
    """See :meth:`bridges.api.Bridge.decode`. ``ours`` are the names of the sender, in small letters."""
    body = parse_json(hook.body)
    at = arrived_at(hook)
    if hook.path.startswith(GAP) and is_id(hook.path.removeprefix(GAP)):
        return (_gap(body, channel=hook.path.removeprefix(GAP), at=at),)
    if hook.path.startswith(SKIPPED) and is_id(hook.path.removeprefix(SKIPPED)):
        key = fingerprint("skipped", hook.path, json.dumps(body, sort_keys=True), at.isoformat())
        return (Unsupported(key=key, at=at, name="channel that cannot be polled"),)
    # "Get Messages" is documented, so the paths that were configured for webhooks are not meant for it.
    polled = hook.path.removeprefix(POLLED) if hook.path.startswith(POLLED) else ""
    items = body if isinstance(body, list) and body else [body]
    if len(items) > wire.ITEMS_MOST:
        raise Garbled(f"the body holds {len(items)} messages; at most {wire.ITEMS_MOST} are read at once")
    try:
        return tuple(
            _Reading(item, settings=settings, ours=ours, polled=polled, received_at=at).event() for item in items
        )
    except RecursionError as error:
        raise Garbled("the body is nested too deeply") from error


@dataclass(frozen=True, slots=True)
class _Someone:
    id: str
    name: str
    email: str

    @property
    def names(self) -> set[str]:
        return {each.casefold() for each in (self.id, self.name, self.email) if each}

    def by(self, kind: Literal["id", "email", "username"]) -> str:
        """The name of that kind, else the best of the others."""
        first = {"id": self.id, "email": self.email, "username": self.name}[kind]
        return (first or self.id or self.email or self.name).casefold()

    def person(self) -> Person:
        # An address is nobody's business on the other side: without a name, what stands before the @ has to do.
        shown = self.name or self.email.partition("@")[0] or self.id
        return Person(id=PersonId(self.id or self.email or self.name), name=shown)


class _Reading:
    """One body, with everything that may hold a field of it."""

    def __init__(
        self, item: object, *, settings: ReturningAiSettings, ours: Set[str], polled: str, received_at: datetime
    ) -> None:
        self._item = item
        self._settings = settings
        self._ours = ours
        self._polled = polled
        self._paths = _AS_DOCUMENTED if polled else settings.fields
        self._received_at = received_at
        self._all = list(_mappings(item))
        texts = [each for each in self._all if _guessed("text", each, kind=str) is not None]
        whole = [each for each in texts if _guessed("channel", each) is not None]
        self._home: Mapping[str, Any] | None = next(iter(whole or texts), None)
        if self._paths.text:
            outer = self._paths.text.rpartition(".")[0]
            holder = wire.at_path(item, outer) if outer else item
            self._home = holder if isinstance(holder, dict) else None
        self._others = [each for each in self._all if each is not self._home]

    def event(self) -> Event:
        name = self._event_name()
        words = set(name.split())
        text = self._text()
        if not self._polled and (text is None or words & wire.REACTIONS) and (event := self._reaction(words)):
            return event
        wanted = {_label(each) for each in self._settings.message_events}
        unwanted = name not in wanted if wanted else words & (wire.NOT_NEW | wire.REACTIONS)
        if text is None or (unwanted and not self._polled):
            return self._unsupported(name)
        return self._received(text, name=name)

    def _received(self, text: str, *, name: str) -> Event:
        someone, channel, id = self._someone(), self._channel(), self._id()
        if someone is None and channel is None:
            return self._unsupported(name)
        if someone is None:
            raise Garbled(
                "Returning.AI message: nobody who wrote it was found; set fields.user_id, fields.user_email or "
                "fields.user_name of the account"
            )
        place = self._conversation(channel)
        images = tuple(self._images())
        if not clean(text).strip() and not images:
            return self._unsupported("message without text")
        told = self._value("time")
        at = wire.time_of(told) or self._received_at
        # Where nothing of the message's own tells when it was written, the event's id or the arrival does: equal words
        # may come again.
        arrived = self._event_id() or self._received_at.isoformat()
        when = json.dumps(told, sort_keys=True) if wire.time_of(told) else arrived
        who = someone.by(self._settings.match_by)
        return Received(
            key=f"message:{id}" if id else fingerprint("message", place.id, who, text, when),
            at=at,
            conversation=place,
            id=MessageId(id) if id else None,
            message=Message(
                text=clean(text),
                sender=someone.person(),
                reply_to=MessageId(answered) if (answered := self._word("reply_to")) else None,
                attachments=images,
            ),
            ours=bool(someone.names & self._ours),
            twin=self._twin(channel or "", who, text),
            firm=id is not None,
        )

    def _twin(self, channel: str, who: str, text: str) -> str:
        # Only where both ways are open can one message come twice under different keys; and whether "Get Messages"
        # tells the forum topic is not documented.
        if self._settings.poll_seconds == 0:
            return ""
        return fingerprint("twin", channel, who, " ".join(text.split()))

    def _reaction(self, words: set[str]) -> Event | None:
        mark, someone, id = self._word("reaction"), self._someone(), self._id()
        if mark is None or someone is None or id is None:
            return None
        if someone.names & self._ours:
            return self._unsupported("reaction of our own")
        place = self._conversation(self._channel())
        told = self._value("time")
        gone = bool(words & wire.GONE)
        when = json.dumps(told, sort_keys=True) if wire.time_of(told) else self._received_at.isoformat()
        return Reacted(
            key=fingerprint("reacted", place.id, id, someone.by("id"), mark, str(gone), when),
            at=wire.time_of(told) or self._received_at,
            conversation=place,
            id=MessageId(id),
            person=someone.person(),
            # One is told of at a time: what else the person has there is not said.
            reactions=(emoji_of(mark),),
            mode="remove" if gone else "add",
        )

    def _conversation(self, channel: str | None) -> Conversation:
        topic = self._word("topic")
        if channel is None:
            raise Garbled("Returning.AI message: no channel was found; set fields.channel of the account")
        if not is_id(channel) or (topic is not None and not is_id(topic)):
            raise Garbled("Returning.AI message: the channel or the forum topic is no id; check the fields setting")
        return Conversation(
            id=ConversationId(f"{channel}/{topic}" if topic else channel),
            kind="topic" if topic else "group",
            title=self._word("channel_name") or "",
        )

    def _someone(self) -> _Someone | None:
        id, name, email = self._word("user_id") or "", self._word("user_name") or "", self._word("user_email") or ""
        if "@" in name and not email:
            name, email = "", name
        return _Someone(id, name, email) if id or name or email else None

    def _channel(self) -> str | None:
        return self._word("channel") or self._polled or None

    def _id(self) -> str | None:
        found = self._word("id")
        return found if found and " " not in found else None

    def _text(self) -> str | None:
        if self._paths.text:
            value = wire.at_path(self._item, self._paths.text)
        else:
            value = None if self._home is None else _guessed("text", self._home, kind=str)
        return value if isinstance(value, str) else None

    def _images(self) -> Iterator[Attachment]:
        listed = self._value("images")
        for each in listed[:IMAGES_MOST] if isinstance(listed, list) else ():
            about = each if isinstance(each, dict) else {"url": each}
            url = about.get("url")
            if isinstance(url, str) and url.strip():
                # One that nobody can ask is told of all the same.
                known = wire.is_web_address(url)
                media_type, size = wire.word(about.get("type")) or "", about.get("size")
                image = not media_type or media_type.startswith("image") or "/" not in media_type
                known_size = isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 10**15
                yield Attachment(
                    kind="image" if image else "file",
                    ref=url if known else "",
                    name=wire.word(about.get("name")) or "",
                    media_type=media_type if "/" in media_type else "",
                    size=size if known_size else None,
                    link=url if known and url.startswith("https://") else "",
                )

    def _event_name(self) -> str:
        if self._paths.event:
            found = [wire.at_path(self._item, self._paths.event)]
        else:
            found = [_guessed("event", each, kind=str) for each in self._all]
        return next((_label(value) for value in found if isinstance(value, str) and value.strip()), "unknown")

    def _word(self, field: str) -> str | None:
        return wire.word(self._value(field))

    def _value(self, field: str) -> object:
        """What the body holds for a field: at its path, else at the first guess that holds anything."""
        path: str = getattr(self._paths, field)
        if path:
            return wire.at_path(self._item, path)
        foreign = _MESSAGE_IDS if field == "id" else _GUESSES[field]
        if self._home is not None:
            paths = foreign if self._home_is_event() else _GUESSES[field]
            if (value := _guessed(field, self._home, paths=paths)) is not None:
                return value
        for other in self._others:
            if (value := _guessed(field, other, paths=foreign)) is not None:
                return value
        return None

    def _home_is_event(self) -> bool:
        """Whether the object that holds the text names an event, so that its ``id`` may be the event's."""
        home = self._home if self._home is not None and not self._polled else {}
        return any(isinstance(home.get(name), str) for name in wire.EVENT_NAMES)

    def _event_id(self) -> str | None:
        if self._home is None or not self._home_is_event():
            return None
        return next((id for name in wire.OWN_IDS if (id := wire.word(self._home.get(name)))), None)

    def _unsupported(self, name: str) -> Unsupported:
        return unsupported(self._item, name=name, at=self._received_at)


_BARE_CODE = re.compile(r"[a-z0-9_+-]{2,64}", re.IGNORECASE)


def emoji_of(mark: str) -> str:
    """The emoji of a shortcode, with or without its colons (a guess: how webhooks write it is not documented); what is
    no shortcode, or none that is known, as it is."""
    bare = f":{mark}:" if _BARE_CODE.fullmatch(mark) else mark
    found = emoji.emojize(bare, language="alias")
    return mark if found == bare else found


def _mappings(item: object) -> Iterator[Mapping[str, Any]]:
    """The object and those inside it that may hold the message, from the outside in."""
    level = [item]
    for _ in range(3):
        objects = [each for each in level if isinstance(each, dict)]
        yield from objects
        level = [each[name] for each in objects for name in wire.WRAPPERS if name in each]


_Paths: TypeAlias = Sequence[tuple[str, str]]
# Taken apart once, the first step by itself: most bodies hold none of them, and that is told by one look each.
_GUESSES: Mapping[str, _Paths] = {
    field: tuple((path.partition(".")[0], path.partition(".")[2]) for path in paths)
    for field, paths in wire.GUESSES.items()
}
_MESSAGE_IDS: _Paths = tuple((name, "") for name in wire.MESSAGE_IDS)


def _guessed(field: str, holder: Mapping[str, Any], *, kind: type | None = None, paths: _Paths | None = None) -> object:
    for first, rest in _GUESSES[field] if paths is None else paths:
        value = holder.get(first)
        if value is None:
            continue
        if rest:
            value = wire.at_path(value, rest)
        listed = field == "images" and isinstance(value, list)
        plain = isinstance(value, str | int | float) and value != ""
        if listed or (isinstance(value, kind) if kind is not None else plain):
            return value
    return None


def _label(value: str) -> str:
    """An event's name as small words: ``messageCreated`` and ``MESSAGE_CREATED`` are ``message created``."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", value[:64])
    return " ".join("".join(c if c.isascii() and c.isalnum() else " " for c in spaced).split()).lower() or "unknown"


def _gap(body: object, *, channel: str, at: datetime) -> Event:
    since, until = (wire.time_of(wire.at_path(body, name)) for name in ("from", "to"))
    between = f" between {since:%Y-%m-%d %H:%M:%S} and {until:%Y-%m-%d %H:%M:%S} UTC" if since and until else ""
    return Received(
        key=fingerprint("gap", channel, json.dumps(body, sort_keys=True)),
        at=until or at,
        conversation=Conversation(id=ConversationId(channel), kind="group"),
        message=Message(
            text=f"Messages may be missing here{between}: more were written between two looks than Returning.AI gave "
            "at one. Look more often (poll_seconds) or for more (poll_count).",
            sender=Person(id=PersonId("patchbay-polling"), name="Returning.AI polling", kind="system"),
        ),
    )
