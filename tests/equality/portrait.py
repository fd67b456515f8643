"""What a live session is made of, as plain data: two sessions are equal if their portraits are."""

from __future__ import annotations

from typing import Any

from sojourn import plugin_state
from sojourn.app import App
from sojourn.graph import NodeKind, SessionGraph
from sojourn.parked import ParkedSession
from sojourn.ports import SessionStore
from sojourn.runtime import SessionRuntime

Portrait = dict[str, Any]


def portrait(runtime: SessionRuntime) -> Portrait:
    """Return catalogue, policy, frame, plugin state and transcript of a live session."""
    return {
        "generation": runtime.catalog.generation,
        "catalogue": runtime.catalog.export().encode().decode(),
        "shown": [[spec.name, spec.description] for spec in runtime.catalog.specs()],
        "orphaned": list(runtime.catalog.orphaned),
        "policy": runtime.policy.model_dump(mode="json"),
        "instructions": runtime.instructions(),
        "frame": _frame(runtime.graph),
        "plugins": _plugins(runtime),
        "transcript": [message.encode().decode() for message in runtime.messages()],
        "head_revision": runtime.head_revision,
    }


async def cold_portrait(app: App, store: SessionStore, session_id: str) -> Portrait:
    """Assemble a session from its store alone, and return what it is made of."""
    environment = app.environments()["clerk"]
    parked = ParkedSession(session_id, app.agent().policy(), store)
    runtime = await SessionRuntime.resume(parked, environment)
    try:
        return portrait(runtime)
    finally:
        runtime.unregister_plugin_session()


def _plugins(runtime: SessionRuntime) -> Portrait:
    """Return the plugins' states; a revision only tells that one has moved."""
    entries = plugin_state.decode(runtime.plugins.capture())
    return {key: [entry.version, entry.state] for key, entry in entries.items()}


def _frame(graph: SessionGraph) -> str | None:
    frames = [node.node_id for node in graph.active_path() if node.kind == NodeKind.FRAME]
    return frames[-1] if frames else None
