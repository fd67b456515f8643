"""Sessions that commit at once; run as a process of its own, so that its flushes can be counted.

Usage: python -m benchmarks.store.committer URL SESSIONS AT_ONCE: each session commits once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from benchmarks.commit import Writer
from sojourn.adapters.open import opened_store
from sojourn.ports import SessionStore


def names(sessions: int) -> list[str]:
    """Return the names of so many sessions."""
    return [f"session-{number}" for number in range(sessions)]


async def commit_all(writers: Sequence[Writer], at_once: int) -> None:
    """Let each session commit once, so many of them at any time."""
    waiting = iter(writers)

    async def commit_next() -> None:
        for writer in waiting:
            await writer.commit()

    await asyncio.gather(*(commit_next() for _ in range(at_once)))


async def _found(store: SessionStore, session_id: str) -> Writer:
    """Return the writer that goes on where a session's last one is."""
    writer = Writer(store, session_id)
    head, lease = await store.head(session_id), await store.lease(session_id)
    assert head is not None
    assert lease is not None
    writer.turns, writer.leaf, writer.token = head.turn_count, head.leaf, lease.fencing_token
    return writer


async def main(url: str, sessions: int, at_once: int) -> None:
    """Let the sessions of a store commit once."""
    async with opened_store(url) as store:
        writers = [await _found(store, name) for name in names(sessions)]
        await commit_all(writers, at_once)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
