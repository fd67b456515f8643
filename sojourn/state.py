"""A session's persisted state, as loaded, before it is brought to life."""

from __future__ import annotations

from dataclasses import dataclass, field

from sojourn.errors import GraphCorrupt
from sojourn.graph import SessionGraph
from sojourn.policy import SessionPolicy
from sojourn.ports import SessionStore
from sojourn.reads import Head, ReadScope, SessionRead, StateRef
from sojourn.residency import Residency


@dataclass(slots=True)
class SessionState:
    """What a store knows of a session; of a fresh one, nothing.

    Attributes:
        head_revision: 0 if nothing was committed yet.
        tool_state: the catalogue's stored snapshot, dropped once it is restored.
        plugin_state: the plugins' stored snapshot; likewise.
        tool_ref: where the stored catalogue snapshot stands.
        plugin_ref: where the stored plugin snapshot stands.
    """

    session_id: str
    policy: SessionPolicy = field(default_factory=SessionPolicy)
    graph: SessionGraph = field(default_factory=SessionGraph)
    head_revision: int = 0
    turn_count: int = 0
    tool_state: bytes | None = None
    plugin_state: bytes | None = None
    tool_ref: StateRef | None = None
    plugin_ref: StateRef | None = None

    @classmethod
    def of(cls, read: SessionRead) -> SessionState:
        """Make the state of a read.

        Raises:
            GraphCorrupt: a snapshot that the head names is missing; without it the session would
                silently start over with other tools and plugins.
        """
        head = read.head
        for ref, body in (
            (head.tool_state, read.tool_state),
            (head.plugin_state, read.plugin_state),
        ):
            if ref is not None and body is None:
                reason = f"its snapshot {ref.digest} is missing"
                raise GraphCorrupt(session_id=head.session_id, node_id=head.leaf, reason=reason)
        return cls(
            session_id=head.session_id,
            policy=SessionPolicy.from_config(head.config),
            graph=SessionGraph(read.nodes, head.leaf),
            head_revision=head.head_revision,
            turn_count=head.turn_count,
            tool_state=read.tool_state,
            plugin_state=read.plugin_state,
            tool_ref=head.tool_state,
            plugin_ref=head.plugin_state,
        )

    def discard_snapshots(self) -> None:
        """Drop the snapshot bodies: from now on the live catalogue and plugins are the truth."""
        self.tool_state = None
        self.plugin_state = None


async def load_state(store: SessionStore, session_id: str, residency: Residency) -> SessionState:
    """Load a session as its residency needs it; nothing stored gives a fresh state.

    A leaf that its path does not contain is damage. Healing needs the whole graph then, so it is
    read, under every residency.

    Raises:
        UnsupportedReadScope: the store cannot serve the residency.
    """
    read = await store.load(session_id, residency.scope)
    if read is None:
        return SessionState(session_id=session_id)
    if _is_dangling(read.head, read):
        read = await store.load(session_id, ReadScope.FULL_GRAPH) or read
    return SessionState.of(read)


def _is_dangling(head: Head, read: SessionRead) -> bool:
    if head.leaf is None:
        return False
    return all(node.node_id != head.leaf for node in reversed(read.nodes))
