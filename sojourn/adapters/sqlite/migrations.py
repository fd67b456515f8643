"""From whatever schema a file has to this version's: each step whole, or not at all.

A process that had the file open before goes on with the older schema: of version 1 its effects and
commits are refused by the columns that they lack; later ones look at the version in every
transaction and let go of the file. Stop older processes first.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

from sojourn.adapters.sqlite import rows, sql
from sojourn.errors import SchemaTooNew, StoreUnusable

APPLICATION_ID = 0x536F6A6F  # "Sojo"
SCHEMA_VERSION = 2


def version_of(db: sqlite3.Connection, url: str) -> int:
    """Return the schema version of the file; 0 if nothing is in it yet.

    Raises:
        StoreUnusable: it is a database, and no session store.
        SchemaTooNew: a newer Sojourn wrote it.
    """
    application, version, tables = db.execute(sql.SQL["identity"]).fetchone()
    if application == APPLICATION_ID and version > SCHEMA_VERSION:
        raise SchemaTooNew(url=url, found=version, known=SCHEMA_VERSION)
    if application != APPLICATION_ID and (tables or application):
        raise StoreUnusable(url=url, reason="it is a database of another program")
    return int(version) if application == APPLICATION_ID else 0


def bring_up(db: sqlite3.Connection, url: str, now: datetime) -> None:
    """Make the schema, or apply the migrations that the file lacks, a transaction each.

    Whoever else opens the file waits for the write lock, and finds it done.

    Raises:
        SchemaTooNew: a newer Sojourn was quicker.
    """
    while version_of(db, url) < SCHEMA_VERSION:
        db.execute("BEGIN IMMEDIATE")
        found = version_of(db, url)
        if found == 0:
            _make(db)
        elif found < SCHEMA_VERSION:
            _migrate(db, found + 1, now)
        db.execute("COMMIT")


def check_current(db: sqlite3.Connection, url: str) -> None:
    """Let a transaction go on only if nobody has changed the schema since the file was opened.

    Raises:
        SchemaTooNew: a newer Sojourn has migrated it.
    """
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found != SCHEMA_VERSION:
        raise SchemaTooNew(url=url, found=found, known=SCHEMA_VERSION)


def _make(db: sqlite3.Connection) -> None:
    for statement in sql.statements(sql.read("schema.sql")):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _migrate(db: sqlite3.Connection, version: int, now: datetime) -> None:
    for statement in sql.statements(sql.migrations()[version]):
        db.execute(statement, {"now": rows.micros(now)})
    db.execute(f"PRAGMA user_version = {version}")
