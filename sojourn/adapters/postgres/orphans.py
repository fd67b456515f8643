"""Marking old orphans: what to mark is found once, and marked in pieces by many calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sojourn.adapters.postgres import sessions
from sojourn.adapters.postgres.database import Connection, Database
from sojourn.adapters.postgres.sql import SQL

# A piece is marked in about ten milliseconds, in which the session it belongs to cannot commit.
PIECE_ROWS = 500
PLAN_ROWS = 100_000


@dataclass(slots=True)
class Plan:
    """What to mark of a session, found without holding up anybody.

    Attributes:
        last_seq: the newest node there was.
        anchors: where ways began that live sessions held.
        doomed: what nobody held and nothing young hung on, the oldest first.
        is_all: whether that is all there was.
    """

    last_seq: int
    anchors: set[int]
    doomed: list[int]
    is_all: bool


class Orphans:
    """Marks orphans, and goes on where the last call of the same kind has left off."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: tuple[tuple[str, datetime], Plan] | None = None

    async def tombstone(self, session_id: str, before: datetime, limit: int) -> int:
        """Mark up to `limit` orphans older than `before` deleted, none before what hangs on it.

        Most sessions have none, and are not locked to find that out.
        """
        marked, plan = 0, await self._plan(session_id, before)
        while plan.doomed and marked < limit:
            piece = min(PIECE_ROWS, limit - marked)
            mark = partial(_mark, session_id=session_id, plan=plan, limit=piece)
            count = await self._database.write(mark)
            if count is not None:
                del plan.doomed[-piece:]
                marked += count
            if count is None or not (plan.doomed or plan.is_all):
                plan = await self._made(session_id, before)
        if plan.doomed:
            self._found = ((session_id, before), plan)
        return marked

    async def _plan(self, session_id: str, before: datetime) -> Plan:
        """Return what the last call left, out of reach of others; or a new plan."""
        found, self._found = self._found, None
        if found is not None and found[0] == (session_id, before):
            return found[1]
        return await self._made(session_id, before)

    async def _made(self, session_id: str, before: datetime) -> Plan:
        return await self._database.read(partial(find, session_id=session_id, before=before))


async def find(connection: Connection, session_id: str, before: datetime) -> Plan:
    """Return what to mark of a session now.

    Raises:
        UnknownSession: there is none.
        SessionDeleted: there was one.
    """
    await sessions.existing(connection, session_id)
    facts = {"session_id": session_id, "before": before, "limit": PLAN_ROWS}
    cursor = await connection.execute(SQL["plan_orphans"], facts, binary=True)
    ((last_seq, anchors, doomed),) = await cursor.fetchall()
    return Plan(last_seq, set(anchors), doomed, is_all=len(doomed) < PLAN_ROWS)


async def _mark(connection: Connection, session_id: str, plan: Plan, limit: int) -> int | None:
    """Mark the newest `limit` nodes of a plan; None if it has to be made anew.

    The session is locked: what it holds, and what hangs on its nodes, stays as it is now.
    """
    session = await sessions.locked(connection, session_id)
    facts = {"sid": session.sid, "after": plan.last_seq}
    cursor = await connection.execute(SQL["since_plan"], facts, binary=True)
    ((last_seq, anchors, younger, parents),) = await cursor.fetchall()
    if not _is_current(plan, set(anchors), dict(zip(younger, parents, strict=True))):
        return None
    plan.last_seq, plan.anchors = max(plan.last_seq, last_seq), set(anchors)
    marked = await connection.execute(SQL["tombstone"], {"seqs": plan.doomed[-limit:]})
    return marked.rowcount


def _is_current(plan: Plan, anchors: set[int], younger: dict[int, int | None]) -> bool:
    """Tell whether still nobody holds what is doomed, and nothing new hangs on it.

    A new way is followed back over what was appended since: it must come out of one that was held.
    """
    for anchor in anchors - plan.anchors:
        seq: int | None = anchor
        while seq in younger:
            seq = younger[seq]
        if seq is not None and seq not in plan.anchors:
            return False
    hung = {parent for parent in younger.values() if parent is not None}
    return hung <= younger.keys() | plan.anchors or hung.isdisjoint(plan.doomed)
