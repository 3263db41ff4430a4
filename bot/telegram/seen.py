"""Who writes and presses in Telegram is noted: so that people can be named by ``@name``, and menus follow roles."""

from __future__ import annotations

from telegram import Chat, Message, User

from bot.names import display_name
from bot.store import Tx
from bot.store.people import SEEN_AGAIN_S
from bot.telegram.access import Role, person_of
from bot.telegram.turns import RoleIn
from bridges.model import Person, PersonId
from bridges.responses import clean

KNOWN_MOST = 10_000


class Seen:
    """Writes down only what is new: what was noted since the rules last changed is kept in memory.

    Whenever a unit is undone, or roles change, the epoch grows, and what was noted counts as not noted.
    """

    def __init__(self, *, role: RoleIn) -> None:
        self._role = role
        self._epoch = -1
        self._known: dict[tuple[int, int], tuple[str, str, int]] = {}

    def wrote(self, tx: Tx, message: Message, *, now: float) -> None:
        """Somebody wrote. Who writes as a channel or a group is nobody."""
        person = person_of(message)
        if person is not None and message.from_user is not None:
            self.was_here(tx, message.from_user, chat=message.chat, now=now)

    def was_here(self, tx: Tx, user: User, *, chat: Chat | None, now: float) -> None:
        """Somebody did something in a chat."""
        if tx.epoch != self._epoch or len(self._known) >= KNOWN_MOST:
            self._known.clear()
            self._epoch = tx.epoch
        chat_id = user.id if chat is None else chat.id
        # Once a day again, so that whoever is still about is not forgotten.
        called = (user.username or "", user.full_name, int(now // SEEN_AGAIN_S))
        if self._known.get((user.id, chat_id)) == called:
            return
        self._known[user.id, chat_id] = called
        name = display_name(Person(id=PersonId(str(user.id)), name=clean(user.full_name)))
        tx.people.saw(str(user.id), username=called[0], name=name, now=now)
        if not user.is_bot and self._role(tx, user.id, chat=chat_id) > Role.VIEWER:
            tx.menus.want(str(chat_id), str(user.id), now=now)
