"""What the memory store keeps, and how it walks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from sojourn import ids
from sojourn.adapters import rules
from sojourn.commit import Commit, CommitReceipt, Snapshot
from sojourn.errors import GraphCorrupt, SessionDeleted, UnknownSession
from sojourn.graph import Node, NodeKind
from sojourn.journal import Effect, EffectRef, Outcome
from sojourn.lease import Lease
from sojourn.reads import Head, Problem, ReadScope, StateRef
from sojourn.usage import Usage

J = TypeVar("J")


def copied(value: J) -> J:
    """Return a JSON value as another store would give it back: shared with nobody."""
    result: J = json.loads(json.dumps(value))
    return result


@dataclass(slots=True)
class Stored:
    """A node, who appended it, and whether it was marked deleted."""

    node: Node
    session_id: str
    is_tombstoned: bool = False


@dataclass(slots=True)
class Session:
    """A session's row and all that belongs to it alone."""

    session_id: str
    created_at: datetime
    config: dict[str, Any]
    lease: Lease | None = None
    head_revision: int = 0
    leaf: str | None = None
    origin: str | None = None
    turn_count: int = 0
    last_position: int = 0
    tool_state: StateRef | None = None
    plugin_state: StateRef | None = None
    usage: dict[tuple[str, str], Usage] = field(default_factory=dict[tuple[str, str], Usage])
    receipts: dict[str, CommitReceipt] = field(default_factory=dict[str, CommitReceipt])
    contents: dict[str, str] = field(default_factory=dict[str, str])
    journals: dict[str, dict[str, Effect]] = field(default_factory=dict[str, dict[str, Effect]])

    def head(self) -> Head:
        """Return the session's head."""
        return Head(
            session_id=self.session_id,
            head_revision=self.head_revision,
            leaf=self.leaf,
            turn_count=self.turn_count,
            created_at=self.created_at,
            config=copied(self.config),
            tool_state=self.tool_state,
            plugin_state=self.plugin_state,
            usage=Usage.total(self.usage.values()),
        )

    def replay(self, operation_id: str) -> CommitReceipt:
        """Return the receipt of an operation that is asked for again."""
        first = self.receipts[operation_id]
        return replace(first, result=copied(first.result), replayed=True)

    def effects(self, turn_id: str, after: int) -> tuple[Effect, ...]:
        """Return the rows of a turn's journal after a position, in order."""
        journal = self.journals.get(turn_id, {})
        newer = [effect for effect in journal.values() if effect.position > after]
        return tuple(sorted(newer, key=lambda effect: effect.position))

    def save_effect(self, ref: EffectRef, outcome: Outcome) -> Effect:
        """Write a row of a journal in the place of an older one of its key."""
        facts = copied(outcome.facts)
        self.last_position += 1
        effect = rules.row(ref, replace(outcome, facts=facts), self.last_position)
        self.journals.setdefault(ref.turn_id, {})[ref.effect_key] = effect
        return effect

    def advance(self, commit: Commit, content: str, result: dict[str, Any]) -> CommitReceipt:
        """Move the head by one commit, and keep its receipt."""
        self.head_revision += 1
        self.turn_count += commit.is_turn
        self.leaf = commit.leaf
        self.tool_state = _state(commit.tool_state) or self.tool_state
        self.plugin_state = _state(commit.plugin_state) or self.plugin_state
        for entry in commit.usage:
            key = (entry.source, entry.model)
            self.usage[key] = self.usage.get(key, Usage()) + entry.usage
        if commit.is_turn:
            self.journals.pop(commit.operation_id, None)
        if commit.release and self.lease is not None:
            self.lease = replace(self.lease, released=True)
        receipt = CommitReceipt(
            self.session_id, commit.operation_id, self.head_revision, commit.leaf, result
        )
        self.receipts[commit.operation_id] = receipt
        self.contents[commit.operation_id] = content
        return replace(receipt, result=copied(result))


@dataclass(slots=True)
class Rows:
    """Every session and node; nodes in append order."""

    sessions: dict[str, Session] = field(default_factory=dict[str, Session])
    deleted: set[str] = field(default_factory=set[str])
    nodes: dict[str, Stored] = field(default_factory=dict[str, Stored])
    snapshots: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def readable(self, session_id: str) -> Session | None:
        """Return a live session, or None."""
        return self.sessions.get(session_id)

    def find(self, session_id: str) -> Session | None:
        """Return a live session, or None; of a deleted one raise `SessionDeleted`."""
        if session_id in self.deleted:
            raise SessionDeleted(session_id=session_id)
        return self.sessions.get(session_id)

    def existing(self, session_id: str) -> Session:
        """Return a live session, or raise `SessionDeleted` or `UnknownSession`."""
        session = self.find(session_id)
        if session is None:
            raise UnknownSession(session_id=session_id)
        return session

    def live_ids(self) -> list[str]:
        """Return the ids of live sessions."""
        return list(self.sessions)

    def create(self, session_id: str, config: dict[str, Any], now: datetime) -> Session:
        """Make a session that has nothing yet."""
        session = Session(ids.checked("session", session_id), now, copied(config))
        self.sessions[session_id] = session
        return session

    def live(self, node_id: str | None) -> Stored | None:
        """Return a stored node that is not marked deleted, or None."""
        stored = self.nodes.get(node_id) if node_id is not None else None
        return stored if stored and not stored.is_tombstoned else None

    def sees(self, session: Session, node_id: str) -> bool:
        """Tell whether a live node is the session's own, or of the path it was forked from."""
        stored = self.live(node_id)
        if stored is None or stored.session_id == session.session_id:
            return stored is not None
        return any(node.node_id == node_id for node in self.up(session.origin))

    def stored_for(self, session: Session, commit: Commit) -> set[str]:
        """Return what `check_nodes` asks for: ids that are taken, and live ids that it sees."""
        new = {node.node_id for node in commit.nodes}
        outer = {node.parent_id for node in commit.nodes if node.parent_id} | {commit.leaf or ""}
        return {node_id for node_id in new if node_id in self.nodes} | {
            node_id for node_id in outer - new if self.sees(session, node_id)
        }

    def up(self, leaf: str | None) -> Iterator[Node]:
        """Walk from a node to its root; a gap or a cycle ends the walk early."""
        seen: set[str] = set()
        stored = self.live(leaf)
        while stored is not None and stored.node.node_id not in seen:
            seen.add(stored.node.node_id)
            yield stored.node
            stored = self.live(stored.node.parent_id)

    def read(self, session: Session, scope: ReadScope, leaf: str | None) -> list[Node]:
        """Return the nodes of a scope, in append order."""
        path = self._path(session, leaf, stops_at_frame=scope is ReadScope.FRAME)
        if scope is not ReadScope.FULL_GRAPH:
            return path
        inherited = {node.node_id for node in self.up(session.origin)}
        return [
            stored.node
            for node_id, stored in self.nodes.items()
            if not stored.is_tombstoned
            and (stored.session_id == session.session_id or node_id in inherited)
        ]

    def held(self) -> set[str]:
        """Return the ids that live sessions hold: by leaf, and where forks were made."""
        held: set[str] = set()
        for session in self.sessions.values():
            for leaf in (session.leaf, session.origin):
                held.update(node.node_id for node in self.up(leaf))
        return held

    def body_of(self, state: StateRef | None) -> bytes | None:
        """Return the body of a snapshot."""
        return self.snapshots.get(state.digest) if state else None

    def remove_tombstoned(self) -> int:
        """Remove what is marked deleted, and bodies that no session stands on."""
        kept = {key: stored for key, stored in self.nodes.items() if not stored.is_tombstoned}
        removed = len(self.nodes) - len(kept)
        self.nodes = kept
        states = [s for row in self.sessions.values() for s in (row.tool_state, row.plugin_state)]
        used = {state.digest for state in states if state}
        self.snapshots = {key: body for key, body in self.snapshots.items() if key in used}
        return removed

    def delete(self, session_id: str) -> None:
        """Delete a session, and the nodes of deleted ones that no live one holds."""
        del self.sessions[session_id]
        self.deleted.add(session_id)
        held = self.held()
        self.nodes = {
            node_id: stored
            for node_id, stored in self.nodes.items()
            if stored.session_id not in self.deleted or node_id in held
        }

    def stats(self) -> dict[str, int]:
        """Return how much there is."""
        rows = self.sessions.values()
        live = [stored for stored in self.nodes.values() if not stored.is_tombstoned]
        bodies = [stored.node.body for stored in self.nodes.values()]
        return {
            "sessions": len(self.sessions),
            "nodes": len(live),
            "effects": sum(len(journal) for row in rows for journal in row.journals.values()),
            "receipts": sum(len(row.receipts) for row in rows),
            "size_bytes": sum(map(len, [*bodies, *self.snapshots.values()])),
        }

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong, of heads first, then of nodes."""
        for session in self.sessions.values():
            yield from self._problems_of_head(session)
        places = {node_id: place for place, node_id in enumerate(self.nodes)}
        for node_id, stored in self.nodes.items():
            yield from self._problems_of_node(stored, places[node_id], places)

    def _path(self, session: Session, leaf: str | None, *, stops_at_frame: bool) -> list[Node]:
        path: list[Node] = []
        for node in self.up(leaf):
            path.append(node)
            if stops_at_frame and node.kind == NodeKind.FRAME:
                break
        else:
            self._check_root(session, path)
        path.reverse()
        return path

    def _check_root(self, session: Session, path: list[Node]) -> None:
        if not path or path[-1].parent_id is None:
            return
        root = path[-1]
        is_cycle = any(node.node_id == root.parent_id for node in path)
        reason = "its parents form a cycle" if is_cycle else "its parent is missing"
        raise GraphCorrupt(session_id=session.session_id, node_id=root.node_id, reason=reason)

    def _problems_of_head(self, session: Session) -> Iterator[Problem]:
        key, leaf = session.session_id, session.leaf
        if leaf is not None and leaf not in self.nodes:
            yield Problem(key, leaf, "the leaf is not stored")
        elif leaf is not None and self.nodes[leaf].is_tombstoned:
            yield Problem(key, leaf, "tombstoned, but reachable")
        for name, state in (("tool", session.tool_state), ("plugin", session.plugin_state)):
            if state is not None and state.digest not in self.snapshots:
                yield Problem(key, None, f"the {name} state has no body")

    def _is_cut(self, stored: Stored) -> bool:
        parent = self.nodes.get(stored.node.parent_id or "")
        return parent is not None and parent.is_tombstoned and not stored.is_tombstoned

    def _problems_of_node(
        self, stored: Stored, place: int, places: dict[str, int]
    ) -> Iterator[Problem]:
        node, key = stored.node, stored.session_id
        if node.parent_id is not None and node.parent_id not in places:
            yield Problem(key, node.node_id, "its parent is missing")
        elif node.parent_id is not None and places[node.parent_id] >= place:
            yield Problem(key, node.node_id, "its parents form a cycle")
        elif self._is_cut(stored):
            yield Problem(key, node.node_id, "its parent is tombstoned, but reachable")
        if node.kind == NodeKind.MESSAGE and not rules.is_message(node.body):
            yield Problem(key, node.node_id, "its message cannot be decoded")


def _state(snapshot: Snapshot | None) -> StateRef | None:
    return StateRef(snapshot.digest, snapshot.generation) if snapshot else None
