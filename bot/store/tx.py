"""What a unit of work gets: the tables, grouped by what they are about."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from bot.store.audiences import Audiences
from bot.store.audit import Audit
from bot.store.broadcasts import Broadcasts
from bot.store.chats import Chats
from bot.store.dialogs import Dialogs
from bot.store.erasing import Erasing
from bot.store.faces import Faces
from bot.store.files import LentFiles
from bot.store.imports import Imports
from bot.store.inbox import Inbox
from bot.store.lists import DeliveryLists
from bot.store.marks import Cards, Marks
from bot.store.menus import Menus
from bot.store.messages import Conversations, Messages
from bot.store.meta import Accounts, Counters, Meta, Notices
from bot.store.numbers import Numbers
from bot.store.outbox import Outbox
from bot.store.people import People
from bot.store.roles import Names, Roles
from bot.store.route_changes import RouteChanges
from bot.store.routes import Routes
from bot.store.said import Said
from bot.store.schedules import Schedules
from bot.store.search import Search
from bot.store.several import Several
from bot.store.texts import Texts
from bot.store.topics import Mutes, Topics
from bot.store.words import RelayedWords


class Tx:
    """The tables on one connection. Inside :meth:`Store.write` everything done through it commits together."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.woken: set[str] = set()
        """Topics whose listeners are told after the commit: account names, ``routes``, ``marks``, ``inbox``."""
        self.epoch = 0
        """Grows whenever rules or roles may have changed, here or in another process: caches compare it."""
        self.meta = Meta(db)
        self.accounts = Accounts(db, self.woken)
        self.counters = Counters(db)
        self.notices = Notices(db)
        self.inbox = Inbox(db, self.counters, self.woken)
        self.conversations = Conversations(db)
        self.messages = Messages(db)
        self.outbox = Outbox(db, self.counters, self.woken)
        self.deliveries = DeliveryLists(db)
        self.several = Several(db, self.counters, self.woken)
        self.broadcasts = Broadcasts(db, self.outbox, self.woken)
        self.schedules = Schedules(db, self.woken)
        self.routes = Routes(db, self.woken)
        self.route_changes = RouteChanges(db)
        self.topics = Topics(db, self.woken)
        self.mutes = Mutes(db, self.woken)
        self.roles = Roles(db, self.woken)
        self.names = Names(db)
        self.audiences = Audiences(db)
        self.faces = Faces(db)
        self.texts = Texts(db)
        self.files = LentFiles(db)
        self.marks = Marks(db, self.woken)
        self.cards = Cards(db)
        self.dialogs = Dialogs(db)
        self.audit = Audit(db)
        self.chats = Chats(db)
        self.numbers = Numbers(db)
        self.people = People(db)
        self.menus = Menus(db, self.woken)
        self.imports = Imports(db)
        self.said = Said(db)
        self.search = Search(db)
        self.erasing = Erasing(db)
        self.relayed_words = RelayedWords(db)

    @contextmanager
    def savepoint(self, name: str) -> Iterator[None]:
        """What is done inside is undone if it raises: rows, and what is kept beside them until the commit.

        ``name``: an identifier of the program's own.
        """
        woken = set(self.woken)
        # What others added before must not go too.
        self.counters.flush()
        self.db.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            self.db.execute(f"ROLLBACK TO {name}")
            self.counters.rewind()
            self.woken.clear()
            self.woken.update(woken)
            # A cache may have been filled with rules that now never were.
            self.epoch += 1
            raise
        finally:
            self.db.execute(f"RELEASE {name}")
