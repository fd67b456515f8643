"""Attachments: which bytes a session keeps, and under which keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sojourn.adapters import columns, rules
from sojourn.adapters.sqlite import rows, sessions
from sojourn.adapters.sqlite.sql import SQL
from sojourn.attachment import AttachmentIntent, StoredAttachment
from sojourn.lease import check_fence


class Dead(NamedTuple):
    """Rows that nobody can need: intents of turns that ended, and all of ended families."""

    intents: list[rows.Row]
    ownerless: list[rows.Row]


def begin(db: sqlite3.Connection, intent: AttachmentIntent, now: datetime) -> StoredAttachment:
    """Record that a turn is going to write an attachment."""
    session = sessions.existing(db, intent.session_id)
    check_fence(session.lease, intent.session_id, intent.fencing_token)
    has_journal = sessions.has_journal(db, session.sid, intent.turn_id)
    rules.check_open(rules.effect_of(intent), has_journal)
    wanted, at = intent.attachment, rows.micros(now)
    mine = (session.sid, wanted.attachment_id)
    if db.execute(SQL["own_attachment"], mine).fetchone() is None:
        known = db.execute(SQL["known_key"], (wanted.attachment_id,)).fetchone()
        facts = (known[0] if known else intent.blob_key, wanted.media_type, wanted.size_bytes)
        db.execute(SQL["insert_attachment"], (*mine, *facts, intent.turn_id, at))
    else:
        db.execute(SQL["renew_intent"], (intent.turn_id, at, *mine))
    return rows.attachment(db.execute(SQL["own_attachment"], mine).fetchone())


def mark(
    db: sqlite3.Connection, sid: int, operation_id: str, attachment_ids: Sequence[str], now: int
) -> None:
    """Make what a commit names permanent, and what its turn wrote."""
    pending = [found for (found,) in db.execute(SQL["pending"], (sid, operation_id))]
    if pending or attachment_ids:
        marks = [(operation_id, now, sid, each) for each in {*pending, *attachment_ids}]
        db.executemany(SQL["mark_attachment"], marks)


def find(db: sqlite3.Connection, session_id: str, attachment_id: str) -> StoredAttachment | None:
    """Return the row of an attachment that the session sees, or None."""
    session = sessions.readable(db, session_id)
    row = session and db.execute(SQL["attachment"], (session.sid, attachment_id)).fetchone()
    return rows.attachment(row) if row else None


def own(db: sqlite3.Connection, session_id: str) -> list[StoredAttachment]:
    """Return a session's own rows."""
    session = sessions.readable(db, session_id)
    found = db.execute(SQL["own_attachments"], (session.sid,)) if session else ()
    return [rows.attachment(row) for row in found]


def drop(db: sqlite3.Connection, session_id: str, attachment_id: str, fencing_token: int) -> bool:
    """Remove a session's own row, and tell if there was one."""
    session = sessions.existing(db, session_id)
    check_fence(session.lease, session_id, fencing_token)
    return db.execute(SQL["drop_attachment"], (session.sid, attachment_id)).rowcount > 0


def keys_in_use(db: sqlite3.Connection, blob_keys: Sequence[str]) -> set[str]:
    """Return those of some blob keys that have a row."""
    return {key for (key,) in db.execute(SQL["keys_in_use"], (columns.dumped(list(blob_keys)),))}


def is_any(db: sqlite3.Connection) -> bool:
    """Tell whether there is any row."""
    return bool(db.execute(SQL["has_attachments"]).fetchone()[0])


def dead(db: sqlite3.Connection, before: datetime, limit: int) -> Dead:
    """Find rows that nobody can need, without holding up anybody who writes."""
    intents = db.execute(SQL["dead_intents"], (rows.micros(before), limit)).fetchall()
    ownerless = db.execute(SQL["dead_attachments"], (limit - len(intents),)).fetchall()
    return Dead(intents, ownerless)


def forget_intents(db: sqlite3.Connection, intents: list[rows.Row], before: datetime) -> int:
    """Remove those of some pending rows that are dead still; return how many."""
    older = [(*row, rows.micros(before)) for row in intents]
    return db.executemany(SQL["forget_intent"], older).rowcount


def forget_ownerless(db: sqlite3.Connection, ownerless: list[rows.Row]) -> int:
    """Remove rows of families without a live session; return how many."""
    return db.executemany(SQL["drop_attachment"], ownerless).rowcount
