"""Commits that wait at the same time share a transaction on PostgreSQL, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from sojourn.adapters.postgres import PostgresStore, address, lines
from sojourn.adapters.postgres.database import Database
from sojourn.adapters.postgres.statements import PREPARED
from sojourn.commit import Commit
from sojourn.errors import GraphCorrupt, LeaseLost
from sojourn.testing.conformance.making import chain, commit_of, path_ids, wish
from tests.support.postgres import migrated, postgres_url, with_pool
from tests.support.relay import Relay

__all__ = ["migrated", "postgres_url"]

MANY = 12


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[PostgresStore]:
    """An empty store."""
    store = await PostgresStore.open(postgres_url)
    yield store
    await store.close()


async def first_commits(store: PostgresStore) -> list[Commit]:
    """Return a commit for each of many sessions, nothing of them stored yet."""
    leases = [await store.claim(wish(session=f"s{number}")) for number in range(MANY)]
    return [
        commit_of(lease, 0, *chain(None, f"n{number}"), operation_id=f"o{number}")
        for number, lease in enumerate(leases)
    ]


async def outcomes(store: PostgresStore, commits: list[Commit]) -> list[object]:
    """Commit all at once; return what each came to: its revision, or its error."""
    done = await asyncio.gather(*map(store.commit, commits), return_exceptions=True)
    return [each if isinstance(each, BaseException) else each.head_revision for each in done]


async def test_commits_at_once_share_round_trips(postgres_url: str) -> None:
    """While one is on its way, all others that come go together."""
    async with Relay.before(postgres_url) as relay:
        store = await PostgresStore.open(relay.url)
        commits = await first_commits(store)
        before = relay.trips
        done = await outcomes(store, commits)
        trips = relay.trips - before
        await store.close()

    assert done == [1] * MANY
    assert trips == 2


async def test_a_commit_that_fails_in_a_group_touches_nobody_else(store: PostgresStore) -> None:
    """One has lost its lease, and one brings a node id that is taken: all others stand."""
    commits = await first_commits(store)
    await store.commit(commits[0])
    lease = await store.claim(wish(session="s1", executor="another"))
    assert lease.fencing_token > commits[1].fencing_token
    thief = await store.claim(wish(session="thief"))
    commits[0] = commit_of(thief, 0, *chain(None, "n0"), operation_id="stolen")

    done = await outcomes(store, [*commits[2:7], *commits[:2], *commits[7:]])
    kept = [await path_ids(store, session=f"s{number}") for number in range(2, MANY)]

    assert [type(each) for each in done if each != 1] == [GraphCorrupt, LeaseLost]
    assert kept == [[f"n{number}"] for number in range(2, MANY)]
    assert await path_ids(store, session="s1") == []


async def test_a_commit_that_waits_for_a_lock_holds_no_neighbour_up(
    store: PostgresStore, postgres_url: str
) -> None:
    """They are done while its session's row is somebody else's still."""
    commits = await first_commits(store)
    held = "SELECT FROM sojourn.sessions WHERE session_id = 's5' FOR UPDATE"
    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute(held)
        waiting = [asyncio.create_task(store.commit(commit)) for commit in commits]
        others = waiting[:5] + waiting[6:]
        done = await asyncio.gather(*others)
        is_waiting = not waiting[5].done()
        await other.rollback()
        last = await waiting[5]

    assert [each.head_revision for each in done] == [1] * (MANY - 1)
    assert is_waiting
    assert last.head_revision == 1


async def test_a_cancelled_caller_of_a_group_is_whole_or_not_there(store: PostgresStore) -> None:
    """Whoever else was in it has its answer, and the same commit can be sent again."""
    commits = await first_commits(store)
    waiting = [asyncio.create_task(store.commit(commit)) for commit in commits]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    again = await outcomes(store, commits)

    assert not [each for each in done[1::2] if isinstance(each, BaseException)]
    assert again == [1] * MANY


async def test_what_was_begun_is_done_before_a_store_is_closed(postgres_url: str) -> None:
    """Nobody is left without an answer."""
    store = await PostgresStore.open(postgres_url)
    commits = await first_commits(store)
    waiting = [asyncio.create_task(store.commit(commit)) for commit in commits]
    await asyncio.sleep(0)
    await store.close()

    assert [(await task).head_revision for task in waiting] == [1] * MANY


async def alone_on(url: str) -> tuple[Database, PostgresStore]:
    """Return a database with one connection, and the store in it."""
    database = Database(address.parsed(with_pool(url, 1)))
    await database.open()
    return database, PostgresStore(database, None)


async def prepared(database: Database) -> int:
    """Return how many statements are prepared on the connection."""
    ((count,),) = await database.rows("SELECT count(*)::int FROM pg_prepared_statements", {})
    return int(count)


async def forget(database: Database) -> None:
    """Have the server forget what is prepared."""
    await database.once(lambda line: line.execute("DEALLOCATE ALL"))


async def test_nothing_is_prepared_where_somebody_else_answers(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of the process that answers is not the one that was told, as behind a pooler."""
    monkeypatch.setitem(lines.SQL, "backend", "SELECT pg_backend_pid() + 1")
    database, store = await alone_on(postgres_url)
    done = await outcomes(store, await first_commits(store))
    count = await prepared(database)
    await store.close()

    assert done == [1] * MANY
    assert count == 0


async def test_what_is_prepared_may_be_forgotten(postgres_url: str) -> None:
    """A statement that the server does not know any more is sent whole."""
    database, store = await alone_on(postgres_url)
    commits = await first_commits(store)
    count = await prepared(database)
    await forget(database)
    alone = await outcomes(store, commits[:1])
    await store.close()
    database, store = await alone_on(postgres_url)
    await forget(database)
    done = await outcomes(store, commits[1:])
    await store.close()

    assert count == len(PREPARED)
    assert alone == [1]
    assert done == [1] * (MANY - 1)
