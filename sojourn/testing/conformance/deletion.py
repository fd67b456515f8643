"""Deletion: at once for whoever reads, in pieces for the disk, and never of what a fork holds."""

from __future__ import annotations

import pytest

from sojourn.clock import ManualClock
from sojourn.errors import GraphCorrupt, LeaseHeld, SessionDeleted, UnknownNode, UnknownSession
from sojourn.journal import model_key
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    BOB,
    DAY,
    TTL,
    answer,
    attachment,
    begun,
    chain,
    checked_out,
    commit_of,
    grown,
    intent,
    opening,
    path_ids,
    problems,
    readable,
    ref,
    spent,
    state,
    vacuumed,
    wish,
)


async def lived(store: SessionStore) -> None:
    """Make a session that has some of everything, and is held by nobody."""
    first = await begun(store)
    await store.begin_attachment(intent(first))
    made = commit_of(first, 0, *chain(None, "a", "b"), usage=(spent(3),), config={"agent": "x"})
    await store.commit(made)
    second = await begun(store, "t2")
    await store.record_effect(ref(second, model_key(1), "t2"), answer())
    tools = commit_of(second, 1, leaf="a", tool_state=state(b"tools"), operation_id="t3")
    await store.commit(tools)
    await store.release(second)


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
    assert list(await store.attachments("s")) == []
    assert (await store.stats())["sessions"] == 0


async def test_a_deletion_leaves_no_row_behind(store: SessionStore, clock: ManualClock) -> None:
    """When upkeep has come by, only the id is remembered."""
    await lived(store)
    await store.delete("s")
    await vacuumed(store)
    clock.advance(DAY)
    await store.forget_intents(clock.now(), 100)
    stats = await store.stats()
    stats.pop("size_bytes")

    assert {name: count for name, count in stats.items() if count} == {}
    with pytest.raises(SessionDeleted):
        await store.claim(wish())


async def test_a_deleted_session_is_sound(store: SessionStore) -> None:
    """What waits for vacuum is no problem."""
    await lived(store)
    await store.delete("s")

    assert await problems(store) == []


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


async def test_attachments_of_a_deleted_session_are_refused(store: SessionStore) -> None:
    """Neither begun nor dropped."""
    lease = await begun(store)
    await store.begin_attachment(intent(lease))
    await store.release(lease)
    await store.delete("s")

    with pytest.raises(SessionDeleted):
        await store.begin_attachment(intent(lease, "k2"))
    with pytest.raises(SessionDeleted):
        await store.drop_attachment("s", attachment().attachment_id, lease.fencing_token)
    assert await store.attachment("s", attachment().attachment_id) is None


async def test_an_id_stays_refused_after_vacuum(store: SessionStore) -> None:
    """Whatever upkeep removes, the id is not free again."""
    await grown(store, "a")
    await store.delete("s")
    await vacuumed(store)

    with pytest.raises(SessionDeleted):
        await store.claim(wish())
    await store.delete("s")


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


async def test_a_session_with_an_open_turn_of_nobody_is_deleted(
    store: SessionStore, clock: ManualClock
) -> None:
    """A journal holds nothing: only a live lease does."""
    await begun(store)
    clock.advance(TTL)
    await store.delete("s")

    assert list(await store.effects("s", "t1")) == []


async def test_what_a_fork_reaches_survives_its_source(store: SessionStore) -> None:
    """The shared path stays; the rest of the deleted session goes."""
    await grown(store, "a", "b", "c")
    await store.fork("s", "b", "f")
    await grown(store, "d", session="f")
    await store.delete("s")

    assert await path_ids(store, session="f") == ["a", "b", "d"]
    assert await path_ids(store, ReadScope.FULL_GRAPH, session="f") == ["a", "b", "d"]
    assert await problems(store) == []
    await vacuumed(store)
    assert (await store.stats())["nodes"] == 3
    assert await path_ids(store, session="f") == ["a", "b", "d"]
    assert await problems(store) == []


async def test_what_a_fork_does_not_see_is_gone_for_it_too(store: SessionStore) -> None:
    """Before vacuum as after it."""
    await grown(store, "a", "b", "c")
    fork = await store.fork("s", "b", "f")
    await store.delete("s")
    lease = await store.claim(wish(session="f"))

    assert await store.node("f", "c") is None
    with pytest.raises(UnknownNode):
        await store.load("f", ReadScope.ACTIVE_PATH, "c")
    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, fork.head_revision, *chain("c", "d")))


async def test_the_last_fork_takes_the_shared_path_with_it(store: SessionStore) -> None:
    """Nodes of deleted sessions go when nobody holds them any more."""
    await grown(store, "a", "b")
    await store.fork("s", "b", "f")
    await store.fork("f", "a", "g")
    await store.delete("s")
    await store.delete("f")
    await vacuumed(store)
    assert await path_ids(store, session="g") == ["a"]
    assert (await store.stats())["nodes"] == 1
    await store.delete("g")
    await vacuumed(store)

    assert (await store.stats())["nodes"] == 0


async def test_a_fork_that_stands_elsewhere_keeps_its_branches(store: SessionStore) -> None:
    """Its own branch is whole after the source is deleted, though its leaf is not on it."""
    await grown(store, "a", "b")
    await store.fork("s", "b", "f")
    await grown(store, "mine", session="f")
    await checked_out(store, "a", session="f")
    await store.delete("s")
    await vacuumed(store)

    assert await path_ids(store, leaf="mine", session="f") == ["a", "b", "mine"]


async def test_a_fork_goes_on_after_its_source(store: SessionStore) -> None:
    """It commits, branches and is forked, before vacuum and after it."""
    await grown(store, "a", "b")
    await store.fork("s", "b", "f")
    await store.delete("s")
    await grown(store, "c", session="f")
    await vacuumed(store)
    await checked_out(store, "a", session="f")
    await grown(store, "d", session="f")
    await store.fork("f", "c", "g")

    assert await path_ids(store, session="f") == ["a", "d"]
    assert await path_ids(store, session="g") == ["a", "b", "c"]


async def test_a_deleted_fork_leaves_its_source(store: SessionStore) -> None:
    """Only its own nodes go."""
    await grown(store, "a", "b")
    before = await readable(store)
    await store.fork("s", "b", "f")
    await grown(store, "c", session="f")
    await store.delete("f")

    assert (await vacuumed(store)).nodes == 1
    assert await readable(store) == before


async def test_a_deleted_middle_is_held_by_what_hangs_on_it(store: SessionStore) -> None:
    """The path of a fork's fork leads through its nodes."""
    await grown(store, "a")
    await store.fork("s", "a", "f")
    await grown(store, "b", "c", session="f")
    await store.fork("f", "b", "g")
    await store.delete("f")

    assert (await vacuumed(store)).nodes == 1
    assert await path_ids(store, session="g") == ["a", "b"]


async def test_a_strangers_nodes_survive_a_deletion(store: SessionStore) -> None:
    """Deletion looks at one family alone."""
    await grown(store, "x", session="other")
    await grown(store, "a")
    await store.delete("s")
    await vacuumed(store)

    assert await path_ids(store, session="other") == ["x"]


async def test_a_deleted_session_is_on_no_page(store: SessionStore) -> None:
    """Pages go on after it."""
    for session in ("a", "b", "c"):
        await grown(store, f"n-{session}", session=session)
    await store.delete("b")

    assert [head.session_id for head in await store.heads(limit=2)] == ["a", "c"]
    assert [head.session_id for head in await store.heads(after="b")] == ["c"]
