"""The ledger: a SQLite file of its own, in which a double posting would be plain to see."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from examples.clerk.invoice import Invoice

# No UNIQUE on purpose: nothing but the runtime keeps an invoice from being posted twice.
_TABLE = """
CREATE TABLE IF NOT EXISTS entries (
    id          INTEGER PRIMARY KEY,
    number      TEXT    NOT NULL,
    vendor      TEXT    NOT NULL,
    issued      TEXT    NOT NULL,
    total_cents INTEGER NOT NULL
)
"""
_COLUMNS = "number, vendor, issued, total_cents"


class Ledger:
    """Entries, one a row, in the order in which they were posted."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def post(self, invoice: Invoice) -> int:
        """Add an entry, whatever is there already, and return its id."""
        row = (invoice.number, invoice.vendor, invoice.issued, invoice.total_cents)
        with self._opened() as db:
            done = db.execute("INSERT INTO entries VALUES (NULL, ?, ?, ?, ?)", row)
            return int(done.lastrowid or 0)

    def find(self, number: str) -> list[int]:
        """Return the ids of the entries of an invoice."""
        with self._opened() as db:
            rows = db.execute("SELECT id FROM entries WHERE number = ?", (number,)).fetchall()
        return [row[0] for row in rows]

    def entries(self) -> list[Invoice]:
        """Return every entry."""
        with self._opened() as db:
            rows = db.execute(f"SELECT {_COLUMNS} FROM entries ORDER BY id").fetchall()  # noqa: S608 - a constant
        return [Invoice(*row) for row in rows]

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path)) as db, db:
            db.execute(_TABLE)
            yield db
