"""What a session store does to stay small: each call a bounded piece of work, repeated at will."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """What one call of `vacuum` did.

    Attributes:
        nodes: tombstoned nodes, and nodes of deleted sessions that no live one holds, removed.
        snapshots: state bodies removed that no session stands on.
        freed_bytes: given back to the file system, as far as the store can tell.
        is_done: whether nothing is left to do.
    """

    nodes: int = 0
    snapshots: int = 0
    freed_bytes: int = 0
    is_done: bool = True


class StoreUpkeep(Protocol):
    """Removes what nobody can need. Safe beside live sessions; a crash in between loses nothing."""

    async def reclaim_journals(self, before: datetime, limit: int) -> int:
        """Remove journals of turns that were given up; return how many turns, at most `limit`.

        Given up is a turn whose newest effect is older than `before`, whose session has committed
        something else since the turn was opened, and which does not hold the session's lease.
        """
        ...

    async def forget_receipts(self, before: datetime, limit: int) -> int:
        """Remove receipts older than `before`; return how many, at most `limit`.

        The newest receipt of a session always stays. A turn id whose receipt is gone would run
        again: choose `before` so that nobody can still ask.
        """
        ...

    async def tombstone_orphans(self, session_id: str, before: datetime, limit: int) -> int:
        """Mark the session's orphans older than `before` deleted; return how many, at most `limit`.

        An orphan goes only with all that hangs on it: the newest first.
        """
        ...

    async def vacuum(self, limit: int = 1_000) -> Vacuumed:
        """Remove up to `limit` dead rows and give their space back; call again until done.

        No commit waits for one call longer than 100 ms, on a disk that flushes in a few.
        """
        ...


@runtime_checkable
class Rewritable(Protocol):
    """A store that can be written anew, while writers wait, to give all of its free room back."""

    async def rewrite(self) -> int:
        """Write it anew; return how many bytes it lost."""
        ...
