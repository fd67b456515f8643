"""A process of its own that writes to a store: what other processes and SIGKILL do to it.

Usage: python -m tests.store.writer URL SESSION COUNT [KILL_AT]: commits COUNT turns of one node
each, printing a line for each; kills itself in the last one, at the first statement that begins
with KILL_AT (`COMMIT#2`: the second one).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from sojourn.adapters.open import opened_store
from sojourn.adapters.sqlite.connection import Connection
from sojourn.commit import CommitReceipt
from sojourn.errors import Contended, HeadConflict, LeaseHeld, LeaseLost
from sojourn.lease import LeaseOwner
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import chain, commit_of, spent, wish


class Fuse:
    """Ends the process when a certain statement is about to run."""

    def __init__(self, kill_at: str) -> None:
        self.prefix, _, count = kill_at.partition("#")
        self.left = int(count or 1)

    def burn(self, statement: str) -> None:
        """Be told of a statement."""
        self.left -= " ".join(statement.split()).startswith(self.prefix)
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def committed(store: SessionStore, session: str, owner: LeaseOwner) -> CommitReceipt | None:
    """Commit one turn on whatever the head is, or return None if somebody else was quicker."""
    try:
        turn = f"{owner.owner_id}-{os.urandom(6).hex()}"
        lease = await store.claim(wish(owner, turn, session))
        head = await store.head(session)
        revision, leaf = (head.head_revision, head.leaf) if head else (0, None)
        commit = commit_of(lease, revision, *chain(leaf, turn), usage=(spent(1),), release=True)
        return await store.commit(commit)
    except (LeaseHeld, LeaseLost, HeadConflict, Contended):
        return None


async def main(url: str, session: str, count: int, kill_at: str) -> None:
    """Commit until `count` turns have landed."""
    owner = LeaseOwner(f"process-{os.getpid()}", "life")
    async with opened_store(url) as store:
        for number in range(count):
            if kill_at and number == count - 1:
                writer: Connection = vars(store)["_writer"]
                await writer.set_trace_callback(Fuse(kill_at).burn)
            receipt = None
            while receipt is None:
                receipt = await committed(store, session, owner)
            print(receipt.head_revision, receipt.leaf, flush=True)  # noqa: T201 - to the parent


if __name__ == "__main__":
    to, chat, turns, *rest = sys.argv[1:]
    asyncio.run(main(to, chat, int(turns), "".join(rest)))
