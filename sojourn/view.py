"""What can be seen of a session from its store alone: no server, no worker."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from sojourn import ids
from sojourn.catalog import ToolState
from sojourn.errors import UnknownSession
from sojourn.graph import NodeKind
from sojourn.lease import Lease
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope, SessionRead
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


class SessionView(_View):
    """A session as its store has it."""

    session_id: str
    agent: str
    head_revision: int
    leaf: str | None
    turns: int
    messages: tuple[MessageView, ...]
    lease: LeaseView | None
    tools: ToolsView
    usage: Usage


async def view_session(store: SessionStore, session_id: str) -> SessionView:
    """Read a session for people: its active path and who holds it.

    Raises:
        UnknownSession: the store has no such session.
    """
    read = await store.load(ids.checked("session", session_id), ReadScope.ACTIVE_PATH)
    if read is None:
        raise UnknownSession(session_id=session_id)
    head = read.head
    return SessionView(
        session_id=session_id,
        agent=str(head.config.get("agent", "")),
        head_revision=head.head_revision,
        leaf=head.leaf,
        turns=head.turn_count,
        messages=_messages(read),
        lease=_lease(await store.lease(session_id)),
        tools=_tools(read.tool_state),
        usage=head.usage,
    )


def _messages(read: SessionRead) -> tuple[MessageView, ...]:
    return tuple(
        MessageView(
            node_id=node.node_id,
            turn_id=node.turn_id,
            role=node.message.role,
            parts=tuple(p.model_dump(mode="json", exclude_none=True) for p in node.message.parts),
            text=node.message.text,
            created_at=node.created_at,
        )
        for node in read.nodes
        if node.kind == NodeKind.MESSAGE
    )


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
