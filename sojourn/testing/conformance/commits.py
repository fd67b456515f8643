"""Commits: all of a turn lands at once, or nothing of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sojourn.clock import ManualClock
from sojourn.commit import MAX_COMMIT_BYTES, NewNode
from sojourn.errors import (
    CommitTooLarge,
    GraphCorrupt,
    HeadConflict,
    LeaseLost,
    OperationConflict,
    StoreError,
    UnknownSession,
)
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope, StateRef
from sojourn.testing.conformance.making import (
    begun,
    chain,
    commit_of,
    contents,
    grown,
    head_of,
    spent,
    state,
    wish,
)

TOOLS = state(b"tools", 7)
PLUGINS = state(b"plugins", 2)


async def test_a_commit_writes_all_of_a_turn(store: SessionStore, clock: ManualClock) -> None:
    """Nodes, leaf, states, configuration, ledger, receipt and release land together."""
    lease = await store.claim(wish())
    receipt = await store.commit(
        commit_of(
            lease,
            0,
            *chain(None, "a", "b"),
            config={"agent": "clerk"},
            tool_state=TOOLS,
            plugin_state=PLUGINS,
            usage=(spent(3),),
            release=True,
        )
    )
    read = await store.load("s", ReadScope.ACTIVE_PATH)
    kept = await store.lease("s")

    assert (receipt.head_revision, receipt.leaf, receipt.replayed) == (1, "b", False)
    assert read is not None
    assert (read.head.head_revision, read.head.leaf, read.head.turn_count) == (1, "b", 1)
    assert read.head.config == {"agent": "clerk"}
    assert (read.head.tool_state, read.tool_state) == (StateRef(TOOLS.digest, 7), b"tools")
    assert (read.head.plugin_state, read.plugin_state) == (
        StateRef(PLUGINS.digest, 2),
        b"plugins",
    )
    assert [node.turn_id for node in read.nodes] == ["t1", "t1"]
    assert {node.created_at for node in read.nodes} == {clock.now()}
    assert kept is not None
    assert kept.released


async def test_a_commit_keeps_what_it_does_not_name(store: SessionStore) -> None:
    """Configuration and states stay until a commit brings others."""
    lease = await store.claim(wish())
    first = commit_of(lease, 0, config={"agent": "clerk"}, tool_state=TOOLS, plugin_state=PLUGINS)
    await store.commit(first)
    await store.commit(commit_of(lease, 1, *chain(None, "a"), operation_id="t2"))
    read = await store.load("s", ReadScope.ACTIVE_PATH)

    assert read is not None
    assert read.head.config == {"agent": "clerk"}
    assert (read.tool_state, read.plugin_state) == (b"tools", b"plugins")


async def test_a_commit_replaces_what_it_names(store: SessionStore) -> None:
    """A new configuration takes the place of the old one whole; so does a new state."""
    lease = await store.claim(wish())
    first = commit_of(lease, 0, config={"agent": "clerk", "old": 1}, tool_state=TOOLS)
    await store.commit(first)
    newer = state(b"more tools", 8)
    second = {"operation_id": "t2", "config": {"agent": "other"}, "tool_state": newer}
    await store.commit(commit_of(lease, 1, **second))
    read = await store.load("s", ReadScope.ACTIVE_PATH)

    assert read is not None
    assert read.head.config == {"agent": "other"}
    assert (read.head.tool_state, read.tool_state) == (StateRef(newer.digest, 8), b"more tools")


async def test_a_state_the_store_has_needs_no_body(store: SessionStore) -> None:
    """A snapshot that did not change is named by its address alone, with a new generation."""
    lease = await store.claim(wish())
    await store.commit(commit_of(lease, 0, tool_state=TOOLS))
    again = replace(TOOLS, body=None, generation=8)
    await store.commit(commit_of(lease, 1, tool_state=again, operation_id="t2"))
    read = await store.load("s", ReadScope.ACTIVE_PATH)

    assert read is not None
    assert (read.head.tool_state, read.tool_state) == (StateRef(TOOLS.digest, 8), b"tools")


async def test_sessions_share_the_bodies_of_states(store: SessionStore) -> None:
    """A body is kept once, by its content address, whoever stands on it."""
    for session in ("s", "other"):
        lease = await store.claim(wish(session=session))
        await store.commit(commit_of(lease, 0, tool_state=TOOLS, plugin_state=TOOLS))

    assert (await store.stats())["snapshots"] == 1


@pytest.mark.parametrize("body", [None, b"something else"])
async def test_a_state_without_its_body_is_refused(store: SessionStore, body: bytes | None) -> None:
    """A head never names a body that the store does not have, nor one under a false address."""
    lease = await store.claim(wish())
    before = await contents(store)

    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, 0, tool_state=replace(TOOLS, body=body)))

    assert await contents(store) == before


HUGE = NewNode("huge", None, "raw", bytes(MAX_COMMIT_BYTES + 1))
ORPHAN = NewNode("o", "nowhere", "message", b"{}")
ORDER: list[tuple[type[StoreError], dict[str, Any]]] = [
    (OperationConflict, {"operation_id": "t0"}),
    (LeaseLost, {"fencing_token": 7}),
    (HeadConflict, {"expected_head_revision": 7}),
    (GraphCorrupt, {"nodes": (ORPHAN, HUGE), "leaf": "huge"}),
    (CommitTooLarge, {"nodes": (HUGE,), "leaf": "huge"}),
]


@pytest.mark.parametrize("first", range(len(ORDER)))
async def test_checks_are_made_in_their_order(store: SessionStore, first: int) -> None:
    """Receipt, fence, head, integrity, size: the first that fails is what the caller is told.

    A conflict leaves every table as it was.
    """
    lease = await store.claim(wish(executor="t0"))
    await store.commit(commit_of(lease, 0, *chain(None, "a")))
    changes: dict[str, Any] = {}
    for _, later in reversed(ORDER[first:]):
        changes.update(later)
    before = await contents(store)

    with pytest.raises(ORDER[first][0]):
        await store.commit(commit_of(lease, 1, **{"operation_id": "t1", **changes}))

    assert await contents(store) == before


async def test_a_commit_of_just_the_limit_is_taken(store: SessionStore) -> None:
    """The budget counts the bodies of nodes and states, and is met exactly."""
    lease = await store.claim(wish())
    tools = state(bytes(1_000))
    node = NewNode("a", None, "raw", bytes(MAX_COMMIT_BYTES - 1_000))
    await store.commit(commit_of(lease, 0, node, tool_state=tools))
    found = await store.node("s", "a")

    assert found is not None
    assert found.body == node.body
    other, over = replace(node, node_id="b"), state(bytes(1_001))
    with pytest.raises(CommitTooLarge):
        await store.commit(commit_of(lease, 1, other, tool_state=over, operation_id="t2"))


async def test_only_turns_are_counted(store: SessionStore) -> None:
    """An operation that is no turn moves the head; what it has journaled is settled too."""
    lease = await begun(store)
    await store.commit(commit_of(lease, 0, *chain(None, "a"), is_turn=False))
    head = await store.head("s")

    assert head is not None
    assert (head.head_revision, head.turn_count) == (1, 0)
    assert list(await store.effects("s", "t1")) == []


async def test_a_turn_that_did_nothing_still_counts(store: SessionStore) -> None:
    """A commit without nodes is a commit: it moves the head and has a receipt."""
    lease = await store.claim(wish())
    receipt = await store.commit(commit_of(lease, 0))
    head = await head_of(store)

    assert (receipt.head_revision, receipt.leaf) == (1, None)
    assert (head.head_revision, head.turn_count) == (1, 1)


async def test_a_released_lease_comes_with_the_commit(store: SessionStore) -> None:
    """The next owner claims at once, and is the next token."""
    lease = await store.claim(wish())
    await store.commit(commit_of(lease, 0, *chain(None, "a"), release=True))
    kept = await store.lease("s")

    assert kept is not None
    assert (kept.released, kept.fencing_token, kept.owner) == (True, 1, lease.owner)


async def test_a_commit_without_release_keeps_the_lease(store: SessionStore) -> None:
    """The holder goes on, and its expiry has not moved."""
    lease = await store.claim(wish())
    await store.commit(commit_of(lease, 0, *chain(None, "a")))

    assert await store.lease("s") == lease


async def test_a_commit_needs_a_session(store: SessionStore) -> None:
    """A session that was never claimed is unknown."""
    lease = await store.claim(wish())

    with pytest.raises(UnknownSession):
        await store.commit(commit_of(lease, 0, session_id="x"))


async def test_a_commit_settles_the_journal_of_its_turn(store: SessionStore) -> None:
    """What it held stands in the graph now."""
    lease = await begun(store)
    await store.commit(commit_of(lease, 0, *chain(None, "a"), usage=(spent(1),)))

    assert list(await store.effects("s", "t1")) == []
    assert (await store.stats())["effects"] == 0


async def test_time_is_kept_to_the_microsecond(store: SessionStore, clock: ManualClock) -> None:
    """What is read is what the clock said, in UTC."""
    clock.advance(timedelta(microseconds=123_457))
    await grown(store, "a")
    node = await store.node("s", "a")

    assert node is not None
    assert node.created_at == clock.now()
    assert node.created_at.utcoffset() == timedelta(0)
