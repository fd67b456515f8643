"""The file: what it must be before it is opened, and how it comes to be."""

from __future__ import annotations

import sqlite3
import time
from enum import StrEnum
from pathlib import Path

from sojourn.adapters.sqlite import errors, sql
from sojourn.errors import Contended, SchemaTooNew, StoreUnusable

APPLICATION_ID = 0x536F6A6F  # "Sojo"
SCHEMA_VERSION = 1
BUSY_TIMEOUT_SECONDS = 5.0
_BUSY_PAUSE_SECONDS = 0.02
_CACHED_STATEMENTS = 256


class Synchronous(StrEnum):
    """What a commit survives: FULL a loss of power, NORMAL a crash of the process."""

    FULL = "full"
    NORMAL = "normal"


def open_writer(path: str, url: str, synchronous: Synchronous) -> sqlite3.Connection:
    """Open the file for writing, and make its schema if it has none.

    Raises:
        StoreUnusable: it cannot be opened or written, or is not a session store.
        SchemaTooNew: a newer Sojourn wrote it.
    """
    db = _connect(path, url)
    try:
        _prepare(db, url)
        db.execute(f"PRAGMA synchronous = {synchronous}")
        db.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error as error:
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


def _refused(error: sqlite3.Error, path: str, url: str) -> Exception:
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


def _prepare(db: sqlite3.Connection, url: str) -> None:
    # A stranger's file is refused before anything in it is changed.
    _is_ready(db, url)
    _use_wal(db, url)
    db.execute("BEGIN IMMEDIATE")
    if not _is_ready(db, url):
        for statement in sql.statements(sql.read("schema.sql")):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")


def _is_ready(db: sqlite3.Connection, url: str) -> bool:
    application, version, tables = db.execute(sql.SQL["identity"]).fetchone()
    if application == APPLICATION_ID and version > SCHEMA_VERSION:
        raise SchemaTooNew(url=url, found=version, known=SCHEMA_VERSION)
    if application != APPLICATION_ID and (tables or application):
        raise StoreUnusable(url=url, reason="it is a database of another program")
    return bool(application == APPLICATION_ID)


def _use_wal(db: sqlite3.Connection, url: str) -> None:
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
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
