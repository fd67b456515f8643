"""What goes wrong between a PostgreSQL store and its server, and what callers are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from psycopg import AsyncConnection, errors
from psycopg.rows import TupleRow

from sojourn.adapters.postgres import PostgresStore, database
from sojourn.adapters.postgres.errors import translated
from sojourn.adapters.postgres.sql import SQL
from sojourn.commit import Commit
from sojourn.errors import (
    Contended,
    InvalidInput,
    SojournError,
    StoreUnavailable,
    StoreUnusable,
)
from sojourn.lease import Lease
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import answer, chain, commit_of, opening, ref, wish
from tests.support.postgres import migrated, postgres_url, with_pool
from tests.support.relay import Relay

__all__ = ["migrated", "postgres_url"]

LOCK = "SELECT FROM sojourn.sessions FOR UPDATE"
WRITERS = ("try_commit", "try_open_turn", "try_record", "renew", "release")


@pytest.fixture
async def other(postgres_url: str) -> AsyncIterator[AsyncConnection[TupleRow]]:
    """Somebody else's connection to the same database."""
    async with await AsyncConnection.connect(postgres_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[PostgresStore]:
    """An empty store with two connections."""
    store = await PostgresStore.open(with_pool(postgres_url, 2))
    yield store
    await store.close()


async def begun(store: PostgresStore) -> Lease:
    """Open a turn, and return its lease."""
    opened = await store.open_turn(opening())
    assert opened.lease is not None
    return opened.lease


def turn(lease: Lease) -> Commit:
    """Return the commit of a turn of two nodes."""
    return commit_of(lease, 0, *chain(None, "a", "b"))


async def until_one_waits(other: AsyncConnection[TupleRow], kind: str = "Lock") -> None:
    """Wait until a statement of somebody else waits for a lock."""
    waiting = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = %s"
    )
    while await (await other.execute(waiting.encode(), (kind,))).fetchone() is None:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("23505", Contended),
        ("40001", Contended),
        ("40P01", Contended),
        ("55P03", Contended),
        ("08006", StoreUnavailable),
        ("25006", StoreUnavailable),
        ("53100", StoreUnavailable),
        ("53200", StoreUnavailable),
        ("53300", StoreUnavailable),
        ("57014", StoreUnavailable),
        ("57P01", StoreUnavailable),
        ("57P03", StoreUnavailable),
        ("58030", StoreUnavailable),
        ("28000", StoreUnusable),
        ("3D000", StoreUnusable),
        ("42501", StoreUnusable),
        ("42P01", StoreUnusable),
        ("XX001", StoreUnusable),
        ("23503", StoreUnusable),
        ("22P05", InvalidInput),
    ],
)
def test_a_servers_error_says_whether_trying_again_can_help(
    code: str, kind: type[SojournError]
) -> None:
    """And never what was to be stored, which the server may quote."""
    error = translated(errors.lookup(code)("Key (node_id)=(secret)"), "postgresql://h/d")

    assert type(error) is kind
    assert "secret" not in str(error)


@pytest.mark.parametrize("key", ["model/\0", "model/\ud800"])
async def test_a_text_that_cannot_be_kept_is_the_callers_fault(
    store: PostgresStore, key: str
) -> None:
    """PostgreSQL has no NUL in texts, and UTF-8 no half of a character; nothing else is harmed."""
    lease = await begun(store)

    with pytest.raises(InvalidInput, match="PostgreSQL"):
        await store.record_effect(ref(lease, key), answer())
    with pytest.raises(InvalidInput, match="PostgreSQL"):
        await store.head(key)
    assert len(await store.effects("s", "t1")) == 1


async def test_whoever_waits_too_long_for_a_lock_is_told_to_try_again(
    store: PostgresStore, other: AsyncConnection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the short ways and on the long one; nothing is written, and the same succeeds later."""
    lease = await begun(store)
    for name in WRITERS:
        await other.execute(f"ALTER FUNCTION sojourn.{name} SET lock_timeout = '20ms'".encode())
    monkeypatch.setitem(SQL, "begin_write", SQL["begin_write"].replace("'5s'", "'20ms'"))
    steps = (
        lambda: store.commit(turn(lease)),
        lambda: store.record_effect(ref(lease, "model/1"), answer()),
        lambda: store.open_turn(opening("t2")),
        lambda: store.renew(lease, wish().ttl),
        lambda: store.release(lease),
        lambda: store.claim(wish()),
    )
    async with other.transaction():
        await other.execute(LOCK)
        for step in steps:
            with pytest.raises(Contended):
                await step()

    assert len(await store.effects("s", "t1")) == 1
    assert (await store.commit(turn(lease))).head_revision == 1


async def test_of_two_that_wait_for_each_other_one_is_told_to_try_again(
    store: PostgresStore,
) -> None:
    """The server finds the circle; the other one goes on."""
    await store.claim(wish(session="one"))
    await store.claim(wish(session="two"))
    has_first = asyncio.Barrier(2)

    async def locks(first: str, second: str) -> None:
        async def work(connection: AsyncConnection[TupleRow]) -> None:
            await connection.execute(SQL["locked_session"], {"session_id": first})
            await has_first.wait()
            await connection.execute(SQL["locked_session"], {"session_id": second})

        await store._database.write(work)

    outcomes = await asyncio.gather(
        locks("one", "two"), locks("two", "one"), return_exceptions=True
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Contended", "NoneType"]


async def test_a_servers_restart_costs_one_refusal(
    store: PostgresStore, other: AsyncConnection[TupleRow]
) -> None:
    """Whoever meets a broken connection first has all of them replaced."""
    await asyncio.gather(*(store.load("s", ReadScope.FRAME) for _ in range(8)))
    await other.execute(
        "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    with pytest.raises(StoreUnavailable):
        await store.heads()
    for _ in range(8):
        assert await store.heads() == []


async def test_a_connection_that_breaks_in_mid_transaction_undoes_it(
    store: PostgresStore, other: AsyncConnection[TupleRow]
) -> None:
    """The caller is told that the store is unavailable, and may try the same again."""
    lease = await begun(store)

    async def work(connection: AsyncConnection[TupleRow]) -> None:
        await connection.execute("UPDATE sojourn.sessions SET released = true")
        pid = connection.info.backend_pid
        await other.execute("SELECT pg_terminate_backend(%s, 1000)", (pid,))
        await connection.execute("SELECT 1")

    with pytest.raises(StoreUnavailable):
        await store._database.write(work)

    assert await store.lease("s") == lease


async def test_a_commit_whose_answer_was_lost_is_answered_by_its_receipt(
    postgres_url: str,
) -> None:
    """Nobody knows whether it was applied; the same again finds out, and applies it once."""
    async with Relay.before(postgres_url) as relay:
        store = await PostgresStore.open(relay.url)
        lease = await begun(store)
        relay.is_losing = True
        with pytest.raises(StoreUnavailable):
            await store.commit(turn(lease))

        receipt = await store.commit(turn(lease))
        await store.close()

    assert (receipt.head_revision, receipt.replayed) == (1, True)


async def test_a_server_that_is_gone_for_a_while_is_found_again(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then callers are told where nobody answers."""
    monkeypatch.setattr(database, "CHECKOUT_SECONDS", 0.2)
    async with Relay.before(postgres_url) as relay:
        store = await PostgresStore.open(relay.url)
        lease = await begun(store)
        await relay.stop()
        with pytest.raises(StoreUnavailable):
            await store.commit(turn(lease))
        with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1.*refused"):
            await store.commit(turn(lease))

        await relay.start()
        while True:
            with suppress(StoreUnavailable):
                assert (await store.commit(turn(lease))).head_revision == 1
                break
        await store.close()


async def test_more_callers_than_connections_wait_for_each_other(store: PostgresStore) -> None:
    """All are served, in turn."""
    claims = await asyncio.gather(*(store.claim(wish(session=f"s{n}")) for n in range(30)))

    assert {lease.fencing_token for lease in claims} == {1}


async def test_whoever_waits_too_long_for_a_connection_is_told_that_all_are_busy(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is well; it is the pool that is too small, or somebody holds on to it."""
    monkeypatch.setattr(database, "CHECKOUT_SECONDS", 0.2)
    store = await PostgresStore.open(with_pool(postgres_url, 1))

    async def work(_: AsyncConnection[TupleRow]) -> None:
        with pytest.raises(StoreUnavailable, match="busy"):
            await store.heads()

    await store._database.read(work)

    assert await store.heads() == []
    await store.close()


async def test_a_store_that_was_closed_says_so(store: PostgresStore) -> None:
    """Closing twice is harmless."""
    await store.close()
    await store.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        await store.heads()


async def test_a_caller_that_is_cancelled_while_it_waits_for_a_lock_writes_nothing(
    store: PostgresStore, other: AsyncConnection[TupleRow]
) -> None:
    """Its connection is as good as before."""
    lease = await begun(store)
    pids = await backends(store)
    async with other.transaction():
        await other.execute(LOCK)
        waiting = asyncio.create_task(store.commit(turn(lease)))
        await until_one_waits(other)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    assert await store.receipt("s", "t1") is None
    assert (await store.commit(turn(lease))).replayed is False
    assert await backends(store) == pids


async def backends(store: PostgresStore) -> set[int]:
    """Return the server's processes behind a store's two connections."""
    both = asyncio.Barrier(2)

    async def pid(connection: AsyncConnection[TupleRow]) -> int:
        await both.wait()
        return connection.info.backend_pid

    return set(await asyncio.gather(store._database.read(pid), store._database.read(pid)))


async def test_a_caller_may_be_cancelled_at_any_moment(store: PostgresStore) -> None:
    """What it did is done whole or not at all, on either way, and the pool has all it had."""
    for moment in range(60):
        session = f"s{moment}"
        lease = await store.claim(wish(session=session))
        commit = commit_of(lease, 0, *chain(None, f"a{moment}", f"b{moment}"))
        task = asyncio.create_task(store.commit(commit))
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

        was_applied = await store.receipt(session, "t1") is not None
        read = await store.load(session, ReadScope.FULL_GRAPH)
        assert read is not None
        assert len(read.nodes) == 2 * was_applied
        assert read.head.head_revision == was_applied
        assert (await store.commit(commit)).replayed is was_applied

    assert len(await backends(store)) == 2


async def test_a_caller_that_is_cancelled_while_it_waits_for_a_connection_loses_none(
    store: PostgresStore,
) -> None:
    """Neither before it has one nor as it gets it."""
    release = asyncio.Event()

    async def hold(_: AsyncConnection[TupleRow]) -> None:
        await release.wait()

    holders = [asyncio.create_task(store._database.read(hold)) for _ in range(2)]
    waiting = [asyncio.create_task(store.heads()) for _ in range(10)]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    release.set()
    await asyncio.gather(*holders)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(each) for each in outcomes] == [asyncio.CancelledError, list] * 5
    assert len(await backends(store)) == 2
