"""How sessions begin from others and end, and which of their nodes nobody holds.

Whoever changes what a session holds has that session's row locked, and no other one: commits,
forks of it, its deletion. So what is unheld while the row is locked stays so, and nobody waits in
a circle.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sojourn import ids
from sojourn.adapters.postgres import graph_reads, sessions
from sojourn.adapters.postgres.database import Connection
from sojourn.adapters.postgres.sql import SQL
from sojourn.errors import InvalidInput, LeaseHeld, NodeReachable, SessionDeleted, UnknownNode
from sojourn.reads import Head


class Orphan(NamedTuple):
    """A live node that nobody holds."""

    node_id: str
    seq: int
    parent: int | None
    created_at: datetime


async def fork(
    connection: Connection, session_id: str, node_id: str, new_session_id: str, now: datetime
) -> Head:
    """Make a session that stands on a node of another; only its own row is written."""
    session = await sessions.locked(connection, session_id)
    ids.checked("session", new_session_id)
    seq = await graph_reads.seq_of(connection, session_id, node_id)
    if seq is None:
        await _check_free(connection, new_session_id)
        raise UnknownNode(session_id=session_id, node_id=node_id)
    facts = {
        "sid": session.sid,
        "seq": seq,
        "node_id": node_id,
        "new_session_id": new_session_id,
        "now": now,
    }
    made = await connection.execute(SQL["insert_fork"], facts)
    if not made.rowcount:
        await _check_free(connection, new_session_id)
    return await sessions.head_of(connection, new_session_id)


async def delete(connection: Connection, session_id: str, now: datetime) -> None:
    """Delete a session but for what `vacuum` removes; twice is harmless."""
    try:
        session = await sessions.locked(connection, session_id)
    except SessionDeleted:
        return
    lease = session.lease
    if lease is not None and lease.is_live(now):
        raise LeaseHeld(session_id=session_id, holder=str(lease.owner), expires_at=lease.expires_at)
    await connection.execute(SQL["mark_deleted"], {"sid": session.sid, "now": now})


async def orphans(connection: Connection, session_id: str) -> list[Orphan]:
    """Return a live session's own live nodes that nobody holds, in append order."""
    found = await connection.execute(SQL["orphans"], {"session_id": session_id}, binary=True)
    return [Orphan._make(row) for row in await found.fetchall()]


async def orphaned_node_ids(connection: Connection, session_id: str) -> list[str]:
    """Return the ids of the session's own live nodes that nobody holds, in append order."""
    return [orphan.node_id for orphan in await orphans(connection, session_id)]


async def tombstone_nodes(connection: Connection, session_id: str, node_ids: Sequence[str]) -> int:
    """Mark the session's own nodes deleted, each with all that hangs on it."""
    session = await sessions.locked(connection, session_id)
    unheld = await orphans(connection, session_id)
    wanted, known = set(node_ids), {orphan.node_id for orphan in unheld}
    stored = await graph_reads.places(connection, wanted - known)
    for place, node_id in sorted((place, node_id) for node_id, place in stored.items()):
        if place.sid == session.sid and not place.is_tombstoned:
            raise NodeReachable(node_id=node_id)
    doomed: set[int] = set()
    for orphan in unheld:
        if orphan.node_id in wanted or orphan.parent in doomed:
            doomed.add(orphan.seq)
    return await _tombstone(connection, doomed)


async def _tombstone(connection: Connection, doomed: Collection[int]) -> int:
    marked = await connection.execute(SQL["tombstone"], {"seqs": list(doomed)})
    return marked.rowcount


async def _check_free(connection: Connection, session_id: str) -> None:
    """Let an id pass only if no session has it, or ever had."""
    if await sessions.find(connection, session_id) is not None:
        raise InvalidInput(reason=f"there is a session {session_id!r} already")
