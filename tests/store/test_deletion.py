from __future__ import annotations

import pytest

from sojourn.clock import ManualClock
from sojourn.errors import LeaseHeld, SessionDeleted, UnknownSession
from sojourn.journal import model_key
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from tests.store.making import (
    BOB,
    TTL,
    answer,
    chain,
    checked_out,
    commit_of,
    grown,
    opening,
    path_ids,
    ref,
    spent,
    wish,
)


async def test_nothing_can_be_read_of_a_deleted_session(store: SessionStore) -> None:
    """Head, graph, node, lease, journal, receipt, ledger: all gone, as if it had never been."""
    lease = await store.claim(wish())
    await store.commit(commit_of(lease, 0, *chain(None, "a"), usage=(spent(3),), release=True))
    await store.delete("s")

    assert await store.head("s") is None
    assert await store.load("s", ReadScope.FULL_GRAPH) is None
    assert await store.node("s", "a") is None
    assert await store.lease("s") is None
    assert await store.receipt("s", "t1") is None
    assert list(await store.usage("s")) == []
    assert list(await store.effects("s", "t1")) == []
    assert list(await store.heads()) == []
    assert list(await store.orphaned_node_ids("s")) == []
    stats = await store.stats()
    assert (stats["sessions"], stats["nodes"], stats["receipts"]) == (0, 0, 0)


async def test_a_deleted_id_is_refused_for_ever(store: SessionStore) -> None:
    """By whatever would make or write it."""
    await grown(store, "x", session="other")
    lease = await store.claim(wish())
    await store.release(lease)
    await store.delete("s")

    with pytest.raises(SessionDeleted):
        await store.claim(wish())
    with pytest.raises(SessionDeleted):
        await store.open_turn(opening())
    with pytest.raises(SessionDeleted):
        await store.fork("other", "x", "s")
    with pytest.raises(SessionDeleted):
        await store.fork("s", "x", "f")
    with pytest.raises(SessionDeleted):
        await store.commit(commit_of(lease, 0, *chain(None, "a")))
    with pytest.raises(SessionDeleted):
        await store.renew(lease, TTL)
    with pytest.raises(SessionDeleted):
        await store.record_effect(ref(lease, model_key(1)), answer())
    with pytest.raises(SessionDeleted):
        await store.tombstone_nodes("s", ["a"])
    await store.release(lease)


async def test_deleting_twice_is_harmless_and_nothing_is_an_error(store: SessionStore) -> None:
    """A retried deletion finds it done; a session that never was cannot be deleted."""
    await grown(store, "a")
    await store.delete("s")
    await store.delete("s")

    with pytest.raises(UnknownSession):
        await store.delete("x")


async def test_a_session_at_work_is_not_deleted(store: SessionStore, clock: ManualClock) -> None:
    """As long as its lease is live."""
    await store.claim(wish(BOB))

    with pytest.raises(LeaseHeld):
        await store.delete("s")
    clock.advance(TTL)
    await store.delete("s")
    assert await store.head("s") is None


async def test_what_a_fork_reaches_survives_its_source(store: SessionStore) -> None:
    """The shared path stays; the rest of the deleted session goes."""
    await grown(store, "a", "b", "c")
    await store.fork("s", "b", "f")
    await grown(store, "d", session="f")
    await store.delete("s")

    assert await path_ids(store, session="f") == ["a", "b", "d"]
    assert await path_ids(store, ReadScope.FULL_GRAPH, session="f") == ["a", "b", "d"]
    assert (await store.stats())["nodes"] == 3
    assert [problem async for problem in store.check()] == []


async def test_the_last_fork_takes_the_shared_path_with_it(store: SessionStore) -> None:
    """Nodes of deleted sessions go when nobody holds them any more."""
    await grown(store, "a", "b")
    await store.fork("s", "b", "f")
    await store.fork("f", "a", "g")
    await store.delete("s")
    await store.delete("f")
    assert await path_ids(store, session="g") == ["a"]
    assert (await store.stats())["nodes"] == 1
    await store.delete("g")

    assert (await store.stats())["nodes"] == 0


async def test_a_fork_that_stands_elsewhere_keeps_its_branches(store: SessionStore) -> None:
    """Its own branch is whole after the source is deleted, though its leaf is not on it."""
    await grown(store, "a", "b")
    await store.fork("s", "b", "f")
    await grown(store, "mine", session="f")
    await checked_out(store, "a", session="f")
    await store.delete("s")

    assert await path_ids(store, leaf="mine", session="f") == ["a", "b", "mine"]


async def test_a_strangers_nodes_survive_a_deletion(store: SessionStore) -> None:
    """Deletion looks at one family alone."""
    await grown(store, "x", session="other")
    await grown(store, "a")
    await store.delete("s")

    assert await path_ids(store, session="other") == ["x"]
