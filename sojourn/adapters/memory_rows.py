"""What the memory store keeps of all sessions, and how it walks their graphs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

from sojourn import ids
from sojourn.adapters.memory_session import Session, copied
from sojourn.commit import Commit
from sojourn.errors import GraphCorrupt, SessionDeleted, UnknownSession
from sojourn.graph import Node, NodeKind
from sojourn.reads import ReadScope, StateRef


@dataclass(slots=True)
class Stored:
    """A node, who appended it, and whether it was marked deleted."""

    node: Node
    session_id: str
    is_tombstoned: bool = False


@dataclass(slots=True)
class Rows:
    """Every session and node; nodes in append order."""

    sessions: dict[str, Session] = field(default_factory=dict[str, Session])
    deleted: dict[str, Session] = field(default_factory=dict[str, Session])
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
        ids.checked("session", session_id)
        session = Session(session_id, session_id, now, copied(config))
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

    def newest_message(self, session: Session) -> str | None:
        """Return the newest live message node that the session has, or was forked from."""
        own = (
            stored.node
            for stored in reversed(self.nodes.values())
            if stored.session_id == session.session_id and not stored.is_tombstoned
        )
        found = chain(own, self.up(session.origin))
        return next((node.node_id for node in found if node.kind == NodeKind.MESSAGE), None)

    def held(self) -> set[str]:
        """Return the ids that live sessions hold: by leaf, and where forks were made.

        Of a way that is cut nobody knows where it went: it holds the whole family.
        """
        held: set[str] = set()
        for session in self.sessions.values():
            for leaf in (session.leaf, session.origin):
                way = list(self.up(leaf))
                held.update(node.node_id for node in way)
                if leaf is not None and (not way or way[-1].parent_id is not None):
                    held.update(self._of_family(session.family))
        return held

    def _of_family(self, family: str) -> Iterator[str]:
        ours = {row.session_id for row in self.everyone() if row.family == family}
        return (node_id for node_id, stored in self.nodes.items() if stored.session_id in ours)

    def body_of(self, state: StateRef | None) -> bytes | None:
        """Return the body of a snapshot."""
        return self.snapshots.get(state.digest) if state else None

    def delete(self, session_id: str) -> None:
        """Make a session unreadable; what it shares with others stays until nobody needs it."""
        session = self.sessions.pop(session_id)
        self.deleted[session_id] = Session(
            session_id,
            session.family,
            session.created_at,
            {},
            source=session.source,
            attachments=session.attachments,
        )

    def dead(self) -> list[str]:
        """Return the ids of nodes that vacuum removes, children before their parents."""
        held = self.held()
        return [
            node_id
            for node_id, stored in reversed(self.nodes.items())
            if stored.is_tombstoned or (stored.session_id in self.deleted and node_id not in held)
        ]

    def unused(self) -> list[str]:
        """Return the digests of bodies that no session stands on."""
        states = [s for row in self.sessions.values() for s in (row.tool_state, row.plugin_state)]
        used = {state.digest for state in states if state}
        return [digest for digest in self.snapshots if digest not in used]

    def whoever(self, session_id: str | None) -> Session | None:
        """Return a session, deleted or not."""
        known = self.sessions | self.deleted
        return known.get(session_id) if session_id is not None else None

    def everyone(self) -> list[Session]:
        """Return every session, deleted ones included."""
        return [*self.sessions.values(), *self.deleted.values()]

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
