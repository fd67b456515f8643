"""Commits that wait at the same time go to the server together: one round trip, one flush."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from sojourn.adapters.postgres.database import Database
from sojourn.adapters.postgres.lines import Call
from sojourn.adapters.postgres.statements import LOCK_SESSIONS, TRY_COMMIT
from sojourn.adapters.postgres.wire import Values, integer
from sojourn.errors import SojournError

# While so many are on their way, whoever comes waits for company: the server works on one group
# while this side prepares the next.
GROUPS = 2
GROUP_LIMIT = 32

_ENDED = ("08", "57P")  # the connection, or the server: how far a transaction came is not known


@dataclass(slots=True)
class _Job:
    session_id: str
    values: Values
    answer: asyncio.Future[int | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class GroupCommit:
    """Runs `try_commit` for many callers, each with its own outcome, all or nothing.

    A group is one transaction. If anything in it fails nothing of it stands, and each is tried
    alone; so a commit that fails, or waits for a lock, is nobody else's affair.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._limit = min(GROUPS, database.size)
        self._waiting: deque[_Job] = deque()
        self._under_way = 0
        self._groups: set[asyncio.Task[None]] = set()
        self._is_idle = asyncio.Event()

    async def run(self, facts: dict[str, Any]) -> int | None:
        """Return the head's new revision, or None if the rules have to be asked.

        A cancelled caller's commit is done whole or not at all.

        Raises:
            Contended, StoreUnavailable: as `Database.write`.
        """
        with self.database.translating():
            values = TRY_COMMIT.encoded(facts)
        if self._under_way >= self._limit and not _brings_states(facts):
            job = _Job(facts["session_id"], values)
            self._waiting.append(job)
            return await job.answer
        self._under_way += 1
        try:
            return await self._alone(values)
        finally:
            self._end()

    async def close(self) -> None:
        """Wait for what was begun."""
        while self._waiting or self._under_way:
            self._is_idle.clear()
            await self._is_idle.wait()

    def _end(self) -> None:
        """Let whoever waits go on."""
        self._under_way -= 1
        while self._waiting and self._under_way < self._limit:
            count = min(GROUP_LIMIT, len(self._waiting))
            jobs = [self._waiting.popleft() for _ in range(count)]
            self._under_way += 1
            task = asyncio.create_task(self._run([job for job in jobs if not job.answer.done()]))
            self._groups.add(task)
            task.add_done_callback(self._groups.discard)
        if not self._under_way:
            self._is_idle.set()

    async def _run(self, jobs: Sequence[_Job]) -> None:
        try:
            if not await self._together(jobs):
                await asyncio.gather(*map(self._settle, jobs))
        finally:
            for job in jobs:
                job.answer.cancel()  # but for those that have their answer
            self._end()

    async def _together(self, jobs: Sequence[_Job]) -> bool:
        """Run jobs as one transaction; False if it failed, and nothing of it stands."""
        if len(jobs) < 2:  # noqa: PLR2004 - alone
            return False
        sessions = sorted({job.session_id for job in jobs})
        lock = Call(LOCK_SESSIONS, LOCK_SESSIONS.encoded({"session_ids": sessions}))
        calls = [Call(TRY_COMMIT, job.values) for job in jobs]
        try:
            _, *revisions = await self.database.answers([lock, *calls])
        except SojournError as error:
            if not _is_refused(error):
                _fail(jobs, error)
                return True
            return False
        for job, revision in zip(jobs, revisions, strict=True):
            _tell(job, integer(revision))
        return True

    async def _settle(self, job: _Job) -> None:
        try:
            _tell(job, await self._alone(job.values))
        except SojournError as error:
            _fail([job], error)

    async def _alone(self, values: Values) -> int | None:
        try:
            return integer(await self.database.answer(Call(TRY_COMMIT, values)))
        except SojournError as error:
            if isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                return None
            raise


def _brings_states(facts: dict[str, Any]) -> bool:
    """Tell whether a commit may have to wait for another one that brings the same state."""
    return facts["tool_body"] is not None or facts["plugin_body"] is not None


def _is_refused(error: SojournError) -> bool:
    """Tell whether the server undid a transaction, and is there still."""
    cause = error.__cause__
    state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    return state is not None and not state.startswith(_ENDED)


def _tell(job: _Job, revision: int | None) -> None:
    if not job.answer.done():
        job.answer.set_result(revision)


def _fail(jobs: Sequence[_Job], error: SojournError) -> None:
    for job in jobs:
        if not job.answer.done():
            job.answer.set_exception(error)
