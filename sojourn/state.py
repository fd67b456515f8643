"""A session's persisted state, as loaded, before it is brought to life."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from sojourn.choices import Choices, ContextMark
from sojourn.errors import GraphCorrupt
from sojourn.graph import SessionGraph
from sojourn.half_imported import check_whole
from sojourn.heal import NOTHING_LEFT, RECORD, Healed, dangling_leaf
from sojourn.lineage import parent_of
from sojourn.policy import SessionPolicy
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope, SessionRead, StateRef
from sojourn.residency import Residency
from sojourn.spending import prices_of
from sojourn.usage import ModelPrice

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """A read of a session, the leaf that it stands on, and what was put right for that."""

    read: SessionRead
    leaf: str | None
    healed: tuple[Healed, ...] = ()


@dataclass(slots=True)
class SessionState:
    """What a store knows of a session; of a fresh one, nothing.

    Attributes:
        head_revision: 0 if nothing was committed yet.
        tool_state: the catalogue's stored snapshot, dropped once it is restored.
        plugin_state: the plugins' stored snapshot; likewise.
        tool_ref: where the stored catalogue snapshot stands.
        plugin_ref: where the stored plugin snapshot stands.
        healed: what was put right in the reading of it.
        prices: the newest known price of each model that was paid.
        parent_session_id: the session that made this one as its child, or None.
        record: what was healed before and a commit made invisible; see `heal.recorded`.
        choices: what was chosen for the session while it lived.
        mark: how much a model was shown where the session stands, if that is known.
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
    healed: tuple[Healed, ...] = ()
    record: tuple[dict[str, str], ...] = ()
    parent_session_id: str | None = None
    prices: dict[str, ModelPrice] = field(default_factory=dict[str, ModelPrice])
    choices: Choices = field(default_factory=Choices)
    mark: ContextMark | None = None

    @classmethod
    def of(cls, reading: Reading) -> SessionState:
        """Make the state of a reading.

        Raises:
            HalfImported: the session is being imported.
            GraphCorrupt: an id is stored twice; or a snapshot that the head names is missing;
                without it the session would silently start over with other tools and plugins.
        """
        read, head = reading.read, reading.read.head
        check_whole(head.session_id, head.config)
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
            graph=SessionGraph(read.nodes, reading.leaf, head.session_id),
            head_revision=head.head_revision,
            turn_count=head.turn_count,
            tool_state=read.tool_state,
            plugin_state=read.plugin_state,
            tool_ref=head.tool_state,
            plugin_ref=head.plugin_state,
            healed=reading.healed,
            record=tuple(head.config.get(RECORD, ())),
            parent_session_id=parent_of(head.config),
            choices=Choices.from_config(head.config),
            prices=prices_of(head.config),
            mark=ContextMark.from_config(head.config, reading.leaf),
        )

    def discard_snapshots(self) -> None:
        """Drop the snapshot bodies: from now on the live catalogue and plugins are the truth."""
        self.tool_state = None
        self.plugin_state = None


async def load_state(store: SessionStore, session_id: str, residency: Residency) -> SessionState:
    """Load a session as its residency needs it; nothing stored gives a fresh state.

    Raises:
        UnsupportedReadScope: the store cannot serve the residency.
        GraphCorrupt: as `read_session` and `SessionState.of`.
    """
    reading = await read_session(store, session_id, residency.scope)
    if reading is None:
        return SessionState(session_id=session_id)
    for each in reading.healed:
        log.warning("session %s: %s at %s: %s", session_id, each.kind, each.node_id, each.detail)
    return SessionState.of(reading)


async def read_session(store: SessionStore, session_id: str, scope: ReadScope) -> Reading | None:
    """Read a session from a leaf that is there; None if nothing is stored.

    For a leaf that is not, the session's newest message stands in. No scope costs more for it:
    nothing falls back to a full load, and what is left never reads as an empty session.

    Raises:
        UnsupportedReadScope: the store cannot serve the scope.
        GraphCorrupt: the path has a cycle or a gap, or no message can stand in.
    """
    read = await store.load(session_id, scope)
    if read is None or read.head.leaf is None or _reaches(read, read.head.leaf):
        return Reading(read, read.head.leaf) if read else None
    lost = read.head.leaf
    leaf = await store.newest_message(session_id)
    if leaf is None:
        raise GraphCorrupt(session_id=session_id, node_id=lost, reason=NOTHING_LEFT)
    again = await store.load(session_id, scope, leaf)
    if again is None or again.head.head_revision != read.head.head_revision:
        return await read_session(store, session_id, scope)
    return Reading(again, leaf, (dangling_leaf(lost, leaf),))


def _reaches(read: SessionRead, leaf: str) -> bool:
    return any(node.node_id == leaf for node in reversed(read.nodes))
