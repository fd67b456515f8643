"""Removing what nobody can need, a bounded piece at a time, beside live sessions.

Only the marking of orphans waits for a session at work, and only if it has some: all else leaves
what is at work just now to the next call.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sojourn.adapters.postgres.database import Connection
from sojourn.adapters.postgres.sql import SQL
from sojourn.upkeep_ports import Vacuumed


async def reclaim_journals(
    connection: Connection, before: datetime, limit: int, now: datetime
) -> int:
    """Remove the journals of turns that were given up; return how many turns.

    A session's row is locked first, and only then is it decided which of its turns are given up:
    so none is entered again in between.
    """
    facts: dict[str, Any] = {"before": before, "limit": limit, "now": now}
    idle = await connection.execute(SQL["lock_for_journals"], facts)
    facts["sids"] = [sid for (sid,) in await idle.fetchall()]
    reclaimed = await connection.execute(SQL["reclaim_journals"], facts, binary=True)
    ((turns,),) = await reclaimed.fetchall()
    return int(turns)


async def forget_receipts(connection: Connection, before: datetime, limit: int) -> int:
    """Remove receipts older than `before`, but no session's newest one; return how many."""
    facts = {"before": before, "limit": limit}
    return await _removed(connection, "forget_receipts", facts)


async def vacuum(connection: Connection, limit: int) -> Vacuumed:
    """Remove up to `limit` dead rows; the server takes their space back by itself.

    What deleted sessions left goes before what is tombstoned: it may hang there.
    """
    left, ownerless = await _clear_deleted(connection, limit)
    tombstoned = await _removed(connection, "remove_tombstoned", {"limit": left})
    left -= tombstoned
    snapshots = await _remove_snapshots(connection, left)
    return Vacuumed(nodes=ownerless + tombstoned, snapshots=snapshots, is_done=left - snapshots > 0)


async def _clear_deleted(connection: Connection, budget: int) -> tuple[int, int]:
    """Remove what deleted sessions left; return what is left of the budget, and nodes removed.

    A session costs one of the budget by itself, so that very many are not cleared in one call.
    """
    left, nodes = budget, 0
    while left > 0:
        taken = await connection.execute(SQL["take_grave"], binary=True)
        row = await taken.fetchone()
        if row is None:
            break
        sid, family = row
        found, gone = await _remove_ownerless(connection, family, left)
        nodes += gone
        if found >= left:
            return 0, nodes
        left -= gone
        left -= await _removed(connection, "remove_receipts", {"sid": sid, "limit": left})
        if left > 0:
            left -= await _removed(connection, "close_grave", {"sid": sid})
    return left, nodes


async def _remove_ownerless(connection: Connection, family: int, limit: int) -> tuple[int, int]:
    facts = {"family": family, "limit": limit}
    cursor = await connection.execute(SQL["remove_ownerless"], facts, binary=True)
    ((found, gone),) = await cursor.fetchall()
    return found, gone


async def _remove_snapshots(connection: Connection, limit: int) -> int:
    """Remove state bodies that no session stands on, and that no commit comes to stand on now."""
    idle = await connection.execute(SQL["idle_snapshots"], {"limit": limit})
    digests = [digest for (digest,) in await idle.fetchall()]
    if not digests:
        return 0
    await connection.execute(SQL["lock_snapshots"])
    return await _removed(connection, "remove_snapshots", {"digests": digests})


async def _removed(connection: Connection, query: str, facts: dict[str, Any]) -> int:
    return (await connection.execute(SQL[query], facts)).rowcount
