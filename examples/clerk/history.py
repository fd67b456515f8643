"""What the server keeps of the demo's session: how much, and of what."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

VISIBLE_SECONDS = 20.0
WATCH_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Part:
    """The events of one turn."""

    events: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SessionHistory:
    """The history of a session's run.

    Attributes:
        raw: every event as the server sends it; payloads stand in it as plain bytes.
        turns: the part of each turn, by turn id.
    """

    raw: bytes
    turns: dict[str, Part]

    @property
    def event_count(self) -> int:
        """The events of all turns."""
        return sum(part.events for part in self.turns.values())


async def read_history(client: Client, workflow_id: str) -> SessionHistory:
    """Read the whole history of a workflow's last run."""
    events = (await client.get_workflow_handle(workflow_id).fetch_history()).events
    raw = b"".join(event.SerializeToString() for event in events)
    return SessionHistory(raw, _turns(events))


async def open_workflows(client: Client, queue: str) -> int:
    """Return how many workflows of a task queue are open, once the server lists a closed one."""
    of_queue = f"TaskQueue = '{queue}' AND ExecutionStatus"
    async with asyncio.timeout(VISIBLE_SECONDS):
        while not (await client.count_workflows(f"{of_queue} != 'Running'")).count:
            await asyncio.sleep(WATCH_SECONDS)  # noqa: ASYNC110 - the list lags, without an event
    return (await client.count_workflows(f"{of_queue} = 'Running'")).count


def _turns(events: Sequence[HistoryEvent]) -> dict[str, Part]:
    """Cut a history where turns begin: at the workflow task that accepted the message."""
    starts: dict[str, int] = {}
    task = 0
    for index, event in enumerate(events):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
            task = index
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            accepted = event.workflow_execution_update_accepted_event_attributes
            starts[accepted.protocol_instance_id] = task if starts else 0
    ends = [*list(starts.values())[1:], len(events)]
    return {
        turn_id: _part(events[start:end])
        for (turn_id, start), end in zip(starts.items(), ends, strict=True)
    }


def _part(events: Sequence[HistoryEvent]) -> Part:
    return Part(len(events), sum(event.ByteSize() for event in events))
