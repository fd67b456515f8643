"""Holding a session for an operation that is no turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sojourn.errors import StoreError
from sojourn.lease import Claim, Lease
from sojourn.ports import SessionStore


async def token_of(store: SessionStore, wish: Claim) -> int:
    """Return the fencing token that an owner has, 0 if the session is not its own."""
    lease = await store.lease(wish.session_id)
    return lease.fencing_token if lease is not None and lease.owner == wish.owner else 0


@asynccontextmanager
async def claimed(store: SessionStore, wish: Claim) -> AsyncIterator[Lease]:
    """Hold the lease; it stays the owner's afterwards, and is given back if the block fails.

    Raises:
        LeaseHeld: another owner has it.
    """
    lease = await store.claim(wish)
    try:
        yield lease
    except BaseException:
        with suppress(StoreError):
            # Nobody would know the token of an operation that failed, to give it back.
            await store.release(lease)
        raise
