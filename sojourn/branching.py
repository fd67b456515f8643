"""Where a session stands: making one that stands on nothing yet, and moving its leaf."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sojourn import ids
from sojourn.commit import Commit, CommitReceipt
from sojourn.errors import UnknownNode, UnknownSession
from sojourn.lease import Claim, Lease, LeaseOwner
from sojourn.ports import SessionStore
from sojourn.reads import Head


async def start(store: SessionStore, session_id: str, config: dict[str, Any]) -> bool:
    """Make a session that has a configuration and no message, and tell whether it is new.

    One that exists is left as it is.

    Raises:
        InvalidId: `session_id` cannot be an id.
        SessionDeleted: it was used once.
    """
    if _has_begun(await store.head(ids.checked("session", session_id))):
        return False
    async with _claimed(store, session_id) as lease:
        if _has_begun(await store.head(session_id)):
            await store.release(lease)
            return False
        await store.commit(
            Commit(
                session_id=session_id,
                operation_id="start",
                expected_head_revision=0,
                fencing_token=lease.fencing_token,
                config=config,
                is_turn=False,
                release=True,
            )
        )
    return True


async def checkout(store: SessionStore, session_id: str, node_id: str) -> CommitReceipt:
    """Make the session stand on a node, durably; later turns go on from there.

    Nothing is removed: the nodes that are left behind can be checked out again.

    Raises:
        UnknownSession: there is no such session.
        UnknownNode: the session does not see the node; nothing was written.
        LeaseHeld: somebody works on the session; nothing was written.
    """
    await _existing(store, ids.checked("session", session_id))
    if await store.node(session_id, node_id) is None:
        raise UnknownNode(session_id=session_id, node_id=node_id)
    async with _claimed(store, session_id) as lease:
        head = await _existing(store, session_id)
        return await store.commit(
            Commit(
                session_id=session_id,
                operation_id=f"checkout/{head.head_revision}/{node_id}",
                expected_head_revision=head.head_revision,
                fencing_token=lease.fencing_token,
                leaf=node_id,
                is_turn=False,
                release=True,
            )
        )


@asynccontextmanager
async def _claimed(store: SessionStore, session_id: str) -> AsyncIterator[Lease]:
    """Hold the lease as a fresh owner; the block's commit gives it back, or its failure does."""
    lease = await store.claim(Claim(session_id, LeaseOwner.fresh(), ids.mint("exec")))
    try:
        yield lease
    except BaseException:
        await store.release(lease)
        raise


def _has_begun(head: Head | None) -> bool:
    """Tell a session from the bare row that a claim leaves if its holder gets no further."""
    return head is not None and (head.head_revision > 0 or bool(head.config))


async def _existing(store: SessionStore, session_id: str) -> Head:
    head = await store.head(session_id)
    if head is None:
        raise UnknownSession(session_id=session_id)
    return head
