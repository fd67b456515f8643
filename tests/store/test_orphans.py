from __future__ import annotations

import pytest

from sojourn import ids
from sojourn.commit import Snapshot
from sojourn.errors import GraphCorrupt, NodeReachable, UnknownNode, UnknownSession
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from tests.store.making import chain, checked_out, commit_of, grown, path_ids, wish

FULL = ReadScope.FULL_GRAPH


async def branched(store: SessionStore) -> None:
    """Make a session with the active path a, d and the branch b, c."""
    await grown(store, "a", "b", "c")
    await checked_out(store, "a")
    await grown(store, "d")


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
    assert await store.vacuum() == 2
    assert await path_ids(store, FULL) == ["a", "d"]
    assert [problem async for problem in store.check()] == []


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


async def test_vacuum_removes_what_is_tombstoned(store: SessionStore) -> None:
    """For good, and nothing else; twice removes nothing more."""
    await branched(store)
    await store.tombstone_nodes("s", ["b", "c"])

    assert await store.vacuum() == 2
    assert await store.vacuum() == 0
    assert await path_ids(store, FULL) == ["a", "d"]
    assert (await grown(store, "e")).leaf == "e"


async def test_vacuum_keeps_the_states_that_are_in_use(store: SessionStore) -> None:
    """Bodies that a head names stay, for its session and its forks; others go."""
    lease = await store.claim(wish())
    old, new = (Snapshot(ids.digest(body), body, 1) for body in (b"old", b"new"))
    await store.commit(commit_of(lease, 0, *chain(None, "a"), tool_state=old))
    await store.commit(commit_of(lease, 1, leaf="a", tool_state=new, operation_id="t2"))
    await store.vacuum()
    read = await store.load("s", FULL)

    assert read is not None
    assert read.tool_state == b"new"
    bare = Snapshot(old.digest, None, 1)
    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, 2, leaf="a", tool_state=bare, operation_id="t3"))
