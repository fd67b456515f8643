"""The floor of a turn: a workflow whose update runs one activity that does nothing."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker


@activity.defn
async def nothing(text: str) -> int:
    """Do nothing."""
    return len(text)


@workflow.defn
class FloorWorkflow:
    """Serves updates for ever."""

    @workflow.run
    async def run(self) -> None:
        """Wait for ever."""
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def once(self, text: str) -> int:
        """Run one activity."""
        return await workflow.execute_activity(
            nothing, text, start_to_close_timeout=timedelta(seconds=10)
        )


async def main(queue: str) -> None:
    """Run the floor's worker."""
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
    async with Worker(client, task_queue=queue, workflows=[FloorWorkflow], activities=[nothing]):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
