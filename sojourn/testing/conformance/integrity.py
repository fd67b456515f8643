"""Integrity: what a commit appends hangs on what is there, and is read in its order."""

from __future__ import annotations

import pytest

from sojourn.commit import NewNode
from sojourn.errors import (
    GraphCorrupt,
)
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    BODY,
    chain,
    commit_of,
    contents,
    grown,
    path_ids,
    wish,
)


@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param(chain("nowhere", "b"), id="a parent that is missing"),
        pytest.param(chain(None, "a"), id="an id that is taken"),
        pytest.param(chain(None, "b", "b"), id="an id used twice"),
        pytest.param(chain("theirs", "b"), id="a parent in another session"),
        pytest.param(
            (NewNode("b", "c", "message", b""), NewNode("c", "b", "message", b"")), id="a cycle"
        ),
        pytest.param(chain(None, "theirs"), id="an id that is taken elsewhere"),
    ],
)
async def test_nodes_hang_on_what_is_stored(
    store: SessionStore, nodes: tuple[NewNode, ...]
) -> None:
    """Parents are there, ids are new, nothing crosses into a stranger's session."""
    await grown(store, "theirs", session="other")
    await grown(store, "a")
    lease = await store.claim(wish())
    before = await contents(store)

    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, 1, *nodes))

    assert await contents(store) == before


@pytest.mark.parametrize("leaf", ["nowhere", "theirs"])
async def test_a_leaf_is_a_node_of_the_session(store: SessionStore, leaf: str) -> None:
    """A session never stands on a node that it does not have."""
    await grown(store, "theirs", session="other")
    lease = await store.claim(wish())

    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, 0, leaf=leaf))


async def test_nodes_without_a_leaf_are_refused(store: SessionStore) -> None:
    """What is appended is stood upon."""
    lease = await store.claim(wish())

    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, 0, *chain(None, "a"), leaf=None))


async def test_a_commit_may_stand_before_its_last_node(store: SessionStore) -> None:
    """The leaf is any node of the commit, or one that was there."""
    lease = await store.claim(wish())
    await store.commit(commit_of(lease, 0, *chain(None, "a", "b", "c"), leaf="b"))
    assert await path_ids(store) == ["a", "b"]
    await store.commit(commit_of(lease, 1, *chain("b", "d"), leaf="a", operation_id="t2"))

    assert await path_ids(store) == ["a"]
    assert await path_ids(store, ReadScope.FULL_GRAPH) == ["a", "b", "c", "d"]


async def test_a_commit_may_branch_within_itself(store: SessionStore) -> None:
    """Nodes of one commit may share a parent, and come in the order that they were given."""
    lease = await store.claim(wish())
    nodes = (*chain(None, "a", "b"), *chain("a", "c"))
    await store.commit(commit_of(lease, 0, *nodes))

    assert await path_ids(store) == ["a", "c"]
    assert await path_ids(store, ReadScope.FULL_GRAPH) == ["a", "b", "c"]


async def test_a_commit_of_many_nodes_keeps_their_order(store: SessionStore) -> None:
    """However many there are in one transaction."""
    names = [f"n{number:04}" for number in range(1_200)]
    lease = await store.claim(wish())
    await store.commit(commit_of(lease, 0, *chain(None, *names)))

    assert await path_ids(store) == names
    assert await path_ids(store, ReadScope.FULL_GRAPH) == names


async def test_a_refused_commit_can_be_corrected(store: SessionStore) -> None:
    """A refusal leaves no trace: neither ids that are taken nor a receipt."""
    lease = await store.claim(wish())
    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, 0, *chain(None, "a"), *chain("nowhere", "b")))
    receipt = await store.commit(commit_of(lease, 0, *chain(None, "a", "b")))

    assert not receipt.replayed
    assert await path_ids(store) == ["a", "b"]


async def test_two_roots_make_two_trees(store: SessionStore) -> None:
    """A session may begin anew: the path knows its own root alone."""
    await grown(store, "a")
    lease = await store.claim(wish(executor="t2"))
    await store.commit(commit_of(lease, 1, NewNode("b", None, "message", BODY)))

    assert await path_ids(store) == ["b"]
    assert await path_ids(store, leaf="a") == ["a"]
