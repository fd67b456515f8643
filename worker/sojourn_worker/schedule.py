"""The schedule that runs upkeep: one for each task queue, put there once and changed in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from sojourn.chores import UpkeepPolicy
from sojourn_workflows import options
from sojourn_workflows.upkeep import UpkeepWorkflow

# A run that was missed because nothing ran is made up for this late, and no later.
CATCHUP = timedelta(hours=1)


async def schedule_upkeep(
    client: Client,
    *,
    every: timedelta = timedelta(hours=6),
    policy: UpkeepPolicy | None = None,
    task_queue: str = options.TASK_QUEUE,
) -> str:
    """Have the stores of a task queue's workers kept small; done again, it changes the schedule.

    Runs never overlap. A schedule that somebody has paused stays so.

    Args:
        client: connected with `SojournPlugin`.
        every: how often; a run comes when the clock, in UTC, is at a multiple of it.
        policy: what goes, and at which age.
        task_queue: the queue of the workers.

    Returns:
        The schedule's id.
    """
    schedule = Schedule(
        action=_action(policy or UpkeepPolicy(), task_queue),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCHUP),
    )
    schedule_id = options.UPKEEP_ID_PREFIX + task_queue
    try:
        await client.create_schedule(schedule_id, schedule)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(schedule_id).update(_replacing(schedule))
    return schedule_id


async def unschedule_upkeep(client: Client, *, task_queue: str = options.TASK_QUEUE) -> bool:
    """Remove the schedule of a task queue; tell whether there was one."""
    try:
        await client.get_schedule_handle(options.UPKEEP_ID_PREFIX + task_queue).delete()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True


async def run_upkeep_now(client: Client, *, task_queue: str = options.TASK_QUEUE) -> None:
    """Start the scheduled upkeep at once, unless it runs already; the schedule must be there."""
    handle = client.get_schedule_handle(options.UPKEEP_ID_PREFIX + task_queue)
    await handle.trigger(overlap=ScheduleOverlapPolicy.SKIP)


def _action(policy: UpkeepPolicy, task_queue: str) -> ScheduleActionStartWorkflow:
    return ScheduleActionStartWorkflow(
        UpkeepWorkflow.run,
        policy,
        id=options.UPKEEP_ID_PREFIX + task_queue,
        task_queue=task_queue,
        execution_timeout=options.UPKEEP_TIMEOUT,
        static_summary="removes what no session can need",
    )


def _replacing(schedule: Schedule) -> Callable[[ScheduleUpdateInput], ScheduleUpdate]:
    def changed(found: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(replace(schedule, state=found.description.schedule.state))

    return changed
