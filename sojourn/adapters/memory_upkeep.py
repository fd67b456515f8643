"""What the memory store does to stay small."""

from __future__ import annotations

from datetime import datetime

from typing_extensions import override

from sojourn.adapters.memory_rows import Rows
from sojourn.adapters.memory_session import Journal, Session
from sojourn.clock import Clock
from sojourn.upkeep_ports import StoreUpkeep, Vacuumed


class MemoryUpkeep(StoreUpkeep):
    """Forgets what nobody needs; `upkeep_ports.StoreUpkeep` says what each method keeps."""

    _rows: Rows
    _clock: Clock

    @override
    async def reclaim_journals(self, before: datetime, limit: int) -> int:
        given_up = [
            (session, turn_id)
            for session in self._rows.sessions.values()
            for turn_id, journal in session.journals.items()
            if self._is_given_up(session, turn_id, journal, before)
        ][:limit]
        for session, turn_id in given_up:
            del session.journals[turn_id]
        return len(given_up)

    @override
    async def forget_receipts(self, before: datetime, limit: int) -> int:
        old = [
            (session, operation_id)
            for session in self._rows.sessions.values()
            for operation_id, receipt in session.receipts.items()
            if session.committed_at[operation_id] < before
            and receipt.head_revision < session.head_revision
        ][:limit]
        for session, operation_id in old:
            for column in (session.receipts, session.contents, session.committed_at):
                del column[operation_id]
        return len(old)

    @override
    async def tombstone_orphans(self, session_id: str, before: datetime, limit: int) -> int:
        self._rows.existing(session_id)
        kept, marked = self._rows.held(), 0
        for node_id, stored in reversed(self._rows.nodes.items()):
            if stored.session_id != session_id or stored.is_tombstoned:
                continue
            if node_id in kept or stored.node.created_at >= before or marked == limit:
                kept.add(stored.node.parent_id or "")
            else:
                stored.is_tombstoned = True
                marked += 1
        return marked

    @override
    async def vacuum(self, limit: int = 1_000) -> Vacuumed:
        dead, unused = self._rows.dead(), self._rows.unused()
        bodies = [self._rows.nodes.pop(node_id).node.body for node_id in dead[:limit]]
        room = limit - len(bodies)
        states = [self._rows.snapshots.pop(digest) for digest in unused[:room]]
        return Vacuumed(
            nodes=len(bodies),
            snapshots=len(states),
            freed_bytes=sum(map(len, [*bodies, *states])),
            is_done=len(dead) + len(unused) <= limit,
        )

    def _is_given_up(
        self, session: Session, turn_id: str, journal: Journal, before: datetime
    ) -> bool:
        lease = session.lease
        is_at_work = (
            lease is not None and lease.executor_id == turn_id and lease.is_live(self._clock.now())
        )
        is_passed = session.head_revision > journal.head_revision
        return journal.recorded_at < before and is_passed and not is_at_work
