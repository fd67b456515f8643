"""What a store does to stay small, beside those who work: it looks long and writes briefly.

Whatever takes long is found on the reading connection, which holds no writer up; the writing one
makes sure that it is still so, and removes a piece of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sojourn.adapters.sqlite import ages, attachments, holds, rows, tombstones
from sojourn.adapters.sqlite.ages import Bound, OldReceipts
from sojourn.adapters.sqlite.connection import Connection
from sojourn.adapters.sqlite.pace import PIECE_ROWS, in_pieces, piece
from sojourn.adapters.sqlite.tombstones import OldOrphans, Plan
from sojourn.adapters.sqlite.vacuum import Vacuum
from sojourn.clock import Clock
from sojourn.upkeep_ports import Vacuumed


class Upkeep:
    """Removes what nobody can need; `upkeep_ports.StoreUpkeep` says what each method keeps."""

    def __init__(self, writer: Connection, reader: Connection, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._orphans: tuple[tuple[str, datetime], Plan] | None = None

    async def reclaim_journals(self, before: datetime, limit: int) -> int:
        """Remove journals of turns that were given up."""
        bound = Bound(before, self._clock.now())
        turns = await self._reader.transact(lambda db: ages.given_up(db, bound, limit))
        return await in_pieces(self._writer, turns, lambda db, few: ages.reclaim(db, bound, few))

    async def forget_receipts(self, before: datetime, limit: int) -> int:
        """Remove old receipts, but never a session's newest."""
        old = OldReceipts(before)
        while await self._reader.transact(old.page) and len(old.found) < limit:
            pass
        return await in_pieces(self._writer, old.found[:limit], ages.forget)

    async def forget_intents(self, before: datetime, limit: int) -> int:
        """Remove rows of attachments that nobody can need."""
        dead = await self._reader.transact(lambda db: attachments.dead(db, before, limit))
        forget = partial(attachments.forget_intents, before=before)
        forgotten = await in_pieces(self._writer, dead.intents, forget)
        return forgotten + await in_pieces(
            self._writer, dead.ownerless, attachments.forget_ownerless
        )

    async def tombstone_nodes(self, session_id: str, node_ids: Sequence[str]) -> int:
        """Mark some nodes deleted, with all that hangs on them."""
        marked = None
        while marked is None:
            plan = await self._reader.transact(
                lambda db: tombstones.subtree(db, session_id, node_ids)
            )
            marked = await self._writer.transact(partial(tombstones.mark, plan=plan))
        return marked

    async def tombstone_orphans(self, session_id: str, before: datetime, limit: int) -> int:
        """Mark old orphans deleted; what one call has found the next one goes on with."""
        marked, plan = 0, await self._plan(session_id, before)
        while plan.doomed and marked < limit:
            few = min(PIECE_ROWS, limit - marked)
            count = await piece(self._writer, partial(tombstones.mark, plan=plan, limit=few))
            if count is None:
                plan = await self._made(session_id, before)
            else:
                del plan.doomed[:few]
                marked += count
        if plan.doomed:
            self._orphans = ((session_id, before), plan)
        return marked

    async def vacuum(self, limit: int) -> Vacuumed:
        """Remove dead rows, and give their space back."""
        return await Vacuum(self._writer, self._reader, limit).run()

    async def _plan(self, session_id: str, before: datetime) -> Plan:
        """Return what the last call left, out of reach of others; or a new plan."""
        found, self._orphans = self._orphans, None
        if found is not None and found[0] == (session_id, before):
            return found[1]
        return await self._made(session_id, before)

    async def _made(self, session_id: str, before: datetime) -> Plan:
        plan = await self._reader.transact(lambda db: tombstones.begun(db, session_id))
        while plan.waiting:
            await self._reader.transact(
                lambda db: holds.climb(db, plan.waiting, plan.held, tombstones.PAGE)
            )
        orphans = OldOrphans(plan, rows.micros(before))
        while await self._reader.transact(orphans.page):
            pass
        plan.settle()
        return plan
