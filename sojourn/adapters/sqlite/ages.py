"""Journals and receipts that have grown old."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import NamedTuple

from sojourn.adapters.sqlite import rows
from sojourn.adapters.sqlite.sql import SQL

PAGE = 2_000


class Bound(NamedTuple):
    """What is old: older than `before`; leases are looked at as of `now`."""

    before: datetime
    now: datetime

    def facts(self) -> dict[str, int | str]:
        """Return the bound as a query's parameters."""
        return {"before": rows.micros(self.before), "now": rows.micros(self.now)}


def given_up(db: sqlite3.Connection, bound: Bound, limit: int) -> list[tuple[int, str]]:
    """Return turns whose journals were given up."""
    return db.execute(SQL["old_journals"], {**bound.facts(), "limit": limit}).fetchall()


def reclaim(db: sqlite3.Connection, bound: Bound, turns: list[tuple[int, str]]) -> int:
    """Remove those of some journals that are given up still; return how many."""
    dead = [turn for turn in turns if _is_given_up(db, bound, turn)]
    db.executemany(SQL["settle_journal"], dead)
    return len(dead)


class OldReceipts:
    """Finds old receipts, page by page; the newest one of a session is never old."""

    def __init__(self, before: datetime) -> None:
        self.found: list[tuple[int, str]] = []
        self._before = rows.micros(before)
        self._last: tuple[int, str] = (0, "")

    def page(self, db: sqlite3.Connection) -> bool:
        """Look at a page, and tell whether there may be more."""
        page = db.execute(SQL["receipt_ages"], (self._before, *self._last, PAGE)).fetchall()
        self.found += [(sid, operation_id) for sid, operation_id, is_old in page if is_old]
        if page:
            self._last = page[-1][:2]
        return len(page) == PAGE


def forget(db: sqlite3.Connection, receipts: list[tuple[int, str]]) -> int:
    """Remove receipts; return how many."""
    return db.executemany(SQL["forget_receipt"], receipts).rowcount


def _is_given_up(db: sqlite3.Connection, bound: Bound, turn: tuple[int, str]) -> bool:
    sid, turn_id = turn
    facts = {**bound.facts(), "sid": sid, "turn_id": turn_id}
    return db.execute(SQL["is_given_up"], facts).fetchone() is not None
