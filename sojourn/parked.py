"""A session at rest, and the commit that lays it down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sojourn import ids
from sojourn.commit import Commit, Snapshot
from sojourn.errors import LeaseLost
from sojourn.policy import SessionPolicy
from sojourn.ports import SessionStore

if TYPE_CHECKING:
    from sojourn.runtime import SessionRuntime


@dataclass(frozen=True, slots=True)
class ParkedSession:
    """A session at rest: enough to resume it, and nothing else in memory."""

    session_id: str
    policy: SessionPolicy
    store: SessionStore


async def flush(runtime: SessionRuntime) -> None:
    """Commit what is dirty, under the runtime's lease or one that it claims; see its `park`."""
    tools, plugins = runtime.snapshots.changed()
    if not (tools or plugins):
        return
    lease = runtime.lease or await runtime.claim()
    try:
        await runtime.commit(_park_commit(runtime, lease.fencing_token, tools, plugins))
    except LeaseLost:
        runtime.lease = None  # it is ours no more: the next park claims anew
        raise


def _park_commit(
    runtime: SessionRuntime, fencing_token: int, tools: Snapshot | None, plugins: Snapshot | None
) -> Commit:
    """Return the commit of what is dirty; the same dirt on the same head is the same operation."""
    mark = ids.digest(f"{tools and tools.digest}/{plugins and plugins.digest}".encode())
    return Commit(
        session_id=runtime.session_id,
        operation_id=f"park/{runtime.head_revision}/{mark}",
        expected_head_revision=runtime.head_revision,
        fencing_token=fencing_token,
        leaf=runtime.graph.leaf,
        config=runtime.conversation.config(),
        tool_state=tools,
        plugin_state=plugins,
        is_turn=False,
        release=True,
    )
