"""Reading graphs: paths, frames, whole sessions and single nodes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from sojourn.adapters import columns
from sojourn.adapters.sqlite import rows, sessions
from sojourn.adapters.sqlite.rows import Row, SessionRow
from sojourn.adapters.sqlite.sql import SQL
from sojourn.errors import GraphCorrupt, UnknownNode
from sojourn.graph import Node
from sojourn.reads import ReadScope, SessionRead

_SEQ, _PARENT, _SID = 6, 7, 8


class Place(NamedTuple):
    """Where a node stands: its seq, its session, and the seq of its nearest frame."""

    seq: int
    sid: int
    frame: int | None
    is_tombstoned: bool


def places(db: sqlite3.Connection, node_ids: Iterable[str]) -> dict[str, Place]:
    """Return the places of those nodes that are stored, deleted or not."""
    found = db.execute(SQL["places"], (columns.dumped(list(node_ids)),))
    return {
        node_id: Place(seq, sid, frame, bool(tombstoned))
        for node_id, seq, sid, frame, tombstoned in found
    }


def is_visible(db: sqlite3.Connection, session: SessionRow, place: Place) -> bool:
    """Tell whether a live node is a session's own, or of the path that it was forked from."""
    return not place.is_tombstoned and _is_ours(db, session, place.seq, place.sid)


def seq_of(db: sqlite3.Connection, session: SessionRow, node_id: str) -> int | None:
    """Return the seq of a node that the session sees, or None."""
    place = places(db, [node_id]).get(node_id)
    return place.seq if place and is_visible(db, session, place) else None


def node(db: sqlite3.Connection, session_id: str, node_id: str) -> Node | None:
    """Return a node that the session sees, or None."""
    session = sessions.readable(db, session_id)
    row = db.execute(SQL["node"], (node_id,)).fetchone()
    if session is None or row is None:
        return None
    return rows.node(row) if _is_ours(db, session, row[_SEQ], row[_SID]) else None


def newest_message(db: sqlite3.Connection, session_id: str) -> str | None:
    """Return the newest live message node that the session has, or was forked from."""
    found = db.execute(SQL["newest_message"], (session_id,)).fetchone()
    return found[0] if found else None


def load(
    db: sqlite3.Connection, session_id: str, scope: ReadScope, leaf: str | None
) -> SessionRead | None:
    """Read a session in one snapshot of the store."""
    session = sessions.readable(db, session_id)
    if session is None:
        return None
    seq = session.leaf_seq if leaf is None else seq_of(db, session, leaf)
    if leaf is not None and seq is None:
        raise UnknownNode(session_id=session_id, node_id=leaf)
    found = _whole(db, session, seq) if scope is ReadScope.FULL_GRAPH else ()
    if scope is not ReadScope.FULL_GRAPH:
        found = _path(db, session, seq, _frame(db, seq) if scope is ReadScope.FRAME else 0)
    return SessionRead(
        head=sessions.head_of(db, session_id),
        nodes=tuple(map(rows.node, found)),
        tool_state=snapshot(db, session.tool_digest),
        plugin_state=snapshot(db, session.plugin_digest),
    )


def _is_ours(db: sqlite3.Connection, session: SessionRow, seq: int, sid: int) -> bool:
    if sid == session.sid:
        return True
    if session.origin is None or seq > session.origin:
        return False
    facts = {"origin": session.origin, "seq": seq}
    return db.execute(SQL["is_ancestor"], facts).fetchone() is not None


def _path(db: sqlite3.Connection, session: SessionRow, leaf: int | None, stop: int) -> list[Row]:
    walked = db.execute(SQL["path"], {"leaf": leaf, "stop": stop}).fetchall()
    if walked and walked[-1][_SEQ] != stop:
        _check_root(session, walked[-1])
    walked.reverse()
    return walked


def _frame(db: sqlite3.Connection, leaf: int | None) -> int:
    found = db.execute(SQL["frame"], (leaf,)).fetchone()
    return found[0] if found else 0


def _whole(db: sqlite3.Connection, session: SessionRow, leaf: int | None) -> list[Row]:
    inherited = _path(db, session, session.origin, 0) if session.origin is not None else []
    own: list[Row] = db.execute(SQL["own_nodes"], (session.sid,)).fetchall()
    found = inherited + own  # a fork's own nodes all come after the node that it was made at
    by_seq = {row[_SEQ]: row for row in found}
    row = by_seq.get(leaf)
    while row is not None and row[_PARENT] in by_seq and row[_PARENT] < row[_SEQ]:
        row = by_seq[row[_PARENT]]
    if row is not None:
        _check_root(session, row)
    return found


def _check_root(session: SessionRow, row: Row) -> None:
    """Let a path pass only if it begins at a root: what is missing must not look like the start."""
    if row[_PARENT] is None:
        return
    reason = "its parent is missing" if row[_PARENT] < row[_SEQ] else "its parents form a cycle"
    raise GraphCorrupt(session_id=session.session_id, node_id=row[0], reason=reason)


def snapshot(db: sqlite3.Connection, digest: str | None) -> bytes | None:
    """Return a state body by its digest."""
    found = db.execute(SQL["snapshot"], (digest,)).fetchone() if digest else None
    return found[0] if found else None
