"""The session commands that need the store alone: no server, no worker."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import Any

from rich.table import Table

from sojourn import branching, events, ids
from sojourn.errors import InvalidInput, UnknownSession
from sojourn.ports import SessionStore
from sojourn.reads import Head
from sojourn.view import LedgerView, MessageView, SessionView, view_session
from sojourn_worker.cli.output import Answer, print_json, table
from sojourn_worker.cli.stores import opened
from sojourn_worker.loading import load_app
from sojourn_worker.settings import Settings

PAGE = 500


async def start(
    settings: Settings, session_id: str, agent: str | None, parent: str | None = None
) -> Answer:
    """Make a session, or a child of `parent`; one that exists stays, and is said to exist.

    Raises:
        InvalidInput: it exists with another agent.
    """
    ids.checked("session", session_id)
    is_chosen = parent is None or agent is not None
    config = _config(settings, agent) if is_chosen else {"agent": ""}
    async with opened(settings, make=parent is None) as store:
        if parent is None:
            is_new = await branching.start(store, session_id, config)
        else:
            is_new = await store.head(session_id) is None
            await branching.spawn(store, parent, session_id, str(config["agent"]))
        head = await _head(store, session_id)
    kept = str(head.config.get("agent", ""))
    if agent is not None and agent != kept:
        raise InvalidInput(reason=f"session {session_id!r} exists, with agent {kept!r}")
    data = {
        "session_id": session_id,
        "agent": kept,
        "head_revision": head.head_revision,
        "created": is_new,
    }
    return Answer(data, f"{session_id} {'started' if is_new else 'exists already'}")


async def show(settings: Settings, session_id: str) -> Answer:
    """Read a session."""
    async with opened(settings) as store:
        view = await view_session(store, session_id)
    return Answer(view.model_dump(mode="json"), _described(view))


async def list_all(settings: Settings) -> Answer:
    """Read every session's head."""
    heads: list[Head] = []
    async with opened(settings) as store:
        while page := await store.heads(after=heads[-1].session_id if heads else "", limit=PAGE):
            heads.extend(page)
    return Answer({"sessions": [_listed(head) for head in heads]}, _tabled(heads))


async def fork(settings: Settings, session_id: str, new_id: str, at: str | None) -> Answer:
    """Make a session that stands on a node of another; no node is copied."""
    ids.checked("session", new_id)
    async with opened(settings) as store:
        node_id = at or (await _head(store, session_id)).leaf
        if node_id is None:
            reason = f"session {session_id!r} has no message yet that a fork could stand on"
            raise InvalidInput(reason=reason)
        head = await store.fork(session_id, node_id, new_id)
    data = {
        "session_id": new_id,
        "forked_from": session_id,
        "leaf": node_id,
        "head_revision": head.head_revision,
    }
    return Answer(data, f"{new_id} stands on {node_id} of {session_id}")


async def checkout(settings: Settings, session_id: str, node_id: str) -> Answer:
    """Move a session's leaf."""
    async with opened(settings) as store:
        receipt = await branching.checkout(store, session_id, node_id)
    data = {"session_id": session_id, "leaf": node_id, "head_revision": receipt.head_revision}
    return Answer(data, f"{session_id} stands on {node_id}")


async def delete(settings: Settings, session_id: str) -> Answer:
    """Delete a session."""
    async with opened(settings) as store:
        await store.delete(ids.checked("session", session_id))
    return Answer({"session_id": session_id, "deleted": True}, f"{session_id} deleted")


async def watch(
    settings: Settings, session_id: str, after: str | None, *, until_idle: bool
) -> None:
    """Print events as they come, a line of JSON each; Ctrl-C is how it usually ends."""
    with suppress(asyncio.CancelledError):
        await _print_events(settings, session_id, after, until_idle=until_idle)


async def _print_events(
    settings: Settings, session_id: str, after: str | None, *, until_idle: bool
) -> None:
    async with opened(settings) as store:
        await _head(store, session_id)
        async for event in events.follow(store, session_id, after, until_idle=until_idle):
            print_json(event.model_dump(mode="json", exclude_none=True))


async def _head(store: SessionStore, session_id: str) -> Head:
    head = await store.head(ids.checked("session", session_id))
    if head is None:
        raise UnknownSession(session_id=session_id)
    return head


def _config(settings: Settings, agent: str | None) -> dict[str, Any]:
    """Return what a session starts with: checked against the app, if one is named."""
    if settings.app is not None:
        return load_app(settings.app).agent(agent).policy().config()
    return {"agent": agent or "", "model": None}


def _listed(head: Head) -> dict[str, Any]:
    return {
        "session_id": head.session_id,
        "agent": str(head.config.get("agent", "")),
        "head_revision": head.head_revision,
        "turns": head.turn_count,
        "created_at": head.created_at.isoformat(),
        "usage": head.usage.model_dump(),
    }


def _tabled(heads: list[Head]) -> Table:
    shown = table("SESSION", "AGENT", "TURNS", "HEAD", "TOKENS IN", "OUT", "CREATED")
    for head in heads:
        facts = (head.turn_count, head.head_revision)
        tokens = (head.usage.input_tokens, head.usage.output_tokens)
        created = f"{head.created_at:%Y-%m-%d %H:%M}"
        agent = str(head.config.get("agent", ""))
        shown.add_row(head.session_id, agent, *map(str, (*facts, *tokens)), created)
    return shown


def _described(view: SessionView) -> str:
    lines = [
        f"session   {view.session_id}",
        f"agent     {view.agent or '-'}",
        f"turns     {view.turns} (head {view.head_revision}, leaf {view.leaf or '-'})",
        f"model     {_model(view)}",
        f"frame     {_frame(view)}",
        f"tools     generation {view.tools.generation}",
        f"disabled  {', '.join(view.disabled_tools) or '-'}",
        f"orphaned  {', '.join(view.tools.orphaned) or '-'}",
        f"tokens    {view.usage.input_tokens} in, {view.usage.output_tokens} out",
        f"cost      {_dollars(view.cost)}",
        *map(_spent, view.ledger),
        f"lease     {_holder(view)}",
        *(f"healed    {each.kind} at {each.node_id}: {each.detail}" for each in view.healed),
    ]
    return "\n".join([*lines, *map(_spoken, view.messages)])


def _model(view: SessionView) -> str:
    return f"{view.model.id or '-'}{' (chosen)' if view.model.chosen else ''}"


def _frame(view: SessionView) -> str:
    frame = view.frame
    if frame is None:
        return "-"
    opened = f", opened by head {frame.head_revision}" if frame.head_revision else ""
    return f"{frame.node_id} ({frame.reason}{opened}, {frame.messages} messages)"


def _spent(line: LedgerView) -> str:
    tokens = f"{line.usage.input_tokens} in, {line.usage.output_tokens} out"
    return f"          {line.source} {line.model or '-'}: {tokens}, {_dollars(line.cost)}"


def _dollars(cost: Decimal | None) -> str:
    return "unknown" if cost is None else f"${cost:f}"


def _holder(view: SessionView) -> str:
    if view.lease is None or view.lease.released:
        return "-"
    return f"{view.lease.owner_id} until {view.lease.expires_at:%Y-%m-%d %H:%M:%S}"


def _spoken(message: MessageView) -> str:
    calls = [part["name"] for part in message.parts if part["type"] == "tool_call"]
    answers = [
        f"{part.get('name', '')} ({part['status']})"
        for part in message.parts
        if part["type"] == "tool_call_response"
    ]
    said = " ".join([message.text, *(f"[calls {name}]" for name in calls), *answers]).strip()
    seed = " (begins the frame)" if message.seed else ""
    return f"\n{message.node_id}{seed}\n{message.role}: {said}"
