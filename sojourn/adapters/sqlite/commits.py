"""Commits: all of one, or nothing."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from typing import NamedTuple

from sojourn.adapters import columns, rules
from sojourn.adapters.sqlite import attachments, graph_reads, rows, sessions
from sojourn.adapters.sqlite.graph_reads import Place
from sojourn.adapters.sqlite.rows import SessionRow
from sojourn.adapters.sqlite.sql import SQL
from sojourn.commit import Commit, CommitReceipt, check_head, check_nodes, check_size
from sojourn.errors import UnknownSession
from sojourn.graph import NodeKind
from sojourn.lease import check_fence


class _Ground(NamedTuple):
    """What a commit stands on, read at once."""

    session: SessionRow
    last_seq: int
    leaf: Place | None
    has_pending: bool
    receipt: rows.Row | None


def commit(db: sqlite3.Connection, commit: Commit, content: str, now: datetime) -> CommitReceipt:
    """Apply a commit whose content hashes to `content`.

    The size is looked at after the nodes are in: only then are their ids known to be new, and
    what is refused is rolled back.
    """
    ground, at = _ground(db, commit), rows.micros(now)
    session = ground.session
    if ground.receipt is not None:
        first = _receipt(session, commit.operation_id, ground.receipt)
        return rules.replayed(commit, content, ground.receipt[0], first)
    check_fence(session.lease, commit.session_id, commit.fencing_token)
    check_head(commit, session.head_revision)
    places = _places(db, ground, commit)
    check_nodes(commit, places)
    _append(db, ground, commit, places, at)
    check_size(commit)
    _check_snapshots(db, commit)
    _advance(db, session, commit, places)
    _account(db, ground, commit, at)
    return _leave_receipt(db, session, commit, content, at)


def receipt(db: sqlite3.Connection, session_id: str, operation_id: str) -> CommitReceipt | None:
    """Return what an operation did, if it was committed."""
    session = sessions.readable(db, session_id)
    return receipt_of(db, session, operation_id) if session else None


def receipt_of(
    db: sqlite3.Connection, session: SessionRow, operation_id: str
) -> CommitReceipt | None:
    """Return what an operation of a session that this transaction has read did."""
    stored = db.execute(SQL["receipt"], (session.sid, operation_id)).fetchone()
    return _receipt(session, operation_id, stored) if stored else None


def _receipt(session: SessionRow, operation_id: str, stored: rows.Row) -> CommitReceipt:
    _, head_revision, leaf, result = stored
    return CommitReceipt(
        session_id=session.session_id,
        operation_id=operation_id,
        head_revision=head_revision,
        leaf=leaf,
        result=json.loads(result),
        replayed=True,
    )


def _ground(db: sqlite3.Connection, commit: Commit) -> _Ground:
    facts = {"operation_id": commit.operation_id, "session_id": commit.session_id}
    row = db.execute(SQL["ground"], facts).fetchone()
    if row is None:
        raise UnknownSession(session_id=commit.session_id)
    session = sessions.live(row[: rows.SESSION_COLUMNS])
    last_seq, frame, has_pending, *receipt = row[rows.SESSION_COLUMNS :]
    leaf = None
    if frame is not None and session.leaf_seq is not None:
        leaf = Place(session.leaf_seq, session.sid, frame or None, is_tombstoned=False)
    known = tuple(receipt) if receipt[0] else None
    return _Ground(session, last_seq, leaf, bool(has_pending), known)


def _places(db: sqlite3.Connection, ground: _Ground, commit: Commit) -> dict[str, Place]:
    """Find the stored nodes that the commit hangs on: mostly the leaf, and nothing to look up."""
    new = {node.node_id for node in commit.nodes}
    outer = {node.parent_id for node in commit.nodes if node.parent_id}
    outer = (outer | {commit.leaf} if commit.leaf else outer) - new
    session, leaf = ground.session, ground.session.leaf
    if leaf is not None and ground.leaf is not None and outer == {leaf}:
        return {leaf: ground.leaf}
    found = graph_reads.places(db, outer) if outer else {}
    return {key: at for key, at in found.items() if graph_reads.is_visible(db, session, at)}


def _check_snapshots(db: sqlite3.Connection, commit: Commit) -> None:
    for snapshot in (commit.tool_state, commit.plugin_state):
        if snapshot is not None:
            found = db.execute(SQL["has_snapshot"], (snapshot.digest,)).fetchone()
            rules.check_snapshot(commit, snapshot, found is not None)


def _append(
    db: sqlite3.Connection, ground: _Ground, commit: Commit, places: dict[str, Place], now: int
) -> None:
    """Insert the nodes, and enter their places into `places`."""
    sid, hangs_on = ground.session.sid, dict(places)
    values: list[rows.Row] = []
    for seq, node in enumerate(commit.nodes, ground.last_seq + 1):
        parent = places[node.parent_id] if node.parent_id else None
        inherited = parent.frame if parent else None
        frame = seq if node.kind == NodeKind.FRAME else inherited
        places[node.node_id] = Place(seq, sid, frame, is_tombstoned=False)
        parent_seq = parent.seq if parent else None
        row = (seq, sid, parent_seq, frame, now, node.kind, node.node_id)
        values.append((*row, commit.operation_id, node.body))
    try:
        db.executemany(SQL["insert_node"], values)
    except sqlite3.IntegrityError:
        found = graph_reads.places(db, [node.node_id for node in commit.nodes])
        taken = {key: at for key, at in found.items() if at.seq <= ground.last_seq}
        check_nodes(commit, hangs_on | taken)
        raise


def _advance(
    db: sqlite3.Connection, session: SessionRow, commit: Commit, places: dict[str, Place]
) -> None:
    tools, plugins = commit.tool_state, commit.plugin_state
    facts = {
        "sid": session.sid,
        "leaf": commit.leaf,
        "leaf_seq": places[commit.leaf].seq if commit.leaf else None,
        "turns": commit.is_turn,
        "release": commit.release,
        "tool_digest": tools.digest if tools else None,
        "tool_generation": tools.generation if tools else None,
        "plugin_digest": plugins.digest if plugins else None,
        "plugin_generation": plugins.generation if plugins else None,
    }
    db.execute(SQL["advance_head"], facts)
    _keep_snapshots(db, commit)
    if commit.config is not None:
        db.execute(SQL["save_config"], (columns.dumped(commit.config), session.sid))


def _keep_snapshots(db: sqlite3.Connection, commit: Commit) -> None:
    for state in (commit.tool_state, commit.plugin_state):
        if state is not None and state.body is not None:
            db.execute(SQL["insert_snapshot"], (state.digest, state.body))
        elif state is not None:
            db.execute(SQL["need_snapshot"], (state.digest,))


def _account(db: sqlite3.Connection, ground: _Ground, commit: Commit, now: int) -> None:
    """Write what goes beside the graph: the ledger, the attachments, the journal's end."""
    session = ground.session
    for entry in commit.usage:
        values = (session.sid, entry.source, entry.model, *rows.tokens(entry.usage))
        db.execute(SQL["add_usage"], values)
    if ground.has_pending or commit.attachment_ids:
        attachments.mark(db, session.sid, commit.operation_id, commit.attachment_ids, now)
    db.execute(SQL["settle_journal"], (session.sid, commit.operation_id))


def _leave_receipt(
    db: sqlite3.Connection, session: SessionRow, commit: Commit, content: str, now: int
) -> CommitReceipt:
    receipt = CommitReceipt(
        session_id=commit.session_id,
        operation_id=commit.operation_id,
        head_revision=session.head_revision + 1,
        leaf=commit.leaf,
        result=commit.result,
    )
    result = columns.dumped(commit.result)
    values = (session.sid, commit.operation_id, content, receipt.head_revision, commit.leaf, result)
    db.execute(SQL["insert_receipt"], (*values, now))
    return receipt
