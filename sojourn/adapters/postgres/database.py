"""A pool of connections that runs whole transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from sojourn.adapters.postgres import errors, lines
from sojourn.adapters.postgres.address import Address
from sojourn.adapters.postgres.lines import Call, Line
from sojourn.adapters.postgres.sql import SQL
from sojourn.adapters.postgres.statements import PREPARED

T = TypeVar("T")
Connection = AsyncConnection[TupleRow]
Work = Callable[[Connection], Awaitable[T]]

# How long a caller waits for a connection; and how long the pool goes on trying to make one, with
# growing pauses, before it begins anew.
CHECKOUT_SECONDS = 10.0


class Database:
    """A server's database, its transactions atomic whatever becomes of who awaits them."""

    def __init__(self, address: Address) -> None:
        self.url = address.shown
        self.size = address.pool
        self._address = address
        self._pool: AsyncConnectionPool[Line] = AsyncConnectionPool(
            address.conninfo,
            connection_class=Line,
            kwargs=address.options,
            configure=_prepare,
            min_size=1,
            max_size=address.pool,
            open=False,
            timeout=CHECKOUT_SECONDS,
            reconnect_timeout=CHECKOUT_SECONDS,
        )

    async def open(self) -> None:
        """Begin to connect; whoever comes first waits for it."""
        await self._pool.open()

    async def read(self, work: Work[T]) -> T:
        """Run `work` in a read-only transaction that sees one state of the store.

        Raises:
            StoreUnavailable: the server cannot be reached, or cannot serve now.
        """
        return await self._transact("begin_read", work)

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction and return its result once it is durable.

        Raises:
            Contended: another transaction held a lock for too long, or came between.
            StoreUnavailable: the server cannot be reached, or cannot serve now; whether the
                transaction was committed is not known then.
        """
        return await self._transact("begin_write", work)

    async def once(self, work: Work[T]) -> T:
        """Run `work`, which is one statement: a transaction in itself, in one round trip.

        Raises:
            Contended, StoreUnavailable: as `write`.
        """
        async with self._connection() as connection:
            return await work(connection)

    async def row(self, query: LiteralString, facts: Mapping[str, Any]) -> TupleRow | None:
        """Run one statement as `once` does; return its first row."""
        async with self._connection() as connection:
            cursor = await connection.execute(query, facts, binary=True)
            return await cursor.fetchone()

    async def rows(self, query: LiteralString, facts: Mapping[str, Any]) -> list[TupleRow]:
        """Run one statement as `once` does; return all of its rows."""
        async with self._connection() as connection:
            cursor = await connection.execute(query, facts, binary=True)
            return await cursor.fetchall()

    async def answer(self, call: Call) -> bytes | None:
        """Run one encoded statement as `once` does; return the value that it returns."""
        async with self._line() as line:
            return await lines.answer(line, call)

    async def answers(self, calls: Sequence[Call]) -> list[bytes | None]:
        """Run encoded statements in one transaction and one round trip; return their values.

        Raises:
            Contended, StoreUnavailable: as `write`.
        """
        async with self._line() as line:
            return await lines.answers(line, calls)

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Let nothing of the driver's out of a block, but what it means to us."""
        try:
            yield
        except (psycopg.Error, UnicodeEncodeError) as error:
            raise errors.translated(error, self.url) from error

    async def close(self) -> None:
        """Let go of all connections; closing twice is harmless."""
        await self._pool.close()

    async def _transact(self, begin: str, work: Work[T]) -> T:
        async with self._connection() as connection:
            await connection.execute(SQL[begin])
            return await work(connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; its transaction ends with the block: committed, or rolled back."""
        async with self._line() as line, line:
            yield line

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[Line]:
        """Lend a connection to whoever leaves no transaction open."""
        with self.translating():
            try:
                line = await self._pool.getconn()
            except PoolTimeout as error:
                raise await self._missing(error) from error
            try:
                yield line
            except psycopg.Error:
                await self._retire_if_broken(line)
                raise
            finally:
                await self._pool.putconn(line)

    async def _retire_if_broken(self, connection: Connection) -> None:
        """Replace every connection when one is broken: the others are likely to be as well."""
        if connection.broken:
            await self._pool.drain()

    async def _missing(self, error: PoolTimeout) -> Exception:
        """Return why the pool had no connection: none can be made, or all are busy."""
        try:
            await (await self._address.connect()).close()
        except psycopg.OperationalError as failure:
            return errors.unreachable(failure, self.url)
        return errors.translated(error, self.url)


async def _prepare(line: Line) -> None:
    await lines.prepare(line, PREPARED)
