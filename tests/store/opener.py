"""A process of its own that opens a file of an older schema and is killed while it does.

Usage: python -m tests.store.opener FILE FOLDER: for each statement that opening FILE takes, opens a
copy of it in FOLDER and dies by SIGKILL as that statement begins; prints the copies, a line each.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
from itertools import count
from pathlib import Path

from sojourn.adapters.sqlite import schema
from sojourn.clock import SystemClock


class Dying(sqlite3.Connection):
    """A connection whose process ends at one of its statements."""

    statements_left = 0

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.set_trace_callback(self.burn)

    @classmethod
    def burn(cls, _statement: str) -> None:
        """Be told of a statement."""
        cls.statements_left -= 1
        if cls.statements_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def connect(path: str, **options: object) -> sqlite3.Connection:
    """Connect as `sqlite3.connect` does, to die."""
    return Dying(path, **options)


def opened(path: Path, statements: int) -> bool:
    """Open a file in a process that may run some statements; tell whether it came through."""
    child = os.fork()
    if child == 0:
        Dying.statements_left = statements
        schema.sqlite3.connect = connect  # type: ignore[attr-defined]
        schema.open_writer(str(path), "", schema.Synchronous.FULL, SystemClock().now()).close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status and not os.WIFSIGNALED(status):
        sys.exit(os.waitstatus_to_exitcode(status))
    return status == 0


def main(file: Path, folder: Path) -> None:
    """Open copies until one comes through."""
    for statements in count(1):
        copy = folder / f"{statements}.db"
        shutil.copyfile(file, copy)
        has_come_through = opened(copy, statements)
        print(copy, flush=True)  # noqa: T201 - to the parent
        if has_come_through:
            return


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
