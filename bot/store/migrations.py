"""The schema, as sqlite-utils migrations: each runs once, in its own transaction, in this order.

Times are seconds since 1970 UTC. Texts of people stay in ``messages`` and ``outbox``; ids outlive them.
"""

from __future__ import annotations

import secrets

from sqlite_utils import Database, Migrations

migrations = Migrations("patchbay")

_INITIAL = (
    """CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID""",
    """CREATE TABLE accounts (
        account TEXT PRIMARY KEY, paused INTEGER NOT NULL DEFAULT 0, reason TEXT, since REAL,
        memory TEXT NOT NULL DEFAULT '{}'
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE counters (
        account TEXT NOT NULL, name TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (account, name)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE inbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, key TEXT, path TEXT NOT NULL DEFAULT '',
        headers TEXT NOT NULL DEFAULT '[]', body BLOB NOT NULL, received_at REAL NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'failed')), error TEXT
    ) STRICT""",
    """CREATE UNIQUE INDEX inbox_key ON inbox (account, key) WHERE key IS NOT NULL""",
    """CREATE INDEX inbox_open ON inbox (id) WHERE state != 'done'""",
    """CREATE TABLE seen (
        account TEXT NOT NULL, key TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (account, key)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE conversations (
        account TEXT NOT NULL, conversation TEXT NOT NULL, kind TEXT NOT NULL, title TEXT NOT NULL,
        first_at REAL NOT NULL, last_at REAL NOT NULL, PRIMARY KEY (account, conversation)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE messages (
        id INTEGER PRIMARY KEY, account TEXT NOT NULL, conversation TEXT NOT NULL, remote_id TEXT,
        sender_id TEXT, sender_name TEXT, text TEXT NOT NULL, at REAL NOT NULL, why TEXT NOT NULL DEFAULT ''
    ) STRICT""",
    """CREATE UNIQUE INDEX messages_remote ON messages (account, remote_id) WHERE remote_id IS NOT NULL""",
    """CREATE INDEX messages_conversation ON messages (account, conversation, id)""",
    """CREATE TABLE copies (
        message INTEGER NOT NULL REFERENCES messages (id), account TEXT NOT NULL, conversation TEXT NOT NULL,
        remote_id TEXT NOT NULL, part INTEGER NOT NULL, outbox INTEGER NOT NULL, PRIMARY KEY (account, remote_id)
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX copies_message ON copies (message, account, conversation)""",
    """CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, conversation TEXT NOT NULL,
        message INTEGER REFERENCES messages (id), reply_to INTEGER REFERENCES messages (id),
        part INTEGER NOT NULL, parts INTEGER NOT NULL, priority INTEGER NOT NULL, payload TEXT NOT NULL,
        crc INTEGER NOT NULL, on_ambiguous TEXT NOT NULL CHECK (on_ambiguous IN ('hold', 'resend')),
        state TEXT NOT NULL CHECK (state IN
            ('queued', 'sending', 'sent', 'held', 'dead', 'expired', 'discarded', 'cancelled')),
        attempts INTEGER NOT NULL DEFAULT 0, solo INTEGER NOT NULL DEFAULT 0, marked INTEGER NOT NULL,
        error TEXT,
        why TEXT NOT NULL DEFAULT '', created_at REAL NOT NULL, due_at REAL NOT NULL, expires_at REAL NOT NULL,
        started_at REAL, settled_at REAL
    ) STRICT""",
    """CREATE INDEX outbox_lane ON outbox (account, conversation, id) WHERE state IN ('queued', 'sending')""",
    """CREATE INDEX outbox_state ON outbox (state, account)""",
    """CREATE INDEX outbox_message ON outbox (message) WHERE message IS NOT NULL""",
    """CREATE TABLE lanes (
        account TEXT NOT NULL, conversation TEXT NOT NULL, head INTEGER NOT NULL, priority INTEGER NOT NULL,
        due_at REAL NOT NULL, owner TEXT, PRIMARY KEY (account, conversation)
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX lanes_due ON lanes (account, priority, due_at)""",
    """CREATE TABLE routes (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, source TEXT NOT NULL, arrow TEXT NOT NULL,
        target TEXT NOT NULL, enabled INTEGER NOT NULL, options TEXT NOT NULL, created_at REAL NOT NULL,
        created_by TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE roles (
        person TEXT NOT NULL, scope TEXT NOT NULL, role TEXT NOT NULL, PRIMARY KEY (person, scope)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE names (name TEXT PRIMARY KEY, address TEXT NOT NULL) STRICT, WITHOUT ROWID""",
    """CREATE TABLE marks (
        message INTEGER PRIMARY KEY REFERENCES messages (id), want TEXT NOT NULL, shown TEXT NOT NULL DEFAULT '',
        line TEXT NOT NULL DEFAULT '', due_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0
    ) STRICT""",
    """CREATE INDEX marks_open ON marks (due_at) WHERE want != shown""",
    """CREATE TABLE notices (key TEXT PRIMARY KEY, at REAL NOT NULL) STRICT, WITHOUT ROWID""",
    """CREATE TABLE cards (
        nonce TEXT PRIMARY KEY, kind TEXT NOT NULL, subject INTEGER NOT NULL, chat TEXT NOT NULL, used_at REAL,
        created_at REAL NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, person TEXT NOT NULL, place TEXT NOT NULL,
        command TEXT NOT NULL, outcome TEXT NOT NULL
    ) STRICT""",
)


_RETENTION = (
    # A lease is known by a number of its own: owner, head and time can come twice. It reaches from head to last.
    """ALTER TABLE lanes ADD COLUMN token INTEGER NOT NULL DEFAULT 0""",
    """ALTER TABLE lanes ADD COLUMN last INTEGER NOT NULL DEFAULT 0""",
    """INSERT INTO meta (key, value) VALUES ('last lease', '0')""",
    # A failed arrival stays: looking for those to do must not pass by it every time.
    """DROP INDEX inbox_open""",
    """CREATE INDEX inbox_pending ON inbox (id, account) WHERE state = 'pending'""",
    """CREATE INDEX inbox_failed ON inbox (account) WHERE state = 'failed'""",
    """CREATE INDEX inbox_done ON inbox (received_at, key) WHERE state = 'done'""",
    """CREATE INDEX seen_at ON seen (at)""",
    # With part in it no sort is left, and what a reply looks for does not read all copies of an account.
    """DROP INDEX copies_message""",
    """CREATE INDEX copies_message ON copies (message, account, conversation, part)""",
    """CREATE INDEX messages_text ON messages (at) WHERE text != ''""",
    """CREATE INDEX outbox_settled ON outbox (settled_at)
        WHERE state IN ('sent', 'expired', 'discarded', 'cancelled')""",
)

_PROVIDERS = (
    # What the provider itself calls a conversation, where that is learnt.
    """ALTER TABLE conversations ADD COLUMN handle TEXT NOT NULL DEFAULT ''""",
    # Every request for a delivery has a number of its own; attempts counts only those that count against it.
    """ALTER TABLE outbox ADD COLUMN starts INTEGER NOT NULL DEFAULT 0""",
    """UPDATE outbox SET starts = attempts""",
    # Two reports of one message with different keys (bridges.model.Received.twin).
    """CREATE TABLE twins (
        account TEXT NOT NULL, twin TEXT NOT NULL, firm INTEGER NOT NULL, at REAL NOT NULL,
        matched INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (account, twin, firm, at)
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX twins_at ON twins (at)""",
)

_IMPORTS = (
    # n is the order in the file; the payload is a Message as JSON, and empty once that is sent.
    """CREATE TABLE imports (
        n INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, conversation TEXT NOT NULL, id TEXT NOT NULL,
        part INTEGER NOT NULL, parts INTEGER NOT NULL, at REAL NOT NULL, payload TEXT NOT NULL, digest TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('new', 'sending', 'sent', 'refused', 'unknown')),
        attempts INTEGER NOT NULL DEFAULT 0, tried_at REAL, remote_ids TEXT NOT NULL DEFAULT '[]', error TEXT,
        UNIQUE (account, conversation, id, part)
    ) STRICT""",
    """CREATE INDEX imports_new ON imports (account, conversation, at, n) WHERE state = 'new'""",
    """CREATE INDEX imports_open ON imports (account, conversation, state, at, n) WHERE state != 'sent'""",
)


_FAITHFUL = (
    # What a delivery does over there: say something, or change, take back or react to what is there already.
    """ALTER TABLE outbox ADD COLUMN op TEXT NOT NULL DEFAULT 'send'
        CHECK (op IN ('send', 'note', 'edit', 'delete', 'react', 'open'))""",
    # The message (ours) whose copy over there that is done to, and how it is said where it cannot be done.
    """ALTER TABLE outbox ADD COLUMN subject INTEGER REFERENCES messages (id)""",
    """ALTER TABLE outbox ADD COLUMN words TEXT""",
    """ALTER TABLE outbox ADD COLUMN late TEXT NOT NULL DEFAULT ''""",
    # One that may have arrived got new words meanwhile: if it did arrive, the change is still to be made.
    """ALTER TABLE outbox ADD COLUMN owed INTEGER NOT NULL DEFAULT 0""",
    """CREATE INDEX outbox_subject ON outbox (subject) WHERE subject IS NOT NULL""",
    # Of the content, so that an edit that changes nothing is known.
    """ALTER TABLE messages ADD COLUMN digest TEXT NOT NULL DEFAULT ''""",
    """ALTER TABLE messages ADD COLUMN gone_at REAL""",
    """ALTER TABLE routes ADD COLUMN paused TEXT NOT NULL DEFAULT ''""",
    # Sent without being told an id: the provider's echo may still tell it.
    """CREATE TABLE nameless (
        outbox INTEGER PRIMARY KEY, account TEXT NOT NULL, conversation TEXT NOT NULL, at REAL NOT NULL
    ) STRICT""",
    """CREATE INDEX nameless_place ON nameless (account, conversation, outbox)""",
    """CREATE INDEX nameless_at ON nameless (at)""",
    # Who has which reactions on a message: a JSON array.
    """CREATE TABLE reactions (
        message INTEGER NOT NULL REFERENCES messages (id), person TEXT NOT NULL, emoji TEXT NOT NULL,
        PRIMARY KEY (message, person)
    ) STRICT, WITHOUT ROWID""",
    # Forum topics that are opened for a conversation, or anew for one that was deleted.
    """CREATE TABLE topics (
        id INTEGER PRIMARY KEY AUTOINCREMENT, chat TEXT NOT NULL, source TEXT NOT NULL, title TEXT NOT NULL,
        instead_of TEXT NOT NULL DEFAULT '', topic TEXT, opened_at REAL, created_at REAL NOT NULL
    ) STRICT""",
    """CREATE INDEX topics_source ON topics (source, chat)""",
    # The messages of an album, which is one message of ours: an edit is told of one of them alone.
    """CREATE TABLE pictures (
        message INTEGER NOT NULL REFERENCES messages (id), number INTEGER NOT NULL, remote_id TEXT NOT NULL,
        captioned INTEGER NOT NULL, attachments TEXT NOT NULL, PRIMARY KEY (message, number)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE mutes (address TEXT PRIMARY KEY, person TEXT NOT NULL, at REAL NOT NULL) STRICT, WITHOUT ROWID""",
    # Who was first seen under a name in a place: two that look alike are told apart.
    """CREATE TABLE faces (
        address TEXT NOT NULL, looks TEXT NOT NULL, person TEXT NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (address, looks)
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX faces_at ON faces (at)""",
    # Words that were relayed a moment ago under somebody's name: where they come back, another bridge sent them.
    """CREATE TABLE relayed_words (
        digest TEXT NOT NULL, goes_to TEXT NOT NULL, source TEXT NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (digest, goes_to, source)
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX relayed_words_at ON relayed_words (at)""",
    # Files that are lent out under /files/…: what they are and whose reference it is.
    """CREATE TABLE files (
        id INTEGER PRIMARY KEY AUTOINCREMENT, attachment TEXT NOT NULL, created_at REAL NOT NULL,
        expires_at REAL NOT NULL
    ) STRICT""",
    """CREATE INDEX files_expire ON files (expires_at)""",
    # Texts that are sent as files.
    """CREATE TABLE texts (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, at REAL NOT NULL) STRICT""",
    """CREATE INDEX texts_at ON texts (at)""",
)

_CHATOPS = (
    # Who paused an account; empty: its credentials were refused, and it is tried again by itself.
    """ALTER TABLE accounts ADD COLUMN paused_by TEXT NOT NULL DEFAULT ''""",
    # A card may be for one person, for a while, and about exactly what was shown (a digest of it).
    """ALTER TABLE cards ADD COLUMN person TEXT NOT NULL DEFAULT ''""",
    """ALTER TABLE cards ADD COLUMN expires_at REAL""",
    """ALTER TABLE cards ADD COLUMN shown TEXT NOT NULL DEFAULT ''""",
    """ALTER TABLE cards ADD COLUMN payload TEXT NOT NULL DEFAULT '{}'""",
    # Its buttons, as JSON: what nobody was offered cannot be pressed, whatever a client sends.
    """ALTER TABLE cards ADD COLUMN offered TEXT NOT NULL DEFAULT ''""",
    """CREATE INDEX cards_created ON cards (created_at)""",
    # Deliveries of one announcement; parked ones stand in no lane until its turn comes.
    """CREATE TABLE broadcasts (
        id INTEGER PRIMARY KEY AUTOINCREMENT, person TEXT NOT NULL, person_name TEXT NOT NULL, chat TEXT NOT NULL,
        message INTEGER REFERENCES messages (id), text TEXT NOT NULL, state TEXT NOT NULL
            CHECK (state IN ('running', 'paused', 'stopped', 'done')),
        progress TEXT NOT NULL DEFAULT '', shown TEXT NOT NULL DEFAULT '', created_at REAL NOT NULL, ended_at REAL
    ) STRICT""",
    """CREATE INDEX broadcasts_open ON broadcasts (id) WHERE ended_at IS NULL""",
    """ALTER TABLE outbox ADD COLUMN broadcast INTEGER REFERENCES broadcasts (id)""",
    """ALTER TABLE outbox ADD COLUMN parked INTEGER NOT NULL DEFAULT 0""",
    # A person sent it again, or elsewhere, since its announcement was stopped or paused: that is not about it any more.
    """ALTER TABLE outbox ADD COLUMN insisted INTEGER NOT NULL DEFAULT 0""",
    # An attempt that is to be repeated may have arrived all the same: it is not as if it had never been sent.
    """ALTER TABLE outbox ADD COLUMN doubt INTEGER NOT NULL DEFAULT 0""",
    # How long it is tried: what it had at first, however often it was given more time. 0: until expires_at.
    """ALTER TABLE outbox ADD COLUMN lasts REAL NOT NULL DEFAULT 0""",
    """CREATE INDEX outbox_broadcast ON outbox (broadcast, account, state, settled_at) WHERE broadcast IS NOT NULL""",
    """CREATE INDEX outbox_parked ON outbox (broadcast, account, id, conversation) WHERE parked = 1""",
    """CREATE INDEX outbox_released ON outbox (account) WHERE broadcast IS NOT NULL AND parked = 0
        AND state IN ('queued', 'sending')""",
    # One message may have thousands of copies: what is to be done to it is asked for by place.
    """DROP INDEX outbox_message""",
    """CREATE INDEX outbox_message ON outbox (message, account, conversation) WHERE message IS NOT NULL""",
    """DROP INDEX outbox_subject""",
    """CREATE INDEX outbox_subject ON outbox (subject, account, conversation) WHERE subject IS NOT NULL""",
    """CREATE TABLE audiences (
        name TEXT PRIMARY KEY, created_by TEXT NOT NULL, created_at REAL NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE audience_members (
        name TEXT NOT NULL REFERENCES audiences (name) ON DELETE CASCADE, address TEXT NOT NULL,
        PRIMARY KEY (name, address)
    ) STRICT, WITHOUT ROWID""",
    # Who was seen in Telegram, so that people can be named by @name.
    """CREATE TABLE people (
        person TEXT PRIMARY KEY, username TEXT NOT NULL DEFAULT '', name TEXT NOT NULL, at REAL NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX people_username ON people (username) WHERE username != ''""",
    # The menus that were set in Telegram beyond the general ones; what they hold, as a digest.
    """CREATE TABLE menus (
        chat TEXT NOT NULL, person TEXT NOT NULL, shown TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (chat, person)
    ) STRICT, WITHOUT ROWID""",
    # A wizard: where one person in one chat is in it.
    """CREATE TABLE dialogs (
        chat TEXT NOT NULL, person TEXT NOT NULL, kind TEXT NOT NULL, step TEXT NOT NULL, state TEXT NOT NULL,
        asked TEXT NOT NULL DEFAULT '', created_at REAL NOT NULL, updated_at REAL NOT NULL, PRIMARY KEY (chat, person)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE chat_settings (
        chat TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (chat, key)
    ) STRICT, WITHOUT ROWID""",
    # What was changed in the rules, so that the last change can be undone: a rule as JSON before and after.
    """CREATE TABLE route_changes (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, person TEXT NOT NULL, before TEXT, after TEXT,
        undone_at REAL
    ) STRICT""",
    # Append-only: nothing that runs here can change or remove what was written down.
    """CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END""",
    """CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END""",
    """CREATE INDEX audit_person ON audit (person, id)""",
    # For /history: deliveries by where they go; whether a message has other words than at first.
    """CREATE INDEX outbox_place ON outbox (account, conversation, id)""",
    """ALTER TABLE messages ADD COLUMN edited_at REAL""",
    # Whether it was sent on by a command or by an answer: by somebody's role, and by no rule.
    """ALTER TABLE messages ADD COLUMN by_hand TEXT NOT NULL DEFAULT '' CHECK (by_hand IN ('', 'command', 'reply'))""",
    """UPDATE messages SET by_hand = 'reply' WHERE account = 'telegram'
        AND id IN (SELECT message FROM outbox WHERE why LIKE 'reply by %')""",
    """UPDATE messages SET by_hand = 'command' WHERE account = 'telegram'
        AND id IN (SELECT message FROM outbox WHERE why LIKE '/% by %')""",
    # For /search: an index of the words of messages; the words themselves stay in messages.
    """CREATE VIRTUAL TABLE messages_words USING fts5(
        text, content='messages', content_rowid='id', tokenize='unicode61 remove_diacritics 2'
    )""",
    # How far the index reaches: what is newer is put into it later, many at a time, for one by one it costs more.
    """INSERT INTO meta (key, value) SELECT 'words upto', CAST(COALESCE(MAX(id), 0) AS TEXT) FROM messages""",
    """CREATE TRIGGER messages_words_gone AFTER DELETE ON messages
        WHEN old.text != '' AND old.id <= (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'words upto') BEGIN
        INSERT INTO messages_words (messages_words, rowid, text) VALUES ('delete', old.id, old.text); END""",
    """CREATE TRIGGER messages_words_other AFTER UPDATE OF text ON messages WHEN old.text != new.text
        AND old.id <= (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'words upto') BEGIN
        INSERT INTO messages_words (messages_words, rowid, text)
            SELECT 'delete', old.id, old.text WHERE old.text != '';
        INSERT INTO messages_words (rowid, text) SELECT new.id, new.text WHERE new.text != ''; END""",
    """INSERT INTO messages_words (rowid, text) SELECT id, text FROM messages WHERE text != ''""",
)

_SCHEDULES = (
    # A rule is kept as it is written (WHEN); next_at is what it means next, and all that a wake-up looks at.
    """CREATE TABLE schedules (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL DEFAULT '', called TEXT NOT NULL DEFAULT '',
        rule TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('on', 'paused', 'waits', 'removed')),
        made_at REAL NOT NULL, next_at REAL, ends_at REAL, warn_at REAL,
        options TEXT NOT NULL, message TEXT NOT NULL, chat TEXT NOT NULL, reach TEXT NOT NULL,
        person TEXT NOT NULL, person_name TEXT NOT NULL,
        needs INTEGER NOT NULL DEFAULT 0, asked_by TEXT NOT NULL DEFAULT '', approved_by TEXT NOT NULL DEFAULT '',
        trusted INTEGER NOT NULL DEFAULT 0,
        fired INTEGER NOT NULL DEFAULT 0, previous INTEGER, created_at REAL NOT NULL, updated_at REAL NOT NULL
    ) STRICT""",
    """CREATE INDEX schedules_due ON schedules (next_at, id) WHERE state = 'on' AND next_at IS NOT NULL""",
    """CREATE INDEX schedules_warn ON schedules (warn_at) WHERE state = 'on' AND warn_at IS NOT NULL""",
    """CREATE INDEX schedules_waits ON schedules (next_at) WHERE state = 'waits' AND next_at IS NOT NULL""",
    # Names are compared without case; one that is removed keeps its name, which another one may have then.
    """CREATE UNIQUE INDEX schedules_called ON schedules (called) WHERE called != '' AND state != 'removed'""",
    """CREATE INDEX schedules_chat ON schedules (chat, id)""",
    # Addresses, names and @audiences; what an audience holds is asked when it fires.
    """CREATE TABLE schedule_targets (
        schedule INTEGER NOT NULL REFERENCES schedules (id), place INTEGER NOT NULL, target TEXT NOT NULL,
        PRIMARY KEY (schedule, place)
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX schedule_targets_target ON schedule_targets (target)""",
    # Each instant that a schedule meant, once: what became of it. Made in the transaction that makes its deliveries.
    """CREATE TABLE occurrences (
        id INTEGER PRIMARY KEY AUTOINCREMENT, schedule INTEGER NOT NULL REFERENCES schedules (id), at REAL NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('sent', 'skipped', 'missed', 'asked', 'waits', 'failed', 'dropped')),
        decided_at REAL NOT NULL, broadcast INTEGER, number INTEGER NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT '',
        missed INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 1, delete_at REAL,
        UNIQUE (schedule, at)
    ) STRICT""",
    """CREATE INDEX occurrences_untold ON occurrences (id) WHERE told = 0""",
    """CREATE INDEX occurrences_delete ON occurrences (delete_at) WHERE delete_at IS NOT NULL""",
    """CREATE INDEX occurrences_broadcast ON occurrences (broadcast) WHERE broadcast IS NOT NULL""",
    """CREATE INDEX occurrences_decided ON occurrences (decided_at)""",
    """CREATE INDEX occurrences_waits ON occurrences (schedule) WHERE state = 'waits'""",
    # An announcement that a schedule made says so.
    """ALTER TABLE broadcasts ADD COLUMN schedule INTEGER""",
    """ALTER TABLE broadcasts ADD COLUMN label TEXT NOT NULL DEFAULT ''""",
    # One more thing that a delivery may do: pin its message. The condition of a column cannot be changed: another
    # column takes its place.
    """ALTER TABLE outbox ADD COLUMN does TEXT NOT NULL DEFAULT 'send'
        CHECK (does IN ('send', 'note', 'edit', 'delete', 'react', 'open', 'pin'))""",
    """UPDATE outbox SET does = op WHERE op != 'send'""",
    """ALTER TABLE outbox DROP COLUMN op""",
    """ALTER TABLE outbox RENAME COLUMN does TO op""",
    # Once it is sent, its message is to be pinned.
    """ALTER TABLE outbox ADD COLUMN pin INTEGER NOT NULL DEFAULT 0""",
    # Whether a message shows how an announcement stands: 0 always, 1 only if something is wrong with it, 2 never.
    """ALTER TABLE broadcasts ADD COLUMN quiet INTEGER NOT NULL DEFAULT 0""",
    """DROP INDEX broadcasts_open""",
    """CREATE INDEX broadcasts_open ON broadcasts (quiet, id) WHERE ended_at IS NULL""",
    """CREATE INDEX broadcasts_standing ON broadcasts (state, id) WHERE ended_at IS NULL""",
    # Parked ones wait for their turn (1), whatever announcement they are of, or for their time (2).
    """DROP INDEX outbox_parked""",
    """CREATE INDEX outbox_turn ON outbox (account, id, broadcast, conversation) WHERE parked = 1""",
    """CREATE INDEX outbox_later ON outbox (due_at) WHERE parked = 2""",
    # Of an announcement so small that it was never parked: the pace of the others does not count it.
    """ALTER TABLE outbox ADD COLUMN direct INTEGER NOT NULL DEFAULT 0""",
    """DROP INDEX outbox_released""",
    """CREATE INDEX outbox_released ON outbox (account) WHERE broadcast IS NOT NULL AND parked = 0 AND direct = 0
        AND state IN ('queued', 'sending')""",
    """CREATE INDEX outbox_undone ON outbox (broadcast, parked) WHERE broadcast IS NOT NULL
        AND state IN ('queued', 'sending')""",
    """CREATE INDEX outbox_announced ON outbox (account, settled_at) WHERE broadcast IS NOT NULL AND state = 'sent'""",
)


@migrations()
def m001_initial(db: Database) -> None:
    """The tables that the first version needs."""
    for statement in _INITIAL:
        db.execute(statement)


@migrations()
def m002_leases_and_retention(db: Database) -> None:
    """Leases with a number and a reach; indexes for work that waits and for what has had its time."""
    for statement in _RETENTION:
        db.execute(statement)


@migrations()
def m003_providers(db: Database) -> None:
    """What providers need: names of their own for conversations, numbered requests, twins; this installation's name."""
    for statement in _PROVIDERS:
        db.execute(statement)
    # Part of every message's key: providers compare keys across installations and for longer than a database lives.
    db.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('instance', ?)", (secrets.token_hex(5),))


@migrations()
def m004_imports(db: Database) -> None:
    """Messages of the past on their way to a provider that keeps their time."""
    for statement in _IMPORTS:
        db.execute(statement)


@migrations()
def m005_faithful(db: Database) -> None:
    """Edits, deletions and reactions as deliveries; topics, mutes, names told apart, files lent out."""
    for statement in _FAITHFUL:
        db.execute(statement)


@migrations()
def m006_chatops(db: Database) -> None:
    """What operators do from the chat: announcements, audiences, wizards, menus, the search in what was said."""
    for statement in _CHATOPS:
        db.execute(statement)


@migrations()
def m007_schedules(db: Database) -> None:
    """Schedules, and what became of each of their occurrences."""
    for statement in _SCHEDULES:
        db.execute(statement)


NAMES = frozenset(
    step.__name__
    for step in (
        m001_initial,
        m002_leases_and_retention,
        m003_providers,
        m004_imports,
        m005_faithful,
        m006_chatops,
        m007_schedules,
    )
)
"""Every step this version knows: a database with another one was made by a newer version."""
