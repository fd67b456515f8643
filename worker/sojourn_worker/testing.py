"""For the tests of users' own fleets: replaying histories against the workflows of today."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, WorkflowReplayResult

from sojourn_worker.plugin import SojournPlugin


def recorded(folder: Path) -> list[WorkflowHistory]:
    """Return the histories in a folder of JSON files, as `temporal workflow show` writes them."""
    return [
        WorkflowHistory.from_json(f"session/{file.stem}", file.read_text(encoding="utf-8"))
        for file in sorted(folder.glob("*.json"))
    ]


async def replay(
    histories: Iterable[WorkflowHistory], *, workflows: Sequence[type] = ()
) -> dict[str, WorkflowReplayResult]:
    """Replay every history, and raise if one would go otherwise today; no store is opened.

    Args:
        histories: of Sojourn's sessions, or of `workflows`.
        workflows: workflows of your own that the histories are of.

    Returns:
        The results by run id.

    Raises:
        temporalio.workflow.NondeterminismError: a workflow has changed under its histories.
    """
    replayer = Replayer(workflows=list(workflows), plugins=[SojournPlugin()])

    async def each() -> AsyncIterator[WorkflowHistory]:
        for history in histories:
            yield history

    results: dict[str, WorkflowReplayResult] = {}
    async with replayer.workflow_replay_iterator(each()) as replayed:
        async for result in replayed:
            if result.replay_failure is not None:
                raise result.replay_failure
            results[result.history.run_id] = result
    return results
