"""What must be true of a store: sessions, holders, nodes and attachments as the laws have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sojourn.commit import Commit
from sojourn.lease import LeaseOwner
from sojourn.testing.conformance.making import TTL

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class ModelNode:
    """A node, whose it is, and whether it was marked deleted."""

    node_id: str
    session_id: str
    parent_id: str | None
    created_at: datetime
    is_dead: bool = False


@dataclass
class ModelSession:
    """A session: its holder, its head, and what hangs on it."""

    session_id: str
    token: int = 0
    owner: LeaseOwner | None = None
    executor: str = ""
    expires_at: datetime = NEVER
    released: bool = True
    revision: int = 0
    turns: int = 0
    leaf: str | None = None
    origin: str | None = None
    is_deleted: bool = False
    receipts: dict[str, int] = field(default_factory=dict[str, int])
    journals: dict[str, int] = field(default_factory=dict[str, int])
    attachments: dict[str, tuple[str, bool]] = field(default_factory=dict[str, tuple[str, bool]])

    def is_live(self, now: datetime) -> bool:
        """Tell whether somebody holds it."""
        return not self.released and self.expires_at > now

    def refuses(self, owner: LeaseOwner, now: datetime) -> bool:
        """Tell whether somebody else is at it."""
        return owner != self.owner and self.is_live(now)

    def take(self, owner: LeaseOwner, executor: str, now: datetime) -> None:
        """Give it to a holder: the same one again, or the next."""
        again = (self.owner, self.executor, self.released) == (owner, executor, False)
        self.expires_at = max(now + TTL, self.expires_at) if again else now + TTL
        self.token += not again
        self.owner, self.executor, self.released = owner, executor, False

    def open_turn(self, turn: str) -> None:
        """Begin a turn's journal, unless there is one: it knows the head that it began on."""
        self.journals.setdefault(turn, self.revision)

    def announce(self, attachment_id: str, turn: str) -> None:
        """Keep a pending row for a turn; a permanent one stands."""
        if not self.attachments.get(attachment_id, ("", False))[1]:
            self.attachments[attachment_id] = (turn, False)

    def commit(self, commit: Commit) -> None:
        """Move the head by one."""
        self.revision += 1
        self.turns += commit.is_turn
        self.leaf = commit.leaf
        self.receipts[commit.operation_id] = self.revision
        self.released |= commit.release
        self.journals.pop(commit.operation_id, None)
        for key, (turn, is_permanent) in self.attachments.items():
            self.attachments[key] = (turn, is_permanent or turn == commit.operation_id)

    def give_up(self, now: datetime) -> int:
        """Drop the journals of turns that were overtaken and are not at work."""
        at_work = self.executor if self.is_live(now) else None
        lost = [turn for turn, at in self.journals.items() if at < self.revision]
        lost = [turn for turn in lost if turn != at_work]
        for turn in lost:
            del self.journals[turn]
        return len(lost)

    def forget(self) -> None:
        """Drop the pending rows, if no turn is open that may come back for them."""
        if not self.journals:
            rows = self.attachments.items()
            self.attachments = {key: (turn, True) for key, (turn, is_kept) in rows if is_kept}


@dataclass
class Model:
    """All sessions that ever were, and every node in append order."""

    sessions: dict[str, ModelSession] = field(default_factory=dict[str, ModelSession])
    nodes: dict[str, ModelNode] = field(default_factory=dict[str, ModelNode])

    def live(self) -> list[ModelSession]:
        """Return the sessions that were not deleted."""
        return [session for session in self.sessions.values() if not session.is_deleted]

    def up(self, leaf: str | None) -> Iterator[str]:
        """Walk from a node to its root."""
        while leaf is not None:
            yield leaf
            leaf = self.nodes[leaf].parent_id

    def graph(self, session: ModelSession) -> list[str]:
        """Return what the session sees: its own nodes, and the path that it was forked from."""
        inherited = set(self.up(session.origin))
        return [
            node.node_id
            for node in self.nodes.values()
            if not node.is_dead
            and (node.session_id == session.session_id or node.node_id in inherited)
        ]

    def orphans(self, session: ModelSession) -> list[str]:
        """Return the session's own nodes that nobody holds, in append order."""
        held: set[str] = set()
        for live in self.live():
            held |= {*self.up(live.leaf), *self.up(live.origin)}
        return [
            node.node_id
            for node in self.nodes.values()
            if node.session_id == session.session_id
            and not node.is_dead
            and node.node_id not in held
        ]

    def prune(self, session: ModelSession, before: datetime, limit: int) -> int:
        """Mark old orphans deleted, newest first, none before what hangs on it."""
        doomed = 0
        for node_id in reversed(self.orphans(session)):
            node = self.nodes[node_id]
            if doomed < limit and node.created_at < before and not self._has_children(node):
                node.is_dead = True
                doomed += 1
        return doomed

    def _has_children(self, parent: ModelNode) -> bool:
        # A child in a live fork would hold it, and one in a deleted fork is nobody's.
        return any(
            (node.parent_id, node.session_id) == (parent.node_id, parent.session_id)
            and not node.is_dead
            for node in self.nodes.values()
        )
