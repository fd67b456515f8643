"""Orphans and tombstones: what nobody holds can be marked deleted, and nothing else."""

from __future__ import annotations

import pytest

from sojourn.clock import ManualClock
from sojourn.errors import GraphCorrupt, NodeReachable, UnknownNode, UnknownSession
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    DAY,
    TICK,
    branched,
    chain,
    checked_out,
    commit_of,
    contents,
    grown,
    path_ids,
    problems,
    readable,
    vacuumed,
    wish,
)

FULL = ReadScope.FULL_GRAPH


async def test_orphans_are_what_no_leaf_reaches(store: SessionStore) -> None:
    """In append order; none in a session that never branched."""
    await grown(store, "x", "y", session="other")
    await branched(store)

    assert list(await store.orphaned_node_ids("s")) == ["b", "c"]
    assert list(await store.orphaned_node_ids("other")) == []
    assert list(await store.orphaned_node_ids("unknown")) == []


async def test_a_forks_path_is_no_orphan(store: SessionStore) -> None:
    """A node that another live session's leaf reaches is never an orphan."""
    await grown(store, "a", "b", "c")
    await store.fork("s", "b", "f")
    await checked_out(store, "a")

    assert list(await store.orphaned_node_ids("s")) == ["c"]
    assert list(await store.orphaned_node_ids("f")) == []


async def test_a_fork_holds_where_it_was_made(store: SessionStore) -> None:
    """Its own branches hang there, whatever it stands on now."""
    await grown(store, "a", "b")
    await store.fork("s", "b", "f")
    await grown(store, "mine", session="f")
    await checked_out(store, "a", session="f")
    await checked_out(store, "a")

    assert list(await store.orphaned_node_ids("s")) == []
    assert list(await store.orphaned_node_ids("f")) == ["mine"]
    with pytest.raises(NodeReachable):
        await store.tombstone_nodes("s", ["b"])


async def test_an_orphan_that_is_stood_upon_is_none(store: SessionStore) -> None:
    """A checkout brings a branch back, and leaves the other one."""
    await branched(store)
    await checked_out(store, "b")

    assert list(await store.orphaned_node_ids("s")) == ["c", "d"]


async def test_tombstoned_nodes_are_gone_from_every_read(store: SessionStore) -> None:
    """Neither read nor listed nor stood upon nor built upon."""
    await branched(store)

    assert await store.tombstone_nodes("s", ["b", "c", "nowhere"]) == 2
    assert await store.node("s", "b") is None
    assert list(await store.orphaned_node_ids("s")) == []
    assert await path_ids(store, FULL) == ["a", "d"]
    assert (await store.stats())["nodes"] == 2
    with pytest.raises(UnknownNode):
        await store.load("s", ReadScope.ACTIVE_PATH, "c")
    with pytest.raises(UnknownNode):
        await store.fork("s", "c", "f")
    with pytest.raises(GraphCorrupt):
        await checked_out(store, "c")
    assert await store.tombstone_nodes("s", ["b", "c"]) == 0


@pytest.mark.parametrize("node_id", ["b", "fresh"])
async def test_a_tombstoned_node_is_no_parent_and_its_id_is_taken(
    store: SessionStore, node_id: str
) -> None:
    """Nothing new hangs on it, and nothing new takes its id."""
    await branched(store)
    await store.tombstone_nodes("s", ["b"])
    lease = await store.claim(wish(executor="t9"))
    parent = None if node_id == "b" else "b"

    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, 3, *chain(parent, node_id)))


async def test_what_hangs_on_a_tombstoned_node_goes_with_it(store: SessionStore) -> None:
    """No node is left without its parent."""
    await branched(store)

    assert await store.tombstone_nodes("s", ["b"]) == 2
    assert (await vacuumed(store)).nodes == 2
    assert await path_ids(store, FULL) == ["a", "d"]
    assert await problems(store) == []


async def test_nodes_that_are_tombstoned_are_counted_apart(store: SessionStore) -> None:
    """They take room until vacuum comes."""
    await branched(store)
    await store.tombstone_nodes("s", ["b"])
    stats = await store.stats()

    assert (stats["nodes"], stats["tombstoned"]) == (2, 2)
    await vacuumed(store)
    stats = await store.stats()
    assert (stats["nodes"], stats["tombstoned"]) == (2, 0)


@pytest.mark.parametrize("node_id", ["a", "d"])
async def test_a_reachable_node_is_never_tombstoned(store: SessionStore, node_id: str) -> None:
    """One that a leaf reaches refuses them all."""
    await branched(store)

    with pytest.raises(NodeReachable) as refused:
        await store.tombstone_nodes("s", ["c", node_id])

    assert refused.value.node_id == node_id
    assert list(await store.orphaned_node_ids("s")) == ["b", "c"]


async def test_a_forks_path_is_never_tombstoned(store: SessionStore) -> None:
    """Another live session's leaf counts as much as the own one."""
    await grown(store, "a", "b")
    await store.fork("s", "b", "f")
    await checked_out(store, "a")

    with pytest.raises(NodeReachable):
        await store.tombstone_nodes("s", ["b"])


async def test_a_strangers_nodes_are_passed_over(store: SessionStore) -> None:
    """A session marks its own nodes alone."""
    await branched(store)
    await grown(store, "x", session="other")

    assert await store.tombstone_nodes("other", ["b", "c"]) == 0
    assert list(await store.orphaned_node_ids("s")) == ["b", "c"]
    with pytest.raises(UnknownSession):
        await store.tombstone_nodes("unknown", ["b"])


async def test_a_forks_past_is_not_its_own(store: SessionStore) -> None:
    """A fork marks no node of its source's, though the source has left it."""
    await grown(store, "a", "b")
    await store.fork("s", "b", "f")
    await checked_out(store, "a")
    before = await readable(store)

    assert await store.tombstone_nodes("f", ["b"]) == 0
    assert await readable(store) == before


async def test_a_refused_tombstone_leaves_everything(store: SessionStore) -> None:
    """One node that is held saves all the others, and the counts."""
    await branched(store)
    before = await contents(store)

    with pytest.raises(NodeReachable):
        await store.tombstone_nodes("s", ["b", "c", "d"])

    assert await contents(store) == before


async def test_old_orphans_are_tombstoned(store: SessionStore, clock: ManualClock) -> None:
    """Those before the bound, not at it, and never what is on a path."""
    await branched(store)
    made = clock.now()

    assert await store.tombstone_orphans("s", made, 100) == 0
    assert await store.tombstone_orphans("s", made + TICK, 100) == 2
    assert list(await store.orphaned_node_ids("s")) == []
    assert await path_ids(store, ReadScope.FULL_GRAPH) == ["a", "d"]
    assert await store.tombstone_orphans("s", made + TICK, 100) == 0


async def test_an_orphan_stays_for_what_hangs_on_it(
    store: SessionStore, clock: ManualClock
) -> None:
    """A young branch on an old one keeps it; a young one beside it does not."""
    await branched(store)
    clock.advance(DAY)
    await grown(store, "e", parent="b")
    await checked_out(store, "d")

    assert await store.tombstone_orphans("s", clock.now(), 100) == 1
    assert list(await store.orphaned_node_ids("s")) == ["b", "e"]
    assert await problems(store) == []


async def test_orphans_go_newest_first_up_to_the_limit(
    store: SessionStore, clock: ManualClock
) -> None:
    """So that after each call no node is without its parent."""
    await grown(store, "a", "b", "c", "d", "e", "f")
    await checked_out(store, "a")
    left: list[list[str]] = []
    while await store.tombstone_orphans("s", clock.now() + TICK, 2):
        left.append(list(await store.orphaned_node_ids("s")))
        assert await problems(store) == []

    assert left == [["b", "c", "d"], ["b"], []]


async def test_orphans_that_a_fork_holds_stay(store: SessionStore, clock: ManualClock) -> None:
    """Its path through its source is nobody's orphan."""
    await grown(store, "a", "b", "c")
    await store.fork("s", "b", "f")
    await checked_out(store, "a")

    assert await store.tombstone_orphans("s", clock.now() + TICK, 100) == 1
    assert await store.tombstone_orphans("f", clock.now() + TICK, 100) == 0
    assert await path_ids(store, session="f") == ["a", "b"]


async def test_orphans_of_other_sessions_stay(store: SessionStore, clock: ManualClock) -> None:
    """One session at a time."""
    await branched(store)
    await grown(store, "x", session="other")

    assert await store.tombstone_orphans("other", clock.now() + TICK, 100) == 0
    assert list(await store.orphaned_node_ids("s")) == ["b", "c"]
