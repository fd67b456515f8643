"""Reading graphs: paths, frames, whole sessions, single nodes, and who sees which."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

from sojourn.adapters.postgres import rows, sessions
from sojourn.adapters.postgres.database import Connection
from sojourn.adapters.postgres.rows import Row
from sojourn.adapters.postgres.sessions import SessionRow
from sojourn.adapters.postgres.sql import SQL
from sojourn.errors import GraphCorrupt, UnknownNode
from sojourn.graph import Node
from sojourn.reads import ReadScope, SessionRead

SEQ_BITS = 32
_SEQ, _PARENT, _STOP = 6, 7, 8


class Place(NamedTuple):
    """Where a node stands: its seq, its session, and the seq of its nearest frame."""

    seq: int
    sid: int
    frame: int | None
    is_tombstoned: bool


async def places(connection: Connection, node_ids: Iterable[str]) -> dict[str, Place]:
    """Return the places of those nodes that are stored, deleted or not."""
    facts = {"node_ids": list(node_ids)}
    found = await connection.execute(SQL["places"], facts, binary=True)
    return {
        node_id: Place(seq, seq >> SEQ_BITS, frame, tombstoned)
        for node_id, seq, frame, tombstoned in await found.fetchall()
    }


async def is_visible(connection: Connection, session: SessionRow, place: Place) -> bool:
    """Tell whether a live node is a session's own, or of the path that it was forked from."""
    if place.is_tombstoned or place.sid == session.sid:
        return not place.is_tombstoned
    if session.origin is None or place.seq > session.origin:
        return False
    facts = {"origin": session.origin, "seq": place.seq}
    found = await connection.execute(SQL["is_ancestor"], facts)
    return await found.fetchone() is not None


async def node(connection: Connection, session_id: str, node_id: str) -> Node | None:
    """Return a node that the session sees, or None."""
    row = await _node_row(connection, session_id, node_id)
    return rows.node(row) if row else None


async def seq_of(connection: Connection, session_id: str, node_id: str) -> int | None:
    """Return the seq of a node that the session sees, or None."""
    row = await _node_row(connection, session_id, node_id)
    return row[_SEQ] if row else None


async def newest_message(connection: Connection, session_id: str) -> str | None:
    """Return the newest live message node that the session has, or was forked from."""
    found = await connection.execute(SQL["newest_message"], {"session_id": session_id})
    row = await found.fetchone()
    return row[0] if row else None


async def load(
    connection: Connection, session_id: str, scope: ReadScope, leaf: str | None
) -> SessionRead | None:
    """Read a session as the transaction sees it, in one round trip if it is of its own leaf."""
    seq = await seq_of(connection, session_id, leaf) if leaf is not None else None
    query = "read_whole" if scope is ReadScope.FULL_GRAPH else "read_path"
    facts = {"session_id": session_id, "leaf": seq, "to_frame": scope is ReadScope.FRAME}
    async with connection.pipeline():
        head = await connection.execute(SQL["read_session"], facts, binary=True)
        nodes = await connection.execute(SQL[query], facts, binary=True)
    row = await head.fetchone()
    if row is None:
        return None
    if leaf is not None and seq is None:
        raise UnknownNode(session_id=session_id, node_id=leaf)
    leaf_seq, tool_state, plugin_state, *stored = row
    found = sorted(await nodes.fetchall(), key=itemgetter(_SEQ))
    if scope is ReadScope.FULL_GRAPH:
        _check_root(session_id, _first(found, leaf_seq if seq is None else seq))
    elif found and found[0][_SEQ] != found[0][_STOP]:
        _check_root(session_id, found[0])
    return SessionRead(
        sessions.head(stored), tuple(map(rows.node, found)), tool_state, plugin_state
    )


def _check_root(session_id: str, first: Row | None) -> None:
    """Let a path pass only if it begins at a root: what is missing must not look like the start."""
    if first is None or first[_PARENT] is None:
        return
    is_gap = first[_PARENT] < first[_SEQ]
    reason = "its parent is missing" if is_gap else "its parents form a cycle"
    raise GraphCorrupt(session_id=session_id, node_id=first[0], reason=reason)


def _first(found: list[Row], leaf: int | None) -> Row | None:
    """Return the node at which the path to `leaf` begins, among those that were found."""
    by_seq: dict[int | None, Row] = {row[_SEQ]: row for row in found}
    row = by_seq.get(leaf)
    while row is not None and row[_PARENT] in by_seq and row[_PARENT] < row[_SEQ]:
        row = by_seq[row[_PARENT]]
    return row


async def _node_row(connection: Connection, session_id: str, node_id: str) -> Row | None:
    facts = {"session_id": session_id, "node_id": node_id}
    found = await connection.execute(SQL["read_node"], facts, binary=True)
    return await found.fetchone()
