"""A worker is killed by SIGKILL at every point of a session's life, and another goes on."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.stage import Stage, Stored, died

pytestmark = [pytest.mark.server, pytest.mark.crash]

# What the shop's model is asked when nothing goes wrong: twice in the first turn, once in the next.
ASKED = {"model 1": 1, "model 3": 1, "model 5": 1}

POINTS = [
    ("claim.before", "charge", "done", {"charge": 1}),
    ("claim.after", "charge", "done", {"charge": 1}),
    ("model.calling", "charge", "done", {"charge": 1}),
    ("model.bought", "charge", "done", {"charge": 1, "model 1": 2}),
    ("model.recorded", "charge", "done", {"charge": 1}),
    ("tool.started", "charge", "unknown", {}),
    ("tool.ran", "charge", "unknown", {"charge": 1}),
    ("tool.recorded", "charge", "done", {"charge": 1}),
    ("tool.started", "look", "done", {"look": 1}),
    ("tool.ran", "look", "done", {"look": 2}),
    ("tool.recorded", "look", "done", {"look": 1}),
    ("model.bought:2", "charge", "done", {"charge": 1, "model 3": 2}),
    ("model.recorded:2", "charge", "done", {"charge": 1}),
    ("commit.before", "charge", "done", {"charge": 1}),
    ("commit.after", "charge", "done", {"charge": 1}),
    ("park.before", "charge", "done", {"charge": 1}),
    ("park.after", "charge", "done", {"charge": 1}),
]


@pytest.mark.parametrize(("point", "tool", "status", "counts"), POINTS)
async def test_a_killed_worker_costs_no_answer_no_effect_and_no_turn(
    stage: Stage, point: str, tool: str, status: str, counts: dict[str, int]
) -> None:
    """The next worker continues from the last recorded effect; what is unknown is said so."""
    victim = stage.worker(kill_at=point)
    visiting = asyncio.create_task(stage.visit(tool, "hello"))
    await died(victim)
    async with stage.survivor():
        results = await visiting

    told = f"{tool} {status}"
    assert [result.text for result in results] == [told, "echo hello"]
    assert [result.head_revision for result in results] == [1, 2]
    assert [call.status for call in results[0].tool_calls] == [status]
    assert stage.counts == ASKED | counts
    assert await stage.is_parked()
    assert await stage.stored() == Stored(
        head_revision=2,
        transcript=[
            f"user: {tool}",
            f"assistant: {tool}",
            f"tool: {told}",
            f"assistant: {told}",
            "user: hello",
            "assistant: echo hello",
        ],
        fencing_token=2,
        released=True,
        receipts=2,
        open_effects=0,
        problems=[],
    )
