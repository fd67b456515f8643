"""What live sessions hold: the way from where each one stands, and from where it was forked."""

from __future__ import annotations

import sqlite3
import sys

from typing_extensions import override

from sojourn.adapters.sqlite.sql import SQL


class Held(set[int]):
    """The nodes that live sessions hold; all that there are, once a way turns out to be cut.

    Of a way that ends at a node that is missing or tombstoned nobody knows where it went.
    """

    is_cut = False

    @override
    def __contains__(self, seq: object) -> bool:
        return self.is_cut or super().__contains__(seq)


def anchors(db: sqlite3.Connection, family: int) -> list[int]:
    """Return where the ways begin that the live sessions of a family hold."""
    rows = db.execute(SQL["anchors"], (family,)).fetchall()
    return [seq for row in rows for seq in row if seq is not None]


def origins(db: sqlite3.Connection, family: int) -> list[int]:
    """Return the anchors from which live sessions hold nodes of others.

    A session's own nodes hang on its own, or on the way from where it was forked.
    """
    rows = db.execute(SQL["anchors"], (family,)).fetchall()
    return [origin for _, origin in rows if origin is not None]


def climb(db: sqlite3.Connection, waiting: list[int], held: Held, room: int = sys.maxsize) -> None:
    """Enter into `held` what stands on the ways from `waiting`, each way once.

    After `room` nodes it stops; where to go on is left in `waiting`.
    """
    while waiting:
        way = db.execute(SQL["up"], (waiting.pop(),))
        seq = None
        for (seq,) in way:
            if seq in held:
                break
            if room == 0:
                waiting.append(seq)
                way.close()
                return
            held.add(seq)
            room -= 1
        else:
            if db.execute(SQL["is_root"], (seq,)).fetchone() is None:
                held.is_cut = True
        way.close()


def held(db: sqlite3.Connection, family: int) -> Held:
    """Return all that the live sessions of a family hold."""
    found = Held()
    climb(db, anchors(db, family), found)
    return found
