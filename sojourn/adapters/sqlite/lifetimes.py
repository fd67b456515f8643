"""How sessions begin from others and end, and what is removed when nobody holds it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from sojourn import ids
from sojourn.adapters.sqlite import graph_reads, rows, sessions
from sojourn.adapters.sqlite.sql import SQL
from sojourn.errors import InvalidInput, LeaseHeld, NodeReachable, SessionDeleted, UnknownNode
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
    db.execute(SQL["copy_config"], (sid, session.sid))
    return sessions.head_of(db, new_session_id)


def delete(db: sqlite3.Connection, session_id: str, now: datetime) -> None:
    """Delete a session and the nodes that no live one holds; twice is harmless."""
    try:
        session = sessions.existing(db, session_id)
    except SessionDeleted:
        return
    lease = session.lease
    if lease is not None and lease.is_live(now):
        raise LeaseHeld(session_id=session_id, holder=str(lease.owner), expires_at=lease.expires_at)
    db.execute(SQL["mark_deleted"], (rows.micros(now), session.sid))
    for table in ("config", "receipts", "effects", "usage"):
        db.execute(SQL[f"delete_{table}"], (session.sid,))
    held = graph_reads.reached(db, session.family)
    ownerless = db.execute(SQL["ownerless"], (session.family,)).fetchall()
    db.executemany(SQL["delete_node"], [row for row in ownerless if row[0] not in held])
    db.execute(SQL["delete_attachments"], (session.family,))


def orphaned_node_ids(db: sqlite3.Connection, session_id: str) -> list[str]:
    """Return the session's own live nodes that nobody holds, in append order."""
    session = sessions.readable(db, session_id)
    if session is None:
        return []
    held = graph_reads.reached(db, session.family)
    own = db.execute(SQL["own_places"], (session.sid,))
    return [node_id for node_id, seq, _ in own if seq not in held]


def tombstone_nodes(db: sqlite3.Connection, session_id: str, node_ids: Sequence[str]) -> int:
    """Mark the session's own nodes deleted, each with all that hangs on it."""
    session = sessions.existing(db, session_id)
    held = graph_reads.reached(db, session.family)
    doomed: set[int] = set()
    wanted = set(node_ids)
    for node_id, seq, parent in db.execute(SQL["own_places"], (session.sid,)):
        if node_id in wanted and seq in held:
            raise NodeReachable(node_id=node_id)
        if node_id in wanted or parent in doomed:
            doomed.add(seq)
    db.executemany(SQL["tombstone"], [(seq,) for seq in doomed])
    return len(doomed)


def remove_tombstoned(db: sqlite3.Connection) -> int:
    """Remove tombstoned nodes and the state bodies that no session stands on."""
    db.execute(SQL["remove_snapshots"])
    return db.execute(SQL["remove_tombstoned"]).rowcount
