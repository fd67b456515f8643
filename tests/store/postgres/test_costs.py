"""What reads and upkeep cost on PostgreSQL is told by what they touch, not by the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from sojourn.adapters.postgres import PostgresStore, graph_reads
from sojourn.adapters.postgres.sql import SQL
from sojourn.clock import ManualClock
from sojourn.commit import NewNode
from sojourn.graph import NodeKind
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    DAY,
    begun,
    chain,
    commit_of,
    grown,
    intent,
    wish,
)

FRAME = 20
FRAMES = 500  # so many that the planner would rather not read them all
# Head, leaf and frame, and for each node itself, its place and its parent's name.
READS_A_NODE = 4

# Joins that ask their inner side anew for every row of their outer one.
PLANS = "".join(
    f"-c%20enable_{plan}%3Doff%20"
    for plan in ("hashjoin", "mergejoin", "material", "memoize", "hashagg", "sort")
)

TOUCHED = """
    SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::int
    FROM pg_stat_xact_user_tables WHERE schemaname = 'sojourn'
"""


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[AsyncConnection[TupleRow]]:
    """A connection to the store's database, for one transaction at a time."""
    async with await AsyncConnection[TupleRow].connect(postgres_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def framed(store: PostgresStore, connection: AsyncConnection[TupleRow]) -> PostgresStore:
    """A store with one session of many frames; the planner knows how many rows there are."""
    lease = await store.claim(wish())
    nodes: list[NewNode] = []
    for number in range(FRAMES):
        names = [f"n{number}-{place}" for place in range(1, FRAME)]
        parent = nodes[-1].node_id if nodes else None
        nodes += chain(parent, f"f{number}", kind=NodeKind.FRAME)
        nodes += chain(f"f{number}", *names)
    await store.commit(commit_of(lease, 0, *nodes))
    await connection.execute("ANALYZE")
    return store


async def touched(connection: AsyncConnection[TupleRow]) -> int:
    """Return how many rows this transaction has read."""
    found = await (await connection.execute(TOUCHED)).fetchone()
    return found[0] if found else 0


@pytest.mark.usefixtures("framed")
async def test_a_frame_costs_what_it_holds(connection: AsyncConnection[TupleRow]) -> None:
    """However long the session is."""
    async with connection.transaction():
        read = await graph_reads.load(connection, "s", ReadScope.FRAME, None)
        rows = await touched(connection)

    assert read is not None
    assert len(read.nodes) == FRAME
    assert 0 < rows <= READS_A_NODE * FRAME


@pytest.mark.usefixtures("framed")
async def test_a_node_costs_a_few_rows(connection: AsyncConnection[TupleRow]) -> None:
    """One of the session's own is found without its path."""
    async with connection.transaction():
        node = await graph_reads.node(connection, "s", "n0-1")
        rows = await touched(connection)

    assert node is not None
    assert 0 < rows <= READS_A_NODE


async def test_orphans_of_a_young_fork_cost_nothing_of_its_source(
    framed: PostgresStore, connection: AsyncConnection[TupleRow]
) -> None:
    """Its source's path is not walked."""
    await framed.fork("s", f"f{FRAMES - 1}", "f")
    async with connection.transaction():
        await connection.execute(SQL["orphans"], {"session_id": "f"})
        rows = await touched(connection)

    assert rows <= FRAME


async def test_times_are_in_utc_whatever_the_server_thinks(
    store: PostgresStore, connection: AsyncConnection[TupleRow]
) -> None:
    """A node's, a head's, and those in a read."""
    lease = await store.claim(wish())
    await store.commit(commit_of(lease, 0, *chain(None, "a")))
    await connection.execute("SET TimeZone = 'Asia/Kathmandu'")
    node = await graph_reads.node(connection, "s", "a")

    assert node is not None
    assert node.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert node.created_at.tzinfo is UTC


async def test_a_limit_is_kept_however_the_server_plans(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """What is chosen once is not chosen again for each row that is looked at."""
    for number in range(5):
        lease = await begun(store, session=f"s{number}")
        await store.begin_attachment(intent(lease, f"k{number}"))
        nodes = chain(None, f"n{number}", f"m{number}")
        await store.commit(commit_of(lease, 0, *nodes, attachment_ids=(), operation_id="c1"))
        await store.release(lease)
        await grown(store, f"o{number}", session=f"s{number}")
    clock.advance(DAY)
    planned = await PostgresStore.open(f"{postgres_url}&options={PLANS}", clock=clock)
    journals = [await planned.reclaim_journals(clock.now(), 2) for _ in range(4)]
    receipts = [await planned.forget_receipts(clock.now(), 2) for _ in range(4)]
    intents = [await planned.forget_intents(clock.now(), 2) for _ in range(4)]
    for number in range(5):
        await planned.delete(f"s{number}")
    removed = [(await planned.vacuum(limit=4)).nodes for _ in range(3)]
    await planned.close()

    assert journals == receipts == intents == [2, 2, 1, 0]
    assert max(removed) <= 4
