from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sojourn.adapters.sqlite import SqliteStore, ages, holds, pace, tombstones, vacuum_pieces
from sojourn.adapters.sqlite import vacuum as vacuums
from sojourn.adapters.sqlite.connection import Connection, Work
from sojourn.clock import ManualClock
from sojourn.commit import Commit, NewNode
from sojourn.errors import Contended, NodeReachable
from sojourn.journal import model_key
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    DAY,
    TICK,
    TTL,
    answer,
    begun,
    chain,
    checked_out,
    commit_of,
    grown,
    path_ids,
    problems,
    ref,
    state,
    vacuumed,
    wish,
)

T = TypeVar("T")

SMALL = 5


@pytest.fixture
async def store(sqlite_path: Path, clock: ManualClock) -> AsyncIterator[SqliteStore]:
    """An empty SQLite store."""
    store = await SqliteStore.open(str(sqlite_path), clock=clock)
    yield store
    await store.close()


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces so small that any work takes several."""
    for module in (pace, vacuums):
        monkeypatch.setattr(module, "PIECE_ROWS", SMALL)
    for module in (ages, tombstones, vacuum_pieces, vacuums):
        monkeypatch.setattr(module, "PAGE", SMALL)
    monkeypatch.setattr(vacuums, "PIECE_PAGES", SMALL)


def connection(store: SqliteStore, name: str = "_writer") -> Connection:
    """Return one of a store's two connections."""
    found: Connection = vars(store)[name]
    return found


class Meter:
    """Counts the rows that each transaction of a connection changes."""

    def __init__(self, connection: Connection) -> None:
        self.changes: list[int] = []
        self._transact = connection.transact
        connection.transact = self.transact  # type: ignore[method-assign]

    async def transact(self, work: Work[T]) -> T:
        """Do the work, and count."""

        def counted(db: sqlite3.Connection) -> T:
            before = db.total_changes
            result = work(db)
            self.changes.append(db.total_changes - before)
            return result

        return await self._transact(counted)


class Between:
    """Does something between what a store looks up and what it writes then, once."""

    def __init__(self, store: SqliteStore, then: Callable[[], Awaitable[object]]) -> None:
        writer = connection(store)
        self._transact = writer.transact
        self._then: Callable[[], Awaitable[object]] | None = then
        writer.transact = self.transact  # type: ignore[method-assign]

    async def transact(self, work: Work[T]) -> T:
        """Let the other one go first."""
        then, self._then = self._then, None
        if then is not None:
            await then()
        return await self._transact(work)


def queried(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Return what a query of a file gives."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


async def branched(store: SqliteStore, count: int) -> None:
    """Make a session of the path `root`, `leaf` and of a long branch."""
    await grown(store, "root")
    await grown(store, *(f"n{number}" for number in range(count)))
    await checked_out(store, "root")
    await grown(store, "leaf")


@pytest.mark.usefixtures("small_pieces")
async def test_every_transaction_of_upkeep_is_a_small_one(
    store: SqliteStore, clock: ManualClock
) -> None:
    """Whatever there is to remove, a commit waits for a few rows of it."""
    await branched(store, 40)
    for number in range(12):
        await begun(store, f"open-{number}")
        await grown(store, f"m{number}")
    await grown(store, *(f"g{number}" for number in range(40)), session="gone")
    await store.fork("gone", "g10", "heir")
    await grown(store, *(f"h{number}" for number in range(40)), session="other")
    await store.delete("gone")
    await store.delete("other")
    clock.advance(DAY)
    meter = Meter(connection(store))
    assert await store.reclaim_journals(clock.now(), 100) == 12
    assert await store.forget_receipts(clock.now(), 100) == 15
    assert (await vacuumed(store, 1_000)).nodes == 29 + 40
    assert max(meter.changes) <= SMALL + 1

    assert await store.tombstone_orphans("s", clock.now(), SMALL) == SMALL
    assert max(meter.changes) <= SMALL + 1
    assert await problems(store) == []


@pytest.mark.usefixtures("small_pieces")
async def test_commits_come_between_the_pieces(store: SqliteStore) -> None:
    """A commit that is asked for during a vacuum does not wait for its end."""
    await grown(store, *(f"g{number}" for number in range(200)), session="gone")
    await store.delete("gone")
    vacuum = asyncio.create_task(store.vacuum())
    landed: list[str | None] = []
    while not vacuum.done():
        landed.append((await grown(store, f"n{len(landed)}")).leaf)

    assert (await vacuum).nodes == 200
    assert len(landed) > 10
    assert await path_ids(store) == landed


async def test_large_bodies_make_short_pieces(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece is bounded in bytes, too; one body is the least there is."""
    monkeypatch.setattr(vacuum_pieces, "PIECE_BYTES", 10_000)
    lease = await store.claim(wish())
    sizes = (25_000, 5_000, 5_000, 5_000, 5_000)
    made = (NewNode(f"n{size}.{n}", None, "raw", bytes(size)) for n, size in enumerate(sizes))
    await store.commit(commit_of(lease, 0, *made, release=True))
    await store.delete("s")
    meter = Meter(connection(store))
    assert (await vacuumed(store)).nodes == len(sizes)

    and_the_highest_seq = 1
    nodes = [changed - and_the_highest_seq for changed in meter.changes if changed > 1]
    assert nodes == [2, 2, 1]


@pytest.mark.usefixtures("small_pieces")
async def test_free_pages_are_given_back_in_pieces(store: SqliteStore, sqlite_path: Path) -> None:
    """Some at a time, until the file is as small as what it holds."""
    await grown(store, "a")
    before = (await store.stats())["size_bytes"]
    await grown(store, *(f"g{number}" for number in range(2_000)), session="gone")
    await store.delete("gone")
    said: list[str] = []
    await connection(store).set_trace_callback(said.append)
    whole = await vacuumed(store)
    cuts = [
        transaction.count("PRAGMA incremental_vacuum(1)")
        for transaction in "\n".join(said).split("COMMIT")
    ]

    assert max(cuts) == SMALL
    assert sum(cuts) * 4096 >= whole.freed_bytes > 10 * SMALL * 4096
    after = (await store.stats())["size_bytes"]
    assert after <= before + 4096 * 2
    assert sqlite_path.stat().st_size == after


async def test_vacuum_goes_on_where_a_crash_ended_it(
    store: SqliteStore, sqlite_path: Path, clock: ManualClock
) -> None:
    """Nothing that it needs is in its process alone, in whatever transaction it ends."""
    await grown(store, *(f"g{number}" for number in range(30)), session="gone")
    await store.fork("gone", "g10", "heir")
    await store.delete("gone")
    await grown(store, *(f"h{number}" for number in range(30)), session="other")
    await store.delete("other")
    await store.close()
    for transactions in range(1, 40):
        store = await SqliteStore.open(str(sqlite_path), clock=clock)
        done = await ended_after(store, transactions)
        assert await problems(store) == []
        assert await path_ids(store, session="heir") == [f"g{n}" for n in range(11)]
        await store.close()
        if done:
            break
    nodes = queried(sqlite_path, "SELECT node_id FROM nodes ORDER BY seq")

    assert [name for (name,) in nodes] == [f"g{n}" for n in range(11)]
    assert queried(sqlite_path, "SELECT * FROM graves") == []


async def ended_after(store: SqliteStore, transactions: int) -> bool:
    """Vacuum by few rows until some transactions are done, then stop as a crash would."""
    writer = connection(store)
    transact, left = writer.transact, transactions

    async def counted(work: Work[T]) -> T:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyError
        return await transact(work)

    writer.transact = counted  # type: ignore[method-assign]
    try:
        await vacuumed(store, 7)
    except KeyError:
        return False
    return True


async def test_what_live_sessions_hold_is_looked_up_once(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many calls it takes to remove what they do not hold."""
    await grown(store, *(f"n{number}" for number in range(30)))
    await store.fork("s", "n3", "f")
    await store.delete("s")
    climbs: list[int] = []
    climb = holds.climb

    def counted(db: sqlite3.Connection, waiting: list[int], held: holds.Held, room: int) -> None:
        climbs.append(len(waiting))
        climb(db, waiting, held, room)

    monkeypatch.setattr(holds, "climb", counted)
    calls = 1
    while not (await store.vacuum(limit=2)).is_done:
        calls += 1

    assert calls > 10
    assert len(climbs) == 1
    assert (await store.stats())["nodes"] == 4


async def test_orphans_are_looked_up_once(
    store: SqliteStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many calls it takes to mark them."""
    await branched(store, 30)
    plans: list[str] = []
    begin = tombstones.begun

    def counted(db: sqlite3.Connection, session_id: str) -> tombstones.Plan:
        plans.append(session_id)
        return begin(db, session_id)

    monkeypatch.setattr(tombstones, "begun", counted)
    before = clock.now() + TICK
    marked = [await store.tombstone_orphans("s", before, 4) for _ in range(9)]

    assert marked == [4] * 7 + [2, 0]
    assert plans == ["s"] * 2


async def test_an_orphan_that_is_taken_up_again_in_between_stays(
    store: SqliteStore, clock: ManualClock
) -> None:
    """Looked up as an orphan, stood upon when it is to be marked: it is looked up again."""
    await branched(store, 4)
    Between(store, lambda: checked_out(store, "n1"))

    assert await store.tombstone_orphans("s", clock.now() + TICK, 10) == 3
    assert await path_ids(store, ReadScope.FULL_GRAPH) == ["root", "n0", "n1"]
    assert await problems(store) == []


async def test_an_orphan_that_something_is_hung_on_in_between_stays(
    store: SqliteStore, clock: ManualClock
) -> None:
    """Though its session stands elsewhere again."""
    await branched(store, 4)
    before = clock.now() + TICK

    async def visited() -> None:
        clock.advance(DAY)
        await grown(store, "new", parent="n2")
        await checked_out(store, "leaf")

    Between(store, visited)

    assert await store.tombstone_orphans("s", before, 10) == 1
    assert list(await store.orphaned_node_ids("s")) == ["n0", "n1", "n2", "new"]
    assert await problems(store) == []


async def test_a_call_goes_on_with_what_another_one_found_only_if_it_is_still_so(
    store: SqliteStore, clock: ManualClock
) -> None:
    """Between two calls of upkeep a fork may take hold of the rest."""
    await branched(store, 6)
    before = clock.now() + TICK
    assert await store.tombstone_orphans("s", before, 2) == 2
    await store.fork("s", "n1", "f")

    assert await store.tombstone_orphans("s", before, 10) == 2
    assert await store.tombstone_orphans("s", before, 10) == 0
    assert await path_ids(store, session="f") == ["root", "n0", "n1"]


async def test_a_node_that_is_taken_up_in_between_is_not_tombstoned(store: SqliteStore) -> None:
    """The answer is that of the moment of writing."""
    await branched(store, 4)
    Between(store, lambda: store.fork("s", "n1", "f"))

    with pytest.raises(NodeReachable):
        await store.tombstone_nodes("s", ["n0"])
    assert (await store.stats())["tombstoned"] == 0


async def test_a_session_that_is_deleted_in_between_keeps_what_its_fork_holds(
    store: SqliteStore,
) -> None:
    """Vacuum looks at a live fork, which is deleted before anything is marked."""
    await grown(store, *(f"n{number}" for number in range(6)))
    await store.fork("s", "n4", "f")
    await store.fork("s", "n1", "g")
    await store.delete("s")
    Between(store, lambda: store.delete("f"))

    assert (await vacuumed(store)).nodes == 4
    assert await path_ids(store, session="g") == ["n0", "n1"]
    assert await problems(store) == []


@pytest.mark.parametrize("source", ["e", "newborn"])
async def test_a_fork_of_a_session_that_is_deleted_in_between_keeps_its_path(
    store: SqliteStore, source: str
) -> None:
    """Vacuum has looked at what is held, when a live session is forked, and goes itself."""
    await grown(store, "n0", "n1")
    for fork in ("d", "e"):
        await store.fork("s", "n0", fork)
        await grown(store, f"{fork}0", session=fork)
    await store.delete("d")

    async def left_to_a_fork() -> None:
        if source == "newborn":
            await store.fork("s", "n1", source)
            await grown(store, "newborn0", session=source)
        await store.fork(source, f"{source}0", "heir")
        await store.delete(source)

    after = After(connection(store, "_reader"), "family", left_to_a_fork)
    assert (await vacuumed(store)).nodes == 1
    assert after.is_done
    assert (await path_ids(store, session="heir"))[-1] == f"{source}0"
    assert await problems(store) == []


async def test_a_journal_that_goes_on_in_between_stays(
    store: SqliteStore, clock: ManualClock
) -> None:
    """Given up when it was looked at, at work when it is to be removed."""
    lease = await begun(store)
    await grown(store, "a")
    clock.advance(DAY)
    before = clock.now()

    async def resumed() -> None:
        await store.claim(wish())

    Between(store, resumed)
    assert await store.reclaim_journals(before, 10) == 0
    clock.advance(TTL)
    assert await store.reclaim_journals(before, 10) == 1
    assert lease.executor_id == "t1"


async def test_a_journal_that_was_written_in_between_stays(
    store: SqliteStore, clock: ManualClock
) -> None:
    """Its newest row counts, not its first."""
    await begun(store)
    await grown(store, "a")
    clock.advance(DAY)
    before = clock.now()

    async def recorded() -> None:
        lease = await store.claim(wish(executor="t1"))
        await store.record_effect(ref(lease, model_key(1)), answer())
        await store.release(lease)

    Between(store, recorded)
    assert await store.reclaim_journals(before, 10) == 0


class After:
    """Does something, once, when a connection has done a certain piece of work."""

    def __init__(
        self, connection: Connection, piece: str, then: Callable[[], Awaitable[object]]
    ) -> None:
        self._transact = connection.transact
        self._piece = piece
        self._then = then
        self.is_done = False
        connection.transact = self.transact  # type: ignore[method-assign]

    async def transact(self, work: Work[T]) -> T:
        """Do the work, and then, if it was that piece, what follows."""
        result = await self._transact(work)
        name = getattr(work.func if isinstance(work, partial) else work, "__name__", "")
        if name == self._piece and not self.is_done:
            self.is_done = True
            await self._then()
        return result


async def outgrown(store: SqliteStore) -> Commit:
    """Make a session that has left the state `old`; return a commit that comes back to it."""
    lease = await store.claim(wish())
    old, new = state(b"old"), state(b"new")
    await store.commit(commit_of(lease, 0, *chain(None, "a"), tool_state=old))
    await store.commit(commit_of(lease, 1, leaf="a", tool_state=new, operation_id="t2"))
    return commit_of(lease, 2, leaf="a", tool_state=old, operation_id="t3")


AT = [
    ("_reader", "unused_snapshots"),
    ("_writer", "doom_snapshots"),
    ("_reader", "still_unused"),
]


@pytest.mark.parametrize(("name", "piece"), AT)
@pytest.mark.parametrize("has_body", [True, False])
async def test_a_state_that_is_needed_again_in_between_stays(
    store: SqliteStore, has_body: bool, name: str, piece: str
) -> None:
    """Whether the commit that needs it brings it along or knows that it is there."""
    again = await outgrown(store)
    if not has_body:
        again = replace(again, tool_state=replace(state(b"old"), body=None))
    after = After(connection(store, name), piece, lambda: store.commit(again))
    await vacuumed(store)
    read = await store.load("s", ReadScope.FULL_GRAPH)

    assert after.is_done
    assert read is not None
    assert read.tool_state == b"old"
    assert await problems(store) == []


async def test_a_state_that_two_vacuums_have_found_stays_if_it_is_needed(
    store: SqliteStore, sqlite_path: Path, clock: ManualClock
) -> None:
    """The one marks it, a commit needs it, the other marks it again, the one would remove it."""
    again = await outgrown(store)
    other = await SqliteStore.open(str(sqlite_path), clock=clock)

    async def needed() -> None:
        await store.commit(again)

    async def found_by_the_other() -> None:
        After(connection(other, "_reader"), "unused_snapshots", needed)
        await other.vacuum()

    after = After(connection(store, "_reader"), "still_unused", found_by_the_other)
    await vacuumed(store)
    read = await store.load("s", ReadScope.FULL_GRAPH)
    await other.close()

    assert after.is_done
    assert read is not None
    assert read.tool_state == b"old"


async def test_a_seq_is_never_given_twice(store: SqliteStore, sqlite_path: Path) -> None:
    """What somebody found before a vacuum is never another node after it."""
    await grown(store, "a", "b", session="gone")
    await store.delete("gone")
    await vacuumed(store)
    await grown(store, "c")

    assert queried(sqlite_path, "SELECT seq, node_id FROM nodes") == [(3, "c")]


async def test_a_vacuum_that_has_nothing_to_do_still_needs_the_lock(
    store: SqliteStore, sqlite_path: Path
) -> None:
    """It is contended like any writer, and told so in the store's words."""
    await connection(store).execute_fetchall("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(Contended):
            await store.vacuum()
        with pytest.raises(Contended):
            await store.rewrite()
    assert (await store.vacuum()).is_done


@pytest.mark.parametrize("limit", [1, 3])
async def test_two_processes_vacuum_at_once(
    store: SqliteStore, sqlite_path: Path, clock: ManualClock, limit: int
) -> None:
    """Each row goes once, whoever removes it, and what is held stays."""
    await grown(store, *(f"g{number}" for number in range(20)), session="gone")
    await store.fork("gone", "g4", "heir")
    await store.delete("gone")
    await outgrown(store)
    other = await SqliteStore.open(str(sqlite_path), clock=clock)
    done = await asyncio.gather(vacuumed(store, limit), vacuumed(other, limit))
    await other.close()

    assert sum(each.nodes for each in done) == 15
    assert sum(each.snapshots for each in done) == 1
    assert await path_ids(store, session="heir") == [f"g{n}" for n in range(5)]
    assert await problems(store) == []
