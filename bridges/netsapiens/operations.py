"""What an administrator can do beside sending: sessions and who is in them, numbers, subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridges.api import Flow, Listed, Operation
from bridges.errors import Refused
from bridges.netsapiens import wire
from bridges.netsapiens.calls import Calls, Forbidden, Missing
from bridges.netsapiens.numbers import Numbers
from bridges.netsapiens.places import Handle, conversation_of
from bridges.netsapiens.sends import Sends
from bridges.netsapiens.settings import NetSapiensSettings
from bridges.netsapiens.subscriptions import Subscriptions

WHAT = "NetSapiens sessions"
DETAIL_MOST = 60
LISTED_MOST = 1000
SHOWN_MOST = 50
NAME_MOST = 128
_SAMPLE = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


class Operations:
    """Lists and changes the sessions of one account."""

    def __init__(
        self,
        settings: NetSapiensSettings,
        *,
        calls: Calls,
        numbers: Numbers,
        sends: Sends,
        subscriptions: Subscriptions,
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._numbers = numbers
        self._sends = sends
        self._subscriptions = subscriptions

    def all(self) -> Sequence[Operation]:
        """See :meth:`bridges.api.Operates.operations`."""
        return (
            Operation("sessions", (), "sessions with their ids, the latest first", "", self._sessions),
            Operation("messages", ("SESSION",), "the latest messages of a session", _SAMPLE, self._messages),
            Operation(
                "participants",
                ("SESSION", "EXT…"),
                "makes these extensions, and this account's own, the members of a session",
                f"{_SAMPLE} 4101 4102",
                self._participants,
                changes=True,
            ),
            Operation(
                "rename",
                ("SESSION", "NAME…"),
                "gives a session a name",
                f"{_SAMPLE} Ops room",
                self._rename,
                changes=True,
            ),
            Operation("leave", ("SESSION",), "leaves a session", _SAMPLE, self._leave, changes=True),
            Operation("delete", ("SESSION",), "deletes a session", _SAMPLE, self._delete, changes=True),
            Operation("numbers", (), "SMS numbers, their owners, whether they can send MMS", "", self._list_numbers),
            Operation("subscriptions", (), "event subscriptions on the server", "", self._list_subscriptions),
        )

    # Looking

    def read_sessions(self) -> Flow[list[wire.Session]]:
        """Sessions of the domain where the server lists them, else of our extension; the latest first."""
        user, domain = self._settings.user, self._settings.domain
        try:
            rows = yield from self._calls.rows(self._calls.domain("messagesessions"), what=WHAT, most=LISTED_MOST)
        except (Missing, Forbidden):
            url = self._calls.user(user, "messagesessions")
            rows = yield from self._calls.rows(url, what=WHAT, most=LISTED_MOST)
        sessions = [wire.Session.of(row, domain=domain, user=user) for row in rows]
        return sorted((each for each in sessions if each.id), key=lambda each: each.last_raw_at, reverse=True)

    def conversations(self) -> Flow[Sequence[Listed]]:
        """See :meth:`bridges.api.Lists.conversations`: those that this account takes part in, each once."""
        listed: dict[str, Listed] = {}
        for session in (yield from self.read_sessions()):
            if not session.remotes or not self._is_ours(session):
                continue
            conversation = conversation_of(
                session.kind,
                remotes=session.remotes,
                session=session.id,
                title=session.name,
                group=len(session.remotes) > 1,
                handle=self._handle_of(session),
            )
            listed.setdefault(conversation.id, Listed(conversation, _shortened(session.last_text)))
        return tuple(listed.values())

    def _handle_of(self, session: wire.Session) -> str:
        if session.kind == "chat":
            return session.id
        return Handle(session.id, session.sms_number, session.user).written(usual=self._settings)

    def _is_ours(self, session: wire.Session) -> bool:
        texting = session.kind == "sms" and session.sms_number in ("", self._settings.from_number)
        return texting or session.user == self._settings.user

    def _session_line(self, session: wire.Session) -> str:
        """A session for a person. What others of the domain wrote to each other is not repeated."""
        people = ", ".join(session.remotes) or "nobody else"
        name = f' "{session.name}"' if session.name else ""
        words = f": {_shortened(session.last_text)}" if session.last_text and self._is_ours(session) else ""
        own = session.sms_number or session.user
        return f"{session.id} {session.kind} {own} with {people}{name}, {session.last_raw_at}{words}"

    def _sessions(self, arguments: Sequence[str]) -> Flow[str]:
        sessions = yield from self.read_sessions()
        lines = [self._session_line(session) for session in sessions[:SHOWN_MOST]]
        if len(sessions) > SHOWN_MOST:
            lines.append(f"and {len(sessions) - SHOWN_MOST} more")
        return "\n".join(lines) or "no sessions"

    def _messages(self, arguments: Sequence[str]) -> Flow[str]:
        session = yield from self._named(arguments)
        url = self._calls.session(session.user, session.id, "messages")
        rows = yield from self._calls.rows(url, what="NetSapiens messages of a session", most=SHOWN_MOST)
        return "\n".join(self._message_line(row) for row in rows) or "no messages"

    def _message_line(self, row: dict[str, Any]) -> str:
        ours = wire.is_outbound(row, users=(self._settings.user,), domain=self._settings.domain)
        raw = wire.pick(row, "from-number", "from-user-id")
        sender = wire.number_of(raw) or wire.user_of(raw, domain=self._settings.domain) or "unknown"
        words = _shortened(wire.text_of(row.get("text")))
        media = wire.name_of(row.get("media-type"))
        file = f" [{media}]" if media else ""
        return f"{wire.name_of(row.get('timestamp'))} {'we' if ours else sender}: {words}{file}"

    def _list_numbers(self, arguments: Sequence[str]) -> Flow[str]:
        numbers = yield from self._numbers.all()
        lines = []
        for number in numbers:
            owner = f"{number.application or 'user'} {number.owner or 'nobody'}"
            media = f"MMS {_said(number.mms)}, group MMS {_said(number.group_mms)}"
            mark = " (this account's)" if number.number == self._settings.from_number else ""
            lines.append(f"{number.number}: {owner}, {media}{mark}")
        return "\n".join(lines) or "no SMS numbers"

    def _list_subscriptions(self, arguments: Sequence[str]) -> Flow[str]:
        return (yield from self._subscriptions.lines())

    # Changing

    def _participants(self, arguments: Sequence[str]) -> Flow[str]:
        session = yield from self._changeable(arguments)
        given = [part for argument in arguments[1:] for part in argument.split(",") if part]
        wrong = next((name for name in given if not wire.EXTENSION.fullmatch(name)), None)
        if wrong is not None or not given:
            raise Refused("participants takes extensions after the session; example: " + f"{_SAMPLE} 4101 4102")
        # The list is the final one, and who is not in it is out: this account has to be.
        members = ",".join(dict.fromkeys((session.user, *given)))
        yield from self._put(session, {"participants": members}, what="NetSapiens participants")
        return f"session {session.id} now has {members}"

    def _rename(self, arguments: Sequence[str]) -> Flow[str]:
        session = yield from self._changeable(arguments)
        name = " ".join(" ".join(arguments[1:]).split())
        if not 0 < len(name) <= NAME_MOST or not name.isprintable():
            raise Refused(f"rename takes a name of 1 to {NAME_MOST} characters; example: {_SAMPLE} Ops room")
        yield from self._put(session, {"session-name": name}, what="NetSapiens session name")
        return f"session {session.id} is called {name}"

    def _leave(self, arguments: Sequence[str]) -> Flow[str]:
        session = yield from self._named(arguments)
        url = self._calls.session(session.user, session.id, "leave")
        yield from self._calls.change("PUT", url, what="NetSapiens leave")
        return f"extension {session.user} left session {session.id}"

    def _delete(self, arguments: Sequence[str]) -> Flow[str]:
        session = yield from self._named(arguments)
        yield from self._calls.change(
            "DELETE", self._calls.session(session.user, session.id), what="NetSapiens deletion of a session"
        )
        return f"session {session.id} of extension {session.user} is deleted"

    def _put(self, session: wire.Session, body: dict[str, object], *, what: str) -> Flow[None]:
        yield from self._calls.change("PUT", self._calls.session(session.user, session.id), what=what, body=body)

    def _named(self, arguments: Sequence[str]) -> Flow[wire.Session]:
        id = (arguments[0] if arguments else "").removeprefix("session/")
        if not wire.session_of(id):
            raise Refused(f"that is no id of a session; example: {_SAMPLE}")
        return (yield from self._sends.read_session(id))

    def _changeable(self, arguments: Sequence[str]) -> Flow[wire.Session]:
        session = yield from self._named(arguments)
        if session.kind == "sms" and len(session.remotes) > 1:
            raise Refused(
                f"session {session.id} is a group of phones (group MMS), whose name and members NetSapiens cannot "
                "change; begin another one with /send to sms/NUMBER,NUMBER"
            )
        return session


def _shortened(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= DETAIL_MOST else line[: DETAIL_MOST - 1] + "…"


def _said(flag: bool | None) -> str:
    return "not said" if flag is None else "yes" if flag else "no"
