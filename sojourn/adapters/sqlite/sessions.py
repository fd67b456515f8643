"""Sessions: their rows, heads and ledgers."""

from __future__ import annotations

import sqlite3
from typing import Any

from sojourn import ids
from sojourn.adapters import columns
from sojourn.adapters.sqlite import rows
from sojourn.adapters.sqlite.rows import SessionRow
from sojourn.adapters.sqlite.sql import SQL
from sojourn.errors import SessionDeleted, UnknownSession
from sojourn.journal import INPUT_KEY
from sojourn.reads import Head
from sojourn.usage import UsageEntry


def live(row: rows.Row) -> SessionRow:
    """Return a row of `sessions` as a session.

    Raises:
        SessionDeleted: it is what a deleted one left.
    """
    session = SessionRow._make(row)
    if session.deleted_at is not None:
        raise SessionDeleted(session_id=session.session_id)
    return session


def find(db: sqlite3.Connection, session_id: str) -> SessionRow | None:
    """Return a live session's row, or None.

    Raises:
        SessionDeleted: there was one.
    """
    row = db.execute(SQL["session"], (session_id,)).fetchone()
    return live(row) if row else None


def existing(db: sqlite3.Connection, session_id: str) -> SessionRow:
    """Return a live session's row.

    Raises:
        UnknownSession: there is none.
        SessionDeleted: there was one.
    """
    session = find(db, session_id)
    if session is None:
        raise UnknownSession(session_id=session_id)
    return session


def readable(db: sqlite3.Connection, session_id: str) -> SessionRow | None:
    """Return a live session's row; of a deleted one nothing can be read."""
    row = db.execute(SQL["session"], (session_id,)).fetchone()
    session = SessionRow._make(row) if row else None
    return session if session and session.deleted_at is None else None


def create(db: sqlite3.Connection, session_id: str, config: dict[str, Any], now: int) -> SessionRow:
    """Make a session that has nothing yet."""
    ids.checked("session", session_id)
    sid = db.execute(SQL["insert_session"], (session_id, now)).lastrowid
    db.execute(SQL["insert_config"], (sid, columns.dumped(config)))
    return existing(db, session_id)


def head(db: sqlite3.Connection, session_id: str) -> Head | None:
    """Return a live session's head, or None."""
    row = db.execute(SQL["head"], (session_id,)).fetchone()
    return rows.head(row) if row else None


def head_of(db: sqlite3.Connection, session_id: str) -> Head:
    """Return the head of a session that this transaction has seen.

    Raises:
        UnknownSession: it has lost its configuration, or was never there.
    """
    found = head(db, session_id)
    if found is None:
        raise UnknownSession(session_id=session_id)
    return found


def heads(db: sqlite3.Connection, after: str, limit: int) -> list[Head]:
    """Return a page of heads."""
    return [rows.head(row) for row in db.execute(SQL["heads"], (after, limit))]


def has_journal(db: sqlite3.Connection, sid: int, turn_id: str) -> bool:
    """Tell whether a turn is open: neither committed nor given up, nor never begun."""
    return db.execute(SQL["has_effect"], (sid, turn_id, INPUT_KEY)).fetchone() is not None


def ledger(db: sqlite3.Connection, session_id: str) -> list[UsageEntry]:
    """Return a session's tokens by source and model."""
    session = readable(db, session_id)
    if session is None:
        return []
    return [
        UsageEntry(source=source, model=model, usage=columns.usage(tokens))
        for source, model, *tokens in db.execute(SQL["usage"], (session.sid,))
    ]
