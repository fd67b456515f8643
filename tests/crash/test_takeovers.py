"""Workers that die together with others' work, twice, while a person thinks, or only half."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.polling import until
from tests.support.stage import Stage, died

pytestmark = [pytest.mark.server, pytest.mark.crash]


async def test_of_two_parallel_tools_only_the_idempotent_one_runs_again(stage: Stage) -> None:
    """The worker dies when both have had their effect and neither result is recorded."""
    victim = stage.worker(kill_at="tools.met", app="meeting")
    visiting = asyncio.create_task(stage.visit("charge look"))
    await died(victim)
    async with stage.survivor():
        [result] = await visiting

    assert result.text == "charge unknown, look done"
    assert [call.status for call in result.tool_calls] == ["unknown", "done"]
    assert stage.counts == {"model 1": 1, "charge": 1, "look": 2, "model 4": 1}


async def test_a_turn_outlives_two_workers(stage: Stage) -> None:
    """Each death is told of by the journal; nothing that the first worker did is done again."""
    first = stage.worker(kill_at="model.recorded")
    visiting = asyncio.create_task(stage.visit("charge"))
    await died(first)
    second = stage.worker(kill_at="tool.ran")
    await died(second)
    async with stage.survivor():
        [result] = await visiting

    assert result.text == "charge unknown"
    assert stage.counts == {"model 1": 1, "charge": 1, "model 3": 1}
    assert (await stage.stored()).receipts == 1


async def test_a_person_may_answer_after_the_worker_has_died(stage: Stage) -> None:
    """The wait for an approval is the workflow's: no worker holds it."""
    victim = stage.worker()
    visiting = asyncio.create_task(stage.visit("refund"))
    [call_id] = await until(stage.approvals)
    victim.kill()
    async with stage.survivor():
        await stage.session.approve(call_id)
        [result] = await visiting

    assert result.text == "refund done"
    assert stage.counts == {"model 1": 1, "refund": 1, "model 3": 1}
    assert (await stage.stored()).problems == []


ONCE = {"model 1": 1, "charge": 1, "model 3": 1, "model 5": 1}


async def revived(stage: Stage, app: str) -> dict[str, int]:
    """Let another worker go on from one that has stopped, then wake that, and return the counts."""
    zombie = stage.worker(app=app)
    visiting = asyncio.create_task(stage.visit("charge", "hello"))
    await asyncio.to_thread(zombie.wait_stopped)
    async with stage.survivor():
        results = await visiting
    before = await stage.stored()
    assert stage.counts == ONCE
    await asyncio.to_thread(zombie.drain)

    assert await stage.stored() == before
    assert [result.text for result in results] == ["charge done", "echo hello"]
    assert (before.head_revision, before.receipts, before.open_effects) == (2, 2, 0)
    assert before.problems == []
    return stage.counts


async def test_a_zombie_changes_nothing(new_stage: Callable[[], Awaitable[Stage]]) -> None:
    """A worker that stands still is taken for dead; what it does when it wakes is refused."""
    asking, committing = await asyncio.gather(
        revived(await new_stage(), "stopped_asking"),
        revived(await new_stage(), "stopped_committing"),
    )

    # The server may have given the second attempt to the zombie too, before it gave it up.
    assert asking.pop("model 1") > committing["model 1"]
    assert {"model 1": 1, **asking} == committing == ONCE
