"""What PostgreSQL, and the network before it, may do to commits; nothing is lost, halved, doubled.

Every choice comes from `SOJOURN_FAULT_LUCK`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import psycopg
import pytest
from psycopg import sql
from psycopg_pool.base import AttemptWithBackoff

from sojourn.adapters.postgres import PostgresStore
from sojourn.errors import Contended
from sojourn.ports import SessionStore
from tests.faults.crashes import Failure, Mortal
from tests.faults.ledger import Ledger, check_sound
from tests.faults.steps import Kind, Step, Told, done
from tests.faults.weather import CuttingRelay, Fate, Insistent, SlowRelay
from tests.faults.work import PICTURE, Work, luck_of
from tests.support.postgres import migrated, postgres_url, with_pool

__all__ = ["migrated", "postgres_url"]

LUCK = os.environ.get("SOJOURN_FAULT_LUCK", "dice")
POOL = 4
WAVES = 5
REFUSING = """
CREATE SEQUENCE public.writes;
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('public.writes') % TG_ARGV[1]::bigint = 0 THEN
        RAISE EXCEPTION USING ERRCODE = TG_ARGV[0];
    END IF;
    RETURN NULL;
END $$
"""
TRIGGER = (
    "CREATE TRIGGER refuses AFTER INSERT OR UPDATE OR DELETE ON sojourn.{}"
    " EXECUTE FUNCTION public.refuse({}, {})"
)
WRITTEN = ("nodes", "sessions", "usage", "receipts", "effects", "attachments")
RIVALRIES = ["40001", "40P01", "55P03"]


@pytest.fixture
def own_server() -> Iterator[Mortal]:
    """A server of this test's own."""
    with Mortal.started() as server:
        yield server


def at_work(store: Insistent | SessionStore, life: str, tell: Callable[[Told], None]) -> Work:
    """Return the work of one life, whose choices are always the same."""
    return Work(cast("SessionStore", store), life, luck_of(LUCK + life), tell)


async def check_all_landed(store: SessionStore, ledger: Ledger) -> None:
    """Let a store pass if it is sound and has every step once, and each was acknowledged."""
    assert all(map(ledger.is_answered, ledger.answers))
    await ledger.check(store)
    gone = {step.session for step in ledger.steps(Kind.DELETE)}
    due = {step for step in ledger.steps(Kind.COMMIT) if step.session not in gone}
    landed = await ledger.landed(store)
    assert due <= set(landed)
    assert all(landed[step] == ledger.answers[step] for step in due)


@pytest.mark.crash
@pytest.mark.timeout(60)
async def test_cut_and_slow_connections_double_nothing_and_lose_nothing(postgres_url: str) -> None:
    """Wherever a commit was cut off, sending it again until it is acknowledged applies it once."""
    cutting = CuttingRelay(postgres_url, luck_of(LUCK + "cuts"))
    slow = SlowRelay(postgres_url, luck_of(LUCK + "slow"), 0.002)
    news = list[Told]()
    await asyncio.gather(cutting.start(), slow.start())
    near = await PostgresStore.open(postgres_url)
    cut, delayed = [
        await PostgresStore.open(with_pool(relay.url, POOL)) for relay in (cutting, slow)
    ]
    try:
        insistent = Insistent(cut)
        await asyncio.gather(
            at_work(insistent, "cut", news.append).go_on(["a0", "a1", "a2", "a3"], WAVES),
            at_work(delayed, "slow", news.append).go_on(["b0", "b1"], WAVES),
        )
        await check_all_landed(near, Ledger.of(news))
    finally:
        for store in (cut, delayed, near):
            await store.close()
        await asyncio.gather(cutting.stop(), slow.stop())

    assert set(cutting.cuts) == set(Fate)
    assert insistent.refusals["commit"]
    assert insistent.replays


@pytest.mark.crash
@pytest.mark.timeout(90)
async def test_a_server_that_is_killed_loses_nothing_that_it_acknowledged(
    own_server: Mortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same store goes on as soon as the server is back, and what hung in the air is sent again.

    The server stops at once, is killed, and loses one of its processes, each time amid commits.
    """
    monkeypatch.setattr(AttemptWithBackoff, "INITIAL_DELAY", 0.1)
    url, ledger = own_server.url, Ledger()
    store = await PostgresStore.open(with_pool(url, POOL))
    try:
        for way in Failure:
            ready, amid, insistent = asyncio.Event(), asyncio.Event(), Insistent(store)

            def tell(told: Told, ready: asyncio.Event = ready, amid: asyncio.Event = amid) -> None:
                ledger.extend([told])
                if ready.is_set() and told.step.kind is Kind.COMMIT:
                    amid.set()

            work = at_work(insistent, way, tell)
            async with asyncio.TaskGroup() as together:
                together.create_task(work.go_on(["s0", "s1", "s2"], 4))
                processes = await asyncio.to_thread(own_server.processes)
                ready.set()
                await amid.wait()
                await asyncio.to_thread(own_server.fail, way, processes)
            assert insistent.refusals.total(), way
            await check_all_landed(store, ledger)
    finally:
        await store.close()


def make_refusing(url: str, code: str, every: int, tables: Sequence[str] = WRITTEN) -> None:
    """Have every so-manieth write of tables refused by the server, with all that came before it."""
    with psycopg.connect(url) as connection:
        for table in tables:
            trigger = sql.SQL(TRIGGER).format(sql.Identifier(table), code, str(every))
            connection.execute(trigger)


def make_willing(url: str, table: str) -> None:
    """Have a table's writes accepted again."""
    with psycopg.connect(url) as connection:
        drop = sql.SQL("DROP TRIGGER refuses ON sojourn.{}")
        connection.execute(drop.format(sql.Identifier(table)))


@pytest.mark.crash
@pytest.mark.parametrize("code", RIVALRIES)
async def test_a_commit_that_the_server_undoes_for_anothers_sake_leaves_nothing(
    postgres_url: str, code: str
) -> None:
    """Whichever table it had come to: it is contended, no row is changed, and the same succeeds."""
    with psycopg.connect(postgres_url) as connection:
        connection.execute(REFUSING)
    store = await PostgresStore.open(with_pool(postgres_url, 1))
    try:
        for table in WRITTEN:
            turn = Step(Kind.OPEN, table, f"{table}.turn")
            token = await done(store, turn)
            await done(store, Step(Kind.RECORD, table, turn.name, "model/1"), token)
            await done(store, Step(Kind.ATTACH, table, turn.name, PICTURE), token)
            commit = Step(Kind.COMMIT, table, turn.name, nodes=(f"{table}.a", f"{table}.b"))
            before = await everything(store, turn)
            make_refusing(postgres_url, code, 1, [table])
            with pytest.raises(Contended):
                await done(store, commit, token)
            assert await everything(store, turn) == before, table
            make_willing(postgres_url, table)
            assert await done(store, commit, token) == 1
        await check_sound(store)
    finally:
        await store.close()


async def everything(store: PostgresStore, turn: Step) -> list[object]:
    """Return what there is of a session, and how many rows of all."""
    stats = await store.stats()
    del stats["size_bytes"]  # what was undone takes room for a while
    return [
        await store.receipt(turn.session, turn.name),
        await store.head(turn.session),
        await store.lease(turn.session),
        await store.effects(turn.session, turn.name),
        await store.attachments(turn.session),
        await store.usage(turn.session),
        stats,
    ]


@pytest.mark.crash
@pytest.mark.parametrize("code", RIVALRIES)
async def test_a_server_that_undoes_now_and_then_only_costs_trying_again(
    postgres_url: str, code: str
) -> None:
    """Any call may meet it, on the short way and in the long one; none needs to know where."""
    with psycopg.connect(postgres_url) as connection:
        connection.execute(REFUSING)
    make_refusing(postgres_url, code, 13)
    store, news = await PostgresStore.open(with_pool(postgres_url, POOL)), list[Told]()
    try:
        insistent = Insistent(store)
        await at_work(insistent, "rivals", news.append).go_on(["s0", "s1", "s2"], 4)
        await check_all_landed(store, Ledger.of(news))
    finally:
        await store.close()
    assert insistent.refusals["commit"]
