"""The file: what it must be before it is opened, and how it comes to be."""

from __future__ import annotations

import sqlite3
import time
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from sojourn.adapters.sqlite import errors
from sojourn.adapters.sqlite.migrations import APPLICATION_ID, SCHEMA_VERSION, bring_up, version_of
from sojourn.errors import Contended, StoreUnusable

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "Synchronous", "open_reader", "open_writer"]

BUSY_TIMEOUT_SECONDS = 5.0
_BUSY_PAUSE_SECONDS = 0.02
_CACHED_STATEMENTS = 256


class Synchronous(StrEnum):
    """What a commit survives: FULL a loss of power, NORMAL a crash of the process."""

    FULL = "full"
    NORMAL = "normal"


def open_writer(path: str, url: str, synchronous: Synchronous, now: datetime) -> sqlite3.Connection:
    """Open the file for writing, and make its schema or bring it up to this version's.

    Raises:
        StoreUnusable: it cannot be opened or written, or is not a session store.
        SchemaTooNew: a newer Sojourn wrote it.
    """
    db = _connect(path, url)
    try:
        _prepare(db, url, now)
        db.execute(f"PRAGMA synchronous = {synchronous}")
        db.execute("PRAGMA foreign_keys = ON")
    except errors.RAW as error:
        db.close()
        raise _refused(error, path, url) from error
    except BaseException:
        db.close()
        raise
    return db


def open_reader(path: str, url: str) -> sqlite3.Connection:
    """Open the file, which has its schema, for reading alone."""
    db = _connect(path, url)
    db.execute("PRAGMA query_only = ON")
    return db


def _connect(path: str, url: str) -> sqlite3.Connection:
    try:
        return sqlite3.connect(
            path,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            cached_statements=_CACHED_STATEMENTS,
        )
    except sqlite3.Error as error:
        raise _refused(error, path, url) from error


def _refused(error: Exception, path: str, url: str) -> Exception:
    if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_CANTOPEN:
        return errors.translated(error, url)
    place = Path(path)
    if place.is_dir():
        reason = "it is a folder"
    elif not place.parent.is_dir():
        reason = f"the folder {place.parent} does not exist: make it first"
    else:
        reason = "the file cannot be opened: make it and its folder writable"
    return StoreUnusable(url=url, reason=reason)


def _prepare(db: sqlite3.Connection, url: str, now: datetime) -> None:
    # A stranger's file is refused before anything in it is changed.
    version_of(db, url)
    _choose_format(db, url)
    bring_up(db, url, now)


def _choose_format(db: sqlite3.Connection, url: str) -> None:
    """Have a write-ahead log, and in a new file free pages that can be given back in pieces."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            if version_of(db, url) == 0:
                db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            # SQLite does not wait by itself while another process switches the same file.
            if not isinstance(errors.translated(error, url), Contended):
                raise
            if time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_PAUSE_SECONDS)
            continue
        if mode != "wal":
            raise StoreUnusable(url=url, reason="its file system has no write-ahead log")
        return
