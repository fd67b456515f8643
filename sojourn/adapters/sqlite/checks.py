"""Looking at a whole store, a page at a time, for what is wrong; at one row of a page at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from sojourn.adapters import checking, columns
from sojourn.adapters import checking_rows as beside
from sojourn.adapters.checking import RESTORE, Calls, HeadFacts, NodeFacts
from sojourn.adapters.checking_rows import AttachmentFacts, JournalFacts, LedgerFacts, ReceiptFacts
from sojourn.adapters.sqlite import errors
from sojourn.adapters.sqlite.rows import Row
from sojourn.adapters.sqlite.sql import SQL
from sojourn.reads import CheckedPage, Problem

PAGE = 500
STATS = (
    *("sessions", "nodes", "tombstoned", "effects", "receipts", "snapshots", "attachments"),
    *("intents", "size_bytes"),
)

_BEFORE_ALL = -1 << 63
_PRIMARY = 0xFF
_BESIDE = {"configs": "configuration", "forks": "note of a fork", "graves": "note for vacuum"}

# Where a page starts: after the row with this key, and with what is still open there.
Place = tuple[Any, ...]
Page = tuple[CheckedPage, Place | None]


class Pager(Protocol):
    """Looks at one page of a store."""

    def __call__(self, db: sqlite3.Connection, after: Place) -> Page:
        """Return what came of the page after `after`, and where the next one starts, if any."""
        ...


@dataclass(frozen=True)
class Table:
    """Looks at a page of rows, each by itself.

    Attributes:
        query: gives a page: the key of each row, then its facts.
        key: how many columns the key has.
        of_row: what is wrong with the facts.
        given: what the query is given before the key.
        is_counted: whether the rows are counted as looked at.
    """

    query: str
    key: int
    of_row: Callable[[Row], Iterator[Problem]]
    given: tuple[str, ...] = ()
    is_counted: bool = False

    def __call__(self, db: sqlite3.Connection, after: Place) -> Page:
        """Look at a page."""
        problems: list[Problem] = []
        looked, last = 0, None
        for row in db.execute(SQL[self.query], (*self.given, *after, PAGE)):
            problems += self.of_row(row[self.key :])
            looked, last = looked + self.is_counted, row[: self.key]
        return CheckedPage(tuple(problems), looked), last


@dataclass(frozen=True)
class Lasting:
    """Looks for another pager; if the file is too damaged for it, that is a problem as well.

    Attributes:
        pager: the other one.
        what: what it looks at.
        key: how many of a place's columns must grow from page to page.
    """

    pager: Pager
    what: str
    key: int = 1

    def __call__(self, db: sqlite3.Connection, after: Place) -> Page:
        """Look at a page."""
        try:
            return self._advanced(db, after)
        except (*errors.RAW, TypeError) as error:
            if not _is_damage(error):
                raise
            # A transaction that has met damage cannot be committed, though it has only read.
            db.execute("ROLLBACK")
            db.execute("BEGIN")
            unread = f"the file is damaged: its {self.what} cannot be read any further"
            return CheckedPage((Problem("", None, unread, RESTORE),)), None

    def _advanced(self, db: sqlite3.Connection, after: Place) -> Page:
        """Look at a page whose keys grow: in a damaged file they may not, for ever."""
        page, last = self.pager(db, after)
        if last is not None and not last[: self.key] > after[: self.key]:
            raise sqlite3.DataError(self.what)
        return page, last


def _is_damage(error: Exception) -> bool:
    """Tell a file that cannot be read from a disk that cannot, or a lock."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    return code in {0, sqlite3.SQLITE_CORRUPT}


def file(db: sqlite3.Connection, after: Place) -> Page:  # noqa: ARG001 - one page is all
    """Let SQLite look at its file: at pages, indexes, and rows that belong to no session."""
    found = [message for (message,) in db.execute(SQL["check_file"]) if message != "ok"]
    problems = [Problem("", None, f"the file is damaged: {message}", RESTORE) for message in found]
    for table, sid in db.execute(SQL["check_keys"]):
        problems.append(Problem(f"#{sid}", None, f"{_BESIDE[table]} of no session", beside.REMOVE))
    return CheckedPage(tuple(problems)), None


def nodes(db: sqlite3.Connection, after: Place) -> Page:
    """Look at a page of nodes; what is wrong with those that `vacuum` will remove is no matter."""
    calls = Calls(after[1:])
    problems: list[Problem] = []
    looked, last = 0, None
    for *facts, grave in db.execute(SQL["check_nodes"], (after[0], PAGE)):
        node = NodeFacts._make(facts)
        for problem in (*calls.of_node(node), *checking.of_node(node)):
            is_others = problem.node_id != node.node_id
            if grave is None or is_others or _is_held(db, node):
                problems.append(problem)
        looked, last = looked + (not node.is_tombstoned), node.seq
    if last is None:
        return CheckedPage(tuple(calls.end())), None
    return CheckedPage(tuple(problems), looked), (last, *calls.still_open)


def snapshots(db: sqlite3.Connection, after: Place) -> Page:
    """Look at a page of state bodies; what is wrong is said of each session that stands on it."""
    problems: list[Problem] = []
    last: Place | None = None
    for digest, body in db.execute(SQL["check_snapshots"], (*after, PAGE)):
        wrong, last = beside.of_snapshot(digest, body), (digest,)
        users = db.execute(SQL["check_users"], (digest, PAGE)).fetchall() if wrong else []
        problems += [Problem(user, None, wrong, RESTORE) for (user,) in users or [("",)] if wrong]
    return CheckedPage(tuple(problems)), last


def stats(db: sqlite3.Connection) -> dict[str, int]:
    """Return how much the store holds."""
    cursor = db.execute(SQL["stats"])
    return dict(zip(STATS, cursor.fetchone(), strict=True))


def _is_held(db: sqlite3.Connection, node: NodeFacts) -> bool:
    facts = {"family": node.family, "seq": node.seq}
    return db.execute(SQL["is_held"], facts).fetchone() is not None


def _of_fork(row: Row) -> Iterator[Problem]:
    yield Problem(row[0], None, "whose node it was forked at is not noted rightly", RESTORE)


_KNOWN = (columns.dumped(list(beside.KINDS)), columns.dumped(list(beside.STATUSES)))

_HEADS = Table(
    "check_heads", 1, lambda row: checking.of_head(HeadFacts._make(row)), is_counted=True
)
_FORKS = Table("check_forks", 1, _of_fork)
_JOURNALS = Table(
    "check_journals", 2, lambda row: beside.of_journal(JournalFacts._make(row)), _KNOWN
)
_RECEIPTS = Table("check_receipts", 2, lambda row: beside.of_receipt(ReceiptFacts._make(row)))
_LEDGERS = Table("check_ledgers", 3, lambda row: beside.of_ledger(LedgerFacts._make(row)))
_ATTACHMENTS = Table(
    "check_attachments", 2, lambda row: beside.of_attachment(AttachmentFacts._make(row))
)

PAGERS: tuple[tuple[Pager, Place], ...] = (
    (Lasting(file, "pages"), ()),
    (Lasting(_HEADS, "sessions"), ("",)),
    (Lasting(_FORKS, "forks"), ("",)),
    (Lasting(nodes, "nodes"), (_BEFORE_ALL,)),
    (Lasting(_JOURNALS, "journals", key=2), (_BEFORE_ALL, "")),
    (Lasting(_RECEIPTS, "receipts", key=2), (_BEFORE_ALL, "")),
    (Lasting(_LEDGERS, "usage", key=3), (_BEFORE_ALL, "", "")),
    (Lasting(snapshots, "states"), ("",)),
    (Lasting(_ATTACHMENTS, "attachments", key=2), (_BEFORE_ALL, "")),
)
