"""Putting upkeep on a Temporal Schedule from the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

import typer
from temporalio.service import RPCError

from sojourn.chores import UpkeepPolicy
from sojourn.errors import ServerUnavailable
from sojourn_worker.cli.options import NEVER
from sojourn_worker.cli.output import Answer
from sojourn_worker.connect import connect
from sojourn_worker.plugin import SojournPlugin
from sojourn_worker.schedule import schedule_upkeep, unschedule_upkeep
from sojourn_worker.settings import Settings
from sojourn_workflows import options

LONGEST = timedelta(days=365)
_DURATION = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


async def schedule(settings: Settings, days: Mapping[str, float | None], every: str) -> Answer:
    """Have workers keep their stores small, or end that.

    Raises:
        BadParameter: `every` is no duration.
        ServerUnavailable: no server answers, or it refuses.
    """
    interval = None if every == NEVER else _duration(every)
    queue = settings.task_queue or options.TASK_QUEUE
    policy = UpkeepPolicy.model_validate(days)
    client = await connect([SojournPlugin()])
    try:
        if interval is None:
            return _ended(queue, await unschedule_upkeep(client, task_queue=queue))
        schedule_id = await schedule_upkeep(client, every=interval, policy=policy, task_queue=queue)
    except RPCError as error:
        address = client.service_client.config.target_host
        raise ServerUnavailable(address=address, reason=error.status.name) from error
    seconds = interval.total_seconds()
    data = {"task_queue": queue, "schedule_id": schedule_id, "every_seconds": seconds}
    return Answer(data, f"every {every} on the workers of {queue}: schedule {schedule_id}")


def _ended(queue: str, was_there: bool) -> Answer:
    said = "the schedule was removed" if was_there else "there was no schedule"
    return Answer({"task_queue": queue, "removed": was_there}, said)


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    duration = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if duration is None or duration > LONGEST:
        raise typer.BadParameter(
            f"{text!r} is no duration: write 30m, 6h, 1d (365d at most), or never",
            param_hint="--every",
        )
    return duration
