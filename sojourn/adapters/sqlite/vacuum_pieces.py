"""Removing what is dead, in pieces that hold the write lock for a few milliseconds each."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable
from typing import NamedTuple, Protocol, TypeVar

from sojourn.adapters import columns
from sojourn.adapters.sqlite import holds
from sojourn.adapters.sqlite.sql import SQL

PIECE_BYTES = 1024 * 1024
PIECE_PAGES = 100
PAGE = 2_000

_INCREMENTAL = 2

K = TypeVar("K", int, str)


class Remover(Protocol):
    """Removes a piece of some kind of rows."""

    def __call__(self, db: sqlite3.Connection, limit: int) -> int:
        """Remove up to `limit` rows; return how many, 0 if there are none."""
        ...


class Family(NamedTuple):
    """A family of which sessions were deleted.

    Attributes:
        family: its name.
        is_live: whether a session of it lives.
        graves: the deleted ones.
        is_closed: whether all is marked of them that no live one holds.
        origins: where the live ones were forked.
        alive: the live ones.
        newest: the newest session there was.
    """

    family: int
    is_live: bool
    graves: list[int]
    is_closed: bool
    origins: list[int]
    alive: list[int]
    newest: int


class Node(NamedTuple):
    """Where a node of a deleted session stands."""

    sid: int
    seq: int


class Pages(NamedTuple):
    """The pages of the file."""

    total: int
    free: int
    size_bytes: int
    mode: int

    @property
    def returnable(self) -> int:
        """How many free pages can be given back without rewriting the file."""
        return self.free if self.mode == _INCREMENTAL else 0


def family(db: sqlite3.Connection) -> Family | None:
    """Return a family with graves, or None."""
    found = db.execute(SQL["grave_family"]).fetchone()
    if found is None:
        return None
    key, is_live = found
    graves = db.execute(SQL["graves"], (key,)).fetchall()
    is_closed = all(closed for _, closed in graves)
    sids = [sid for sid, _ in graves]
    alive = [sid for (sid,) in db.execute(SQL["alive"], (key,))]
    (newest,) = db.execute(SQL["newest_session"]).fetchone()
    return Family(key, bool(is_live), sids, is_closed, holds.origins(db, key), alive, newest)


def clear(db: sqlite3.Connection, family: int, limit: int) -> int:
    """Remove receipts and journals of a family's deleted sessions; return how many."""
    receipts = db.execute(SQL["buried_receipts"], (family, limit)).fetchall()
    journals = db.execute(SQL["buried_journals"], (family, limit - len(receipts))).fetchall()
    db.executemany(SQL["forget_receipt"], receipts)
    db.executemany(SQL["settle_journal"], journals)
    return len(receipts) + len(journals)


def ownerless(db: sqlite3.Connection, family: Family, after: Node | None) -> list[Node]:
    """Return a page of the nodes of deleted sessions, children before parents.

    Of one that was deleted since `family` was read, nobody knows yet what is held of it.
    """
    sid, seq = after or (family.newest, sys.maxsize)
    alive = columns.dumped(family.alive)
    facts = {"family": family.family, "sid": sid, "seq": seq, "limit": PAGE, "alive": alive}
    return [Node._make(row) for row in db.execute(SQL["ownerless"], facts)]


def bury(db: sqlite3.Connection, nodes: Iterable[Node]) -> int:
    """Mark nodes deleted; return how many were not."""
    return db.executemany(SQL["tombstone"], [(node.seq,) for node in nodes]).rowcount


def close_graves(db: sqlite3.Connection, graves: Iterable[int]) -> None:
    """Note that what no live session holds of deleted ones is marked."""
    db.executemany(SQL["close_grave"], [(sid,) for sid in graves])


def level_graves(db: sqlite3.Connection, graves: Iterable[int]) -> None:
    """Note that there is nothing to remove of deleted sessions any more."""
    db.executemany(SQL["level_grave"], [(sid,) for sid in graves])


def remove_family(db: sqlite3.Connection, family: int, limit: int) -> int:
    """Remove nodes of a family without a live session; return how many."""
    return _remove_nodes(db, db.execute(SQL["family_nodes"], (family, limit)).fetchall())


def remove_tombstoned(db: sqlite3.Connection, limit: int) -> int:
    """Remove nodes that are marked deleted; return how many."""
    return _remove_nodes(db, db.execute(SQL["tombstoned"], (limit,)).fetchall())


def unused_snapshots(db: sqlite3.Connection, limit: int) -> list[str]:
    """Return state bodies that no session stands on."""
    return _piece(db.execute(SQL["unused_snapshots"], (limit,)).fetchall())


def doom_snapshots(db: sqlite3.Connection, digests: list[str], mark: int) -> None:
    """Mark state bodies; a commit that needs one takes the mark away, as another vacuum does."""
    db.executemany(SQL["doom_snapshot"], [(mark, digest) for digest in digests])


def still_unused(db: sqlite3.Connection, digests: list[str]) -> list[str]:
    """Return those of some marked bodies that no session stood on when they were marked."""
    used = {
        row[0] for row in db.execute(SQL["used_snapshots"], {"digests": columns.dumped(digests)})
    }
    return [digest for digest in digests if digest not in used]


def remove_snapshots(db: sqlite3.Connection, digests: list[str], mark: int) -> int:
    """Remove what has the mark still; return how many."""
    return db.executemany(SQL["delete_snapshot"], [(mark, digest) for digest in digests]).rowcount


def pages(db: sqlite3.Connection) -> Pages:
    """Return how many pages the file has."""
    return Pages._make(db.execute(SQL["pages"]).fetchone())


def give_back(db: sqlite3.Connection, limit: int) -> int:
    """Cut free pages off the file; return how many bytes."""
    before = pages(db)
    # The module takes one step of a statement that has no columns, and a step cuts one page.
    db.executemany("PRAGMA incremental_vacuum(1)", [()] * min(limit, before.free))
    return (before.total - pages(db).total) * before.size_bytes


def _piece(sized: Iterable[tuple[K, int]]) -> list[K]:
    """Return the first rows that make a piece: at least one, whatever its size."""
    chosen: list[K] = []
    room = PIECE_BYTES
    for key, size_bytes in sized:
        if chosen and size_bytes > room:
            break
        chosen.append(key)
        room -= size_bytes
    return chosen


def _remove_nodes(db: sqlite3.Connection, sized: list[tuple[int, int]]) -> int:
    seqs = [(seq,) for seq in _piece(sized)]
    if seqs:
        db.executemany(SQL["delete_node"], seqs)
        db.execute(SQL["spend"], max(seqs))
    return len(seqs)
