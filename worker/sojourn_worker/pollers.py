"""Who polls a task queue."""

from __future__ import annotations

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client


async def poller_identities(client: Client, task_queue: str) -> set[str]:
    """Return the identities of the workers that poll for workflows; the server forgets slowly.

    Raises:
        RPCError: the server cannot tell.
    """
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    reply = await client.workflow_service.describe_task_queue(request)
    return {poller.identity for poller in reply.pollers}
