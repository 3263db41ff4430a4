"""Sends: which session, whose, what body; and afterwards, whether one of unknown outcome arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bridges.api import File, Flow, Outgoing
from bridges.errors import BridgeError, Inexpressible, Refused, Unavailable
from bridges.model import Attachment, MessageId, Receipt
from bridges.netsapiens import wire
from bridges.netsapiens.calls import ROWS_MOST, Calls, Forbidden, Missing, before_sending
from bridges.netsapiens.ledger import SETTLE, SLACK, Ledger, Stored
from bridges.netsapiens.numbers import Numbers
from bridges.netsapiens.places import Handle, Place, place_of, session_id_for
from bridges.netsapiens.settings import NetSapiensSettings
from bridges.responses import clean
from bridges.signing import fingerprint

WHAT = "NetSapiens send"
WITHOUT_WORDS = "media"
"""The text of a file without words: the documented examples send this one."""
UNKNOWN_MEDIA = "application/octet-stream"
SESSIONS_READ = 10
"""Sessions with the same people that are looked through after an unknown outcome."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is sent, whoever gets it."""

    text: str
    file: File | None = None
    media_type: str = ""

    @property
    def size(self) -> int:
        """The bytes of the file."""
        return 0 if self.file is None else self.file.size

    def type_for(self, kind: wire.Kind) -> str:
        """The documented type of such a message."""
        if kind == "sms":
            return "mms" if self.file else "sms"
        return "chat-media" if self.file else "chat"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a send goes, as the server wants to be told."""

    kind: wire.Kind
    user: str
    """The extension that sends."""
    destinations: tuple[str, ...]
    number: wire.SmsNumber | None = None
    """What it comes from; None for chats."""
    session: str = ""
    """The session known; empty: one is to be started."""
    looked_up: bool = False
    """The number's owner was asked for just now."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look into the sessions of a send brought."""

    rows: list[tuple[str, dict[str, Any]]]
    """Messages, each with the session that it is in."""
    whole: bool
    """No message in question was left unread."""


class Sends:
    """Sends messages of one account, and learns which calls its server has."""

    def __init__(self, settings: NetSapiensSettings, *, calls: Calls, numbers: Numbers, zone: ZoneInfo) -> None:
        self._settings = settings
        self._calls = calls
        self._numbers = numbers
        self._zone = zone
        self.ledger = Ledger()
        """What was sent of late."""
        self.starts_sessions = True
        """False: the server has no call to start a session, as those of v44."""

    def deliver(self, out: Outgoing) -> Flow[Receipt]:
        """See :meth:`bridges.api.Bridge.deliver`."""
        place = place_of(out.conversation)
        content = self._content_of(out)
        target = yield from before_sending(self._target(place, handle=Handle.of(out.handle)))
        self.ledger.begin(out.key, at=out.began_at)
        sent = target
        try:
            session = yield from self._send(target, content, place=place)
        except Inexpressible:
            raise
        except Refused:
            # Numbers change hands: a send as another than the owner is refused as an invalid from-number.
            other = yield from before_sending(self._with_new_owner(target))
            if other is None:
                raise
            sent = other
            session = yield from self._send(other, content, place=place)
        places = {str(out.conversation), session} - {""}
        self.ledger.accepted(out.key, places=places, words=self._words(content), at=self._calls.heard_at)
        return Receipt(handle=self._handle_of(sent, session))

    def _handle_of(self, target: Target, session: str) -> str:
        if target.number is None:
            return session
        return Handle(session, target.number.number, target.user).written(usual=self._settings)

    def _content_of(self, out: Outgoing) -> Content:
        """Text and file as NetSapiens takes them; raises ``Inexpressible`` for anything that does not go."""
        text, attachments = clean(out.message.text), out.message.attachments
        if len(attachments) > 1:
            raise Inexpressible(f"NetSapiens takes one file in a message, this has {len(attachments)}")
        if len(text) > self._settings.text_limit:
            raise Inexpressible(
                f"this account takes {self._settings.text_limit} characters in one message (text_limit), "
                f"this has {len(text)}"
            )
        if not attachments:
            if not text.strip():
                raise Inexpressible("NetSapiens carries words and files, this message has neither")
            return Content(text)
        file = out.files[0] if out.files else None
        if file is None or not file.size:
            raise Inexpressible("the bytes of the attachment are not there, so it cannot be enclosed")
        if file.size > self._settings.media_bytes:
            raise Inexpressible(
                f"this account takes files of {self._settings.media_bytes} bytes (media_bytes), this has {file.size}"
            )
        return Content(text if text.strip() else WITHOUT_WORDS, file, _media_type_of(attachments[0]))

    # Where it goes

    def _target(self, place: Place, *, handle: Handle, anew: bool = False) -> Flow[Target]:
        """Where to send; ``anew``: ask who has a number, also where the handle tells."""
        if place.kind == "session":
            return (yield from self._target_of_session(place.names[0], handle=handle))
        if place.kind == "chat":
            return Target("chat", self._settings.user, place.names, session=handle.session)
        if handle.number not in ("", self._settings.from_number):
            return (yield from self._target_of_other_number(place, handle=handle, anew=anew))
        self._need_number()
        if self._settings.send_as == "user":
            number = wire.SmsNumber(self._settings.from_number, self._settings.user, "user", None, None)
            return Target("sms", self._settings.user, place.names, number, handle.session)
        looked_up = self._numbers.known is None
        number = yield from self._numbers.find()
        return Target("sms", self._numbers.sender_of(number), place.names, number, handle.session, looked_up)

    def _target_of_other_number(self, place: Place, *, handle: Handle, anew: bool) -> Flow[Target]:
        """An answer to what was written to another number of the domain leaves from that one, as its owner."""
        number = wire.SmsNumber(handle.number, handle.owner or self._settings.user, "", None, None)
        looked_up = False
        if self._settings.send_as == "owner" and (anew or not handle.owner):
            try:
                number = yield from self._numbers.look_up(handle.number)
                looked_up = True
            except Refused:
                if not handle.owner:
                    raise
        user = self._settings.user if self._settings.send_as == "user" else self._numbers.sender_of(number)
        return Target("sms", user, place.names, number, handle.session, looked_up)

    def _need_number(self) -> None:
        if not self._settings.from_number:
            raise Refused(
                "this account has no number to send SMS from; put one of the extension's SMS numbers into its "
                "from_number setting (accounts.<name>.from_number)"
            )

    def _target_of_session(self, id: str, *, handle: Handle) -> Flow[Target]:
        owner = handle.owner if handle.session == id else ""
        session = yield from self.read_session(id, owner=owner)
        if not session.remotes:
            raise Refused(f"NetSapiens session {id}: nobody else is in it, so there is nobody to write to")
        if session.kind == "chat":
            return Target("chat", session.user, session.remotes, session=id)
        ours = session.sms_number or handle.number or self._settings.from_number
        if not ours:
            self._need_number()
        known = self._numbers.known
        number = known if known and known.number == ours else wire.SmsNumber(ours, session.user, "", None, None)
        return Target("sms", session.user, session.remotes, number, id)

    def read_session(self, id: str, *, owner: str = "") -> Flow[wire.Session]:
        """A session as one of our extensions has it, ``owner`` before all others if it is known to be that one's.

        Raises ``Refused`` where none of them has it.
        """
        tried: list[str] = []
        if owner:
            tried.append(owner)
            try:
                session = yield from self._session_for(owner, id)
            except Forbidden:
                session = None
            if session is not None:
                return session
        for user in (yield from self._own_users()):
            session = None if user in tried else (yield from self._session_for(user, id))
            if session is not None:
                return session
        raise Refused(
            f"NetSapiens session {id} is not there for extension {self._settings.user}; "
            "`patchbay account NAME sessions` lists those that are"
        )

    def _own_users(self) -> Flow[Sequence[str]]:
        """The configured extension, then the owner of the number."""
        if self._settings.from_number and self._settings.send_as == "owner":
            try:
                yield from self._numbers.find()
            except Refused:
                return (self._settings.user,)
            return self._numbers.users
        return (self._settings.user,)

    def _session_for(self, user: str, id: str) -> Flow[wire.Session | None]:
        what = "NetSapiens session"
        domain = self._settings.domain
        try:
            rows = wire.rows_of((yield from self._calls.get(self._calls.session(user, id), what=what)))
        except Missing as error:
            if not error.route:
                return None
            rows = yield from self._calls.rows(self._calls.user(user, "messagesessions"), what=f"{what}s")
        sessions = (wire.Session.of(row, domain=domain, user=user) for row in rows)
        return next((session for session in sessions if session.id == id), None)

    def _with_new_owner(self, target: Target) -> Flow[Target | None]:
        """The target with the number's present owner; None if that is nobody else."""
        if target.number is None or target.looked_up or self._settings.send_as == "user":
            return None
        try:
            number = yield from self._numbers.look_up(target.number.number)
        except BridgeError:
            return None  # the refusal stands
        self._numbers.keep(number)
        user = self._numbers.sender_of(number)
        return None if user == target.user else Target(target.kind, user, target.destinations, number)

    # The send itself

    def _send(self, target: Target, content: Content, *, place: Place) -> Flow[str]:
        """Send; returns the id of the session it went into, or nothing where that is not known."""
        body = self._body(target, content)
        if target.session:
            try:
                yield from self._post(self._calls.session(target.user, target.session, "messages"), body, content)
                return target.session
            except Missing:
                if place.kind == "session":
                    raise
                # The session was deleted meanwhile: the same people get another one.
        if self.starts_sessions:
            try:
                url = self._calls.user(target.user, "messages")
                answer = yield from self._post(url, body, content)
            except Missing as error:
                if not error.route:
                    raise
            else:
                named = wire.session_of(wire.pick(answer, "messagesession-id", "session-id"))
                return named or (yield from self._started_session(target))
        own = self._own_session(target)
        yield from self._post(self._calls.session(target.user, own, "messages"), body, content)
        self.starts_sessions = False
        return own

    def _body(self, target: Target, content: Content) -> dict[str, object]:
        number = target.number
        if content.file and number is not None:
            if number.mms is False:
                raise Inexpressible(f"the number {number.number} cannot send MMS (mms-capable is no), so no files go")
            if number.group_mms is False and len(target.destinations) > 1:
                raise Inexpressible(
                    f"the number {number.number} cannot send MMS to a group (group-mms-capable is no), so no files go"
                )
        plus = "+" if self._settings.number_format == "e164" else ""
        sms = target.kind == "sms"
        return wire.send_body(
            type=content.type_for(target.kind),
            text=content.text,
            destinations=[f"{plus}{each}" for each in target.destinations] if sms else target.destinations,
            from_number=f"{plus}{number.number}" if number is not None else "",
            media_type=content.media_type,
            size=content.size,
        )

    def _post(self, url: str, body: dict[str, object], content: Content) -> Flow[Any]:
        return (yield from self._calls.send(url, what=WHAT, body=body, text=content.text, file=content.file))

    def _own_session(self, target: Target) -> str:
        return session_id_for(self._settings.domain, user=target.user, kind=target.kind, remotes=target.destinations)

    def _started_session(self, target: Target) -> Flow[str]:
        """The session that a send has started, for the next one; the send is done whether it is found or not."""
        try:
            rows = yield from self._session_rows(target, most=wire.PAGE)
            found = self._fitting(rows, target=target)
            times = [wire.Session.of(row, domain=self._settings.domain, user=target.user).last_raw_at for row in rows]
            # Lists were seen with the latest first, which is not promised: else it stands at the end.
            if len(rows) >= wire.PAGE and (not found or times[0] <= times[-1]):
                found = self._fitting((yield from self._session_rows(target)), target=target)
        except BridgeError:
            return ""
        return found[0] if found else ""

    def _session_rows(self, target: Target, *, most: int | None = None) -> Flow[list[dict[str, Any]]]:
        url = self._calls.user(target.user, "messagesessions")
        return (yield from self._calls.rows(url, what="NetSapiens sessions", most=most))

    def _fitting(self, rows: Sequence[dict[str, Any]], *, target: Target) -> list[str]:
        """Sessions of the sender with exactly these people, the latest first."""
        domain = self._settings.domain
        sessions = [wire.Session.of(row, domain=domain, user=target.user) for row in rows]
        ours = target.number.number if target.number else ""
        fitting = [
            session
            for session in sessions
            if session.id
            and session.kind == target.kind
            and set(session.remotes) == set(target.destinations)
            and session.sms_number in ("", ours)
        ]
        return [session.id for session in sorted(fitting, key=lambda each: each.last_raw_at, reverse=True)]

    # Afterwards

    def confirm(self, out: Outgoing) -> Flow[Receipt | None]:
        """See :meth:`bridges.api.Confirms.confirm`. Raises ``Refused`` where looking again would not tell either."""
        place = place_of(out.conversation)
        content = self._content_of(out)
        handle = Handle.of(out.handle)
        target = yield from before_sending(self._target(place, handle=handle, anew=True))
        seen = yield from self._seen(target, began_at=out.began_at)
        matches, sessions = self._matches(seen.rows, target=target, content=content)
        places = {str(out.conversation), *(session for session, _ in seen.rows)}
        verdict, found = self.ledger.judge(
            out.key,
            matches,
            places=places,
            words=self._words(content),
            began_at=out.began_at,
            now=self._calls.heard_at,
        )
        if verdict == "arrived" and found is not None:
            ids = (MessageId(found.id),) if found.id else ()
            return Receipt(ids=ids, handle=self._handle_of(target, sessions[matches.index(found)]))
        if verdict in ("absent", "too early") and not seen.whole:
            raise Refused(
                "the message is not among those that could be read, and there are more than that; look for it in the "
                "portal"
            )
        if verdict == "absent":
            return None
        if verdict == "too early":
            raise Unavailable(
                "the message is not in its session so far, and NetSapiens may still be working on it",
                retry_after=SETTLE.total_seconds(),
            )
        raise Refused(
            "the session holds a message with the same words, and whether it is this one or an earlier one cannot be "
            "told; look at it in the portal"
        )

    def _seen(self, target: Target, *, began_at: datetime | None) -> Flow[Seen]:
        """The messages, each with its session, of every session in which the send may have ended."""
        if target.session:
            kept = yield from self._messages_of(target.user, target.session, since=began_at)
            if kept is not None:
                return kept
        found: list[str] = []
        whole = True
        if self.starts_sessions:
            listed = yield from self._session_rows(target)
            found = self._fitting(listed, target=target)
            whole = len(listed) < ROWS_MOST and len(found) <= SESSIONS_READ
        rows: list[tuple[str, dict[str, Any]]] = []
        for session in dict.fromkeys((*found[:SESSIONS_READ], self._own_session(target))):
            there = yield from self._messages_of(target.user, session, since=began_at)
            if there is not None:
                rows += there.rows
                whole = whole and there.whole
        return Seen(rows, whole)

    def _messages_of(self, user: str, session: str, *, since: datetime | None) -> Flow[Seen | None]:
        """The messages of a session since then at least; None if there is no such session."""
        url = self._calls.session(user, session, "messages")
        what = "NetSapiens messages of a session"
        try:
            rows = yield from self._calls.rows(url, what=what, most=wire.PAGE)
            if len(rows) >= wire.PAGE and not self._reaches_back(rows, since=since):
                rows = yield from self._calls.rows(url, what=what)
        except Missing:
            return None
        return Seen([(session, row) for row in rows], whole=len(rows) < ROWS_MOST)

    def _reaches_back(self, rows: Sequence[dict[str, Any]], *, since: datetime | None) -> bool:
        """Whether a first page begins with the latest message, as in the examples, and ends before ``since``."""
        first, last = self._time_of(rows[0]), self._time_of(rows[-1])
        if first is None or last is None or since is None:
            return False
        return last < first and last < since - SLACK

    def _matches(
        self, rows: Sequence[tuple[str, dict[str, Any]]], *, target: Target, content: Content
    ) -> tuple[list[Stored], list[str]]:
        """Our messages with this content, the latest first, and the session of each."""
        domain, now = self._settings.domain, self._calls.heard_at
        times = [self._time_of(row) for _, row in rows]
        # Where anything lies in the future, the times are of another zone and none of them is to be believed.
        odd = now is None or any(at > now + SLACK + timedelta(minutes=1) for at in times if at is not None)
        fitting = [
            (Stored(wire.id_of(row.get("id")), None if odd else at), session)
            for at, (session, row) in zip(times, rows, strict=True)
            if wire.is_outbound(row, users=(target.user,), domain=domain)
            and wire.name_of(row.get("type")).lower() == content.type_for(target.kind)
            and wire.same_text(content.text, row.get("text"))
            and (content.file is None or wire.count_of(row.get("media-size")) in (None, 0, content.size))
        ]
        fitting.sort(key=lambda each: each[0].at.timestamp() if each[0].at else 0.0, reverse=True)
        return [stored for stored, _ in fitting], [session for _, session in fitting]

    def _time_of(self, row: dict[str, Any]) -> datetime | None:
        """When a message was stored, by our clock; None where that cannot be told."""
        at, ahead = wire.time_of(row.get("timestamp"), zone=self._zone), self._calls.ahead
        try:
            return None if at is None or ahead is None else at - ahead
        except OverflowError:
            return None

    def _words(self, content: Content) -> str:
        return fingerprint(content.text, content.media_type, str(content.size))


def _media_type_of(attachment: Attachment) -> str:
    given = attachment.media_type.split(";")[0].strip().lower()
    return given if "/" in given and given.isascii() and given.isprintable() else UNKNOWN_MEDIA
