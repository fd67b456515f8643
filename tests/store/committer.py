"""A process of its own whose sessions commit at once: what it flushes is counted from outside.

Usage: python -m tests.store.committer PATH SESSIONS ROUNDS: prints how many commits landed.
"""

from __future__ import annotations

import asyncio
import sys

from sojourn.adapters.sqlite import SqliteStore
from sojourn.lease import Lease
from sojourn.testing.conformance.making import chain, commit_of, wish


async def committed(store: SqliteStore, lease: Lease, number: int) -> None:
    """Commit the next turn of a session."""
    name = f"{lease.session_id}.{number}"
    parent = f"{lease.session_id}.{number - 1}" if number else None
    await store.commit(commit_of(lease, number, *chain(parent, name), operation_id=name))


async def main(path: str, sessions: int, rounds: int) -> None:
    """Let every session commit once a round."""
    store = await SqliteStore.open(path)
    leases = [await store.claim(wish(session=f"s{number}")) for number in range(sessions)]
    for number in range(rounds):
        await asyncio.gather(*(committed(store, lease, number) for lease in leases))
    print((await store.stats())["receipts"])  # noqa: T201 - to the parent
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
