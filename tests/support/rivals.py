"""Two at once on PostgreSQL: one whose transaction is held open, and one who meets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, LiteralString, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from typing_extensions import override

from sojourn.adapters.postgres import PostgresStore, address, lines
from sojourn.adapters.postgres.database import Database, Work
from sojourn.adapters.postgres.lines import Call, Line
from sojourn.adapters.postgres.sql import SQL
from sojourn.clock import Clock
from tests.support.polling import until

T = TypeVar("T")

WAITERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


class InFlight(Database):
    """A database of which all that is asked goes into one transaction that somebody else ends."""

    def __init__(self, connection: Line, url: str) -> None:
        super().__init__(address.parsed(url))
        self._held = connection

    @override
    async def read(self, work: Work[T]) -> T:
        return await work(self._held)

    @override
    async def write(self, work: Work[T]) -> T:
        return await work(self._held)

    @override
    async def once(self, work: Work[T]) -> T:
        return await work(self._held)

    @override
    async def row(self, query: LiteralString, facts: Mapping[str, Any]) -> TupleRow | None:
        return await (await self._held.execute(query, facts, binary=True)).fetchone()

    @override
    async def rows(self, query: LiteralString, facts: Mapping[str, Any]) -> list[TupleRow]:
        return await (await self._held.execute(query, facts, binary=True)).fetchall()

    @override
    async def answer(self, call: Call) -> bytes | None:
        return await lines.answer(self._held, call)


@asynccontextmanager
async def in_flight(
    url: str, clock: Clock, end: LiteralString = "COMMIT"
) -> AsyncIterator[PostgresStore]:
    """Yield a store whose work is committed, or undone, only when the block ends."""
    async with await Line.connect(url, autocommit=True) as connection:
        await connection.execute(SQL["begin_write"])
        yield PostgresStore(InFlight(connection, url), clock)
        await connection.execute(end)


async def held_up(url: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begin some work, and return once the server says that it waits for somebody's lock."""
    task = asyncio.create_task(work)
    async with await AsyncConnection[TupleRow].connect(url, autocommit=True) as observer:

        async def look() -> bool:
            found = await (await observer.execute(WAITERS)).fetchone()
            return task.done() or bool(found and found[0])

        await until(look)
    assert not task.done(), "it did not wait"
    return task
