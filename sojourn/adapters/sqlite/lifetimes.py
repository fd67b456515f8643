"""How sessions begin from others, and how they end."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from sojourn import ids
from sojourn.adapters.sqlite import graph_reads, holds, rows, sessions
from sojourn.adapters.sqlite.sql import SQL
from sojourn.errors import InvalidInput, LeaseHeld, SessionDeleted, UnknownNode
from sojourn.reads import Head


def fork(
    db: sqlite3.Connection, session_id: str, node_id: str, new_session_id: str, now: datetime
) -> Head:
    """Make a session that stands on a node of another; only its own row is written."""
    session = sessions.existing(db, session_id)
    ids.checked("session", new_session_id)
    if sessions.find(db, new_session_id) is not None:
        raise InvalidInput(reason=f"there is a session {new_session_id!r} already")
    seq = graph_reads.seq_of(db, session, node_id)
    if seq is None:
        raise UnknownNode(session_id=session_id, node_id=node_id)
    facts = {
        "session_id": new_session_id,
        "sid": session.sid,
        "seq": seq,
        "leaf": node_id,
        "now": rows.micros(now),
    }
    sid = db.execute(SQL["insert_fork"], facts).lastrowid
    db.execute(SQL["insert_source"], (sid, seq))
    db.execute(SQL["copy_config"], (sid, session.sid))
    return sessions.head_of(db, new_session_id)


def delete(db: sqlite3.Connection, session_id: str, now: datetime) -> None:
    """Make a session unreadable, and leave what it had to `vacuum`; twice is harmless."""
    try:
        session = sessions.existing(db, session_id)
    except SessionDeleted:
        return
    lease = session.lease
    if lease is not None and lease.is_live(now):
        raise LeaseHeld(session_id=session_id, holder=str(lease.owner), expires_at=lease.expires_at)
    db.execute(SQL["mark_deleted"], (rows.micros(now), session.sid))
    db.execute(SQL["delete_config"], (session.sid,))
    db.execute(SQL["delete_usage"], (session.sid,))
    db.execute(SQL["dig_grave"], (session.sid, session.family))


def orphaned_node_ids(db: sqlite3.Connection, session_id: str) -> list[str]:
    """Return the session's own live nodes that nobody holds, in append order."""
    session = sessions.readable(db, session_id)
    if session is None:
        return []
    held = holds.held(db, session.family)
    own = db.execute(SQL["own_places"], (session.sid, 0))
    return [node_id for node_id, seq, _ in own if seq not in held]
