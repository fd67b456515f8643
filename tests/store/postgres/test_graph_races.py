"""What holds nodes and what takes them away meet on one family: nothing held is lost."""

from __future__ import annotations

import pytest

from sojourn.adapters.postgres import PostgresStore
from sojourn.clock import ManualClock
from sojourn.errors import GraphCorrupt, InvalidInput, NodeReachable, SessionDeleted, UnknownNode
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    DAY,
    branched,
    chain,
    checked_out,
    commit_of,
    grown,
    path_ids,
    problems,
    state,
    vacuumed,
    wish,
)
from tests.support.rivals import held_up, in_flight

FULL = ReadScope.FULL_GRAPH


async def test_a_node_that_is_being_forked_is_not_tombstoned(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """The fork holds it, though nobody saw the fork when the marking began."""
    await branched(store)
    async with in_flight(postgres_url, clock) as rival:
        await rival.fork("s", "b", "f")
        marking = await held_up(postgres_url, store.tombstone_nodes("s", ["b"]))

    with pytest.raises(NodeReachable):
        await marking
    assert await path_ids(store, session="f") == ["a", "b"]


async def test_a_node_that_is_being_tombstoned_is_not_forked(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """The fork finds it gone."""
    await branched(store)
    async with in_flight(postgres_url, clock) as rival:
        assert await rival.tombstone_nodes("s", ["b"]) == 2
        fork = await held_up(postgres_url, store.fork("s", "b", "f"))

    with pytest.raises(UnknownNode):
        await fork
    assert await store.head("f") is None


async def test_a_node_that_is_being_checked_out_is_not_tombstoned(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """The session stands on it when the marking comes to look."""
    await branched(store)
    async with in_flight(postgres_url, clock) as rival:
        await checked_out(rival, "c")
        marking = await held_up(postgres_url, store.tombstone_nodes("s", ["c"]))

    with pytest.raises(NodeReachable):
        await marking
    assert await path_ids(store) == ["a", "b", "c"]


async def test_a_node_that_is_being_tombstoned_is_not_built_upon(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """A commit that waits for the marking is refused."""
    await branched(store)
    lease = await store.claim(wish(executor="t9"))
    commit = commit_of(lease, 3, *chain("c", "e"))
    async with in_flight(postgres_url, clock) as rival:
        await rival.tombstone_orphans("s", clock.now() + DAY, 10)
        building = await held_up(postgres_url, store.commit(commit))

    with pytest.raises(GraphCorrupt):
        await building
    assert await path_ids(store) == ["a", "d"]


async def test_an_orphan_that_is_being_checked_out_stays(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """Upkeep looks again once the session is its own."""
    await branched(store)
    async with in_flight(postgres_url, clock) as rival:
        await checked_out(rival, "b")
        upkeep = await held_up(postgres_url, store.tombstone_orphans("s", clock.now() + DAY, 10))

    assert await upkeep == 2
    assert await path_ids(store, FULL) == ["a", "b"]


async def test_a_session_without_orphans_is_not_waited_for(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """Upkeep finds that out without its lock."""
    await grown(store, "a", "b")
    async with in_flight(postgres_url, clock) as rival:
        await grown(rival, "c")
        assert await store.tombstone_orphans("s", clock.now() + DAY, 10) == 0


async def test_a_session_that_is_being_deleted_is_not_forked(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """Else nobody would hold the fork's nodes."""
    await grown(store, "a")
    async with in_flight(postgres_url, clock) as rival:
        await rival.delete("s")
        fork = await held_up(postgres_url, store.fork("s", "a", "f"))

    with pytest.raises(SessionDeleted):
        await fork


async def test_a_session_that_is_being_deleted_takes_no_commit(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """Nothing is appended to what vacuum has come to look at."""
    await grown(store, "a")
    lease = await store.claim(wish(executor="t9"))
    await store.release(lease)
    async with in_flight(postgres_url, clock) as rival:
        await rival.delete("s")
        commit = await held_up(postgres_url, store.commit(commit_of(lease, 1, *chain("a", "b"))))

    with pytest.raises(SessionDeleted):
        await commit
    assert (await vacuumed(store)).nodes == 1


async def test_a_fork_in_flight_keeps_its_path_when_its_source_is_deleted(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """Vacuum waits for nobody; the source is deleted only once the fork holds the path itself."""
    await grown(store, "a", "b", "c")
    await store.fork("s", "b", "f")
    await store.delete("s")
    async with in_flight(postgres_url, clock) as rival:
        await rival.fork("f", "a", "g")
        assert (await store.vacuum()).nodes == 1
        deletion = await held_up(postgres_url, store.delete("f"))
        assert (await store.vacuum()).nodes == 0
    await deletion

    assert (await vacuumed(store)).nodes == 1
    assert await path_ids(store, session="g") == ["a"]
    assert await problems(store) == []


async def test_a_read_is_whole_while_vacuum_removes(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """What a fork holds is there before, during and after."""
    await grown(store, "a", "b", "c")
    await store.fork("s", "b", "f")
    await store.delete("s")
    async with in_flight(postgres_url, clock) as rival:
        assert (await rival.vacuum()).nodes == 1
        assert await path_ids(store, FULL, session="f") == ["a", "b"]

    assert await path_ids(store, FULL, session="f") == ["a", "b"]


async def test_vacuums_do_not_wait_for_each_other(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """What one that failed had taken is left to the next."""
    for session in ("s", "f"):
        await grown(store, f"{session}1", f"{session}2", session=session)
        await store.delete(session)
    await grown(store, "x", session="g")
    await checked_out(store, None, session="g")
    await store.tombstone_nodes("g", ["x"])
    async with in_flight(postgres_url, clock, end="ROLLBACK") as rival:
        assert (await rival.vacuum(limit=3)).is_done is False
        await store.vacuum(limit=3)

    await vacuumed(store)
    stats = await store.stats()
    assert (stats["nodes"], stats["tombstoned"], stats["receipts"]) == (0, 0, 2)


async def test_vacuums_of_one_family_leave_nothing_behind(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """Not even what one frees while another removes the rest."""
    await grown(store, "a", "b")
    await store.fork("s", "a", "f")
    await grown(store, "c", "d", session="f")
    await store.delete("s")
    async with in_flight(postgres_url, clock) as rival:
        assert (await rival.vacuum()).nodes == 1
        await store.delete("f")
        await store.vacuum(limit=3)

    await vacuumed(store)
    assert (await store.stats())["nodes"] == 0


async def test_one_of_two_forks_gets_the_id(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """The other one is told that it is taken, whatever it is forked from."""
    await grown(store, "a")
    await grown(store, "x", session="other")
    async with in_flight(postgres_url, clock) as rival:
        await rival.fork("s", "a", "f")
        fork = await held_up(postgres_url, store.fork("other", "x", "f"))

    with pytest.raises(InvalidInput):
        await fork
    assert await path_ids(store, session="f") == ["a"]


async def test_a_deletion_is_done_once(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """The second finds it done."""
    await grown(store, "a")
    async with in_flight(postgres_url, clock) as rival:
        await rival.delete("s")
        again = await held_up(postgres_url, store.delete("s"))
    await again

    assert (await vacuumed(store)).nodes == 1


async def test_a_state_that_a_commit_comes_to_stand_on_stays(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """Vacuum waits for the commit, and looks again."""
    lease = await store.claim(wish())
    old, new = state(b"old"), state(b"new")
    await store.commit(commit_of(lease, 0, *chain(None, "a"), tool_state=old))
    await store.commit(commit_of(lease, 1, leaf="a", tool_state=new, operation_id="t2"))
    async with in_flight(postgres_url, clock) as rival:
        await rival.commit(commit_of(lease, 2, leaf="a", tool_state=old, operation_id="t3"))
        vacuum = await held_up(postgres_url, store.vacuum())

    assert (await vacuum).snapshots == 0
    assert (await vacuumed(store)).snapshots == 1
    read = await store.load("s", FULL)
    assert read is not None
    assert read.tool_state == b"old"


async def test_a_state_that_is_being_removed_is_stored_anew(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """A commit that brings the body waits for vacuum, and writes it again."""
    lease = await store.claim(wish())
    old, new = state(b"old"), state(b"new")
    await store.commit(commit_of(lease, 0, *chain(None, "a"), tool_state=old))
    await store.commit(commit_of(lease, 1, leaf="a", tool_state=new, operation_id="t2"))
    again = commit_of(lease, 2, leaf="a", tool_state=old, operation_id="t3")
    async with in_flight(postgres_url, clock) as rival:
        assert (await rival.vacuum()).snapshots == 1
        commit = await held_up(postgres_url, store.commit(again))
    await commit

    read = await store.load("s", FULL)
    assert read is not None
    assert read.tool_state == b"old"
