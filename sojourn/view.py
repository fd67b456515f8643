"""What can be seen of a session from its store alone: no server, no worker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from sojourn import ids
from sojourn.catalog import ToolState
from sojourn.errors import UnknownSession
from sojourn.graph import Node, NodeKind
from sojourn.half_imported import MARK
from sojourn.heal import RECORD, decoded, healed_messages
from sojourn.lease import Lease
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.state import Reading, read_session
from sojourn.usage import Usage


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class MessageView(_View):
    """One message of the active path."""

    node_id: str
    turn_id: str
    role: str
    parts: tuple[dict[str, Any], ...]
    text: str
    created_at: datetime


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
    )


def _messages(reading: Reading) -> Iterator[MessageView]:
    for node in reading.read.nodes:
        if node.kind == NodeKind.MESSAGE:
            yield _message(node, reading.read.head.session_id)


def _message(node: Node, session_id: str) -> MessageView:
    message = decoded(node, session_id)
    return MessageView(
        node_id=node.node_id,
        turn_id=node.turn_id,
        role=message.role,
        parts=tuple(part.model_dump(mode="json", exclude_none=True) for part in message.parts),
        text=message.text,
        created_at=node.created_at,
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
