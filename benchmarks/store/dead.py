"""Rows and blobs of attachments that nobody needs, made at once: that is not measured."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psycopg

from benchmarks.store.places import Place
from benchmarks.store.turns import writer_of
from sojourn.adapters.sqlite.rows import micros
from sojourn.blob_key import fresh_key

SESSION = "keeper"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FIND = "SELECT sid FROM sessions WHERE session_id = 'keeper'"
INSERT = "INSERT INTO attachments VALUES (?, ?, ?, 'image/png', 1, 'a-turn', ?, ?)"
FIND_ON_SERVER = "SELECT sid FROM sojourn.sessions WHERE session_id = 'keeper'"
COPY = "COPY sojourn.attachments FROM STDIN"


class Kept(NamedTuple):
    """An attachment by its id and key, and when it was committed, if ever."""

    attachment_id: str
    blob_key: str
    committed_at: datetime | None


def made(dead: int, needed: int) -> list[Kept]:
    """Return so many that were never committed, and so many that were."""
    ids = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(dead + needed)]
    ages = [None] * dead + [LONG_AGO] * needed
    return [Kept(each, fresh_key(each), at) for each, at in zip(ids, ages, strict=True)]


async def insert(place: Place, kept: Sequence[Kept]) -> None:
    """Write the rows, of a session that is claimed for it."""
    async with place.opened_hastily() as store:
        await writer_of(store, SESSION)
    if place.is_file:
        _insert_into_file(place.path, kept)
    else:
        _insert_into_server(place.url, kept)


def write_blobs(folder: Path, kept: Sequence[Kept]) -> None:
    """Write the blobs, without waiting for the disk."""
    for parent in {(folder / each.blob_key).parent for each in kept}:
        parent.mkdir(parents=True)
    for each in kept:
        (folder / each.blob_key).write_bytes(b"x")


def _insert_into_file(path: Path, kept: Sequence[Kept]) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        (sid,) = db.execute(FIND).fetchone()
        at = micros(LONG_AGO)
        db.executemany(
            INSERT, [(sid, *each[:2], at, at if each.committed_at else None) for each in kept]
        )


def _insert_into_server(url: str, kept: Sequence[Kept]) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        found = cursor.execute(FIND_ON_SERVER).fetchone()
        assert found is not None
        facts = ("image/png", 1, "a-turn", LONG_AGO)
        with cursor.copy(COPY) as copy:
            for each in kept:
                copy.write_row((found[0], *each[:2], *facts, each.committed_at))
