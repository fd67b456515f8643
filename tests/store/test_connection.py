from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sojourn.adapters.sqlite import SqliteStore
from sojourn.adapters.sqlite.connection import GROUP_LIMIT, Connection
from sojourn.clock import ManualClock
from sojourn.commit import Commit, CommitReceipt, NewNode
from sojourn.errors import (
    Contended,
    HeadConflict,
    InvalidInput,
    StoreUnavailable,
    StoreUnusable,
)
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    chain,
    commit_of,
    contents,
    grown,
    path_ids,
    wish,
)

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
async def sqlite_store(sqlite_path: Path, clock: ManualClock) -> AsyncIterator[SqliteStore]:
    """An empty SQLite store."""
    store = await SqliteStore.open(str(sqlite_path), clock=clock)
    yield store
    await store.close()


def connection(store: SqliteStore, name: str = "_writer") -> Connection:
    """Return one of a store's two connections."""
    found: Connection = vars(store)[name]
    return found


@contextmanager
def busy(path: Path) -> Iterator[None]:
    """Hold the write lock of a file, as another process would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


async def commits(store: SqliteStore, count: int, body: bytes = b"{}") -> list[Commit]:
    """Claim `count` sessions and return a first commit for each."""
    leases = [await store.claim(wish(session=f"s{n:02}")) for n in range(count)]
    return [
        commit_of(lease, 0, NewNode(f"n{n:02}", None, "raw", body))
        for n, lease in enumerate(leases)
    ]


async def held(connection: Connection, work: Callable[[], object]) -> tuple[asyncio.Task[Any], Any]:
    """Occupy a connection's thread; return the task, and the event that lets it go on."""
    started, go = threading.Event(), threading.Event()

    def wait(_db: sqlite3.Connection) -> object:
        started.set()
        go.wait()
        return work()

    task = asyncio.create_task(connection.transact(wait))
    await asyncio.to_thread(started.wait)
    return task, go


async def test_commits_that_wait_share_one_flush(sqlite_store: SqliteStore) -> None:
    """However many sessions wait for the writer, they are committed by one transaction."""
    made = await commits(sqlite_store, 20)
    statements: list[str] = []
    await connection(sqlite_store).set_trace_callback(statements.append)
    task, go = await held(connection(sqlite_store), lambda: None)
    waiting = asyncio.gather(*map(sqlite_store.commit, made))
    await asyncio.sleep(0)
    go.set()
    await task
    receipts = await waiting

    assert [receipt.head_revision for receipt in receipts] == [1] * 20
    assert statements.count("COMMIT") == 2


async def test_one_failing_commit_undoes_itself_alone(sqlite_store: SqliteStore) -> None:
    """In a shared transaction the others land."""
    made = await commits(sqlite_store, 5)
    rival = replace(made[2], operation_id="t2", nodes=chain(None, "x"), leaf="x")
    task, go = await held(connection(sqlite_store), lambda: None)
    waiting = asyncio.gather(
        *map(sqlite_store.commit, [*made[:3], rival, *made[3:]]), return_exceptions=True
    )
    await asyncio.sleep(0)
    go.set()
    await task
    outcomes = await waiting

    assert isinstance(outcomes.pop(3), HeadConflict)
    assert not any(isinstance(outcome, BaseException) for outcome in outcomes)
    assert await sqlite_store.node("s02", "x") is None
    assert (await sqlite_store.stats())["nodes"] == 5


async def test_a_long_read_does_not_hold_up_commits(sqlite_store: SqliteStore) -> None:
    """Reads have a connection of their own, and one read is one snapshot."""
    await grown(sqlite_store, "a")
    reader = connection(sqlite_store, "_reader")
    started, go = threading.Event(), threading.Event()

    def slow_read(db: sqlite3.Connection) -> list[int]:
        counts = [db.execute("SELECT count(*) FROM nodes").fetchone()[0]]
        started.set()
        go.wait()
        return [*counts, db.execute("SELECT count(*) FROM nodes").fetchone()[0]]

    task = asyncio.create_task(reader.transact(slow_read))
    await asyncio.to_thread(started.wait)
    await grown_by_writer(sqlite_store)
    go.set()

    assert await task == [1, 1]
    assert await path_ids(sqlite_store) == ["a", "b"]


async def grown_by_writer(store: SqliteStore) -> None:
    """Commit a node without reading anything first."""
    lease = await store.claim(wish(executor="t2"))
    await store.commit(commit_of(lease, 1, *chain("a", "b")))


async def test_the_reader_cannot_write(sqlite_store: SqliteStore) -> None:
    """A write that strays onto the reading connection is refused, in the store's words."""
    with pytest.raises(StoreUnusable, match="read-only"):
        await connection(sqlite_store, "_reader").transact(
            lambda db: db.execute("DELETE FROM nodes")
        )


@pytest.mark.parametrize("turns_of_the_loop", range(4))
async def test_a_cancelled_commit_is_whole_or_absent(
    sqlite_store: SqliteStore, turns_of_the_loop: int
) -> None:
    """Whenever its caller gives up; and the connection serves the next one."""
    made = await commits(sqlite_store, 12)
    tasks = [asyncio.create_task(sqlite_store.commit(commit)) for commit in made]
    for _ in range(turns_of_the_loop):
        await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await grown(sqlite_store, "after", session="other")

    for n, commit in enumerate(made):
        read = await sqlite_store.load(commit.session_id, ReadScope.FULL_GRAPH)
        receipt = await sqlite_store.receipt(commit.session_id, commit.operation_id)
        assert read is not None
        assert len(read.nodes) == read.head.head_revision == (receipt is not None)
        assert n % 2 == 0 or receipt is not None
        assert (await sqlite_store.commit(commit)).head_revision == 1


async def test_a_commit_cancelled_while_it_waits_for_the_lock_poisons_nothing(
    sqlite_store: SqliteStore, sqlite_path: Path
) -> None:
    """It may still land, whole; whoever comes next is served."""
    (commit,) = await commits(sqlite_store, 1)
    with busy(sqlite_path):
        task = asyncio.create_task(sqlite_store.commit(commit))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert (await sqlite_store.commit(commit)).head_revision == 1
    assert not connection(sqlite_store).in_transaction


async def test_a_busy_file_is_contended(sqlite_store: SqliteStore, sqlite_path: Path) -> None:
    """Another process's lock is waited for, bounded; the same bytes go through afterwards."""
    made = await commits(sqlite_store, 2)
    await connection(sqlite_store).execute_fetchall("PRAGMA busy_timeout = 1")
    before = await contents(sqlite_store)
    with busy(sqlite_path):
        outcomes = await asyncio.gather(*map(sqlite_store.commit, made), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Contended, Contended]
        assert await contents(sqlite_store) == before

    assert [(await sqlite_store.commit(commit)).replayed for commit in made] == [False, False]


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_full_disk_is_unavailable_and_nothing_is_half_written(
    sqlite_store: SqliteStore, at_once: bool
) -> None:
    """Commits that do not fit are refused whole, alone or sharing a flush; space cures it."""
    made = await commits(sqlite_store, 6, bytes(100_000))
    writer = connection(sqlite_store)
    ((pages,),) = await writer.execute_fetchall("PRAGMA page_count")
    await writer.execute_fetchall(f"PRAGMA max_page_count = {pages + 60}")
    if at_once:
        outcomes = await asyncio.gather(*map(sqlite_store.commit, made), return_exceptions=True)
    else:
        outcomes = [
            (await asyncio.gather(sqlite_store.commit(commit), return_exceptions=True))[0]
            for commit in made
        ]
    refused = [isinstance(outcome, StoreUnavailable) for outcome in outcomes]
    landed = [bool(await sqlite_store.receipt(c.session_id, c.operation_id)) for c in made]

    assert any(refused)
    assert landed == [not failed for failed in refused]
    assert (await sqlite_store.stats())["nodes"] == sum(landed)
    assert [problem async for problem in sqlite_store.check()] == []
    await writer.execute_fetchall("PRAGMA max_page_count = 1000000")
    for commit in made:
        assert (await sqlite_store.commit(commit)).head_revision == 1


async def test_a_commit_that_fails_as_a_whole_is_told_to_all(sqlite_store: SqliteStore) -> None:
    """Nobody whose work shared the transaction takes it for done; the same again goes through."""
    made = await commits(sqlite_store, 4)
    writer = connection(sqlite_store)
    before = await contents(sqlite_store)

    def fails_at_the_end(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA defer_foreign_keys = ON")
        db.execute("INSERT INTO configs VALUES (99, '{}')")

    task, go = await held(writer, lambda: None)
    waiting = asyncio.gather(
        *map(sqlite_store.commit, made[:2]),
        writer.transact(fails_at_the_end),
        *map(sqlite_store.commit, made[2:]),
        return_exceptions=True,
    )
    await asyncio.sleep(0)
    go.set()
    await task

    assert [type(outcome) for outcome in await waiting] == [StoreUnusable] * 5
    assert await contents(sqlite_store) == before
    assert [(await sqlite_store.commit(commit)).replayed for commit in made] == [False] * 4


class Panic(BaseException):
    """What `except Exception` does not catch."""


@pytest.mark.parametrize("failure", [KeyError, sqlite3.OperationalError, Panic])
async def test_work_that_fails_in_any_way_hurts_no_neighbour(
    sqlite_store: SqliteStore, failure: type[BaseException]
) -> None:
    """Its own caller is told, what it wrote is gone, and the others land."""
    made = await commits(sqlite_store, 4)
    writer = connection(sqlite_store)

    def fails(db: sqlite3.Connection) -> None:
        db.execute("UPDATE sessions SET turn_count = 99")
        raise failure

    task, go = await held(writer, lambda: None)
    waiting = asyncio.gather(
        *map(sqlite_store.commit, made[:2]),
        writer.transact(fails),
        *map(sqlite_store.commit, made[2:]),
        return_exceptions=True,
    )
    await asyncio.sleep(0)
    go.set()
    await task
    outcomes = await waiting

    expected = StoreUnusable if failure is sqlite3.OperationalError else failure
    assert isinstance(outcomes.pop(2), expected)
    assert [getattr(outcome, "head_revision", 0) for outcome in outcomes] == [1] * 4
    assert [head.turn_count for head in await sqlite_store.heads()] == [1] * 4


async def test_a_caller_that_gives_up_in_the_queue_is_answered_by_the_receipt(
    sqlite_store: SqliteStore,
) -> None:
    """What waited behind others runs whole without it, and once."""
    made = await commits(sqlite_store, 6)
    task, go = await held(connection(sqlite_store), lambda: None)
    waiting = [asyncio.create_task(sqlite_store.commit(commit)) for commit in made]
    await asyncio.sleep(0)
    for gives_up in waiting[::2]:
        gives_up.cancel()
    await asyncio.sleep(0)
    go.set()
    await task
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    again = [await sqlite_store.commit(commit) for commit in made]

    assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [
        True,
        False,
    ] * 3
    assert [receipt.replayed for receipt in again] == [True] * 6
    assert (await sqlite_store.stats())["nodes"] == 6


async def test_more_than_a_group_goes_in_groups(sqlite_store: SqliteStore) -> None:
    """Nobody is left behind, however many wait and whoever has given up."""
    made = await commits(sqlite_store, 2 * GROUP_LIMIT + 3)
    statements: list[str] = []
    await connection(sqlite_store).set_trace_callback(statements.append)
    task, go = await held(connection(sqlite_store), lambda: None)
    waiting = [asyncio.create_task(sqlite_store.commit(commit)) for commit in made]
    await asyncio.sleep(0)
    for gives_up in waiting[:-1]:
        gives_up.cancel()
    go.set()
    await task
    await waiting[-1]

    assert statements.count("COMMIT") == 4
    assert (await sqlite_store.stats())["nodes"] == len(made)


@pytest.mark.parametrize("turns_of_the_loop", range(3))
async def test_a_store_that_is_closed_under_writers_answers_each(
    sqlite_store: SqliteStore, sqlite_path: Path, turns_of_the_loop: int
) -> None:
    """Done, or told that the store is closed; what was told as done is in the file."""
    made = await commits(sqlite_store, 8)
    early = [asyncio.create_task(sqlite_store.commit(commit)) for commit in made[:4]]
    for _ in range(turns_of_the_loop):
        await asyncio.sleep(0)
    closing_it = asyncio.create_task(sqlite_store.close())
    late = [asyncio.create_task(sqlite_store.commit(commit)) for commit in made[4:]]
    outcomes = await asyncio.gather(*early, *late, return_exceptions=True)
    await closing_it

    assert {type(outcome) for outcome in outcomes} <= {CommitReceipt, StoreUnavailable}
    with closing(sqlite3.connect(sqlite_path)) as db:
        ((landed,),) = db.execute("SELECT count(*) FROM receipts").fetchall()
    assert landed == sum(isinstance(outcome, CommitReceipt) for outcome in outcomes)


async def test_a_closed_store_is_unavailable(sqlite_store: SqliteStore) -> None:
    """Neither reads nor writes show what lies beneath."""
    await sqlite_store.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        await sqlite_store.head("s")
    with pytest.raises(StoreUnavailable, match="closed"):
        await sqlite_store.claim(wish())
    with pytest.raises(StoreUnavailable, match="closed"):
        await sqlite_store.vacuum()


async def test_a_table_that_is_gone_is_unusable(
    sqlite_store: SqliteStore, sqlite_path: Path
) -> None:
    """Damage that no check foresaw is still told in the store's words."""
    with closing(sqlite3.connect(sqlite_path)) as db:
        db.execute("DROP TABLE receipts")
    await sqlite_store.claim(wish())

    with pytest.raises(StoreUnusable):
        await sqlite_store.receipt("s", "t1")
    with pytest.raises(StoreUnusable):
        await grown(sqlite_store, "a")


async def test_what_sqlite_cannot_hold_is_refused_by_name(sqlite_store: SqliteStore) -> None:
    """Half a character, or a number of more than 64 bits: never as an error of the driver's."""
    (commit,) = await commits(sqlite_store, 1)
    half = replace(commit, nodes=(replace(commit.nodes[0], kind="raw\ud800"),))

    with pytest.raises(InvalidInput, match="SQLite keeps"):
        await sqlite_store.commit(half)
    with pytest.raises(InvalidInput, match="SQLite keeps"):
        await sqlite_store.node("s00", "\ud800")
    with pytest.raises(InvalidInput, match="SQLite keeps"):
        await sqlite_store.forget_intents(LONG_AGO, 2**64)
    assert (await sqlite_store.commit(commit)).head_revision == 1
