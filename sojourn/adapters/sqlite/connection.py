"""A connection that runs whole transactions on its own thread, one hop each."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

import aiosqlite
from typing_extensions import override

from sojourn.adapters.sqlite import errors
from sojourn.adapters.sqlite.migrations import check_current
from sojourn.errors import StoreUnusable

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

GROUP_LIMIT = 64
FILES = ("", "-wal", "-shm")


@dataclass(slots=True)
class _Job:
    work: Work[Any]
    ended: asyncio.Future[None]
    result: Any = None
    error: BaseException | None = None


class Connection(aiosqlite.Connection):
    """A connection whose transactions are atomic whatever becomes of who awaits them.

    Transactions that wait at the same time share one SQLite transaction, a savepoint each: one
    flush serves them all, and the failure of one undoes that one alone.
    """

    def __init__(
        self, connector: Callable[[], sqlite3.Connection], url: str, begin: str, group_limit: int
    ) -> None:
        super().__init__(connector, iter_chunk_size=GROUP_LIMIT)
        # A store that nobody closed must not keep its process alive.
        self._thread.daemon = True
        self._url = url
        self._begin = begin
        self._group_limit = group_limit
        self._jobs: deque[_Job] = deque()
        self._path = ""
        self._files: dict[str, int] = {}
        self._drainer: asyncio.Task[None] | None = None
        self._is_leading = False
        self._is_closing = False
        self._stopped: asyncio.Future[Any] | None = None

    async def opened(self) -> Self:
        """Open the connection; if that fails, leave no thread behind.

        Raises:
            StoreUnusable, SchemaTooNew: as the connector.
        """
        try:
            await self
        except BaseException:
            if self._stopped is not None:
                await self._stopped
            raise
        return self

    @override
    async def close(self) -> None:
        # What came before is done before; what comes after would find nothing to work on.
        self._is_closing = True
        self._go_on()
        if self._drainer is not None:
            await asyncio.wait({self._drainer})
        await super().close()

    @override
    def stop(self) -> asyncio.Future[Any] | None:
        self._stopped = super().stop()
        return self._stopped

    async def transact(self, work: Work[T]) -> T:
        """Run `work` in a transaction and return its result once it is durable.

        A cancelled caller's work is done whole or not at all.

        Raises:
            Contended: another process held the write lock for too long.
            StoreUnavailable: the disk failed or is full, or the connection is closed.
        """
        self._check_open()
        job = _Job(work, asyncio.get_running_loop().create_future())
        if self._drainer is None and not self._is_leading:
            await self._lead(job)
        else:
            self._jobs.append(job)
            await job.ended
        if isinstance(job.error, (*errors.RAW, *errors.UNFIT)):
            raise errors.translated(job.error, self._url) from job.error
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    async def alone(self, statement: str) -> None:
        """Run a statement that no transaction may hold.

        Raises:
            Contended, StoreUnavailable: as `transact`.
        """
        self._check_open()
        try:
            await self.execute_fetchall(statement)
        except sqlite3.Error as error:
            raise errors.translated(error, self._url) from error

    def _check_open(self) -> None:
        if self._is_closing:
            raise errors.closed(self._url)

    def _check_files(self, db: sqlite3.Connection) -> None:
        """Let a transaction begin only on the files that were opened.

        SQLite would go on in files that have no name any more, and everything would be lost.
        """
        self._path = self._path or str(db.execute("PRAGMA database_list").fetchone()[2])
        for kind in FILES:
            inode = _inode(self._path + kind)
            if inode != self._files.get(kind, inode):
                name = f"its {kind} file" if kind else "its file"
                reason = f"{name} was removed or replaced while it was open"
                raise StoreUnusable(url=self._url, reason=reason)
            if inode:
                self._files[kind] = inode

    async def _lead(self, job: _Job) -> None:
        """Run a job that nobody is before; whoever comes meanwhile is a group of its own."""
        self._is_leading = True
        try:
            await self._finish([job])
        finally:
            self._is_leading = False
            self._go_on()

    def _go_on(self) -> None:
        if self._jobs and self._drainer is None:
            self._drainer = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        """Run all that waits, a group at a time, until nobody is left.

        Those of a group are told together, and have their next work here before the next begins.
        """
        try:
            while self._jobs:
                count = min(len(self._jobs), self._group_limit)
                await self._finish([self._jobs.popleft() for _ in range(count)])
                await asyncio.sleep(0)
        finally:
            self._drainer = None
            while self._jobs:  # the event loop is ending
                self._jobs.popleft().ended.cancel()

    async def _finish(self, jobs: list[_Job]) -> None:
        try:
            await self._execute(partial(self._run_all, jobs))  # type: ignore[no-untyped-call]
        except ValueError:
            for job in jobs:
                job.error = errors.closed(self._url)
        except asyncio.CancelledError:
            for job in jobs:
                job.ended.cancel()  # whether it was done is not known here
            raise
        for job in jobs:
            if not job.ended.done():
                job.ended.set_result(None)

    def _run_all(self, jobs: list[_Job]) -> None:
        db = self._conn
        try:
            _end_leftovers(db)
            self._check_files(db)
            db.execute(self._begin)
            check_current(db, self._url)
            for job in jobs:
                _run(db, job, alone=len(jobs) == 1)
            db.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - each awaiting caller gets it
            for job in jobs:
                job.error = job.error or error
            with suppress(sqlite3.Error):  # or the next transaction ends them, or is refused
                _end_leftovers(db)


def _inode(path: str) -> int:
    """Return what tells the file at `path` from another one in its place; 0 if there is none."""
    try:
        return os.stat(path).st_ino  # noqa: PTH116 - a third of the time, before every transaction
    except OSError:
        return 0


def _run(db: sqlite3.Connection, job: _Job, *, alone: bool) -> None:
    if alone:
        job.result = job.work(db)
        return
    db.execute("SAVEPOINT job")
    try:
        job.result = job.work(db)
    except BaseException as error:
        # SQLite answers some failures by rolling everything back: then nobody's work stands.
        if not db.in_transaction:
            raise
        db.execute("ROLLBACK TO job")
        job.error = error
    db.execute("RELEASE job")


def _end_leftovers(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        db.execute("ROLLBACK")
