"""Many orphans are marked in short transactions, and looked for once."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sojourn.adapters.postgres import PostgresStore, orphans
from sojourn.adapters.sqlite import SqliteStore, tombstones
from sojourn.adapters.sqlite.pace import PIECE_ROWS
from sojourn.adapters.sqlite.tombstones import Plan
from sojourn.clock import ManualClock
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import DAY, chain, commit_of, path_ids, wish
from tests.support.postgres import migrated, postgres_url

__all__ = ["migrated", "postgres_url"]

ORPHANS = 2 * PIECE_ROWS + 50


@pytest.fixture
async def postgres(postgres_url: str, clock: ManualClock) -> AsyncIterator[PostgresStore]:
    """An empty store in a database."""
    store = await PostgresStore.open(postgres_url, clock=clock)
    yield store
    await store.close()


@pytest.fixture
async def sqlite(tmp_path: Path, clock: ManualClock) -> AsyncIterator[SqliteStore]:
    """An empty store in a file."""
    store = await SqliteStore.open(str(tmp_path / "sessions.db"), clock=clock)
    yield store
    await store.close()


@pytest.fixture
def clock() -> ManualClock:
    """The time of the store under test."""
    return ManualClock()


async def abandoned(store: SessionStore, clock: ManualClock) -> datetime:
    """Let a session leave a long branch; return a time at which all of it is old."""
    lease = await store.claim(wish())
    names = [f"o{number}" for number in range(ORPHANS)]
    first = commit_of(lease, 0, *chain(None, "a"), *chain("a", *names), operation_id="t1")
    await store.commit(first)
    await store.commit(commit_of(lease, 1, operation_id="t2", leaf="a"))
    clock.advance(DAY)
    return clock.now() - timedelta(seconds=1)


async def test_a_file_is_never_held_for_many_orphans(
    sqlite: SqliteStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many one call may mark."""
    before, marked, mark = await abandoned(sqlite, clock), list[int | None](), tombstones.mark

    def watched(db: sqlite3.Connection, plan: Plan, limit: int) -> int | None:
        marked.append(mark(db, plan, limit))
        return marked[-1]

    monkeypatch.setattr(tombstones, "mark", watched)
    count = await sqlite.tombstone_orphans("s", before, 10_000)

    assert marked == [PIECE_ROWS, PIECE_ROWS, 50]
    assert count == ORPHANS
    assert await path_ids(sqlite) == ["a"]


async def test_a_database_is_searched_once_for_many_calls(
    postgres: PostgresStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the session goes on meanwhile."""
    before, searches, search = await abandoned(postgres, clock), 0, orphans.find
    lease = await postgres.claim(wish())

    async def counted(*facts: object, **named: object) -> object:
        nonlocal searches
        searches += 1
        return await search(*facts, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(orphans, "find", counted)
    marked = [await postgres.tombstone_orphans("s", before, 100)]
    await postgres.commit(commit_of(lease, 2, *chain("a", "b", "c"), operation_id="t3"))
    while marked[-1]:
        marked.append(await postgres.tombstone_orphans("s", before, 100))

    assert marked == [100, 100, 100, 100, 50, 0]
    assert searches == 2
    assert await path_ids(postgres) == ["a", "b", "c"]


async def test_a_branch_that_is_stood_on_again_is_searched_anew(
    postgres: PostgresStore, clock: ManualClock
) -> None:
    """What the session stands on since the search is not marked."""
    before = await abandoned(postgres, clock)
    lease = await postgres.claim(wish())
    assert await postgres.tombstone_orphans("s", before, 100) == 100
    await postgres.commit(commit_of(lease, 2, operation_id="t3", leaf="o200"))
    marked = await postgres.tombstone_orphans("s", before, 10_000)

    assert marked == ORPHANS - 100 - 201
    assert await path_ids(postgres) == ["a", *(f"o{number}" for number in range(201))]
