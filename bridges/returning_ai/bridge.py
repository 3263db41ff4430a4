"""What Patchbay does with Returning.AI: our decisions. The provider's facts, and the guesses, are in ``wire.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar, NoReturn

import emoji
import httpx

from bridges.api import (
    HARMLESS,
    AccountSettings,
    Capabilities,
    File,
    Flow,
    Hook,
    Listed,
    Operation,
    Origin,
    Outgoing,
    Polled,
    origin_of,
)
from bridges.errors import BridgeError, Garbled, Inexpressible, Refused, Unauthorized, Unavailable
from bridges.files import form_request
from bridges.model import Attachment, Conversation, ConversationId, Event, Message, MessageId, Receipt
from bridges.responses import clean, quoted
from bridges.returning_ai import inbound, wire
from bridges.returning_ai.answers import judge, said_in
from bridges.returning_ai.guide import instructions
from bridges.returning_ai.known import Known
from bridges.returning_ai.polling import Cursor, Page, Seen, gap_hook, heard_at, hooks_of, seen_in, skip_hook
from bridges.returning_ai.settings import EXAMPLES, TOPIC_EXAMPLE, ReturningAiSettings, is_id
from bridges.returning_ai.tries import Tries, has_words, names_in, time_of
from bridges.signing import Bearer, fingerprint

WIDER = 10
"""How many times as many messages are asked for where a page does not reach back to what was seen."""
WHOLE_BELOW = 10
"""A guess: no server gives fewer messages than this at a time while it has more."""
SHOWN_MOST = 40
PROBED_MOST = 3
"""Channels that a probe tries to read at most."""


class ReturningAiBridge:
    """Sends, replies and reacts as one member of the community; receives by webhook, by polling, or both.

    It learns which channels are forums, and keeps in mind what it sent lately, to be able to say what arrived.
    """

    name: ClassVar[str] = "returning_ai"
    title: ClassVar[str] = "Returning.AI"
    Settings: ClassVar[type[AccountSettings]] = ReturningAiSettings
    capabilities: Capabilities = Capabilities(
        text_limit=4000,
        attachments="bytes",
        attachment_kinds=("image",),
        replies=True,
        reactions=True,
        reactions_stay=True,
        echoes=True,
        threads=True,
        webhook_proof="path",
    )

    def __init__(self, settings: AccountSettings) -> None:
        assert isinstance(settings, ReturningAiSettings)
        self._settings = settings
        self._api = f"{settings.base_url}{settings.path_prefix}"
        self._send = httpx.URL(f"{self._api}/messages/send")  # read once: that is a third of making a request
        self.capabilities = replace(
            type(self).capabilities,
            text_limit=settings.text_limit,
            requests_per_minute=settings.requests_per_minute or None,
        )
        self._secrets = (settings.token.get_secret_value(), settings.hook_secret.get_secret_value())
        self._auth = Bearer(settings.token.get_secret_value())
        self._known = Known(settings)
        self._tries = Tries()

    @property
    def auth(self) -> httpx.Auth:
        """The API key as a bearer token; if it expires, only a person can make another."""
        return self._auth

    @property
    def file_origins(self) -> frozenset[Origin]:
        """See :class:`bridges.api.KeepsFiles`; other addresses of files are those of their storage, which is public."""
        return frozenset({origin_of(httpx.URL(self._settings.base_url))})

    # What was learnt

    def recall(self, memory: Mapping[str, str]) -> None:
        """See :meth:`bridges.api.Remembers.recall`: forums, the sender's names, where messages are read."""
        self._known.recall(memory)

    def learnt(self) -> Mapping[str, str]:
        """See :meth:`bridges.api.Remembers.learnt`."""
        return self._known.learnt

    # Sending

    def check(self, conversation: ConversationId) -> None:
        """See :meth:`bridges.api.Bridge.check`."""
        channel, slash, topic = conversation.partition("/")
        if not is_id(channel) or (slash and not is_id(topic)):
            raise Refused(
                f"Returning.AI has no such conversation: it is the id of a channel such as {EXAMPLES}; "
                "patchbay account NAME channels lists them"
            )

    def deliver(self, out: Outgoing) -> Flow[Receipt]:
        """See :meth:`bridges.api.Bridge.deliver`. The receipt has no ids: Returning.AI gives none.

        Images are uploaded first; their addresses go into the text, for how a message is given an attachment is not
        documented.
        """
        self.check(out.conversation)
        channel, _, topic = out.conversation.partition("/")
        text = self._text_of(out.message)
        answered = out.message.reply_to
        if answered is None and not topic and channel in self._known.forums:
            raise self._topic_missing(channel)
        images = self._images_of(out)
        self._tries.begin(out, channel=channel)
        try:
            response = yield from self._write(out, text=text, images=images)
        except BridgeError as error:
            if not (isinstance(error, Garbled) or (isinstance(error, Unavailable) and error.maybe_sent)):
                self._tries.forget(out.key)
            raise
        self._tries.succeed(out.key, at=heard_at(response))
        return Receipt()

    def _write(self, out: Outgoing, *, text: str, images: Sequence[tuple[Attachment, File]]) -> Flow[httpx.Response]:
        """Upload the images and write the message; returns the answer that says that it is sent."""
        channel, _, topic = out.conversation.partition("/")
        answered = out.message.reply_to
        addresses = []
        for number, (attachment, data) in enumerate(images):
            addresses.append((yield from self._upload(attachment, data, boundary=_boundary(out, number))))
        body = {"message": "\n".join(filter(None, (text, *addresses))), "sender": self._settings.sender}
        if answered is not None:
            body = {"messageId": answered, **body}
            response = yield httpx.Request("POST", f"{self._api}/messages/reply", json=body)
            self._judge(response, what="Returning.AI reply", texts=(text,))
            return response
        body = {"channelId": channel, **body}
        if topic:
            body["forumTopicId"] = topic
        response = yield httpx.Request("POST", self._send, json=body)
        try:
            self._judge(response, what="Returning.AI send", texts=(text,))
        except Refused as refused:
            if topic or not response.is_client_error or response.status_code == 403:
                raise
            yield from self._explain(refused, channel)
        return response

    def _text_of(self, message: Message) -> str:
        text = clean(message.text)
        limit = self._settings.text_limit
        if not text and not message.attachments:
            raise Inexpressible("Returning.AI carries text and images, this message has neither")
        if len(text) > limit:
            raise Inexpressible(f"Returning.AI is sent {limit} characters in one message (text_limit), not {len(text)}")
        return text

    def _images_of(self, out: Outgoing) -> Sequence[tuple[Attachment, File]]:
        attachments = out.message.attachments
        if other := next((each.kind for each in attachments if each.kind != "image"), ""):
            raise Inexpressible(f"Returning.AI takes images only, this message has an attachment of the kind {other}")
        if len(out.files) != len(attachments):
            raise Inexpressible("the bytes of an image are not at hand, so it cannot be uploaded to Returning.AI")
        return tuple(zip(attachments, out.files, strict=True))

    def _upload(self, attachment: Attachment, data: File, *, boundary: str) -> Flow[str]:
        what = "Returning.AI image upload"
        name = "".join(c for c in attachment.name if c.isprintable() and c not in '"\\/').strip() or "image"
        media_type = attachment.media_type if attachment.media_type.startswith("image/") else "image/jpeg"
        try:
            response = yield form_request(
                f"{self._api}/messages/upload-image",
                field="images",
                file=data,
                name=name,
                media_type=media_type,
                boundary=boundary,
                extensions=HARMLESS,
            )
            if not response.is_success:
                self._judge(response, what=what)
            if (url := wire.url_of_upload(response.content)) is not None:
                return url
            self._judge(response, what=what)
            raise Garbled(f"{what}: the answer holds no address of the image")
        except (Garbled, Unavailable) as error:
            # Whatever became of the image: the message has not left.
            wait = error.retry_after if isinstance(error, Unavailable) else None
            raise Unavailable(str(error), retry_after=wait) from error

    def _topic_missing(self, channel: str) -> Refused:
        known = [topic for topic in self._settings.forum_topics if topic.startswith(f"{channel}/")]
        example = f"{channel}/77a1b2c3d4e5f60718293a4b"
        return Refused(
            f"Returning.AI channel {channel} is a forum, so the address has to name a topic as well, as in "
            f"{known[0] if known else example}"
        )

    def _explain(self, refused: Refused, channel: str) -> Flow[NoReturn]:
        """Raise what a refused send means, with the remedy, by its words and by the channels list."""
        said = str(refused).casefold()
        try:
            channels: Sequence[wire.Channel] = yield from self._channels()
        except BridgeError:
            channels = ()
        kinds = {each.id: each.kind for each in channels}
        if kinds.get(channel) == wire.FORUM:
            raise self._topic_missing(channel) from refused
        if "topic" in said:
            raise Refused(f"{refused}; a forum's address names a topic too, as in {TOPIC_EXAMPLE}") from refused
        if channels and channel not in kinds:
            raise Refused(f"{refused}; the channels list of this key has no {channel}") from refused
        if "user" in said or "sender" in said:
            raise Refused(f"{refused}; check sender, the member that messages appear from") from refused
        raise refused

    def react(self, conversation: ConversationId, id: MessageId, emoji: str) -> Flow[None]:
        """See :meth:`bridges.api.Reacts.react`.

        Whether the same call again takes the reaction back is not documented (``capabilities.reactions_stay``).
        """
        if not emoji:
            raise Inexpressible("Returning.AI documents no call that takes a reaction back")
        body = {"messageId": id, "emoji": shortcode(emoji), "sender": self._settings.sender}
        response = yield httpx.Request("POST", f"{self._api}/messages/react", json=body)
        self._judge(response, what="Returning.AI reaction")

    # After an unknown outcome

    def confirm(self, out: Outgoing) -> Flow[Receipt | None]:
        """See :meth:`bridges.api.Confirms.confirm`: looks for our words among what was written since the send began.

        Raises ``Refused`` where that cannot tell (the clocks leave it open which was first, equal words were sent
        there meanwhile, the page does not reach back far enough): then the outcome stays unknown for good.
        """
        what = "Returning.AI: whether it arrived"
        if not self._reads:
            raise Refused(f"{what} cannot be asked without reading messages; set poll_seconds or messages_url")
        channel, _, topic = out.conversation.partition("/")
        count = self._settings.poll_count
        page = yield from self._page(channel, count=count)
        mine = [item for item in page.items if any(name.casefold() in self._known.ours for name in names_in(item))]
        start = self._tries.start_of(out, channel=channel, page=page, mine=mine)
        past = [item for item in page.items if start and (at := time_of(item)) and at < start.least]
        maybe = [item for item in page.items if item not in past and has_words(item, out.message)]
        found = [item for item in maybe if item in mine and start and (at := time_of(item)) and at >= start.most]
        # The topics of a forum share a page, and what was sent to the others before a restart is not known.
        alone = not self._tries.rivals(out, channel=channel) and (not topic or self._tries.knows(out.key))
        if len(found) == len(maybe) == 1 and alone:
            id = wire.word(found[0].get("id"))
            return Receipt(ids=(MessageId(id),) if id else ())
        whole = len(page.items) < min(count, WHOLE_BELOW)
        if not maybe and (whole or past):
            return None
        raise Refused(f"{what} cannot be told from its latest {len(page.items)} messages")

    @property
    def _reads(self) -> bool:
        return self._settings.poll_seconds > 0 or bool(self._settings.messages_url)

    # Looking

    def probe(self) -> Flow[str]:
        """See :meth:`bridges.api.Bridge.probe`: the channels list, and whether the sender exists where that is told."""
        channels = yield from self._channels()
        forums = sum(channel.kind == wire.FORUM for channel in channels)
        line = f"Returning.AI accepts the key: {len(channels)} channels, {forums} of them forums"
        if self._settings.poll_seconds > 0:
            line += yield from self._try_reading([each.id for each in channels if is_id(each.id)])
        if "@" not in self._settings.sender:
            unknown = self._settings.poll_seconds > 0 and len(self._known.ours) < 2
            return line + ("; set sender_ids, or what is polled of our own is not known as ours" if unknown else "")
        response = yield self._info_request(self._settings.sender)
        reply = wire.reply_of(response.content)
        said = said_in(reply, hide=self._secrets)
        if response.status_code in (400, 404) and "user" in said.casefold() and "/users/" not in said:
            raise Refused(f"Returning.AI knows no sender {self._settings.sender}: {said}; check sender")
        known = response.is_success and reply is not None and reply.succeeded
        if known and reply is not None:
            self._known.learn_names(wire.names_of(reply.data))
        return f"{line}; the sender {'exists' if known else 'could not be checked'}"

    def _try_reading(self, listed: Sequence[str]) -> Flow[str]:
        """Read one channel, as polling will; a few are tried, for a key may be limited to some of them."""
        channels = (self._settings.poll_channels or listed)[:PROBED_MOST]
        for channel in channels:
            try:
                yield from self._page(channel, count=1)
            except (Refused, Unauthorized) as error:
                if channel != channels[-1]:
                    continue
                # The channels list was given for this key, so what is missing is the permission to read.
                lacks = "; give the key the permission getMessages" if isinstance(error, Unauthorized) else ""
                raise Refused(f"polling cannot work: {error}{lacks}, or set poll_seconds to 0") from error
            else:
                return ", messages can be read"
        return ", none whose messages could be read"

    def _ask_who(self) -> Flow[None]:
        """Learn under which names the sender's own messages may come back. It may fail: then nothing is learnt."""
        try:
            response = yield self._info_request(self._settings.sender)
            self._known.learn_names(wire.names_of(self._judge(response, what="Returning.AI user").data))
        except Unavailable:
            return  # asked again at the next look
        except BridgeError:
            pass
        self._known.asked_who = True

    def conversations(self) -> Flow[Sequence[Listed]]:
        """See :meth:`bridges.api.Lists.conversations`. A forum's topics cannot be asked for: those configured."""
        listed = []
        for channel in (yield from self._channels()):
            if is_id(channel.id):
                forum = channel.kind == wire.FORUM
                detail = f"forum, write to {channel.id}/TOPIC" if forum else channel.kind
                place = Conversation(id=ConversationId(channel.id), kind="group", title=channel.topic)
                listed.append(Listed(place, detail))
                for address in self._settings.forum_topics:
                    if address.startswith(f"{channel.id}/"):
                        place = Conversation(id=ConversationId(address), kind="topic", title=channel.topic)
                        listed.append(Listed(place, "forum topic"))
        return listed

    def _channels(self) -> Flow[Sequence[wire.Channel]]:
        what = "Returning.AI channels list"
        response = yield httpx.Request("GET", f"{self._api}/channels", extensions=dict(HARMLESS))
        channels = wire.channels_of(self._judge(response, what=what).data)
        if channels is None:
            raise Garbled(f"{what}: the answer has no list of channels; check base_url and path_prefix")
        self._known.learn_forums(frozenset(each.id for each in channels if each.kind == wire.FORUM and is_id(each.id)))
        return channels

    def _page(self, channel: str, *, count: int) -> Flow[Page]:
        what = "Returning.AI messages"
        read = self._known.read
        for address in read:
            url = httpx.URL(address).copy_merge_params({"channel_id": channel, "count": str(count)})
            response = yield httpx.Request("GET", url, extensions=dict(HARMLESS))
            # Where it is read is a guess as long as nobody has said it.
            if response.status_code not in (404, 405) or address == read[-1]:
                break
        if response.status_code == 404 and wire.reply_of(response.content) is None:
            raise Refused(f"{what}: HTTP 404, they are not read here; set messages_url, e.g. {wire.MESSAGES_HERE}")
        items = wire.messages_of(self._judge(response, what=what).data)
        if items is None:
            raise Garbled(f"{what}: the answer has no list of messages; check messages_url")
        if len(read) > 1 and read == self._known.read:
            self._known.learn_where(address)
        return Page.of(items, response)

    # Receiving

    def verify(self, hook: Hook) -> None:
        """Accept: no signature is documented, so the secret in the path is the proof and was checked before."""

    def decode(self, hook: Hook) -> Sequence[Event]:
        """See :meth:`bridges.api.Bridge.decode`. Every JSON body gives at least one event."""
        return inbound.decode(hook, self._settings, ours=self._known.ours)

    def instructions(self, url: str) -> str:
        """See :meth:`bridges.api.Instructs.instructions`."""
        return instructions(url, self._settings)

    @property
    def poll_every_s(self) -> float:
        """See :class:`bridges.api.Polls`."""
        return self._settings.poll_seconds

    def poll(self, cursor: str) -> Flow[Polled]:
        """See :meth:`bridges.api.Polls.poll`. Looks at some of the channels at a time, and at each in its turn."""
        if not self._known.asked_who:
            yield from self._ask_who()
        kept = Cursor.from_text(cursor)
        channels: Sequence[str] = self._settings.poll_channels
        if not channels:
            channels = [each.id for each in (yield from self._channels()) if is_id(each.id)]
        after, made, hooks = kept.after, kept.made, list[Hook]()
        looked: dict[str, Seen] = {}
        skipped = set(kept.skipped)
        failed: list[BridgeError] = []
        for channel in kept.order(channels):
            after = channel
            try:
                at, brought, looked[channel] = yield from self._look(channel, kept.seen_of(channel))
            except (Refused, Unauthorized) as error:
                # A key may be limited to some of the channels, so the others are not lost with this one.
                failed.append(_naming(error, channel) if self._settings.poll_channels else error)
                if channel not in skipped:
                    skipped.add(channel)
                    hooks.append(skip_hook(channel, error))
            except BridgeError as error:
                failed.append(error)
                break
            else:
                made = made or at
                skipped.discard(channel)
                hooks += brought
        stopped = bool(failed) and not isinstance(failed[-1], Refused | Unauthorized)
        if not looked and (stopped or (failed and skipped.issuperset(channels))):
            raise failed[-1]
        seen = kept.after_look(looked, listed=channels, after=after, made=made, skipped=frozenset(skipped))
        return Polled(tuple(hooks), seen.to_text())

    def _look(self, channel: str, seen: Seen | None) -> Flow[tuple[datetime, Sequence[Hook], Seen]]:
        """When it was, by the server's clock, what is new in a channel, and what is seen of it then."""
        count = self._settings.poll_count
        page = yield from self._page(channel, count=count)
        at, items = page.at, page.items
        if seen is None:
            return at, (), seen_in(items)
        hooks = []
        if not seen.reached_by(items, asked=count):
            try:
                wider = (yield from self._page(channel, count=count * WIDER)).items
            except (Garbled, Refused):  # more than it gives at once
                wider = items
            items = wider if len(wider) > len(items) else items
            if not seen.reached_by(items, asked=count * WIDER):
                hooks.append(gap_hook(items, channel=channel, seen=seen))
        hooks += hooks_of([item for item in items if not seen.has(item)], channel=channel)
        return at, hooks, seen_in(items, before=seen)

    # For an administrator

    def operations(self) -> Sequence[Operation]:
        """See :meth:`bridges.api.Operates.operations`."""
        return (
            Operation("channels", (), "channels with id, type and name", "", self._list_channels),
            Operation("whoami", (), "what Returning.AI says about the sender", "", self._whoami),
            Operation("user", ("ID_OR_EMAIL",), "what it says about a member", "ann@example.com", self._user),
            Operation(
                "recent",
                ("CHANNEL", "[COUNT]"),
                "the latest messages of a channel: id, time and who wrote",
                "66f0c1d2e3a4b5c6d7e8f901 10",
                self._recent,
            ),
        )

    def _list_channels(self, arguments: Sequence[str]) -> Flow[str]:
        channels = yield from self._channels()
        lines = [f"{each.id}  {each.kind or '-'}  {each.topic or '-'}" for each in channels]
        return "\n".join(lines) or "there are no channels, or none that this key may see"

    def _whoami(self, arguments: Sequence[str]) -> Flow[str]:
        return (yield from self._user((self._settings.sender,)))

    def _user(self, arguments: Sequence[str]) -> Flow[str]:
        response = yield self._info_request(arguments[0])
        data = self._judge(response, what="Returning.AI user").data
        about = data.get("user") if isinstance(data, dict) and isinstance(data.get("user"), dict) else data
        if not isinstance(about, dict):
            raise Garbled("Returning.AI user: the answer says nothing about anybody")
        lines = [
            f"{quoted(name)}: {value}"
            for name, each in list(about.items())[:SHOWN_MOST]
            if isinstance(each, str | int | float) and not _is_secret(name) and (value := wire.word(str(each)))
        ]
        return "\n".join(lines) or "Returning.AI answered, and says nothing about this member"

    def _recent(self, arguments: Sequence[str]) -> Flow[str]:
        self.check(ConversationId(arguments[0]))
        count = arguments[1] if len(arguments) > 1 else "10"
        if not (count.isascii() and count.isdigit() and 1 <= int(count[:4]) <= SHOWN_MOST and len(count) <= 4):
            raise Refused(f"{quoted(count)} is no count: a number from 1 to {SHOWN_MOST}, as in 10")
        page = yield from self._page(arguments[0].partition("/")[0], count=int(count))
        lines = []
        for item in page.items[: int(count)]:
            id, at = wire.word(item.get("id")) or "-", wire.word(item.get("timestamp")) or "-"
            lines.append(f"{id}  {at}  {' '.join(names_in(item)) or '-'}")
        return "\n".join(lines) or "there are no messages"

    def _info_request(self, id_or_email: str) -> httpx.Request:
        return httpx.Request(
            "POST", f"{self._api}/users/info", json={"idOrEmail": id_or_email}, extensions=dict(HARMLESS)
        )

    def _judge(self, response: httpx.Response, *, what: str, texts: Sequence[str] = ()) -> wire.Reply:
        return judge(response, what=what, hide=(*self._secrets, *texts))


def shortcode(mark: str) -> str:
    """The colon shortcode of an emoji, without the tone of its skin; raises ``Inexpressible`` if there is none."""
    plain = "".join(c for c in mark.strip() if not "\U0001f3fb" <= c <= "\U0001f3ff")
    code = emoji.demojize(plain, language="alias") if emoji.is_emoji(plain) else plain
    if not (len(code) > 2 and code.startswith(":") and code.endswith(":") and code.count(":") == 2 and " " not in code):
        raise Inexpressible("Returning.AI takes reactions by shortcode, and this one has none; example: 👍")
    return code


def _naming(error: Refused | Unauthorized, channel: str) -> Refused | Unauthorized:
    return type(error)(f"{error} (channel {channel} of poll_channels)")


def _boundary(out: Outgoing, number: int) -> str:
    return fingerprint("boundary", out.key, str(out.attempt), str(number))


def _is_secret(name: str) -> bool:
    return any(part in name.casefold() for part in ("password", "secret", "token", "key", "hash"))
