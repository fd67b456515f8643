"""What a session store does for sessions that move: read in pages, written with their past."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from sojourn.commit import Commit, CommitReceipt
from sojourn.errors import InvalidInput
from sojourn.graph import Node
from sojourn.reads import Head, ReadScope

PAGE_NODES = 256
PAGE_BYTES = 4 * 1024 * 1024
PAST = "past"


@dataclass(frozen=True, slots=True)
class SessionPage:
    """A bounded piece of a session.

    Attributes:
        head: the session's head when the reading began: on every page the same.
        nodes: the piece's nodes.
        is_fork: whether the session stands on nodes of another one.
        tool_state: the body of the head's tool state.
        plugin_state: the body of the head's plugin state.
    """

    head: Head
    nodes: tuple[Node, ...]
    is_fork: bool = False
    tool_state: bytes | None = None
    plugin_state: bytes | None = None


@dataclass(frozen=True, slots=True)
class PastNode:
    """Which operation once wrote a node, and when; None leaves the time of the commit."""

    node_id: str
    turn_id: str
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PastReceipt:
    """The receipt that an operation once got; `leaf` is the last node that it wrote."""

    operation_id: str
    leaf: str | None
    result: dict[str, Any]
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class Past:
    """What the nodes of a commit were elsewhere.

    Attributes:
        nodes: of the commit's own nodes, those that keep their turn and time.
        receipts: of operations that are over, in order: each takes a revision of its own.
        turns: how many turns the session has more by this commit.
        created_at: when the session began, or None to leave it.
    """

    nodes: tuple[PastNode, ...] = ()
    receipts: tuple[PastReceipt, ...] = ()
    turns: int = 0
    created_at: datetime | None = None

    @property
    def revisions(self) -> int:
        """How far the head moves beyond the commit's own step: no turn without a revision."""
        return max(len(self.receipts), self.turns)


class SessionTransfer(Protocol):
    """Sessions that come from elsewhere, or go there; memory is bounded by a page."""

    def load_pages(self, session_id: str, scope: ReadScope) -> AsyncIterator[SessionPage]:
        """Read a session page by page, nodes in append order; no page if there is no session.

        The first page may have no nodes. A page has at most `PAGE_NODES` of them, and those after
        its first at most `PAGE_BYTES`. What is committed after the first page is not read.

        Raises:
            UnsupportedReadScope: the scope is neither the full graph nor the active path.
            GraphCorrupt: a path's parents form a cycle, or one is missing.
        """
        ...

    async def adopt(self, commit: Commit, past: Past) -> CommitReceipt:
        """Apply `commit` as `SessionStore.commit` does, and give its nodes their past.

        All of it in one transaction. The head moves by one, and by `past.revisions` more; the
        receipt of `commit` is the newest, and its content hash covers the past.

        Raises:
            InvalidInput: the past tells of a node that the commit does not have.
            StoreError: as `SessionStore.commit`; an operation that is stored already, with its
                receipt, cannot be told of again: `GraphCorrupt` or `OperationConflict`.
        """
        ...


def sealed(commit: Commit, past: Past) -> Commit:
    """Return a commit that answers for its past too: with another past it is another commit.

    Raises:
        InvalidInput: the past tells of a node that the commit does not have.
    """
    own = {node.node_id for node in commit.nodes}
    for node in past.nodes:
        if node.node_id not in own:
            raise InvalidInput(reason=f"node {node.node_id!r} has a past, and is not committed")
    return replace(commit, result={**commit.result, PAST: _digest(past)})


def _digest(past: Past) -> str:
    told: list[Any] = [[*map(_told, past.nodes)], [*map(_told, past.receipts)]]
    told += [past.turns, past.created_at]
    body = json.dumps(told, sort_keys=True, default=str).encode()
    return hashlib.sha256(body).hexdigest()[:32]


def _told(fact: PastNode | PastReceipt) -> list[Any]:
    return [getattr(fact, name) for name in type(fact).__dataclass_fields__]


@dataclass(slots=True)
class Filling:
    """Tells when a page is full; its first node's bytes are not counted."""

    nodes: int = 0
    size_bytes: int = 0

    def takes(self, size_bytes: int) -> bool:
        """Take in a node of so many bytes, unless the page is full without it."""
        is_over = self.nodes == PAGE_NODES or self.size_bytes + size_bytes > PAGE_BYTES
        if self.nodes and is_over:
            return False
        self.size_bytes += size_bytes if self.nodes else 0
        self.nodes += 1
        return True
