"""Vacuum: what is dead goes for good, in pieces, and nothing that is read changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sojourn.errors import GraphCorrupt
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    begun,
    branched,
    chain,
    checked_out,
    commit_of,
    grown,
    intent,
    path_ids,
    problems,
    readable,
    state,
    vacuumed,
    wish,
)
from sojourn.upkeep_ports import Vacuumed

FULL = ReadScope.FULL_GRAPH


async def test_vacuum_removes_what_is_tombstoned(store: SessionStore) -> None:
    """For good, and nothing else; twice removes nothing more."""
    await branched(store)
    await store.tombstone_nodes("s", ["b", "c"])

    assert (await vacuumed(store)).nodes == 2
    assert (await vacuumed(store)).nodes == 0
    assert await path_ids(store, FULL) == ["a", "d"]
    assert (await grown(store, "e")).leaf == "e"


async def test_vacuum_of_nothing_is_done_at_once(store: SessionStore) -> None:
    """An empty store, and one without dead rows, have nothing to give."""
    assert replace(await store.vacuum(), freed_bytes=0) == Vacuumed()
    await grown(store, "a")
    await vacuumed(store)

    done = await store.vacuum()
    assert (done.nodes, done.snapshots, done.is_done) == (0, 0, True)


async def test_vacuum_changes_nothing_that_is_read(store: SessionStore) -> None:
    """Branches, forks, open turns, attachments, receipts and ledgers are as before."""
    await branched(store)
    await store.fork("s", "d", "f")
    await grown(store, "e", session="f")
    await grown(store, "x", session="gone")
    await store.begin_attachment(intent(await begun(store)))
    await store.tombstone_nodes("s", ["c"])
    await store.delete("gone")
    before = await readable(store)
    await vacuumed(store)

    assert await readable(store) == before
    assert await problems(store) == []


async def test_vacuum_does_no_more_than_it_is_asked_for(store: SessionStore) -> None:
    """One call is a bounded piece of work, and says whether more is left."""
    await grown(store, *"abcdefgh")
    await checked_out(store, "a")
    await store.tombstone_nodes("s", ["b"])
    first = await store.vacuum(limit=3)

    assert 0 < first.nodes <= 3
    assert not first.is_done
    assert first.nodes + (await vacuumed(store, limit=3)).nodes == 7


async def test_vacuum_in_pieces_comes_to_the_same_end(store: SessionStore) -> None:
    """Row by row, sound and readable after each, until all is gone that one call would take."""
    await branched(store)
    await grown(store, "x", "y", session="gone")
    lease = await store.claim(wish(session="gone"))
    await store.commit(commit_of(lease, 1, leaf="y", tool_state=state(b"old"), release=True))
    await store.tombstone_nodes("s", ["b"])
    await store.delete("gone")
    before = await readable(store)
    pieces: list[Vacuumed] = []
    while len(pieces) < 100 and not (pieces and pieces[-1].is_done):
        pieces.append(await store.vacuum(limit=1))
        assert await readable(store) == before
        assert await problems(store) == []

    assert pieces[-1].is_done
    assert max(piece.nodes + piece.snapshots for piece in pieces) == 1
    assert sum(piece.nodes for piece in pieces) == 4
    assert sum(piece.snapshots for piece in pieces) == 1


async def test_vacuum_keeps_the_states_that_are_in_use(store: SessionStore) -> None:
    """Bodies that a head names stay, of tools and of plugins; others go."""
    lease = await store.claim(wish())
    old, tools, plugins = (state(body) for body in (b"old", b"tools", b"plugins"))
    await store.commit(commit_of(lease, 0, *chain(None, "a"), tool_state=old, plugin_state=old))
    newer = {"tool_state": tools, "plugin_state": plugins, "operation_id": "t2"}
    await store.commit(commit_of(lease, 1, leaf="a", **newer))
    assert (await vacuumed(store)).snapshots == 1
    read = await store.load("s", FULL)

    assert read is not None
    assert (read.tool_state, read.plugin_state) == (b"tools", b"plugins")
    assert await problems(store) == []


async def test_vacuum_keeps_the_states_of_forks(store: SessionStore) -> None:
    """A body that any live session stands on stays; it goes with the last one."""
    lease = await store.claim(wish())
    tools = state(b"tools")
    await store.commit(commit_of(lease, 0, *chain(None, "a"), tool_state=tools, release=True))
    await store.fork("s", "a", "f")
    await store.delete("s")
    await vacuumed(store)
    read = await store.load("f", FULL)
    assert read is not None
    assert read.tool_state == b"tools"

    await store.delete("f")
    assert (await vacuumed(store)).snapshots == 1
    assert (await store.stats())["snapshots"] == 0


async def test_a_state_that_vacuum_took_can_be_brought_again(store: SessionStore) -> None:
    """With its body: by its address alone it is refused."""
    lease = await store.claim(wish())
    old = state(b"old")
    await store.commit(commit_of(lease, 0, tool_state=old))
    await store.commit(commit_of(lease, 1, tool_state=state(b"new"), operation_id="t2"))
    await vacuumed(store)
    bare = replace(old, body=None)
    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, 2, tool_state=bare, operation_id="t3"))
    await store.commit(commit_of(lease, 2, tool_state=old, operation_id="t3"))
    read = await store.load("s", FULL)

    assert read is not None
    assert read.tool_state == b"old"


async def test_orphans_and_tombstones_go_with_their_session(store: SessionStore) -> None:
    """Every branch of it, marked or not."""
    await branched(store)
    await store.tombstone_nodes("s", ["c"])
    await store.delete("s")

    assert (await vacuumed(store)).nodes == 4
    stats = await store.stats()
    assert (stats["nodes"], stats["tombstoned"]) == (0, 0)


async def test_a_large_session_goes_in_pieces(store: SessionStore) -> None:
    """Its deletion is done at once, its nodes are removed as many at a time as is asked for."""
    lease = await store.claim(wish())
    names = [f"n{number}" for number in range(500)]
    await store.commit(commit_of(lease, 0, *chain(None, *names), release=True))
    await store.delete("s")
    first = await store.vacuum(limit=100)

    assert 0 < first.nodes <= 100
    assert not first.is_done
    assert first.nodes + (await vacuumed(store, limit=100)).nodes == 500
