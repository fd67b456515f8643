"""Marking nodes deleted: only what nobody holds, and only with all that hangs on it."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from sojourn.adapters.sqlite import graph_reads, holds, sessions
from sojourn.adapters.sqlite.holds import Held
from sojourn.adapters.sqlite.rows import SessionRow
from sojourn.adapters.sqlite.sql import SQL
from sojourn.errors import NodeReachable

PAGE = 2_000


@dataclass(slots=True)
class Plan:
    """What to mark, found without holding up anybody who writes; see `is_current`.

    Attributes:
        session: whose nodes.
        waiting: where to go on with finding what is held.
        held: what live sessions held, and have taken hold of since.
        last_seq: the newest node there was.
        doomed: what nobody held, newest first; what is marked is taken from it.
        all_doomed: what ever was in `doomed`: nothing new can hang on what is marked.
    """

    session: SessionRow
    waiting: list[int]
    last_seq: int
    held: Held = field(default_factory=Held)
    doomed: list[int] = field(default_factory=list[int])
    all_doomed: frozenset[int] = frozenset()

    def settle(self) -> None:
        """Note that what is doomed is found."""
        self.all_doomed = frozenset(self.doomed)


def begun(db: sqlite3.Connection, session_id: str) -> Plan:
    """Begin a plan: what is held is still to be climbed."""
    session = sessions.existing(db, session_id)
    (last_seq,) = db.execute(SQL["last_seq"]).fetchone()
    return Plan(session, holds.anchors(db, session.family), last_seq)


def subtree(db: sqlite3.Connection, session_id: str, node_ids: Sequence[str]) -> Plan:
    """Plan to mark some nodes of a session with all that hangs on them.

    Raises:
        NodeReachable: a live session holds one of them.
    """
    plan = begun(db, session_id)
    holds.climb(db, plan.waiting, plan.held)
    wanted = set(node_ids)
    mine = (place for place in graph_reads.places(db, wanted).values() if not place.is_tombstoned)
    first = min((place.seq for place in mine if place.sid == plan.session.sid), default=None)
    doomed: set[int] = set()
    places = db.execute(SQL["own_places"], (plan.session.sid, first)) if first else ()
    for node_id, seq, parent in places:
        if node_id in wanted and seq in plan.held:
            raise NodeReachable(node_id=node_id)
        if node_id in wanted or parent in doomed:
            doomed.add(seq)
    plan.doomed = sorted(doomed, reverse=True)
    plan.settle()
    return plan


class OldOrphans:
    """Finds a session's old orphans, page by page: children come before their parents."""

    def __init__(self, plan: Plan, before: int) -> None:
        self._plan = plan
        self._before = before
        self._kept: set[int] = set()
        self._next = plan.last_seq + 1

    def page(self, db: sqlite3.Connection) -> bool:
        """Add a page to the plan, and tell whether there may be more."""
        plan = self._plan
        page = db.execute(SQL["own_ages"], (plan.session.sid, self._next, PAGE)).fetchall()
        for seq, parent, created_at in page:
            if seq in plan.held or seq in self._kept or created_at >= self._before:
                self._kept.add(parent)
            else:
                plan.doomed.append(seq)
            self._next = seq
        return len(page) == PAGE


def mark(db: sqlite3.Connection, plan: Plan, limit: int = sys.maxsize) -> int | None:
    """Mark the newest `limit` nodes of a plan; None if it has to be made anew."""
    sessions.existing(db, plan.session.session_id)
    if not _is_current(db, plan):
        return None
    values = [(seq,) for seq in plan.doomed[:limit]]
    return db.executemany(SQL["tombstone"], values).rowcount if values else 0


def _is_current(db: sqlite3.Connection, plan: Plan) -> bool:
    """Tell whether still nobody holds what is doomed, and nothing new hangs on it.

    What is held grows by new ways alone, and a new node hangs on a visible one: so this costs
    what was written since, not what there is.
    """
    if not plan.all_doomed:
        return True
    before = len(plan.held)
    holds.climb(db, holds.anchors(db, plan.session.family), plan.held)
    if plan.held.is_cut or (len(plan.held) > before and not plan.held.isdisjoint(plan.all_doomed)):
        return False
    younger = db.execute(SQL["own_parents"], (plan.session.sid, plan.last_seq))
    return all(parent not in plan.all_doomed for (parent,) in younger)
