"""What the server keeps of the demo's session: how much, and of what."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from sojourn_workflows.contract import SUBMIT

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

    @property
    def size_bytes(self) -> int:
        """The bytes of all turns."""
        return sum(part.size_bytes for part in self.turns.values())


async def read_history(client: Client, workflow_id: str) -> SessionHistory:
    """Read the whole history of a workflow's last run."""
    events = (await client.get_workflow_handle(workflow_id).fetch_history()).events
    raw = b"".join(event.SerializeToString() for event in events)
    return SessionHistory(raw, _turns(events))


async def open_workflows(client: Client, queue: str) -> int:
    """Return how many workflows of a task queue are open, once the server lists a closed one.

    The server's list lags a little behind what it lists.
    """
    of_queue = f"TaskQueue = '{queue}' AND ExecutionStatus"
    async with asyncio.timeout(VISIBLE_SECONDS):
        while not await _count(client, f"{of_queue} != 'Running'"):  # noqa: ASYNC110 - no event
            await asyncio.sleep(WATCH_SECONDS)
    return await _count(client, f"{of_queue} = 'Running'")


async def _count(client: Client, query: str) -> int:
    return (await client.count_workflows(query)).count


def _turns(events: Sequence[HistoryEvent]) -> dict[str, Part]:
    """Cut a history where updates came in: at the workflow tasks that accepted them."""
    starts: dict[str, int] = {}
    turns: set[str] = set()
    task = 0
    for index, event in enumerate(events):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
            task = index
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            accepted = event.workflow_execution_update_accepted_event_attributes
            starts[accepted.protocol_instance_id] = task if starts else 0
            if accepted.accepted_request.input.name == SUBMIT:
                turns.add(accepted.protocol_instance_id)
    ends = [*list(starts.values())[1:], len(events)]
    return {
        update_id: _part(events[start:end])
        for (update_id, start), end in zip(starts.items(), ends, strict=True)
        if update_id in turns
    }


def _part(events: Sequence[HistoryEvent]) -> Part:
    return Part(len(events), sum(event.ByteSize() for event in events))
