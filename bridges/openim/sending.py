"""How a message goes out, part by part, and how it is found again when nobody knows whether it did."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridges.api import Flow, Outgoing
from bridges.errors import BridgeError, Inexpressible, Refused, Unavailable
from bridges.model import MessageId, Receipt
from bridges.openim import wire
from bridges.openim.answers import code_of, data_of
from bridges.openim.auth import AGAIN, send_operation
from bridges.openim.calls import Calls, Place, before_sending
from bridges.openim.content import (
    MARK_LENGTH_OF_MANY,
    MARKED_MOST,
    SNAPSHOT,
    SNAPSHOT_FILE,
    Element,
    File,
    Text,
    element_of,
    extension_of,
    is_marked,
    is_video,
    mark_of,
    marked,
    parts_of,
)
from bridges.openim.puppets import Author, Puppets
from bridges.openim.settings import OpenIMSettings
from bridges.responses import clean
from bridges.signing import fingerprint

WORDS = 0
"""The number of the words among the parts; files count from 1. So it is the same with and without files: one that is
not to be had any more is left out of the next attempt."""
ATTEMPTS_MOST = 12
"""Earlier attempts that are asked about where a message has several parts."""
LOOK_AGAIN_S = 5.0
"""After this long a message that is not found is believed not to have arrived."""
MISSED_MOST = 1000
PAGES_MOST = 3
"""Pages of stored messages in which one is looked for."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A part that is over there; ``id`` is empty where it is not known."""

    id: str = ""


class Sending:
    """Sends for one account."""

    def __init__(self, settings: OpenIMSettings, calls: Calls, puppets: Puppets) -> None:
        self._settings = settings
        self._calls = calls
        self._puppets = puppets
        self._missed: OrderedDict[str, None] = OrderedDict()
        """Attempts that were asked about once and not found."""

    def send(self, out: Outgoing, *, at: datetime | None = None) -> Flow[Receipt]:
        """Send a message; with ``at`` as one that was written then. Raises any ``BridgeError``."""
        place, settings = Place.of(out.conversation), self._settings
        parts = parts_of(out, line=settings.server_line, limit=settings.text_limit, group=place.group)
        author = self._puppets.author(out.message.sender)
        arrived: Mapping[int, Arrived] = {}
        if len(parts) > 1 and out.attempt > 1:
            # A former attempt may have ended between two parts: those that are there are not sent again.
            arrived, _ = yield from before_sending(self._arrived(out, place=place, author=author, before=out.attempt))
        yield from before_sending(self._puppets.prepare(author))
        ids: list[MessageId] = []
        for place_in_row, part in enumerate(parts):
            number = WORDS if isinstance(part, Text) else place_in_row + 1
            if number in arrived:
                ids.extend(_ids(arrived[number]))
                continue
            # A caption has to come behind its picture, also where both are of the past.
            past = None if at is None else at + timedelta(milliseconds=place_in_row)
            rich, plain = yield from self._elements(part, out=out, number=number)
            sent = yield from self._send_part(
                rich, plain=plain, out=out, number=number, place=place, author=author, at=past
            )
            ids.append(MessageId(sent.clientMsgID))
        return Receipt(ids=tuple(ids))

    def send_element(self, place: Place, element: Element) -> Flow[str]:
        """Send one element as the account itself; returns the message's id."""
        body = self._body(element, place=place, author=self._puppets.author(None), ex="", at=None)
        response = yield self._calls.sending(body)
        hide = self._calls.hidden(*_texts(element))
        return data_of(response, wire.Sent, what="OpenIM send", hide=hide).clientMsgID

    def _elements(self, part: Text | File, *, out: Outgoing, number: int) -> Flow[tuple[Element, Element | None]]:
        """What is sent, and what goes instead where the server does not know the first."""
        if isinstance(part, Text):
            return (part.plain, None) if part.rich is None else (part.rich, part.plain)
        name = f"patchbay/{fingerprint('object', out.key, str(out.attempt), str(number))}"
        snapshot_url = ""
        if is_video(part.attachment):
            media_type = SNAPSHOT_FILE.media_type
            upload = self._calls.upload(SNAPSHOT, name=f"{name}-snapshot.png", media_type=media_type)
            snapshot_url = yield from before_sending(upload)
        media_type = part.attachment.media_type or "application/octet-stream"
        full_name = f"{name}.{extension_of(part.attachment)}"
        url = yield from before_sending(self._calls.upload(part.data, name=full_name, media_type=media_type))
        return element_of(part, url=url, snapshot_url=snapshot_url), None

    def _send_part(
        self,
        element: Element,
        *,
        plain: Element | None,
        out: Outgoing,
        number: int,
        place: Place,
        author: Author,
        at: datetime | None,
    ) -> Flow[wire.Sent]:
        ex = marked(mark_of(out.key, part=number))
        invited, uninvited = False, None
        for turn in range(_turns_most(author, place=place, line=self._settings.server_line)):
            body = self._body(element, place=place, author=author, ex=ex, at=at)
            operation = send_operation(out.key, attempt=out.attempt, part=number, turn=turn)
            response = yield self._calls.sending(body, operation=operation)
            code = code_of(response)
            if code == wire.CODE_NOT_IN_GROUP and author.is_puppet and place.is_group and not invited:
                try:
                    yield from before_sending(self._puppets.bring_in(author, place.id))
                except Refused as error:
                    # Another process may have invited it just before: whether it is in is for the next answer to say.
                    uninvited = error
                invited = True
            elif code == wire.CODE_ARGS and plain is not None:
                element, plain = plain, None
            else:
                break
        if code == wire.CODE_NOT_IN_GROUP and uninvited is not None:
            raise uninvited
        return data_of(response, wire.Sent, what="OpenIM send", hide=self._calls.hidden(*_texts(element)))

    def _body(
        self, element: Element, *, place: Place, author: Author, ex: str, at: datetime | None
    ) -> dict[str, object]:
        settings = self._settings
        body: dict[str, object] = {
            "sendID": author.id,
            **place.receiver(),
            "senderPlatformID": settings.platform_id,
            "content": element.content,
            "contentType": element.type,
            "sessionType": place.session_type,
            # What is of the past is stored, and rings nobody's telephone.
            "isOnlineOnly": settings.online_only and at is None,
            "notOfflinePush": settings.no_offline_push or at is not None,
            "ex": ex or marked("operation"),
        }
        if author.nickname:
            body["senderNickname"] = author.nickname
        if author.face_url:
            body["senderFaceURL"] = author.face_url
        if at is not None:
            body["sendTime"] = round(at.timestamp() * 1000)
        if settings.push_title or settings.push_text:
            body["offlinePushInfo"] = {"title": settings.push_title, "desc": settings.push_text}
        return body

    # One message for many

    def broadcast(self, outs: Sequence[Outgoing]) -> Flow[Sequence[Receipt | BridgeError]]:
        """Send the same message to many users, in requests of as many as their marks fit into one ``ex``."""
        part, author = self._one_for_all(outs)
        yield from before_sending(self._puppets.prepare(author))
        rich, plain = yield from self._elements(part, out=outs[0], number=0)
        element = plain or rich  # the words that every server takes: a refusal would concern everybody
        outcomes: list[Receipt | BridgeError] = []
        for at in range(0, len(outs), MARKED_MOST):
            some = outs[at : at + MARKED_MOST]
            try:
                outcomes.extend((yield from self._send_to_many(element, some, author=author)))
            except BridgeError as error:
                if not outcomes:
                    raise
                # The others have theirs: what went wrong here is said of these, and the rest is not tried.
                outcomes.extend(error for _ in some)
                rest = len(outs) - len(outcomes)
                outcomes.extend(Unavailable("OpenIM broadcast: ended before this receiver") for _ in range(rest))
                break
        return outcomes

    def _one_for_all(self, outs: Sequence[Outgoing]) -> tuple[Text | File, Author]:
        """The part that all of them consist of, and who sends it; raises ``Inexpressible``."""
        if not 1 <= len(outs) <= wire.ITEMS_MOST:
            raise Inexpressible(f"OpenIM takes 1 to {wire.ITEMS_MOST} receivers at once, not {len(outs)}")
        first = outs[0]
        if any((out.message, out.files, out.answered) != (first.message, first.files, first.answered) for out in outs):
            raise Inexpressible("OpenIM takes one message for many receivers, these differ")
        places = [Place.of(out.conversation) for out in outs]
        if any(place.is_group for place in places) or len({place.id for place in places}) != len(places):
            raise Inexpressible("OpenIM takes one message for many users, each once, and for no groups")
        settings = self._settings
        parts = parts_of(first, line=settings.server_line, limit=settings.text_limit, group=None)
        if len(parts) != 1:
            raise Inexpressible("OpenIM takes words or one file for many receivers, not both")
        return parts[0], self._puppets.author(first.message.sender)

    def _send_to_many(
        self, element: Element, outs: Sequence[Outgoing], *, author: Author
    ) -> Flow[Sequence[Receipt | BridgeError]]:
        users = [Place.of(out.conversation).id for out in outs]
        ex = marked(*(mark_of(out.key, length=MARK_LENGTH_OF_MANY) for out in outs))
        body = self._body(element, place=Place(users[0], is_group=False), author=author, ex=ex, at=None)
        del body["recvID"]
        operation = send_operation(outs[0].key, attempt=outs[0].attempt)
        response = yield self._calls.sending(
            {**body, "recvIDs": users, "isSendAll": False}, operation=operation, path=wire.BATCH_SEND_MSG
        )
        what = "OpenIM broadcast"
        done = data_of(response, wire.BatchSent, what=what, hide=self._calls.hidden(*_texts(element)))
        sent = {one.recvID: one.clientMsgID for one in done.results or ()}
        failed = frozenset(done.failedUserIDs or ())
        outcomes: list[Receipt | BridgeError] = []
        for user in users:
            if user in sent:
                # All of them get one and the same id, and an id of ours has to be one message's.
                outcomes.append(Receipt(ids=(MessageId(f"{sent[user]}/{user}"),)))
            elif user in failed:
                outcomes.append(Unavailable(f"{what}: not taken for this receiver, and not said why"))
            else:
                outcomes.append(Unavailable(f"{what}: this receiver is not in the answer", maybe_sent=True))
        return outcomes

    # After an unknown outcome

    def confirm(self, out: Outgoing) -> Flow[Receipt | None]:
        """The receipt if all of it arrived, None if it surely did not, or not all: the next attempt sends the rest."""
        place, author = Place.of(out.conversation), self._puppets.author(out.message.sender)
        arrived, failed = yield from self._arrived(out, place=place, author=author, before=out.attempt + 1)
        missing = set(_numbers(out)) - arrived.keys()
        if missing:
            self._check_is_time(f"{out.key}/{out.attempt}", surely=missing <= failed)
            return None
        return Receipt(ids=tuple(id for number in sorted(arrived, key=_place_in_row) for id in _ids(arrived[number])))

    def _check_is_time(self, attempt: str, *, surely: bool) -> None:
        """Raise ``Unavailable`` at the first look that finds nothing, unless the server says that it failed.

        The server notes what became of a send only after it is done, and what it took is stored through a queue: right
        after a connection was cut, neither may show yet (internal/api/msg.go, internal/msgtransfer).
        """
        if not surely and attempt not in self._missed:
            self._missed[attempt] = None
            if len(self._missed) > MISSED_MOST:
                self._missed.popitem(last=False)
            raise Unavailable("OpenIM does not know the message yet; it is asked once more", retry_after=LOOK_AGAIN_S)
        self._missed.pop(attempt, None)

    def _arrived(
        self, out: Outgoing, *, place: Place, author: Author, before: int
    ) -> Flow[tuple[dict[int, Arrived], set[int]]]:
        """The parts that are over there, of attempts before this number, and those that the server says failed.

        Raises ``Unavailable`` if one is on its way.

        First by the operationIDs of the requests, which is quick and sure as long as the server knows them, a day; then
        among the stored messages by the mark in ``ex``, which also tells their ids.

        The words go last, so where they are the rest is there too, or was left out because it was not to be had any
        more; what stood in for a file without words is looked for as well. A part has failed only if the last request
        for it that may have left did: one before it can have been refused and repeated.
        """
        numbers = _numbers(out)
        looked_for = numbers if WORDS in numbers else (*numbers, WORDS)
        first = max(1, before - (ATTEMPTS_MOST if len(numbers) > 1 else 1))
        turns = _turns_most(author, place=place, line=self._settings.server_line)
        arrived: dict[int, Arrived] = {}
        failed: set[int] = set()
        for number in sorted(looked_for):
            for attempt, turn in itertools.product(range(before - 1, first - 1, -1), range(turns)):
                status = yield from self._status_of(send_operation(out.key, attempt=attempt, part=number, turn=turn))
                if status == wire.STATUS_SENT:
                    arrived[number] = Arrived()
                    break
                if status == wire.STATUS_FAILED and (attempt, turn) == (before - 1, turns - 1):
                    failed.add(number)
            if WORDS in arrived:
                break
        logs = yield from self._calls.search(place, sender=author.id, pages_most=PAGES_MOST)
        for number in looked_for:
            for found in logs:
                if is_marked(found.chatLog.ex, key=out.key, part=number):
                    arrived[number] = Arrived(found.chatLog.clientMsgID)
                    break
        if WORDS in arrived:
            arrived = {number: arrived.get(number, Arrived()) for number in looked_for}
        return arrived, failed

    def _status_of(self, operation: str) -> Flow[int]:
        """What became of a request, or of its repetition with a renewed token. Raises ``Unavailable`` if it is on its
        way."""
        status = wire.STATUS_UNKNOWN
        for id in (operation, operation + AGAIN):
            said = yield from self._calls.status_of(id)
            if said == wire.STATUS_SENDING:
                raise Unavailable("OpenIM is still sending the message")
            if said == wire.STATUS_SENT:
                return said
            status = max(status, said)
        return status


def _numbers(out: Outgoing) -> tuple[int, ...]:
    """The parts that the message consists of as it was written, whether its files are to be had or not."""
    files = tuple(range(1, len(out.message.attachments) + 1))
    return files if files and not clean(out.message.text) else (*files, WORDS)


def _place_in_row(number: int) -> tuple[bool, int]:
    """Sorts the parts as they are sent: the words behind the files."""
    return (number == WORDS, number)


def _turns_most(author: Author, *, place: Place, line: wire.Line) -> int:
    """How often a part may be sent in one attempt: after an invitation again, and without what is not known there."""
    return 1 + (author.is_puppet and place.is_group) + (line == "main")


def _ids(arrived: Arrived) -> tuple[MessageId, ...]:
    return (MessageId(arrived.id),) if arrived.id else ()


def _texts(element: Element) -> Sequence[str]:
    """The words in an element: they are not repeated in an error."""
    return [value for key in ("content", "text", "data") if isinstance(value := element.content.get(key), str)]
