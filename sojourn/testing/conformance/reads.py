"""Reads: each scope gives what it says, in append order, and nothing of a stranger's."""

from __future__ import annotations

import pytest

from sojourn.commit import NewNode
from sojourn.errors import UnknownNode
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    BODY,
    branched,
    chain,
    checked_out,
    commit_of,
    grown,
    head_of,
    path_ids,
    state,
    wish,
)

FULL, PATH, FRAME = ReadScope.FULL_GRAPH, ReadScope.ACTIVE_PATH, ReadScope.FRAME


async def test_nothing_is_read_of_an_unknown_session(store: SessionStore) -> None:
    """Every scope says that there is none."""
    for scope in ReadScope:
        assert await store.load("x", scope) is None
    assert await store.node("x", "a") is None


@pytest.mark.parametrize("scope", ReadScope)
async def test_a_new_session_has_no_nodes(store: SessionStore, scope: ReadScope) -> None:
    """A claimed session can be read before its first commit."""
    await store.claim(wish())
    read = await store.load("s", scope)

    assert read is not None
    assert (read.nodes, read.tool_state, read.plugin_state) == ((), None, None)


async def test_the_active_path_leaves_out_other_branches(store: SessionStore) -> None:
    """After a checkout the path leads to the new leaf; the full graph has both branches."""
    await grown(store, "a", "b", "c")
    await checked_out(store, "a")
    await grown(store, "d")

    assert await path_ids(store, PATH) == ["a", "d"]
    assert await path_ids(store, FULL) == ["a", "b", "c", "d"]


async def test_a_path_can_be_read_from_any_leaf(store: SessionStore) -> None:
    """The head stays where it is."""
    await grown(store, "a", "b", "c")
    await checked_out(store, "a")
    read = await store.load("s", PATH, "b")

    assert read is not None
    assert [node.node_id for node in read.nodes] == ["a", "b"]
    assert [node.parent_id for node in read.nodes] == [None, "a"]
    assert read.head.leaf == "a"
    with pytest.raises(UnknownNode):
        await store.load("s", PATH, "nowhere")


@pytest.mark.parametrize("scope", ReadScope)
async def test_a_read_has_head_and_states_in_every_scope(
    store: SessionStore, scope: ReadScope
) -> None:
    """However few nodes are asked for."""
    lease = await store.claim(wish())
    states = {"tool_state": state(b"tools"), "plugin_state": state(b"plugins", 2)}
    await store.commit(commit_of(lease, 0, *chain(None, "a"), **states))
    read = await store.load("s", scope)

    assert read is not None
    assert read.head == await head_of(store)
    assert (read.tool_state, read.plugin_state) == (b"tools", b"plugins")


async def test_the_full_graph_is_the_same_from_every_leaf(store: SessionStore) -> None:
    """It has every branch anyway; but a leaf must be there to be read from."""
    await branched(store)

    assert await path_ids(store, FULL, "c") == await path_ids(store, FULL)
    with pytest.raises(UnknownNode):
        await store.load("s", FULL, "nowhere")


async def test_a_session_may_stand_on_nothing_again(store: SessionStore) -> None:
    """Without a leaf the path is empty and the nodes stay."""
    await grown(store, "a")
    await checked_out(store, None)

    assert await path_ids(store, PATH) == []
    assert await path_ids(store, FULL) == ["a"]
    await grown(store, "b")
    assert await path_ids(store, PATH) == ["b"]


async def test_a_frame_reaches_back_to_the_newest_frame_node(store: SessionStore) -> None:
    """That node is included, what is before it is not; the first one knows its parent's id."""
    await grown(store, "a", "b")
    for number, name in enumerate(("f1", "f2"), 1):
        lease = await store.claim(wish(executor=name))
        above = await path_ids(store)
        frame = (NewNode(name, above[-1], "frame", b"{}"), *chain(name, f"{name}-x"))
        await store.commit(commit_of(lease, number, *frame))
    await grown(store, "c")
    read = await store.load("s", FRAME)

    assert read is not None
    assert [node.node_id for node in read.nodes] == ["f2", "f2-x", "c"]
    assert read.nodes[0].parent_id == "f1-x"
    assert await path_ids(store, FRAME, "f2") == ["f2"]
    assert await path_ids(store, FRAME, "f1-x") == ["f1", "f1-x"]
    assert await path_ids(store, FRAME, "b") == ["a", "b"]


async def test_a_session_without_frames_is_one_frame(store: SessionStore) -> None:
    """Then the frame is the active path."""
    await grown(store, "a", "b")

    assert await path_ids(store, FRAME) == ["a", "b"]


async def test_a_branch_has_its_own_frame(store: SessionStore) -> None:
    """A frame on one branch is none on another."""
    await grown(store, "a", "b")
    lease = await store.claim(wish(executor="t2"))
    await store.commit(commit_of(lease, 1, *chain("a", "frame", kind="frame"), release=True))
    await grown(store, "c")

    assert await path_ids(store, FRAME) == ["frame", "c"]
    assert await path_ids(store, FRAME, "b") == ["a", "b"]


async def test_many_frames_in_one_commit_are_told_apart(store: SessionStore) -> None:
    """Each node belongs to the nearest frame above it, committed just now or before."""
    lease = await store.claim(wish())
    nodes = (
        *chain(None, "a"),
        *chain("a", "f1", kind="frame"),
        *chain("f1", "b"),
        *chain("b", "f2", kind="frame"),
        *chain("f2", "c"),
    )
    await store.commit(commit_of(lease, 0, *nodes))

    assert await path_ids(store, PATH) == ["a", "f1", "b", "f2", "c"]
    assert await path_ids(store, FRAME) == ["f2", "c"]
    assert await path_ids(store, FRAME, "b") == ["f1", "b"]
    assert await path_ids(store, FRAME, "a") == ["a"]


async def test_a_long_path_is_read_whole(store: SessionStore) -> None:
    """Over many commits, with branches in between, in order and without a gap."""
    names = [f"n{number:03}" for number in range(200)]
    lease = await store.claim(wish())
    for revision, name in enumerate(names):
        above = names[revision - 1] if revision else None
        nodes = (*chain(above, f"{name}x"), *chain(above, name))
        await store.commit(commit_of(lease, revision, *nodes, operation_id=name))

    assert await path_ids(store, PATH) == names
    assert len(await path_ids(store, FULL)) == 2 * len(names)


async def test_a_node_is_read_by_its_id(store: SessionStore) -> None:
    """Of the session's own, on the path or off it; not of a stranger's."""
    await grown(store, "a", "b")
    await checked_out(store, "a")
    await grown(store, "theirs", session="other")
    node = await store.node("s", "b")

    assert node is not None
    assert (node.parent_id, node.body, node.turn_id) == ("a", BODY, "turn-a")
    assert await store.node("s", "theirs") is None
    assert await store.node("s", "nowhere") is None
    with pytest.raises(UnknownNode):
        await store.load("s", PATH, "theirs")


async def test_the_same_node_is_read_in_every_way(store: SessionStore) -> None:
    """By its id, on a path and in the full graph: one node."""
    await grown(store, "a", "b")
    alone = await store.node("s", "b")

    for scope in ReadScope:
        read = await store.load("s", scope)
        assert read is not None
        assert read.nodes[-1] == alone


async def test_sessions_interleave_without_mixing(store: SessionStore) -> None:
    """Each graph is its own, in its own append order."""
    for round_number in range(3):
        for session in ("s", "other"):
            await grown(store, f"{session}-{round_number}", session=session)

    assert await path_ids(store, FULL) == ["s-0", "s-1", "s-2"]
    assert await path_ids(store, PATH, session="other") == ["other-0", "other-1", "other-2"]


async def test_heads_come_in_pages_by_id(store: SessionStore) -> None:
    """A page starts after an id and has as many as asked for."""
    for session in ("c", "a", "b"):
        await store.claim(wish(session=session))

    assert [head.session_id for head in await store.heads(limit=2)] == ["a", "b"]
    assert [head.session_id for head in await store.heads(after="b")] == ["c"]
    assert list(await store.heads(after="c")) == []


async def test_pages_of_heads_are_in_the_order_of_code_points(store: SessionStore) -> None:
    """Whatever the language of the machine, so that no page misses or repeats a session."""
    names = ["é", "a", "B", "b", "Z", "a-1", "a.1", "10", "9", "東京", "🧭", "e\u0301"]
    for session in names:
        await store.claim(wish(session=session))
    seen: list[str] = []
    while page := await store.heads(after=seen[-1] if seen else "", limit=5):
        seen += [head.session_id for head in page]

    assert seen == sorted(names)


async def test_a_page_starts_after_an_id_that_need_not_be_there(store: SessionStore) -> None:
    """Who pages while sessions are deleted goes on where they were."""
    for session in ("a", "c"):
        await store.claim(wish(session=session))

    assert [head.session_id for head in await store.heads(after="b")] == ["c"]
    assert [head.session_id for head in await store.heads(after="")] == ["a", "c"]


async def test_closing_twice_is_harmless(store: SessionStore) -> None:
    """The second close has nothing to do."""
    await store.close()
    await store.close()
