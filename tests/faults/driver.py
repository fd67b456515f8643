"""The store's own code on a disk of `tests.faults.disk`: apsw, spoken to as `sqlite3` is."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import apsw

from sojourn.adapters.sqlite import SqliteStore, Synchronous
from sojourn.adapters.sqlite.connection import Connection
from sojourn.clock import ManualClock
from tests.faults.disk import Disk
from tests.faults.work import Together

CHECKPOINT_PAGES = 50  # so that a short story has many checkpoints
Bindings = Sequence[Any] | Mapping[str, Any]


class Cursor:
    """What `sqlite3.Connection.execute` returns, as far as the store uses it."""

    def __init__(self, cursor: apsw.Cursor, lastrowid: int, rowcount: int) -> None:
        self._cursor = cursor
        self._ahead: Any = next(cursor, None)
        self.lastrowid = lastrowid
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.fetchone, None)

    def fetchone(self) -> Any:
        """Return the next row, having looked whether there is one more."""
        with told_as_sqlite3():
            row, self._ahead = self._ahead, next(self._cursor, None)
        return row

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        return list(self)

    def close(self) -> None:
        """Let go of the statement."""
        self._cursor.close()


class Driver:
    """What `sqlite3.connect` returns, as far as the store and aiosqlite use it."""

    def __init__(self, disk: Disk, path: str, *, timeout: float, **_options: Any) -> None:
        with told_as_sqlite3():
            self._db = apsw.Connection(path, vfs=disk.name)
            self._db.set_busy_timeout(int(timeout * 1000))
            self._db.set_wal_hook(_checkpoint)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._db.in_transaction

    def execute(self, statement: str, bindings: Bindings = ()) -> Cursor:
        """Run a statement."""
        return self._run(lambda cursor: cursor.execute(statement, bindings))

    def executemany(self, statement: str, bindings: Iterable[Bindings]) -> Cursor:
        """Run a statement once for each of the bindings."""
        return self._run(lambda cursor: cursor.executemany(statement, bindings))

    def close(self) -> None:
        """Close it; SQLite does not tell of a last checkpoint that fails."""
        with suppress(apsw.Error):
            self._db.close()

    def _run(self, call: Callable[[apsw.Cursor], object]) -> Cursor:
        cursor, before = self._db.cursor(), self._db.total_changes()
        with told_as_sqlite3():
            call(cursor)
            changed = self._db.total_changes() - before
            return Cursor(cursor, self._db.last_insert_rowid(), changed)


def _checkpoint(db: apsw.Connection, name: str, pages: int) -> int:
    """Do what SQLite does by itself after some commits: it does not tell of failures, either."""
    if pages >= CHECKPOINT_PAGES:
        with suppress(apsw.Error):
            db.wal_checkpoint(name)
    return apsw.SQLITE_OK


@contextmanager
def told_as_sqlite3() -> Iterator[None]:
    """Turn the errors of apsw into those of sqlite3."""
    try:
        yield
    except apsw.Error as error:
        is_integrity = isinstance(error, apsw.ConstraintError)
        kind = sqlite3.IntegrityError if is_integrity else sqlite3.OperationalError
        told = kind(str(error))
        told.sqlite_errorcode = getattr(error, "extendedresult", apsw.SQLITE_MISUSE)
        told.sqlite_errorname = type(error).__name__
        raise told from error


def connection(store: SqliteStore) -> Connection:
    """Return a store's connection for writing."""
    found: Connection = vars(store)["_writer"]
    return found


def grouped(store: SqliteStore) -> Together:
    """Return a way to make calls at once so that they always share one transaction."""

    async def together(calls: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
        started, go = threading.Event(), threading.Event()

        def wait(_db: sqlite3.Connection) -> None:
            started.set()
            go.wait()

        gate = asyncio.create_task(connection(store).transact(wait))
        await asyncio.to_thread(started.wait)
        tasks = [asyncio.create_task(call) for call in calls]
        await asyncio.sleep(0)
        go.set()
        await gate
        return await asyncio.gather(*tasks)

    return together


@asynccontextmanager
async def store_on(
    disk: Disk, path: Path, synchronous: Synchronous = Synchronous.FULL
) -> AsyncIterator[SqliteStore]:
    """Open a store on the disk, and close it."""

    def connect(path: str, **options: Any) -> Driver:
        return Driver(disk, path, **options)

    with mock.patch.object(sqlite3, "connect", connect):
        store = await SqliteStore.open(str(path), clock=ManualClock(), synchronous=synchronous)
        try:
            yield store
        finally:
            await store.close()
