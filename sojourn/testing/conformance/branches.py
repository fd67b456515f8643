"""Branches and forks: sessions that share a past without copying it."""

from __future__ import annotations

import pytest

from sojourn import ids
from sojourn.clock import ManualClock
from sojourn.commit import NewNode, Snapshot
from sojourn.errors import GraphCorrupt, InvalidId, InvalidInput, UnknownNode, UnknownSession
from sojourn.journal import model_key
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    DAY,
    answer,
    begun,
    branched,
    chain,
    checked_out,
    commit_of,
    grown,
    path_ids,
    readable,
    ref,
    spent,
    wish,
)
from sojourn.usage import Usage

FULL, PATH, FRAME = ReadScope.FULL_GRAPH, ReadScope.ACTIVE_PATH, ReadScope.FRAME


async def test_a_fork_copies_no_node(store: SessionStore) -> None:
    """It stands on the other session's node and reads that one's path."""
    await grown(store, "a", "b", "c")
    before = (await store.stats())["nodes"]
    head = await store.fork("s", "b", "f")

    assert (head.session_id, head.leaf, head.turn_count) == ("f", "b", 0)
    assert head.head_revision > 0
    assert (await store.stats())["nodes"] == before
    assert await path_ids(store, PATH, session="f") == ["a", "b"]
    assert await path_ids(store, FULL, session="f") == ["a", "b"]
    assert await store.lease("f") is None


async def test_a_fork_starts_with_the_sources_state(store: SessionStore) -> None:
    """Configuration, tools and plugins are the source's; tokens and receipts are its own."""
    lease = await store.claim(wish())
    tools = Snapshot(ids.digest(b"tools"), b"tools", 4)
    plugins = Snapshot(ids.digest(b"plugins"), b"plugins", 5)
    commit = commit_of(lease, 0, config={"agent": "clerk"}, tool_state=tools, plugin_state=plugins)
    await store.commit(commit)
    await grown(store, "a")
    await store.commit(
        commit_of(await store.claim(wish(executor="t9")), 2, leaf="a", usage=(spent(3),))
    )
    await store.fork("s", "a", "f")
    read = await store.load("f", PATH)

    assert read is not None
    assert read.head.config == {"agent": "clerk"}
    assert (read.tool_state, read.plugin_state) == (b"tools", b"plugins")
    assert read.head.usage == Usage()
    assert await store.receipt("f", "t1") is None


async def test_a_fork_is_as_old_as_itself(store: SessionStore, clock: ManualClock) -> None:
    """Its source's nodes keep their times."""
    await grown(store, "a")
    made = clock.now()
    clock.advance(DAY)
    head = await store.fork("s", "a", "f")
    node = await store.node("f", "a")

    assert head.created_at == clock.now()
    assert node is not None
    assert node.created_at == made


async def test_a_fork_leaves_its_source_as_it_was(store: SessionStore) -> None:
    """Neither its head, nor its lease, nor its journal moves."""
    await grown(store, "a", "b")
    lease = await begun(store)
    await store.record_effect(ref(lease, model_key(1)), answer())
    before = (await readable(store))["s"]
    await store.fork("s", "a", "f")

    assert (await readable(store))["s"] == before
    assert list(await store.effects("f", "t1")) == []


async def test_a_session_at_work_can_be_forked(store: SessionStore) -> None:
    """A fork asks nobody's leave: it only reads."""
    await grown(store, "a")
    await store.claim(wish())
    await store.fork("s", "a", "f")

    assert (await store.claim(wish(session="f"))).fencing_token == 1


async def test_a_fork_and_its_source_go_apart(store: SessionStore) -> None:
    """What one appends the other does not see."""
    await grown(store, "a", "b")
    await store.fork("s", "b", "f")
    await grown(store, "mine", session="f")
    await grown(store, "theirs")

    assert await path_ids(store, PATH, session="f") == ["a", "b", "mine"]
    assert await path_ids(store, FULL, session="f") == ["a", "b", "mine"]
    assert await path_ids(store, PATH) == ["a", "b", "theirs"]
    assert await path_ids(store, FULL) == ["a", "b", "theirs"]
    assert await store.node("f", "theirs") is None
    assert await store.node("s", "mine") is None


async def test_a_fork_sees_its_ancestry_only(store: SessionStore) -> None:
    """Nodes of the source off the forked path are not the fork's."""
    await grown(store, "a", "b", "c")
    await store.fork("s", "b", "f")

    assert (await store.node("f", "a")) == (await store.node("s", "a"))
    assert await store.node("f", "c") is None
    with pytest.raises(UnknownNode):
        await store.load("f", PATH, "c")
    with pytest.raises(UnknownNode):
        await store.fork("f", "c", "g")


async def test_a_fork_may_go_back_into_its_ancestry(store: SessionStore) -> None:
    """A checkout moves the leaf to an inherited node, and a turn goes on from there."""
    await grown(store, "a", "b")
    await store.fork("s", "b", "f")
    await checked_out(store, "a", session="f")
    await grown(store, "mine", session="f")

    assert await path_ids(store, PATH, session="f") == ["a", "mine"]
    assert await path_ids(store, PATH, "b", session="f") == ["a", "b"]
    assert await store.node("f", "b") == await store.node("s", "b")
    assert await path_ids(store, FULL, session="f") == ["a", "b", "mine"]


async def test_forks_can_be_forked(store: SessionStore) -> None:
    """Reads follow parents through every generation."""
    await grown(store, "a", "b")
    await store.fork("s", "a", "f")
    await grown(store, "c", session="f")
    await store.fork("f", "c", "g")
    await grown(store, "d", session="g")
    await store.fork("g", "a", "h")

    assert await path_ids(store, PATH, session="g") == ["a", "c", "d"]
    assert await path_ids(store, FULL, session="g") == ["a", "c", "d"]
    assert await path_ids(store, PATH, session="h") == ["a"]


async def test_a_fork_of_a_forks_past_reaches_through(store: SessionStore) -> None:
    """A node that the fork only inherited can be forked at, and belongs to the first source."""
    await grown(store, "a", "b", "c")
    await store.fork("s", "c", "f")
    await store.fork("f", "b", "g")

    assert await path_ids(store, FULL, session="g") == ["a", "b"]
    assert await store.node("g", "c") is None


async def test_a_fork_may_stand_on_a_branch(store: SessionStore) -> None:
    """Any node of the session will do, on its active path or off it."""
    await branched(store)
    await store.fork("s", "c", "f")

    assert await path_ids(store, PATH, session="f") == ["a", "b", "c"]


async def test_a_turn_of_the_source_is_none_of_the_forks(store: SessionStore) -> None:
    """The same turn id runs in the fork as if it had never been used."""
    lease = await begun(store)
    await store.commit(commit_of(lease, 0, *chain(None, "a"), release=True))
    fork = await store.fork("s", "a", "f")
    mine = await begun(store, session="f", text="something else")
    receipt = await store.commit(commit_of(mine, fork.head_revision, *chain("a", "b")))

    assert not receipt.replayed


async def test_nodes_of_the_source_are_no_parents_beyond_the_fork(store: SessionStore) -> None:
    """What the fork does not see it does not build upon."""
    await grown(store, "a", "b")
    fork = await store.fork("s", "a", "f")
    lease = await store.claim(wish(session="f"))

    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, fork.head_revision, *chain("b", "c")))


async def test_an_id_of_a_node_is_used_once_in_a_family(store: SessionStore) -> None:
    """A fork cannot give a node the id that its source gave one."""
    await grown(store, "a", "b")
    fork = await store.fork("s", "a", "f")
    lease = await store.claim(wish(session="f"))

    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, fork.head_revision, *chain("a", "b")))


def framed() -> list[NewNode]:
    """Return a message, a frame, and a message after it."""
    (first,) = chain(None, "a")
    return [first, *chain("a", "frame", kind="frame"), *chain("frame", "b")]


async def test_a_frame_can_lie_in_the_source(store: SessionStore) -> None:
    """A fork's frame reaches back over the border."""
    lease = await store.claim(wish())
    await store.commit(commit_of(lease, 0, *framed()))
    await store.fork("s", "b", "f")
    await grown(store, "c", session="f")

    assert await path_ids(store, FRAME, session="f") == ["frame", "b", "c"]


async def test_many_forks_share_one_past(store: SessionStore) -> None:
    """Twenty of them copy nothing, and each goes its own way."""
    await grown(store, "a", "b")
    for number in range(20):
        await store.fork("s", "b", f"f{number:02}")
    for number in range(20):
        await grown(store, f"n{number}", session=f"f{number:02}")

    assert (await store.stats())["nodes"] == 22
    assert await path_ids(store, session="f07") == ["a", "b", "n7"]


async def test_a_fork_needs_what_it_names(store: SessionStore) -> None:
    """The source and its node must be there, the new id free and possible."""
    await grown(store, "a")
    await grown(store, "theirs", session="other")

    with pytest.raises(UnknownSession):
        await store.fork("x", "a", "f")
    with pytest.raises(UnknownNode):
        await store.fork("s", "nowhere", "f")
    with pytest.raises(UnknownNode):
        await store.fork("s", "theirs", "f")
    with pytest.raises(InvalidInput):
        await store.fork("s", "a", "other")
    with pytest.raises(InvalidInput):
        await store.fork("s", "a", "s")
    with pytest.raises(InvalidId):
        await store.fork("s", "a", "two words")
    assert [head.session_id for head in await store.heads()] == ["other", "s"]


async def test_branches_of_a_session_are_kept(store: SessionStore) -> None:
    """A checkout leaves the way back open."""
    await branched(store)
    await checked_out(store, "c")
    await grown(store, "e")

    assert await path_ids(store) == ["a", "b", "c", "e"]
    assert await path_ids(store, leaf="d") == ["a", "d"]
