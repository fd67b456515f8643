"""Sessions that move: read in pages, and written with their past."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from sojourn.adapters import columns
from sojourn.adapters.postgres import commits, rows, sessions
from sojourn.adapters.postgres.database import Connection, Database
from sojourn.adapters.postgres.graph_reads import SEQ_BITS
from sojourn.adapters.postgres.rows import Row
from sojourn.adapters.postgres.sql import SQL
from sojourn.commit import Commit, CommitReceipt, content_hash
from sojourn.errors import GraphCorrupt, OperationConflict, UnsupportedReadScope
from sojourn.reads import ReadScope
from sojourn.transfer_ports import PAGE_BYTES, PAGE_NODES, Past, SessionPage, sealed

_SEQ, _PARENT = 6, 7
_BOUND = {"nodes": PAGE_NODES, "size_bytes": PAGE_BYTES}


class _Plan(NamedTuple):
    """How a session is read.

    Attributes:
        page: its first page.
        after: below its own nodes.
        until: the newest of them; not above `after` if they are not read.
        pieces: where the pieces of a path begin, the oldest first.
    """

    page: SessionPage
    after: int
    until: int
    pieces: tuple[int, ...]


async def pages(
    database: Database, session_id: str, scope: ReadScope
) -> AsyncIterator[SessionPage]:
    """Yield a session's pages, each in a transaction of its own."""
    if scope is ReadScope.FRAME:
        raise UnsupportedReadScope(scope=f"the {scope} in pages")
    is_whole = scope is ReadScope.FULL_GRAPH
    plan = await database.read(partial(_plan, session_id=session_id, is_whole=is_whole))
    if plan is None:
        return
    yield plan.page
    stop = 0
    for start in plan.pieces:
        found = await database.rows(SQL["piece"], {"leaf": start, "stop": stop})
        _check_piece(session_id, found, stop)
        yield replace(plan.page, nodes=tuple(map(rows.node, found)))
        stop = start
    after = plan.after
    while after < plan.until:
        facts = {"after": after, "until": plan.until, **_BOUND}
        found = await database.rows(SQL["own_page"], facts)
        if not found:
            return
        yield replace(plan.page, nodes=tuple(map(rows.node, found)))
        after = found[-1][_SEQ]


async def adopt(
    database: Database, commit: Commit, past: Past, now: datetime | None
) -> CommitReceipt:
    """Apply a commit, and give its nodes their past."""
    commit = sealed(commit, past)
    return await database.write(partial(_adopt, commit=commit, past=past, now=now))


async def _adopt(
    connection: Connection, commit: Commit, past: Past, now: datetime | None
) -> CommitReceipt:
    receipt = await commits.apply(connection, commit, content_hash(commit), now)
    if receipt.replayed:
        return receipt
    facts = _receipt_facts(commit, past)
    async for (operation_id,) in await connection.execute(SQL["known_receipts"], facts):
        raise OperationConflict(session_id=commit.session_id, operation_id=operation_id)
    await connection.execute(SQL["adopt_nodes"], _node_facts(past))
    await connection.execute(SQL["adopt_receipts"], facts)
    facts = {
        "session_id": commit.session_id,
        "operation_id": commit.operation_id,
        "revisions": past.revisions,
        "turns": past.turns,
        "created_at": past.created_at,
    }
    moved = await (await connection.execute(SQL["adopt_session"], facts)).fetchall()
    return replace(receipt, head_revision=moved[0][0])


def _node_facts(past: Past) -> dict[str, Any]:
    return {
        "node_ids": [node.node_id for node in past.nodes],
        "turn_ids": [node.turn_id for node in past.nodes],
        "times": [node.created_at for node in past.nodes],
    }


def _receipt_facts(commit: Commit, past: Past) -> dict[str, Any]:
    return {
        "session_id": commit.session_id,
        "operation_ids": [once.operation_id for once in past.receipts],
        "leaves": [once.leaf for once in past.receipts],
        "results": [columns.dumped(once.result) for once in past.receipts],
        "times": [once.committed_at for once in past.receipts],
    }


async def _plan(connection: Connection, session_id: str, *, is_whole: bool) -> _Plan | None:
    facts = {"session_id": session_id, "is_whole": is_whole}
    found = await connection.execute(SQL["plan_pages"], facts, binary=True)
    row = await found.fetchone()
    if row is None:
        return None
    sid, leaf, last_seq, is_fork, tools, plugins, *stored = row
    page = SessionPage(sessions.head(stored), (), is_fork, tools, plugins)
    pieces = await connection.execute(SQL["pieces"], {"leaf": leaf, **_BOUND}, binary=True)
    starts = tuple(start for (start,) in await pieces.fetchall())
    after = sid << SEQ_BITS
    return _Plan(page, after, max(after, last_seq) if is_whole else 0, starts)


def _check_piece(session_id: str, found: list[Row], stop: int) -> None:
    """Let a piece pass only if it continues the one before, or begins at a root."""
    if not found or found[0][_PARENT] == (stop or None):
        return
    is_gap = found[0][_PARENT] is not None and found[0][_PARENT] < found[0][_SEQ]
    reason = "its parent is missing" if is_gap else "its parents form a cycle"
    raise GraphCorrupt(session_id=session_id, node_id=found[0][0], reason=reason)
