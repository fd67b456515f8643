"""Where a session stands: making one that stands on nothing yet, a child, and moving a leaf."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sojourn import ids
from sojourn.commit import Commit, CommitReceipt, Snapshot
from sojourn.errors import InvalidInput, UnknownNode, UnknownSession
from sojourn.lease import Claim, Lease, LeaseOwner
from sojourn.lineage import PARENT
from sojourn.ports import SessionStore
from sojourn.reads import Head, StateRef

# The operation that makes a session a child.
SPAWN = "spawn"


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


async def spawn(
    store: SessionStore, parent_id: str, child_id: str, agent: str = "", at: str | None = None
) -> Head:
    """Make a session that begins with its parent's tools and plugin state, and knows its parent.

    It has no message yet, or stands on a node of its parent, without copying one. Doing the same
    again is harmless, also after a crash in mid-way.

    Args:
        store: where both are kept.
        parent_id: a session that exists.
        child_id: an id that is free.
        agent: who answers in it; the parent's agent if empty.
        at: the parent's node to go on from, or None to begin empty.

    Raises:
        UnknownSession: there is no such parent.
        UnknownNode: the parent does not see `at`; nothing was written.
        InvalidInput: there is another session of that id.
        SessionDeleted: the id was used once.
    """
    parent = await _existing(store, ids.checked("session", parent_id))
    child = await store.head(ids.checked("session", child_id))
    if child is not None and await store.receipt(child_id, SPAWN) is not None:
        return _same_child(child, parent_id)
    if child is None and at is not None:
        child = await store.fork(parent_id, at, child_id)
    if child is not None and not _could_become(child, at):
        raise InvalidInput(reason=f"there is a session {child_id!r} already")
    async with _claimed(store, child_id) as lease:
        await store.commit(_spawning(parent, child, child_id, agent, lease.fencing_token))
    return await _existing(store, child_id)


def _spawning(
    parent: Head, child: Head | None, child_id: str, agent: str, fencing_token: int
) -> Commit:
    """Return the commit that makes a bare or forked session a child."""
    is_same = not agent or agent == parent.config.get("agent")
    config = parent.config if is_same else {"agent": agent, "model": None}
    return Commit(
        session_id=child_id,
        operation_id=SPAWN,
        expected_head_revision=child.head_revision if child else 0,
        fencing_token=fencing_token,
        leaf=child.leaf if child else None,
        config={**config, PARENT: parent.session_id},
        tool_state=_inherited(parent.tool_state),
        plugin_state=_inherited(parent.plugin_state),
        is_turn=False,
        release=True,
    )


def _inherited(state: StateRef | None) -> Snapshot | None:
    """Name a parent's state, whose body the store has."""
    return Snapshot(state.digest, None, state.generation) if state is not None else None


def _same_child(child: Head, parent_id: str) -> Head:
    if child.config.get(PARENT) != parent_id:
        raise InvalidInput(reason=f"session {child.session_id!r} is another session's child")
    return child


def _could_become(child: Head, at: str | None) -> bool:
    """Tell a session that a crashed `spawn` left behind from one that somebody uses."""
    is_bare = child.head_revision == 0 and at is None and not child.config
    return is_bare or (child.head_revision == 1 and at is not None and child.leaf == at)


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
