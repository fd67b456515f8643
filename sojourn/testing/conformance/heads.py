"""Heads: a compare-and-set on the revision, which nothing goes around."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sojourn.errors import HeadConflict
from sojourn.journal import model_key
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import (
    TTL,
    answer,
    begun,
    chain,
    checked_out,
    commit_of,
    contents,
    grown,
    head_of,
    intent,
    path_ids,
    ref,
    state,
    wish,
)


async def test_a_head_conflict_names_both_heads(store: SessionStore) -> None:
    """The revision always counts: zero is no way around the check."""
    lease = await store.claim(wish())
    await store.commit(commit_of(lease, 0, *chain(None, "a")))

    with pytest.raises(HeadConflict) as conflict:
        await store.commit(commit_of(lease, 0, *chain("a", "b"), operation_id="t2"))

    assert (conflict.value.expected, conflict.value.actual) == (0, 1)


async def test_the_revision_rises_by_exactly_one(store: SessionStore) -> None:
    """Whatever a commit holds, many nodes or none."""
    lease = await store.claim(wish())
    revisions = [
        (await store.commit(commit_of(lease, 0, *chain(None, "a", "b", "c")))).head_revision,
        (await store.commit(commit_of(lease, 1, leaf="a", operation_id="o2"))).head_revision,
        (
            await store.commit(commit_of(lease, 2, *chain("a", "d"), operation_id="o3"))
        ).head_revision,
    ]

    assert revisions == [1, 2, 3]


async def test_any_other_revision_is_refused(store: SessionStore) -> None:
    """Below the head, above it, or none at all: there is no way to skip the check."""
    await grown(store, "a")
    await grown(store, "b")
    lease = await store.claim(wish())
    before = await contents(store)

    for expected in (-1, 0, 1, 3, 2**40):
        with pytest.raises(HeadConflict):
            await store.commit(commit_of(lease, expected, *chain("b", "c")))
    assert await contents(store) == before


async def test_a_new_session_is_at_zero(store: SessionStore) -> None:
    """The first commit builds on nothing, and says so."""
    lease = await store.claim(wish())

    for expected in (-1, 1):
        with pytest.raises(HeadConflict):
            await store.commit(commit_of(lease, expected, *chain(None, "a")))


async def test_a_commit_without_nodes_is_checked_too(store: SessionStore) -> None:
    """A checkout on an old head moves nothing."""
    await grown(store, "a", "b")
    lease = await store.claim(wish())

    with pytest.raises(HeadConflict):
        await store.commit(commit_of(lease, 0, leaf="a", is_turn=False))

    assert (await head_of(store)).leaf == "b"


async def test_a_commit_of_state_alone_is_checked_too(store: SessionStore) -> None:
    """Neither configuration nor tools are written over a newer head."""
    await grown(store, "a")
    lease = await store.claim(wish())

    with pytest.raises(HeadConflict):
        await store.commit(commit_of(lease, 0, leaf="a", config={}, tool_state=state(b"tools")))

    assert (await head_of(store)).tool_state is None


async def test_a_fork_is_built_on_its_own_head(store: SessionStore) -> None:
    """Neither on zero nor on its source's."""
    for node in ("a", "b", "c"):
        await grown(store, node)
    fork = await store.fork("s", "c", "f")
    lease = await store.claim(wish(session="f"))

    for expected in {0, 3, fork.head_revision + 1} - {fork.head_revision}:
        with pytest.raises(HeadConflict):
            await store.commit(commit_of(lease, expected, *chain("c", "d")))
    receipt = await store.commit(commit_of(lease, fork.head_revision, *chain("c", "d")))
    assert receipt.head_revision == fork.head_revision + 1


async def test_whoever_reloads_commits(store: SessionStore) -> None:
    """A conflict names the head to build on; the same operation then lands."""
    await grown(store, "a")
    lease = await store.claim(wish())
    commit = commit_of(lease, 0, *chain("a", "b"))
    with pytest.raises(HeadConflict) as conflict:
        await store.commit(commit)
    receipt = await store.commit(replace(commit, expected_head_revision=conflict.value.actual))

    assert (receipt.head_revision, receipt.replayed) == (2, False)
    assert await path_ids(store) == ["a", "b"]


async def test_a_checkout_raises_the_revision(store: SessionStore) -> None:
    """Whoever read the head before it is told, though no node was added."""
    await grown(store, "a", "b")
    before = (await head_of(store)).head_revision
    await checked_out(store, "a")
    await checked_out(store, "a")
    head = await head_of(store)

    assert (head.head_revision, head.leaf, head.turn_count) == (before + 2, "a", 1)


async def test_only_commits_move_the_head(store: SessionStore) -> None:
    """Claims, renewals, turns that open and effects leave the revision alone."""
    await grown(store, "a")
    before = await head_of(store)
    lease = await begun(store)
    await store.record_effect(ref(lease, model_key(1)), answer())
    await store.begin_attachment(intent(lease))
    await store.renew(lease, TTL)
    await store.release(lease)

    assert await head_of(store) == before
