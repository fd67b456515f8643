"""Looking after a whole store: chores that remove what nobody can need, a bounded piece at a time.

The same chores serve the command line and the scheduled workflow.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sojourn.attachment_ports import BlobStore
from sojourn.chores import Chore, Piece, UpkeepPolicy
from sojourn.clock import Clock
from sojourn.errors import GraphCorrupt, SessionDeleted, UnknownSession
from sojourn.ports import SessionStore
from sojourn.sweep import sweep

# Looking for a session's orphans may take as long as the session is.
SESSIONS_A_PIECE = 10


class Upkeep:
    """Does the chores of a policy on a store; safe beside live sessions, and when done twice.

    Args:
        store: the session store.
        blobs: where its attachments have their bytes; without one there is nothing to sweep.
        policy: what goes, counted from the time at which this was made.
        clock: tells that time, and how old blobs are.
    """

    def __init__(
        self, store: SessionStore, blobs: BlobStore | None, policy: UpkeepPolicy, clock: Clock
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._policy = policy
        self._clock = clock
        self._now = clock.now()

    async def piece(self, chore: Chore, cursor: str = "") -> Piece:
        """Do one bounded piece of a chore; of what the policy keeps for ever nothing is touched.

        Raises:
            EmptyRootSet: as `sweep`.
            StoreError: the store could not do it now.
        """
        age = self._policy.age(chore)
        if age is None:
            return Piece()
        match chore:
            case Chore.ORPHANS:
                return await self._mark_orphans(self._now - age, cursor)
            case Chore.VACUUM:
                return await self._vacuum()
            case Chore.BLOBS:
                return await self._sweep(age)
            case _:
                return await self._remove_old(chore, self._now - age)

    async def _remove_old(self, chore: Chore, before: datetime) -> Piece:
        remove = {
            Chore.JOURNALS: self._store.reclaim_journals,
            Chore.INTENTS: self._store.forget_intents,
            Chore.RECEIPTS: self._store.forget_receipts,
        }[chore]
        removed = await remove(before, self._policy.rows_a_piece)
        return Piece(removed=removed, is_done=removed < self._policy.rows_a_piece)

    async def _mark_orphans(self, before: datetime, cursor: str) -> Piece:
        """Mark the orphans of the next few sessions; of one that has very many, go on with it."""
        left, faults = self._policy.rows_a_piece, list[str]()
        heads = await self._store.heads(cursor, SESSIONS_A_PIECE)
        for head in heads:
            try:
                left -= await self._store.tombstone_orphans(head.session_id, before, left)
            except (SessionDeleted, UnknownSession):
                pass  # deleted since it was listed: `vacuum` has what it left
            except GraphCorrupt as error:
                faults.append(str(error))
            if left == 0:
                break
            cursor = head.session_id
        is_done = left > 0 and len(heads) < SESSIONS_A_PIECE
        removed = self._policy.rows_a_piece - left
        return Piece(
            removed=removed, cursor="" if is_done else cursor, is_done=is_done, faults=tuple(faults)
        )

    async def _vacuum(self) -> Piece:
        done = await self._store.vacuum(self._policy.rows_a_piece)
        return Piece(
            removed=done.nodes + done.snapshots, freed_bytes=done.freed_bytes, is_done=done.is_done
        )

    async def _sweep(self, grace: timedelta) -> Piece:
        if self._blobs is None:
            return Piece()
        swept = await sweep(
            self._store,
            self._blobs,
            grace=grace,
            limit=self._policy.blobs_a_piece,
            allow_empty=self._policy.allow_empty,
            clock=self._clock,
        )
        is_done = swept.is_done or bool(swept.faults)
        return Piece(removed=swept.deleted, is_done=is_done, faults=swept.faults)
