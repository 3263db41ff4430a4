"""Who a message is from over there: the account itself, or a user of its own for each person."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass

from bridges.api import Flow
from bridges.errors import BridgeError, Unavailable
from bridges.model import AccountName, Person
from bridges.openim import wire
from bridges.openim.answers import check_answer, code_of
from bridges.openim.calls import Calls
from bridges.openim.settings import OpenIMSettings
from bridges.responses import clean
from bridges.signing import fingerprint

KNOWN_MOST = 10_000
NAME_MOST = 64

TELEGRAM = AccountName("telegram")
"""Whose people have puppets without an account in their ids, as has a person who is of no account."""

_USUAL_ID = re.compile(r"[A-Za-z0-9_]{1,40}")
_TELEGRAM_ID = re.compile(r"[0-9]{1,40}")
_USUAL_ACCOUNT = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Author:
    """The user that sends, and how it is shown."""

    id: str
    nickname: str = ""
    face_url: str = ""
    is_puppet: bool = False


class Puppets:
    """Knows which of them are registered, as long as the process lives: asking again does no harm."""

    def __init__(self, settings: OpenIMSettings, calls: Calls) -> None:
        self._settings = settings
        self._calls = calls
        self._known: OrderedDict[str, Author] = OrderedDict()

    def author(self, sender: Person | None) -> Author:
        """Who sends what this person wrote; without a person, the account."""
        settings = self._settings
        if sender is None or not settings.puppets:
            return Author(settings.account, settings.sender_nickname, settings.sender_face_url)
        avatar = sender.avatar or ""
        return Author(
            puppet_id(sender, prefix=settings.puppet_prefix),
            _nickname(sender, mark=settings.puppet_mark),
            avatar if avatar.startswith(("https://", "http://")) else "",
            is_puppet=True,
        )

    def prepare(self, author: Author) -> Flow[None]:
        """See to it that a puppet is registered, and has its present name if the server takes it.

        Each message carries name and picture as well, so one whose profile cannot be changed goes all the same.
        """
        if not author.is_puppet or self._known.get(author.id) == author:
            return
        if author.id not in self._known:
            registered = yield from self.register(author)
            if registered:
                self._note(author)
                return
        about = {"userID": author.id, "nickname": author.nickname}
        if author.face_url:
            about["faceURL"] = author.face_url
        try:
            response = yield self._calls.request(wire.UPDATE_USER, {"userInfo": about})
            check_answer(response, what="OpenIM name of a puppet")
        except Unavailable:
            return  # tried again before the next message
        except BridgeError:
            pass  # a refusal stays one: it is not asked for again
        self._note(author)

    def register(self, author: Author) -> Flow[bool]:
        """Register it; False if it was registered before."""
        user = {"userID": author.id, "nickname": author.nickname, "faceURL": author.face_url, "ex": ""}
        response = yield self._calls.request(wire.USER_REGISTER, {"users": [user]})
        if code_of(response) == wire.CODE_REGISTERED_ALREADY:
            return False
        check_answer(response, what="OpenIM registration of a puppet", hide=self._calls.hidden())
        return True

    def bring_in(self, author: Author, group: str) -> Flow[None]:
        """Make a puppet a member. It is registered once more: a server that was set up anew has forgotten it."""
        yield from self.register(author)
        body = {"groupID": group, "invitedUserIDs": [author.id], "reason": ""}
        response = yield self._calls.request(wire.INVITE, body)
        check_answer(response, what="OpenIM invitation of a puppet into the group", hide=self._calls.hidden())

    def _note(self, author: Author) -> None:
        self._known[author.id] = author
        self._known.move_to_end(author.id)
        if len(self._known) > KNOWN_MOST:
            self._known.popitem(last=False)


def puppet_id(person: Person, *, prefix: str) -> str:
    """A user id of letters, digits and ``_`` (https://docs.openim.io/restapi/apis/userManagement/userRegister).

    Ids are one account's only, so that of a person who is not of Telegram holds the account. The account's part has no
    ``_``, so that no two of them make the same id.
    """
    if _is_of_telegram(person):
        return prefix + (person.id if _USUAL_ID.fullmatch(person.id) else fingerprint("puppet", person.id))
    account = person.account or ""
    if _USUAL_ACCOUNT.fullmatch(account) and _USUAL_ID.fullmatch(person.id):
        readable = f"{prefix}{account}_{person.id}"
        if len(readable) <= wire.USER_ID_MOST:
            return readable
    return prefix + fingerprint("puppet", person.id, account)


def may_answer(user: str, *, prefix: str) -> bool:
    """Whether an id looks like that of a Telegram person's puppet: what is written to it in private is for us.

    The prefix alone would also take what is written to people who are called like it.
    """
    return user.startswith(prefix) and _TELEGRAM_ID.fullmatch(user.removeprefix(prefix)) is not None


def _is_of_telegram(person: Person) -> bool:
    return person.account in (None, TELEGRAM)


def _nickname(person: Person, *, mark: str) -> str:
    """The person's name with where they write from behind it; an empty mark leaves that out."""
    name = " ".join("".join(c if c.isprintable() else " " for c in clean(person.name)).split()) or person.id
    end = f" ({mark if _is_of_telegram(person) else person.account})" if mark else ""
    return name[: NAME_MOST - len(end)].rstrip() + end
