"""The SQLite session store, over aiosqlite: the embedded default."""

from __future__ import annotations

from sojourn.adapters.sqlite.schema import Synchronous
from sojourn.adapters.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "Synchronous"]
