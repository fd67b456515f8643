"""Commits: all of one, or nothing."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple

from sojourn.adapters import columns, rules
from sojourn.adapters.postgres import graph_reads, rows, sessions
from sojourn.adapters.postgres.database import Connection, Database
from sojourn.adapters.postgres.groups import GroupCommit
from sojourn.adapters.postgres.sessions import SessionRow
from sojourn.adapters.postgres.sql import SQL
from sojourn.commit import (
    Commit,
    CommitReceipt,
    check_head,
    check_nodes,
    check_size,
    content_hash,
)
from sojourn.errors import Contended, StoreError
from sojourn.graph import NodeKind
from sojourn.lease import check_fence
from sojourn.usage import Usage


class _Place(NamedTuple):
    """Where a node stands, and its nearest frame, in the words of the function `try_commit`."""

    seq: int
    frame: int | None


_LEAF = _Place(0, 0)


async def commit(group: GroupCommit, commit: Commit, now: datetime | None) -> CommitReceipt:
    """Apply a commit; in one round trip if it continues the leaf.

    What the short way does not do, whatever the reason, is done or refused by the rules in order.
    """
    content, outer = content_hash(commit), _outer(commit)
    if len(outer) <= 1 and _is_sound(commit, outer):
        facts = _facts(commit, content, now, dict.fromkeys(outer, _LEAF))
        facts["hangs_on"] = next(iter(outer), None)
        revision = await group.run(facts)
        if revision is not None:
            return _receipt_of(commit, revision)
    return await group.database.write(lambda connection: apply(connection, commit, content, now))


async def receipt(database: Database, session_id: str, operation_id: str) -> CommitReceipt | None:
    """Return what an operation did, if it was committed."""
    facts = {"session_id": session_id, "operation_id": operation_id}
    row = await database.row(SQL["receipt"], facts)
    return _replay(session_id, operation_id, row) if row else None


async def receipt_of(
    connection: Connection, session_id: str, operation_id: str
) -> CommitReceipt | None:
    """Return what an operation did, as a transaction sees it."""
    row = await _stored(connection, session_id, operation_id)
    return _replay(session_id, operation_id, row) if row else None


async def apply(
    connection: Connection, commit: Commit, content: str, now: datetime | None
) -> CommitReceipt:
    """Apply a commit by the rules in order: receipt, fence, head, integrity, size."""
    session = await sessions.locked(connection, commit.session_id)
    stored = await _stored(connection, commit.session_id, commit.operation_id)
    if stored is not None:
        first = _replay(commit.session_id, commit.operation_id, stored)
        return rules.replayed(commit, content, stored[0], first)
    check_fence(session.lease, commit.session_id, commit.fencing_token)
    check_head(commit, session.head_revision)
    found = await _places(connection, session, commit)
    check_nodes(commit, found)
    check_size(commit)
    await _check_snapshots(connection, commit)
    outer = {node_id: found[node_id] for node_id in _outer(commit)}
    facts = _facts(commit, content, now, outer) | {"hangs_on": None}
    cursor = await connection.execute(SQL["try_commit"], facts)
    revision = (await cursor.fetchall())[0][0]
    if revision is None:
        # Another session took an id, or a state's body went, since they were looked at.
        raise Contended(reason="another transaction came between")
    return _receipt_of(commit, revision)


async def _stored(connection: Connection, session_id: str, operation_id: str) -> rows.Row | None:
    facts = {"session_id": session_id, "operation_id": operation_id}
    return await (await connection.execute(SQL["receipt"], facts)).fetchone()


async def _places(connection: Connection, session: SessionRow, commit: Commit) -> dict[str, _Place]:
    """Find what `check_nodes` asks for: ids that are taken, and nodes that the session sees."""
    new = {node.node_id for node in commit.nodes}
    found = await graph_reads.places(connection, new | _outer(commit))
    return {
        node_id: _Place(place.seq, place.frame)
        for node_id, place in found.items()
        if node_id in new or await graph_reads.is_visible(connection, session, place)
    }


async def _check_snapshots(connection: Connection, commit: Commit) -> None:
    for snapshot in (commit.tool_state, commit.plugin_state):
        if snapshot is not None:
            facts = {"digest": snapshot.digest}
            found = await (await connection.execute(SQL["has_snapshot"], facts)).fetchone()
            rules.check_snapshot(commit, snapshot, found is not None)


def _outer(commit: Commit) -> set[str]:
    """Return the ids of the stored nodes that a commit hangs on."""
    named = {node.parent_id for node in commit.nodes} | {commit.leaf}
    new = {node.node_id for node in commit.nodes}
    return {node_id for node_id in named if node_id is not None} - new


def _is_sound(commit: Commit, outer: set[str]) -> bool:
    """Tell whether nothing speaks against a commit if what it names is stored."""
    try:
        check_nodes(commit, outer)
        check_size(commit)
        for snapshot in (commit.tool_state, commit.plugin_state):
            if snapshot is not None:
                rules.check_snapshot(commit, snapshot, is_stored=True)
    except StoreError:
        return False
    return True


def _facts(
    commit: Commit, content: str, now: datetime | None, places: dict[str, _Place]
) -> dict[str, Any]:
    """Return what `try_commit` is told, but for the node that a commit hangs on."""
    tools, plugins = commit.tool_state, commit.plugin_state
    return {
        "session_id": commit.session_id,
        "operation_id": commit.operation_id,
        "content_hash": content,
        "token": commit.fencing_token,
        "revision": commit.expected_head_revision,
        "now": now,
        **_node_facts(commit, places),
        "config": columns.dumped(commit.config) if commit.config is not None else None,
        "tool_digest": tools.digest if tools else None,
        "tool_generation": tools.generation if tools else None,
        "tool_body": tools.body if tools else None,
        "plugin_digest": plugins.digest if plugins else None,
        "plugin_generation": plugins.generation if plugins else None,
        "plugin_body": plugins.body if plugins else None,
        **_usage_facts(commit),
        "attachment_ids": list(commit.attachment_ids),
        "result": columns.dumped(commit.result),
        "is_turn": commit.is_turn,
        "release": commit.release,
    }


def _node_facts(commit: Commit, places: dict[str, _Place]) -> dict[str, Any]:
    """Return the nodes as columns; the n-th new one's place is -n."""
    known, parents, frames = dict(places), list[int | None](), list[int | None]()
    for number, node in enumerate(commit.nodes, 1):
        parent = known[node.parent_id] if node.parent_id is not None else None
        inherited = parent.frame if parent else None
        frame = -number if node.kind == NodeKind.FRAME else inherited
        known[node.node_id] = _Place(-number, frame)
        parents.append(parent.seq if parent else None)
        frames.append(frame)
    return {
        "leaf": commit.leaf,
        "leaf_place": known[commit.leaf].seq if commit.leaf is not None else None,
        "node_ids": [node.node_id for node in commit.nodes],
        "parents": parents,
        "frames": frames,
        "kinds": [node.kind for node in commit.nodes],
        "bodies": [node.body for node in commit.nodes],
    }


def _usage_facts(commit: Commit) -> dict[str, Any]:
    """Return the ledger's rows as columns, one a source and model; five numbers of tokens each."""
    spent: dict[tuple[str, str], Usage] = {}
    for entry in commit.usage:
        key = (entry.source, entry.model)
        spent[key] = spent[key] + entry.usage if key in spent else entry.usage
    return {
        "sources": [source for source, _ in spent],
        "models": [model for _, model in spent],
        "tokens": [count for usage in spent.values() for count in columns.tokens(usage)],
    }


def _receipt_of(commit: Commit, revision: int) -> CommitReceipt:
    return CommitReceipt(
        session_id=commit.session_id,
        operation_id=commit.operation_id,
        head_revision=revision,
        leaf=commit.leaf,
        result=commit.result,
    )


def _replay(session_id: str, operation_id: str, stored: rows.Row) -> CommitReceipt:
    _, head_revision, leaf, result = stored
    return CommitReceipt(
        session_id=session_id,
        operation_id=operation_id,
        head_revision=head_revision,
        leaf=leaf,
        result=json.loads(result),
        replayed=True,
    )
