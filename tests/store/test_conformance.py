"""The laws that every store keeps, on each of ours."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from sojourn.adapters.memory import MemoryStore
from sojourn.adapters.postgres.store import PostgresStore
from sojourn.adapters.sqlite import SqliteStore
from sojourn.clock import Clock
from sojourn.ports import SessionStore
from sojourn.testing import StoreOpener, store_conformance
from tests.support.postgres import administer, database, migrated

__all__ = ["migrated"]

# The sessions come last: the others refer to them.
TABLES = """
    SELECT tablename FROM pg_tables
    WHERE schemaname = 'sojourn' AND tablename <> 'schema_version' ORDER BY tablename = 'sessions'
"""


@asynccontextmanager
async def open_memory(clock: Clock, _folder: Path) -> AsyncGenerator[SessionStore, None]:
    """Open a store that ends with its object."""
    yield MemoryStore(clock)


@asynccontextmanager
async def open_sqlite(clock: Clock, folder: Path) -> AsyncGenerator[SessionStore, None]:
    """Open the store in the folder's file."""
    store = await SqliteStore.open(str(folder / "sojourn.db"), clock=clock)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def open_database(url: str, clock: Clock, folder: Path) -> AsyncGenerator[SessionStore, None]:
    """Open the one database, which is emptied for each folder that comes for the first time."""
    known = folder / "known"
    if not known.exists():
        known.touch()
        await emptied(url)
    store = await PostgresStore.open(url, clock=clock)
    try:
        yield store
    finally:
        await store.close()


async def emptied(url: str) -> None:
    """Remove every row: faster than a database for each test."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        found = await connection.execute(TABLES)
        for (table,) in await found.fetchall():
            await connection.execute(
                sql.SQL("DELETE FROM sojourn.{}").format(sql.Identifier(table))
            )


@pytest.fixture(scope="module")
def open_postgres(migrated: str) -> Iterator[StoreOpener]:
    """A database of this module's own, which does not wait for the disk."""
    with database(migrated) as url:
        name = sql.Identifier(urlsplit(url).path.removeprefix("/"))
        administer(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(name))
        yield partial(open_database, url)


TestMemory = store_conformance(open_memory, durable=False)
TestSqlite = store_conformance(open_sqlite)
TestPostgres = store_conformance("open_postgres")
