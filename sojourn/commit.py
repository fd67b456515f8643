"""Commits: what one turn writes, atomically, and the rules that a store checks inside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

from sojourn.errors import CommitTooLarge, GraphCorrupt, HeadConflict
from sojourn.usage import UsageEntry

MAX_COMMIT_BYTES = 16 * 1024 * 1024
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)


@dataclass(frozen=True, slots=True)
class NewNode:
    """A node to append; its parent is an earlier node of the commit or a stored one."""

    node_id: str
    parent_id: str | None
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state body to store under its content address, with the number that names its version.

    Attributes:
        digest: `ids.digest(body)`.
        body: the encoded state, or None when the store has it already (unchanged).
        generation: the tool catalogue's generation, or the plugins' revision.
    """

    digest: str
    body: bytes | None
    generation: int


@dataclass(frozen=True, slots=True)
class Commit:
    """One atomic unit of writing: everything in it lands, or nothing.

    Attributes:
        session_id: the session.
        operation_id: names the operation for ever: of a turn, its turn id.
        expected_head_revision: the head that this builds on (0: none yet); always checked.
        fencing_token: the writer's lease token; always checked.
        nodes: appended in order.
        leaf: the node to stand on afterwards.
        config: the session's persisted configuration, or None to leave it.
        tool_state: the catalogue's snapshot, or None to leave it.
        plugin_state: the plugins' snapshot, or None to leave it.
        usage: ledger rows of this operation.
        attachment_ids: attachments that this commit makes permanent.
        result: the caller's own facts, returned by the receipt for ever.
        is_turn: whether the operation is a turn, and counts as one.
        release: whether to give the lease back in the same transaction.
    """

    session_id: str
    operation_id: str
    expected_head_revision: int
    fencing_token: int
    nodes: tuple[NewNode, ...] = ()
    leaf: str | None = None
    config: dict[str, Any] | None = None
    tool_state: Snapshot | None = None
    plugin_state: Snapshot | None = None
    usage: tuple[UsageEntry, ...] = ()
    attachment_ids: tuple[str, ...] = ()
    result: dict[str, Any] = field(default_factory=dict[str, Any])
    is_turn: bool = True
    release: bool = False


@dataclass(frozen=True, slots=True)
class CommitReceipt:
    """What an operation's first commit did; every retry gets the same.

    Attributes:
        head_revision: the head after it.
        leaf: the leaf after it.
        result: the caller's facts of the first commit.
        replayed: whether this answer came from the stored receipt.
    """

    session_id: str
    operation_id: str
    head_revision: int
    leaf: str | None
    result: dict[str, Any]
    replayed: bool = False


def content_hash(commit: Commit) -> str:
    """Hash what the operation means: neither revisions nor tokens, times, or the release.

    The store computes it; callers cannot stamp one.
    """
    hasher = hashlib.sha256(_canonical(_meaning(commit)))
    for node in commit.nodes:
        head = (node.node_id, node.parent_id or "", node.kind, str(len(node.body)))
        hasher.update("\0".join(head).encode(errors="surrogatepass"))
        hasher.update(node.body)
    return hasher.hexdigest()[:32]


def check_head(commit: Commit, actual: int) -> None:
    """Let `commit` pass only if it builds on the stored head.

    Raises:
        HeadConflict: another commit came between.
    """
    if commit.expected_head_revision != actual:
        raise HeadConflict(
            session_id=commit.session_id,
            expected=commit.expected_head_revision,
            actual=actual,
        )


def check_size(commit: Commit, limit_bytes: int = MAX_COMMIT_BYTES) -> None:
    """Let `commit` pass only if its bodies fit the budget.

    Raises:
        CommitTooLarge: they do not; retrying cannot help.
    """
    size = sum(len(node.body) for node in commit.nodes) + sum(
        len(state.body or b"") for state in (commit.tool_state, commit.plugin_state) if state
    )
    if size > limit_bytes:
        raise CommitTooLarge(
            operation_id=commit.operation_id, size_bytes=size, limit_bytes=limit_bytes
        )


def check_nodes(commit: Commit, stored: Container[str]) -> None:
    """Let `commit` pass only if its nodes are new and hang on nodes that are stored.

    Args:
        commit: the commit.
        stored: the live stored ids; asked for the nodes' ids, the outer parents and the leaf only.

    Raises:
        GraphCorrupt: an id is not new, a parent is missing, or the leaf is unknown. A cycle
            cannot pass: a parent must be stored, or stand before its child in the commit.
    """
    known: set[str] = set()
    for node in commit.nodes:
        if node.node_id in known or node.node_id in stored:
            raise _corrupt(commit, node.node_id, "its id is not new")
        parent = node.parent_id
        if parent is not None and parent not in known and parent not in stored:
            raise _corrupt(commit, node.node_id, f"its parent {parent} is missing")
        known.add(node.node_id)
    if commit.leaf is not None and commit.leaf not in known and commit.leaf not in stored:
        raise _corrupt(commit, commit.leaf, "the leaf is not stored")
    if commit.leaf is None and known:
        raise _corrupt(commit, "", "nodes without a leaf")


def _corrupt(commit: Commit, node_id: str, reason: str) -> GraphCorrupt:
    return GraphCorrupt(session_id=commit.session_id, node_id=node_id, reason=reason)


def _meaning(commit: Commit) -> dict[str, Any]:
    return {
        "session": commit.session_id,
        "operation": commit.operation_id,
        "leaf": commit.leaf,
        "config": commit.config,
        "tools": commit.tool_state and [commit.tool_state.digest, commit.tool_state.generation],
        "plugins": commit.plugin_state
        and [commit.plugin_state.digest, commit.plugin_state.generation],
        "usage": [entry.model_dump(mode="json") for entry in commit.usage],
        "attachments": list(commit.attachment_ids),
        "result": commit.result,
    }


def _canonical(value: Any) -> bytes:
    return _CANONICAL.encode(value).encode()
