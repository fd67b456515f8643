"""What can be seen of a session from its store alone: no server, no worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

from sojourn import ids
from sojourn.catalog import ToolState
from sojourn.choices import Choices
from sojourn.errors import UnknownSession
from sojourn.frames import Frame
from sojourn.graph import Node, NodeKind, SessionGraph
from sojourn.half_imported import MARK
from sojourn.heal import RECORD, decoded, healed_messages
from sojourn.lease import Lease
from sojourn.policy import SessionPolicy
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.spending import Prices, prices_of
from sojourn.state import Reading, read_session
from sojourn.usage import Usage, UsageEntry, total_cost


class _View(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True)


class MessageView(_View):
    """One message of the active path.

    Attributes:
        seed: whether a frame begins with it: a summary, or a message that was kept verbatim and
            stands in its turn too.
    """

    node_id: str
    turn_id: str
    role: str
    parts: tuple[dict[str, Any], ...]
    text: str
    created_at: datetime
    seed: bool = False


class ModelView(_View):
    """The model in force, as far as the store knows: what a host names since then may differ.

    Attributes:
        chosen: whether it was chosen for this session, and wins over what the host names.
    """

    id: str = ""
    chosen: bool = False


class FrameView(_View):
    """The current frame.

    Attributes:
        node_id: the frame's node.
        reason: why it was opened: `automatic`, `requested` or `opened`.
        head_revision: the commit that opened it; None if its receipt is gone.
        messages: how many messages the model is shown, seeds included.
        sets: what the frame sets of the session's policy, by name.
    """

    node_id: str
    reason: str
    created_at: datetime
    messages: int
    head_revision: int | None = None
    sets: tuple[str, ...] = ()


class LeaseView(_View):
    """Who holds a session, or held it last."""

    owner_id: str
    incarnation_id: str
    executor_id: str
    fencing_token: int
    expires_at: datetime
    released: bool


class ToolsView(_View):
    """The stored tool catalogue: its generation, and the tools that no source had."""

    generation: int = 0
    orphaned: tuple[str, ...] = ()


class HealedView(_View):
    """One thing that was wrong, or is, and how a reader puts it right; see `sojourn.heal`."""

    kind: str
    node_id: str
    detail: str


class LedgerView(_View):
    """What one source has spent on one model.

    Attributes:
        source: `turn`; `wasted` for answers that were bought and lost; `compaction`; `import`.
        cost: US dollars, by the newest price that the session has paid; None if none is known.
    """

    source: str
    model: str
    usage: Usage
    cost: Decimal | None = None


class SessionView(_View):
    """A session as its store has it; `leaf` is where it stands, also if the stored one is lost.

    `importing` says that it is half imported: it is not whole, and takes no turns.
    """

    session_id: str
    agent: str
    head_revision: int
    leaf: str | None
    turns: int
    messages: tuple[MessageView, ...]
    lease: LeaseView | None
    tools: ToolsView
    usage: Usage
    healed: tuple[HealedView, ...] = ()
    importing: bool = False
    model: ModelView = ModelView()
    frame: FrameView | None = None
    disabled_tools: tuple[str, ...] = ()
    ledger: tuple[LedgerView, ...] = ()
    cost: Decimal | None = None


async def view_session(store: SessionStore, session_id: str) -> SessionView:
    """Read a session for people: its active path and who holds it.

    Raises:
        UnknownSession: the store has no such session.
        GraphCorrupt: its path cannot be read.
    """
    reading = await read_session(store, ids.checked("session", session_id), ReadScope.ACTIVE_PATH)
    if reading is None:
        raise UnknownSession(session_id=session_id)
    head = reading.read.head
    ledger = _ledger(await store.usage(session_id), prices_of(head.config))
    return SessionView(
        session_id=session_id,
        agent=str(head.config.get("agent", "")),
        head_revision=head.head_revision,
        leaf=reading.leaf,
        turns=head.turn_count,
        messages=tuple(_messages(reading)),
        lease=_lease(await store.lease(session_id)),
        tools=_tools(reading.read.tool_state),
        usage=head.usage,
        healed=tuple(_healed(reading)),
        importing=MARK in head.config,
        model=_model(reading),
        frame=await _frame(store, reading),
        disabled_tools=_disabled(reading.read.tool_state),
        ledger=ledger,
        cost=total_cost(line.cost for line in ledger),
    )


def _ledger(rows: Sequence[UsageEntry], prices: Prices) -> tuple[LedgerView, ...]:
    priced = [row.model_copy(update={"price": prices.get(row.model)}) for row in rows]
    return tuple(
        LedgerView(source=row.source, model=row.model, usage=row.usage, cost=row.cost)
        for row in priced
    )


def _graph(reading: Reading) -> SessionGraph:
    return SessionGraph(reading.read.nodes, reading.leaf, reading.read.head.session_id)


def _model(reading: Reading) -> ModelView:
    config = reading.read.head.config
    chosen = Choices.from_config(config).model
    frame = Frame.at(_graph(reading).frame_node(), reading.read.head.session_id)
    model = chosen or (frame and frame.policy.model) or SessionPolicy.from_config(config).model
    return ModelView(id=model.id if model else "", chosen=chosen is not None)


async def _frame(store: SessionStore, reading: Reading) -> FrameView | None:
    graph, session_id = _graph(reading), reading.read.head.session_id
    node = graph.frame_node()
    if node is None:
        return None
    frame = Frame.of(node, session_id)
    receipt = await store.receipt(session_id, node.turn_id)
    return FrameView(
        node_id=node.node_id,
        reason=frame.reason,
        created_at=node.created_at,
        messages=sum(each.kind == NodeKind.MESSAGE for each in graph.current_frame()),
        head_revision=receipt.head_revision if receipt else None,
        sets=tuple(frame.policy.stated()),
    )


def _messages(reading: Reading) -> Iterator[MessageView]:
    opened_by = {node.turn_id for node in reading.read.nodes if node.kind == NodeKind.FRAME}
    for node in reading.read.nodes:
        if node.kind == NodeKind.MESSAGE:
            seed = node.turn_id in opened_by
            yield _message(node, reading.read.head.session_id, seed=seed)


def _message(node: Node, session_id: str, *, seed: bool) -> MessageView:
    message = decoded(node, session_id)
    return MessageView(
        node_id=node.node_id,
        turn_id=node.turn_id,
        role=message.role,
        parts=tuple(part.model_dump(mode="json", exclude_none=True) for part in message.parts),
        text=message.text,
        created_at=node.created_at,
        seed=seed,
    )


def _healed(reading: Reading) -> Iterator[HealedView]:
    """Yield what was healed before, and then what every reading of the session heals again."""
    yield from map(HealedView.model_validate, reading.read.head.config.get(RECORD, ()))
    _, answered = healed_messages(reading.read.nodes)
    for each in (*reading.healed, *answered):
        yield HealedView(kind=each.kind, node_id=each.node_id, detail=each.detail)


def _lease(lease: Lease | None) -> LeaseView | None:
    if lease is None:
        return None
    return LeaseView(
        owner_id=lease.owner.owner_id,
        incarnation_id=lease.owner.incarnation_id,
        executor_id=lease.executor_id,
        fencing_token=lease.fencing_token,
        expires_at=lease.expires_at,
        released=lease.released,
    )


def _tools(stored: bytes | None) -> ToolsView:
    if stored is None:
        return ToolsView()
    state = ToolState.decode(stored)
    orphaned = tuple(tool_id for tool_id, entry in state.tools.items() if entry.orphaned)
    return ToolsView(generation=state.generation, orphaned=orphaned)


def _disabled(stored: bytes | None) -> tuple[str, ...]:
    entries = ToolState.decode(stored).tools if stored is not None else {}
    return tuple(tool_id for tool_id, entry in entries.items() if not entry.member)
