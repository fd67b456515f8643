"""Long work in short transactions, with room between them for everybody else."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from sojourn.adapters.sqlite.connection import Connection, Work

T = TypeVar("T")

PIECE_ROWS = 200


async def piece(writer: Connection, work: Work[T]) -> T:
    """Do a piece of long work, then leave others as much time as it took.

    Another process gets SQLite's write lock only by asking for it again and again.
    """
    started = time.monotonic()
    result = await writer.transact(work)
    await asyncio.sleep(time.monotonic() - started)
    return result


async def in_pieces(
    writer: Connection, rows: list[T], work: Callable[[sqlite3.Connection, list[T]], int]
) -> int:
    """Do work on many rows, few in a transaction; return the sum of what it returns."""
    pieces = (rows[start : start + PIECE_ROWS] for start in range(0, len(rows), PIECE_ROWS))
    return sum([await piece(writer, _on(work, few)) for few in pieces])


def _on(work: Callable[[sqlite3.Connection, list[T]], int], few: list[T]) -> Work[int]:
    return lambda db: work(db, few)
