"""What a PostgreSQL store does in one round trip, and that it is what the rules say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from sojourn import lease as leases
from sojourn.adapters import rules
from sojourn.adapters.postgres import PostgresStore
from sojourn.clock import ManualClock
from sojourn.commit import Snapshot
from sojourn.errors import Contended, GraphCorrupt, SojournError, StoreError
from sojourn.ids import digest
from sojourn.lease import Lease, LeaseOwner
from sojourn.reads import ReadScope, TurnOpening
from sojourn.testing.conformance.making import (
    ALICE,
    ALICE_REBORN,
    BOB,
    TTL,
    answer,
    chain,
    commit_of,
    opening,
    path_ids,
    ref,
    result,
    spent,
    wish,
)
from tests.support.postgres import migrated, postgres_url, with_pool
from tests.support.relay import Relay

__all__ = ["migrated", "postgres_url"]

Step = Callable[[], Awaitable[object]]


@pytest.fixture
def clock() -> ManualClock:
    """The time of the store under test."""
    return ManualClock()


@pytest.fixture
async def store(postgres_url: str, clock: ManualClock) -> AsyncIterator[PostgresStore]:
    """An empty store."""
    store = await PostgresStore.open(postgres_url, clock=clock)
    yield store
    await store.close()


async def begun(store: PostgresStore, turn: str = "t1") -> Lease:
    """Open a turn, and return its lease."""
    opened = await store.open_turn(opening(turn))
    assert opened.lease is not None
    return opened.lease


async def test_each_step_of_a_turn_is_one_round_trip(postgres_url: str) -> None:
    """Counted on the wire, from the second turn on: the first one makes the session."""
    async with Relay.before(postgres_url) as relay:
        store = await PostgresStore.open(relay.url)
        first = await begun(store)
        await store.commit(commit_of(first, 0, *chain(None, "a"), release=True))
        lease, state = await begun(store, "t2"), b"{}"
        snapshot = Snapshot(digest(state), state, 1)
        nodes = chain("a", "b", "c", "d", "e")
        commit = commit_of(lease, 1, *nodes, usage=(spent(1),), tool_state=snapshot)
        steps: dict[str, Step] = {
            "start_effect": lambda: store.start_effect(ref(lease, "tool/1/x", "t2"), "a1"),
            "record_effect": lambda: store.record_effect(ref(lease, "tool/1/x", "t2"), result()),
            "renew": lambda: store.renew(lease, TTL),
            "effects": lambda: store.effects("s", "t2"),
            "commit": lambda: store.commit(commit),
            "open_turn": lambda: store.open_turn(opening("t3")),
            "release": lambda: store.release(replace(lease, fencing_token=3)),
            "head": lambda: store.head("s"),
            "heads": store.heads,
            "lease": lambda: store.lease("s"),
            "receipt": lambda: store.receipt("s", "t2"),
            "usage": lambda: store.usage("s"),
            "node": lambda: store.node("s", "a"),
        }
        counted: dict[str, int] = {}
        for name, step in steps.items():
            before = relay.trips
            assert await step() is not None or name == "release"
            counted[name] = relay.trips - before
        stored = await store.lease("s")
        await store.close()

    assert counted == dict.fromkeys(steps, 1)
    assert stored is not None
    assert stored.released


async def whole_scans(url: str) -> list[TupleRow]:
    """Return how often each table was read from end to end, once nobody else is connected."""
    others = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while await (await connection.execute(others)).fetchone() is not None:
            await asyncio.sleep(0.01)
        counted = (
            "SELECT relname, seq_scan FROM pg_stat_user_tables"
            " WHERE relname <> 'schema_version' ORDER BY relname"
        )
        return await (await connection.execute(counted)).fetchall()


async def test_a_turn_never_reads_a_whole_table(postgres_url: str) -> None:
    """Whether its plans were made when the tables were empty or not: turn 10,000 costs the same."""
    store = await PostgresStore.open(with_pool(postgres_url, 1))
    await store.commit(commit_of(await store.claim(wish()), 0, *chain(None, "n0")))
    await store.close()
    before = await whole_scans(postgres_url)

    store = await PostgresStore.open(with_pool(postgres_url, 1))
    state = Snapshot(digest(b"{}"), b"{}", 1)
    for number in range(1, 20):
        turn = f"turn-{number}"
        lease = await begun(store, turn)
        await store.record_effect(ref(lease, "model/1", turn), answer())
        await store.renew(lease, TTL)
        nodes = chain(f"n{number - 1}", f"n{number}")
        await store.commit(
            commit_of(lease, number, *nodes, tool_state=state, usage=(spent(1),), release=True)
        )
    await store.close()

    assert await whole_scans(postgres_url) == before


def held_by(
    owner: LeaseOwner, executor: str, ends: timedelta, clock: ManualClock, *, released: bool
) -> Lease:
    """Return the seventh lease of the session."""
    now = clock.now()
    return Lease("s", owner, executor, 7, now - TTL, now + ends, released)


async def put(url: str, lease: Lease) -> None:
    """Store a lease as it is."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("DELETE FROM sojourn.effects")
        await connection.execute(
            "UPDATE sojourn.sessions SET owner_id = %s, incarnation_id = %s, executor_id = %s,"
            " fencing_token = %s, claimed_at = %s, expires_at = %s, released = %s",
            (
                *(lease.owner.owner_id, lease.owner.incarnation_id, lease.executor_id),
                *(lease.fencing_token, lease.claimed_at, lease.expires_at, lease.released),
            ),
        )


def claimed(stored: Lease, asked: TurnOpening, clock: ManualClock) -> object:
    """Return the lease that the rules give, or the error's type."""
    try:
        rules.check_history(asked, stored)
        return leases.claim(stored, asked.claim, clock.now())
    except SojournError as error:
        return type(error)


async def opened(store: PostgresStore, asked: TurnOpening) -> object:
    """Return the lease that a store gives, or the error's type."""
    try:
        return (await store.open_turn(asked)).lease
    except SojournError as error:
        return type(error)


async def test_the_short_way_to_a_lease_is_the_rules_way(
    store: PostgresStore, clock: ManualClock, postgres_url: str
) -> None:
    """Whoever holds it, in whatever state, whatever the owner knows: the same answer."""
    await store.claim(wish())
    owners, ends = (ALICE, ALICE_REBORN, BOB), (TTL, timedelta(0), 2 * TTL)
    for owner, executor, end, released, known in product(
        owners, ("t1", "t0"), ends, (True, False), (None, 6, 7)
    ):
        stored = held_by(owner, executor, end, clock, released=released)
        await put(postgres_url, stored)
        asked = opening("t1", known_token=known)
        expected = claimed(stored, asked, clock)
        assert await opened(store, asked) == expected, (stored, known)
        left = expected if isinstance(expected, Lease) else stored
        assert await store.lease("s") == left, (stored, known)
        assert len(await store.effects("s", "t1")) == (left is expected)


async def test_a_commit_may_hang_on_any_node_that_the_session_sees(store: PostgresStore) -> None:
    """On its leaf by the short way, elsewhere by the long one: the frames are right on both."""
    lease = await store.claim(wish())
    frame = replace(chain("a", "f")[0], kind="frame")
    await store.commit(commit_of(lease, 0, *chain(None, "a"), frame, *chain("f", "b"), leaf="b"))
    await store.commit(commit_of(lease, 1, *chain("b", "c"), operation_id="t2"))
    await store.commit(commit_of(lease, 2, *chain("a", "d"), operation_id="t3"))
    two = (*chain("c", "e"), *chain("d", "g"))
    await store.commit(commit_of(lease, 3, *two, operation_id="t4", leaf="e"))
    await store.commit(commit_of(lease, 4, *chain("e", "h"), operation_id="t5"))

    assert await path_ids(store, ReadScope.FRAME) == ["f", "b", "c", "e", "h"]
    assert await path_ids(store) == ["a", "f", "b", "c", "e", "h"]
    assert await path_ids(store, ReadScope.FRAME, "g") == ["a", "d", "g"]


async def test_a_leaf_that_is_gone_is_no_ground(store: PostgresStore, postgres_url: str) -> None:
    """The short way looks at the leaf as the long one does."""
    lease = await store.claim(wish())
    await store.commit(commit_of(lease, 0, *chain(None, "a")))
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as connection:
        await connection.execute("UPDATE sojourn.nodes SET tombstoned = true")

    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, 1, *chain("a", "b"), operation_id="t2"))


async def test_two_sessions_that_want_one_node_id_do_not_both_get_it(store: PostgresStore) -> None:
    """At the same moment: the other one is refused, or told to try again and then refused."""

    async def tried(session: str) -> object:
        lease = await store.claim(wish(session=session))
        commit = commit_of(lease, 0, *chain(None, "a", "b"))
        while True:
            try:
                return (await store.commit(commit)).head_revision
            except Contended:
                continue
            except StoreError as error:
                return type(error)

    outcomes: list[Any] = await asyncio.gather(*(tried(f"s{number}") for number in range(4)))

    assert sorted(map(str, outcomes)) == sorted(map(str, [1, *[GraphCorrupt] * 3]))


async def test_first_claims_at_once_make_one_session(store: PostgresStore) -> None:
    """One of them makes it and has the lease; the others find it held."""
    owners = [LeaseOwner.fresh() for _ in range(8)]
    outcomes = await asyncio.gather(
        *(store.claim(wish(owner)) for owner in owners), return_exceptions=True
    )

    given = [outcome for outcome in outcomes if isinstance(outcome, Lease)]
    assert [lease.fencing_token for lease in given] == [1]
    assert {type(each).__name__ for each in outcomes} == {"Lease", "LeaseHeld"}


async def test_time_is_the_servers_unless_a_clock_is_given(postgres_url: str) -> None:
    """Workers whose clocks differ agree on when a lease ends, whichever way it was claimed."""
    store = await PostgresStore.open(postgres_url)
    first = await begun(store)
    second = await begun(store, "t2")
    renewed = await store.renew(second, timedelta(hours=1))
    answered = await store.record_effect(ref(second, "model/1", "t2"), answer())
    receipt = await store.commit(commit_of(second, 0, *chain(None, "a")))
    node = await store.node("s", "a")
    await store.close()
    async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
        (now,) = await (await connection.execute("SELECT clock_timestamp()")).fetchone() or (None,)

    assert node is not None
    assert first.claimed_at < second.claimed_at < node.created_at < now
    assert second.expires_at - second.claimed_at == TTL
    assert timedelta(0) < renewed.expires_at - second.claimed_at - timedelta(hours=1) < TTL
    assert (answered.position, receipt.head_revision) == (3, 1)
