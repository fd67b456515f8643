"""Looking at single nodes: historic ones, and those that no session reaches."""

from __future__ import annotations

import pytest

from sojourn.branching import checkout
from sojourn.errors import StoreRequired
from sojourn.ports import SessionStore
from sojourn.residency import Residency
from sojourn.runtime import SessionRuntime
from sojourn.state import SessionState
from tests.runtime.making import (
    POLICY,
    SESSION,
    Damage,
    FaultyStore,
    brought_up,
    environment,
    node_ids,
    taken_turn,
)


async def branched(store: SessionStore) -> list[str]:
    """Make turn 1, then turn 2 and turn 3 upon it; return the ids in that order."""
    first = await brought_up(store)
    await taken_turn(first, "turn-1")
    fork = first.graph.leaf
    assert fork is not None
    await taken_turn(first, "turn-2")
    await checkout(store, SESSION, fork)
    await taken_turn(await brought_up(store), "turn-3")
    return await node_ids(store)


async def test_a_resident_node_is_returned_without_a_look_at_the_store(
    store: SessionStore, residency: Residency
) -> None:
    """It is there already."""
    ids = await branched(store)
    faulty, watched = FaultyStore.around(store)
    runtime = await brought_up(watched, environment(residency))
    faulty.calls.clear()

    node = await runtime.historic_node(ids[0])

    assert node is not None
    assert node.message.text == "turn-1, asked"
    assert not faulty.calls


async def test_a_node_of_another_branch_comes_from_the_store(
    store: SessionStore, residency: Residency
) -> None:
    """Under KEEP_ALL it is resident."""
    ids = await branched(store)
    runtime = await brought_up(store, environment(residency))

    node = await runtime.historic_node(ids[2])

    assert node is not None
    assert node.message.text == "turn-2, asked"
    assert (ids[2] in runtime.graph) is (residency is Residency.KEEP_ALL)


async def test_unknown_and_tombstoned_nodes_are_none(
    store: SessionStore, residency: Residency
) -> None:
    """Neither is an error."""
    ids = await branched(store)
    await store.tombstone_nodes(SESSION, ids[2:4])
    runtime = await brought_up(store, environment(residency))

    assert await runtime.historic_node(ids[2]) is None
    assert await runtime.historic_node("nowhere") is None


async def test_without_a_store_only_resident_nodes_are_known() -> None:
    """More cannot be said."""
    runtime = SessionRuntime.from_environment(
        environment(), POLICY, SessionState(session_id=SESSION), None
    )

    with pytest.raises(StoreRequired):
        await runtime.historic_node("n1")


async def test_orphans_are_what_no_head_reaches_in_storage_order(
    store: SessionStore, residency: Residency
) -> None:
    """Under every residency the same, and none once they are tombstoned."""
    ids = await branched(store)
    runtime = await brought_up(store, environment(residency))

    assert list(await runtime.orphaned_node_ids()) == ids[2:4]
    await store.tombstone_nodes(SESSION, await runtime.orphaned_node_ids())
    assert list(await runtime.orphaned_node_ids()) == []


async def test_a_node_that_a_fork_reaches_is_no_orphan(
    store: SessionStore, residency: Residency
) -> None:
    """A live head of another session counts; once that is deleted, it does no more."""
    ids = await branched(store)
    await store.fork(SESSION, ids[2], "fork-1")
    runtime = await brought_up(store, environment(residency))
    forked = await brought_up(store, environment(residency), session="fork-1")

    assert list(await runtime.orphaned_node_ids()) == ids[3:4]
    assert list(await forked.orphaned_node_ids()) == []
    await store.delete("fork-1")
    assert list(await runtime.orphaned_node_ids()) == ids[2:4]


async def test_a_session_of_nothing_has_no_orphans(store: SessionStore) -> None:
    """There is nothing to reach."""
    assert list(await (await brought_up(store)).orphaned_node_ids()) == []


async def test_a_runtime_never_calls_orphaned_what_it_stands_on(
    store: SessionStore, residency: Residency, damage: Damage
) -> None:
    """A lost leaf cuts the store's path: until the next commit nothing is known to be an orphan."""
    ids = await branched(store)
    damage.lose_node(ids[-1])
    runtime = await brought_up(store, environment(residency))

    assert runtime.graph.leaf == ids[4]
    assert list(await runtime.orphaned_node_ids()) == []
    await taken_turn(runtime, "turn-4")
    assert list(await runtime.orphaned_node_ids()) == ids[2:4]
