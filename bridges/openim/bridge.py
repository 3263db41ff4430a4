"""What Patchbay does with OpenIM: our decisions, put together. The provider's facts are in ``wire.py``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

import httpx

from bridges.api import (
    AccountSettings,
    Answer,
    Capabilities,
    Credentials,
    File,
    Flow,
    Hook,
    Listed,
    Operation,
    Origin,
    Outgoing,
    origin_of,
)
from bridges.errors import BridgeError, Inexpressible, Refused
from bridges.files import FETCHING, NotFetched, file_of
from bridges.model import (
    Attachment,
    Conversation,
    ConversationId,
    Deleted,
    Event,
    Message,
    MessageId,
    Receipt,
)
from bridges.openim import wire
from bridges.openim.auth import ELSEWHERE, AdminToken
from bridges.openim.callbacks import address_of, events_of
from bridges.openim.calls import Calls, Place
from bridges.openim.content import message_id
from bridges.openim.operations import Operations, group_detail
from bridges.openim.puppets import Puppets
from bridges.openim.sending import Sending
from bridges.openim.settings import OpenIMSettings
from bridges.responses import clean, parse_json, raise_for_status

EXAMPLES = "a user such as user/alice, or a group such as group/2839001122"
REDIRECTS_MOST = 3
ELSEWHERE_REASON = "not fetched, it lies on another server"
CLOCK_OFF_MOST_S = 120
PAGES_MOST = 10
"""Pages of stored messages in which one is looked for that is to be taken back."""
_CONVERSATION = re.compile(r"(user|group)/[A-Za-z0-9._~%-]{1,192}")
_NUMBERED = re.compile(r"(si|sg)_.+:(?P<seq>[0-9]{1,18})")


class OpenIMBridge:
    """Sends as an admin, as a user or as puppets; receives by webhooks. What it learns is the admin's token."""

    name: ClassVar[str] = "openim"
    title: ClassVar[str] = "OpenIM"
    Settings: ClassVar[type[AccountSettings]] = OpenIMSettings
    capabilities: Capabilities = Capabilities(
        text_limit=wire.TEXT_MOST,
        markup="markdown",
        attachments="bytes",
        attachment_bytes=20_000_000,
        attachments_most=1,
        replies=True,
        deletes=True,
        history=True,
        receipt_ids=True,
        webhook_proof="path",
    )

    def __init__(self, settings: AccountSettings) -> None:
        assert isinstance(settings, OpenIMSettings)
        self._settings = settings
        self._token = AdminToken(settings)
        self._calls = Calls(settings, self._token)
        self._sending = Sending(settings, self._calls, Puppets(settings, self._calls))
        self._operations = Operations(settings, self._calls, check=self.check, send=self._sending.send_element)
        self.capabilities = replace(
            type(self).capabilities,
            text_limit=settings.text_limit,
            attachment_bytes=settings.media_bytes,
            requests_per_minute=settings.requests_per_minute or None,
            names_shown=settings.puppets,
            # The stable line takes neither Markdown nor quotes (internal/api/msg.go).
            markup="markdown" if settings.server_line == "main" else "none",
            replies=settings.server_line == "main",
        )

    @property
    def auth(self) -> Credentials:
        """The admin's token, which is fetched and expires."""
        return self._token

    def recall(self, memory: Mapping[str, str]) -> None:
        """See :meth:`bridges.api.Remembers.recall`."""
        self._token.recall(memory)

    def learnt(self) -> Mapping[str, str]:
        """See :meth:`bridges.api.Remembers.learnt`."""
        return self._token.learnt()

    # Sending

    def check(self, conversation: ConversationId) -> None:
        """See :meth:`bridges.api.Bridge.check`."""
        place = Place.of(conversation)
        normal = address_of("group" if place.is_group else "user", place.id)
        if not _CONVERSATION.fullmatch(conversation) or Place.of(normal) != place:
            raise Refused(f"OpenIM has no such conversation; valid is {EXAMPLES}")
        if normal != conversation:
            # Its history and its routes go by the address, so there is one for each conversation.
            raise Refused(f"OpenIM has one address for this conversation; valid is {normal}")

    def deliver(self, out: Outgoing) -> Flow[Receipt]:
        """See :meth:`bridges.api.Bridge.deliver`."""
        self.check(out.conversation)
        return (yield from self._sending.send(out))

    def deliver_past(self, out: Outgoing, *, at: datetime) -> Flow[Receipt]:
        """See :meth:`bridges.api.Imports.deliver_past`. OpenIM shows a conversation in the order of arrival."""
        self.check(out.conversation)
        return (yield from self._sending.send(out, at=at))

    def broadcast(self, outs: Sequence[Outgoing]) -> Flow[Sequence[Receipt | BridgeError]]:
        """See :meth:`bridges.api.Broadcasts.broadcast`. To users only."""
        for out in outs:
            self.check(out.conversation)
        return (yield from self._sending.broadcast(outs))

    def confirm(self, out: Outgoing) -> Flow[Receipt | None]:
        """See :meth:`bridges.api.Confirms.confirm`."""
        self.check(out.conversation)
        return (yield from self._sending.confirm(out))

    def edit(self, conversation: ConversationId, id: MessageId, message: Message) -> Flow[None]:
        """Refuse: the open-source server has no call that changes a message."""
        self.check(conversation)
        raise Inexpressible("OpenIM has no way to change a message that was sent; take it back and send another")
        yield  # a flow, although it asks for nothing

    def delete(self, conversation: ConversationId, id: MessageId) -> Flow[None]:
        """Take a message back; taken back already is success.

        The server wants the message's number in its conversation, which no answer to a send tells
        (https://github.com/openimsdk/open-im-server/issues/3305): it is looked for among the stored messages.
        """
        self.check(conversation)
        place = Place.of(conversation)
        if numbered := _NUMBERED.fullmatch(id):
            yield from self._operations.revoke(place, seq=int(numbered["seq"]), sender=self._settings.account)
            return
        sender = "" if self._settings.puppets else self._settings.account
        logs = yield from self._calls.search(place, sender=sender, pages_most=PAGES_MOST)
        wanted = message_id(id)
        found = next((each for each in logs if each.chatLog.clientMsgID == wanted), None)
        if found is None or found.chatLog.seq < 1:
            raise Refused(
                "OpenIM takes back stored messages only, and this one is not among the latest "
                f"{PAGES_MOST * wire.PAGE} that were sent there"
            )
        if found.isRevoked is not True:
            sender = found.chatLog.sendID or self._settings.account
            yield from self._operations.revoke(place, seq=found.chatLog.seq, sender=sender)

    # Looking things up

    def probe(self) -> Flow[str]:
        """See :meth:`bridges.api.Bridge.probe`: the token, the clock, and the user that sends."""
        settings = self._settings
        at, ours = yield from self._operations.clocks()
        off_s = round((at - ours).total_seconds())
        if abs(off_s) > CLOCK_OFF_MOST_S:
            raise Refused(
                f"OpenIM's clock says {at:%Y-%m-%d %H:%M:%S} UTC, this machine's {ours:%Y-%m-%d %H:%M:%S} UTC: they "
                f"differ by {abs(off_s)} seconds, so messages would carry wrong times and tokens end too early or too "
                "late; set the one that is wrong"
            )
        if settings.account != settings.admin_user:
            user = yield from self._operations.user_info(settings.account)
            if user is None:
                raise Refused(
                    f"OpenIM has no user {settings.account}: check send_as, or run: patchbay account NAME register "
                    f"{settings.account} NAME"
                )
        return f"OpenIM accepts {settings.admin_user}; its clock says {at:%Y-%m-%d %H:%M:%S} UTC"

    def conversations(self) -> Flow[Sequence[Listed]]:
        """The groups that the account is in, then the users it has talked with."""
        account = self._settings.account
        groups = yield from self._operations.joined_groups(account)
        found = [
            Listed(
                Conversation(id=address_of("group", group.groupID), kind="group", title=group.groupName),
                group_detail(group.model_copy(update={"groupName": ""})),
            )
            for group in groups
            if group.groupID and group.status != wire.GROUP_DISMISSED
        ]
        what = "OpenIM list of conversations"
        newest = yield from self._calls.ask(wire.NEWEST_SEQ, {"userID": account}, wire.NewestSeq, what=what)
        for conversation in newest.maxSeqs or {}:
            peer = _peer_of(conversation, account=account)
            if peer:
                found.append(Listed(Conversation(id=address_of("user", peer))))
        return found

    def operations(self) -> Sequence[Operation]:
        """See :meth:`bridges.api.Operates.operations`."""
        return self._operations.all()

    @property
    def file_origins(self) -> frozenset[Origin]:
        """See :class:`bridges.api.KeepsFiles`."""
        listed = (host if "://" in host else f"https://{host}" for host in self._settings.file_hosts)
        return _origins((self._settings.base_url, self._settings.files_url, *listed))

    def fetch(self, attachment: Attachment) -> Flow[File]:
        """A file that somebody sent. Raises ``Refused`` for an address that is not the server's.

        A client may put any address into a message, one inside the operator's network too. So only the server itself
        is asked, and the hosts of ``file_hosts``. The server redirects to its storage, which is on the same machine, on
        one of ``file_hosts`` or public; any other host may redirect only to what could be asked by itself.
        """
        own = _origins((self._settings.base_url, self._settings.files_url))
        allowed = self.file_origins
        url = _url(attachment.ref)
        if url is None or _origin(url) not in allowed:
            raise NotFetched(
                "this file is not on the OpenIM server, and its host is not in the account's file_hosts",
                reason=ELSEWHERE_REASON,
            )
        for _ in range(REDIRECTS_MOST + 1):
            response = yield httpx.Request("GET", url, extensions={**FETCHING, ELSEWHERE: True})
            if not response.has_redirect_location:
                raise_for_status(response, what="OpenIM file")
                return file_of(response)
            came_from, url = _origin(url), _joined(url, response.headers["location"])
            if url is None:
                raise NotFetched("OpenIM file: redirected to something that is no address", reason=ELSEWHERE_REASON)
            if came_from not in own and _origin(url) not in allowed:
                raise NotFetched(
                    f"OpenIM file: redirected to {url.host}, which is not in the account's file_hosts",
                    reason=ELSEWHERE_REASON,
                )
        raise Refused("OpenIM file: the server redirects in a circle")

    # Receiving

    def verify(self, hook: Hook) -> None:
        """Accept: the open-source server signs nothing, so the secret in the path is the proof."""

    def decode(self, hook: Hook) -> Sequence[Event]:
        """See :meth:`bridges.api.Bridge.decode`. Every JSON body gives exactly one event."""
        return events_of(hook, settings=self._settings)

    def resolve(self, event: Deleted, hook: Hook) -> Flow[MessageId | None]:
        """See :meth:`bridges.api.Resolves.resolve`: a webhook tells the number of what was taken back, and by whom."""
        body = parse_json(hook.body)
        conversation, seq, user = (wire.object_of(body).get(name) for name in ("conversationID", "seq", "userID"))
        if not isinstance(seq, int) or not (user := wire.text_of(user)):
            return None
        conversation = wire.text_of(conversation)
        id = yield from self._calls.numbered(conversation, seq=seq, user=user)
        place = Place.of(event.conversation.id)
        if not id and place.is_group:
            # An admin need not be a member to take back; whoever is one has the conversation.
            member = yield from self._calls.member_of(place.id)
            if member and member != user:
                id = yield from self._calls.numbered(conversation, seq=seq, user=member)
        return MessageId(clean(id)) if id else None

    def answer(self, hook: Hook) -> Answer:
        """The object that the server wants, which lets everything pass."""
        parse_json(hook.body)
        return Answer(body=wire.CALLBACK_ANSWER)

    def instructions(self, url: str) -> str:
        """See :meth:`bridges.api.Instructs.instructions`: the lines of ``webhooks.yml``."""
        main = self._settings.server_line == "main"
        filters = "attentionIds: [], deniedTypes: []"
        # The stable line reads ranges of text, and tells of its own notices unless they are denied.
        stable_filters = 'attentionIds: [], allowedTypes: [], deniedTypes: ["1000-5000"]'
        after = f"{{enable: true, timeout: 5, {filters if main else stable_filters}}}"
        lines = [
            "Enter this in config/webhooks.yml of the OpenIM server (top level, not below another key):",
            "",
            f"url: {url.rstrip('/')}",
            f"afterSendSingleMsg: {after}",
            f"afterSendGroupMsg: {after}",
            "afterRevokeMsg: {enable: true, timeout: 5}",
            *(["afterMsgSaveDB: {enable: true, timeout: 5}"] if main else []),
            "afterJoinGroup: {enable: true, timeout: 5}",
            "afterQuitGroup: {enable: true, timeout: 5}",
            "afterKickGroupMember: {enable: true, timeout: 5}",
            "",
            "The URL ends without a slash and without anything behind it: the server appends /<command>.",
            "The last three are only for routes that tell who joins and leaves.",
            "Leave attentionIds empty: with any id in it the main line tells of no group at all.",
            "Leave every before… webhook off: while its listener is away, nobody could send anything.",
            "Then restart the server. In Docker mount the file into the container, or it is not read.",
        ]
        return "\n".join(lines)


def _peer_of(conversation: str, *, account: str) -> str:
    """The other one in si_<user>_<user>; empty if that is no conversation of two with the account."""
    kind, _, rest = conversation.partition("_")
    if kind != "si":
        return ""
    if rest.startswith(f"{account}_"):
        return rest[len(account) + 1 :]
    return rest[: -len(account) - 1] if rest.endswith(f"_{account}") else ""


def _url(text: str) -> httpx.URL | None:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return None
    return url if url.scheme in ("https", "http") and url.host and not url.userinfo else None


def _joined(url: httpx.URL, location: str) -> httpx.URL | None:
    """Where a redirect leads; None if that is no address."""
    try:
        return _url(str(url.join(location)))
    except httpx.InvalidURL:
        return None


def _origin(url: httpx.URL | None) -> Origin | None:
    return None if url is None else origin_of(url)


def _origins(addresses: Iterable[str]) -> frozenset[Origin]:
    return frozenset(origin_of(url) for address in addresses if (url := _url(address)) is not None)
