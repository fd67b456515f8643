"""Sessions that move: read in pages, and written with their past."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple

from sojourn.adapters import columns
from sojourn.adapters.sqlite import commits, graph_reads, rows, sessions
from sojourn.adapters.sqlite.connection import Connection
from sojourn.adapters.sqlite.rows import Row
from sojourn.adapters.sqlite.sql import SQL
from sojourn.commit import Commit, CommitReceipt, content_hash
from sojourn.errors import GraphCorrupt, OperationConflict, UnsupportedReadScope
from sojourn.reads import ReadScope
from sojourn.transfer_ports import PAGE_NODES, Filling, Past, SessionPage, sealed

_BODY, _SEQ, _PARENT = 3, 6, 7


class _Plan(NamedTuple):
    """How a session is read.

    Attributes:
        page: its first page.
        sid: the session, if its own nodes are read too.
        until: the newest of them.
        pieces: where the pieces of a path begin, the oldest first.
    """

    page: SessionPage
    sid: int | None
    until: int
    pieces: tuple[int, ...]


async def pages(
    reader: Connection, session_id: str, scope: ReadScope
) -> AsyncIterator[SessionPage]:
    """Yield a session's pages, each in a transaction of its own."""
    if scope is ReadScope.FRAME:
        raise UnsupportedReadScope(scope=f"the {scope} in pages")
    plan = await reader.transact(lambda db: _plan(db, session_id, scope))
    if plan is None:
        return
    yield plan.page
    stop = 0
    for start in plan.pieces:
        found = await reader.transact(partial(_piece, session_id=session_id, leaf=start, stop=stop))
        yield replace(plan.page, nodes=tuple(map(rows.node, found)))
        stop = start
    after = 0
    while plan.sid is not None and after < plan.until:
        found = await reader.transact(partial(_own, sid=plan.sid, after=after, until=plan.until))
        if not found:
            return
        yield replace(plan.page, nodes=tuple(map(rows.node, found)))
        after = found[-1][_SEQ]


def adopt(db: sqlite3.Connection, commit: Commit, past: Past, now: datetime) -> CommitReceipt:
    """Apply a commit, and give its nodes their past."""
    commit = sealed(commit, past)
    receipt = commits.commit(db, commit, content_hash(commit), now)
    if receipt.replayed:
        return receipt
    session_id = commit.session_id
    for once in past.receipts:
        if db.execute(SQL["has_receipt"], (session_id, once.operation_id)).fetchone():
            raise OperationConflict(session_id=session_id, operation_id=once.operation_id)
    db.executemany(
        SQL["adopt_node"],
        [(node.turn_id, _micros(node.created_at), node.node_id) for node in past.nodes],
    )
    db.executemany(SQL["adopt_receipt"], _receipts(session_id, past))
    facts = {
        "session_id": session_id,
        "revisions": past.revisions,
        "turns": past.turns,
        "created_at": _micros(past.created_at),
    }
    (revision,) = db.execute(SQL["adopt_session"], facts).fetchone()
    db.execute(SQL["move_receipt"], (revision, session_id, commit.operation_id))
    return replace(receipt, head_revision=revision)


def _micros(at: datetime | None) -> int | None:
    return rows.micros(at) if at else None


def _receipts(session_id: str, past: Past) -> list[Row]:
    return [
        (
            *(once.operation_id, number, once.leaf, columns.dumped(once.result)),
            *(rows.micros(once.committed_at), session_id),
        )
        for number, once in enumerate(past.receipts)
    ]


def _plan(db: sqlite3.Connection, session_id: str, scope: ReadScope) -> _Plan | None:
    session = sessions.readable(db, session_id)
    if session is None:
        return None
    is_whole = scope is ReadScope.FULL_GRAPH
    page = SessionPage(
        head=sessions.head_of(db, session_id),
        nodes=(),
        is_fork=session.origin is not None,
        tool_state=graph_reads.snapshot(db, session.tool_digest),
        plugin_state=graph_reads.snapshot(db, session.plugin_digest),
    )
    (until,) = db.execute(SQL["newest_own"], (session.sid,)).fetchone()
    pieces = _pieces(db, session.origin if is_whole else session.leaf_seq)
    return _Plan(page, session.sid if is_whole else None, until, pieces)


def _pieces(db: sqlite3.Connection, leaf: int | None) -> tuple[int, ...]:
    """Return where each piece of a path begins: its newest node, of the oldest piece first."""
    starts, filling = list[int](), Filling()
    for seq, size_bytes in db.execute(SQL["way"], {"leaf": leaf}):
        if not starts or not filling.takes(size_bytes):
            starts.append(seq)
            filling = Filling()
            filling.takes(size_bytes)
    return tuple(reversed(starts))


def _piece(db: sqlite3.Connection, session_id: str, leaf: int, stop: int) -> list[Row]:
    """Return the nodes of a path from after `stop` to `leaf`, in order."""
    walked: list[Row] = db.execute(SQL["path"], {"leaf": leaf, "stop": stop}).fetchall()
    walked.reverse()
    if stop and walked and walked[0][_SEQ] == stop:
        return walked[1:]
    if walked and walked[0][_PARENT] is not None:
        is_gap = walked[0][_PARENT] < walked[0][_SEQ]
        reason = "its parent is missing" if is_gap else "its parents form a cycle"
        raise GraphCorrupt(session_id=session_id, node_id=walked[0][0], reason=reason)
    return walked


def _own(db: sqlite3.Connection, sid: int, after: int, until: int) -> list[Row]:
    facts = {"sid": sid, "after": after, "until": until, "limit": PAGE_NODES}
    found, filling = list[Row](), Filling()
    for row in db.execute(SQL["own_page"], facts):
        if not filling.takes(len(row[_BODY])):
            break
        found.append(row)
    return found
