"""A worker is killed by SIGKILL at every point of a session's life, and another goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from tests.support.stage import Stage, Stored, died

pytestmark = [pytest.mark.server, pytest.mark.crash]

# What the shop's model is asked when nothing goes wrong: twice in the first turn, once in the next.
ASKED = {"model 1": 1, "model 3": 1, "model 5": 1}


@dataclass(frozen=True)
class Death:
    """Where a worker dies, in a turn with which tool; and what is to be seen afterwards."""

    point: str
    tool: str = "charge"
    status: str = "done"
    counts: dict[str, int] = field(default_factory=lambda: {"charge": 1})


CLAIMING = [Death("claim.before"), Death("claim.after")]
ASKING = [
    Death("model.calling"),
    Death("model.bought", counts={"charge": 1, "model 1": 2}),
    Death("model.recorded"),
    Death("model.bought:2", counts={"charge": 1, "model 3": 2}),
    Death("model.recorded:2"),
]
CHARGING = [
    Death("tool.started", status="unknown", counts={}),
    Death("tool.ran", status="unknown"),
    Death("tool.recorded"),
]
LOOKING = [
    Death("tool.started", "look", counts={"look": 1}),
    Death("tool.ran", "look", counts={"look": 2}),
    Death("tool.recorded", "look", counts={"look": 1}),
]
COMMITTING = [Death("commit.before"), Death("commit.after")]
PARKING = [Death("park.before"), Death("park.after")]


@dataclass(frozen=True)
class Life:
    """What is seen of a session from outside: answers, counts, and its store."""

    texts: list[str]
    revisions: list[int]
    statuses: list[str]
    counts: dict[str, int]
    is_parked: bool
    stored: Stored


async def lived(stage: Stage, death: Death) -> Life:
    """Let a worker die in a visit of two turns and a park, and another one go on."""
    victim = stage.worker(kill_at=death.point)
    visiting = asyncio.create_task(stage.visit(death.tool, "hello"))
    await died(victim)
    async with stage.survivor():
        results = await visiting
    return Life(
        texts=[result.text for result in results],
        revisions=[result.head_revision for result in results],
        statuses=[call.status for call in results[0].tool_calls],
        counts=stage.counts,
        is_parked=await stage.is_parked(),
        stored=await stage.stored(),
    )


def expected(death: Death) -> Life:
    """Return the life in which a death has cost nothing, and what is unknown is said."""
    told = f"{death.tool} {death.status}"
    return Life(
        texts=[told, "echo hello"],
        revisions=[1, 2],
        statuses=[death.status],
        counts=ASKED | death.counts,
        is_parked=True,
        stored=Stored(
            head_revision=2,
            transcript=[
                f"user: {death.tool}",
                f"assistant: {death.tool}",
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
        ),
    )


@pytest.mark.parametrize(
    "deaths",
    [CLAIMING, ASKING, CHARGING, LOOKING, COMMITTING, PARKING],
    ids=["claiming", "asking", "charging", "looking", "committing", "parking"],
)
async def test_a_killed_worker_costs_no_answer_no_effect_and_no_turn(
    new_stage: Callable[[], Awaitable[Stage]], deaths: list[Death]
) -> None:
    """The next worker continues from the last recorded effect; what is unknown is said so."""
    stages = [await new_stage() for _ in deaths]
    lives = await asyncio.gather(*map(lived, stages, deaths))

    points = [death.point for death in deaths]
    assert dict(zip(points, lives, strict=True)) == {d.point: expected(d) for d in deaths}
