"""Limits: a turn that has used up what it may commits what it has, as `limit`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sojourn import TurnStatus, tool
from sojourn.draft import MAX_DRAFT_BYTES
from sojourn.messages import Message, assistant
from sojourn.models import FinishReason, ModelAnswer
from sojourn.view import SessionView
from tests.embedded.making import SESSION, Answers, app_of, statuses, unanswered


@tool
def work() -> str:
    """Work."""
    return "works"


@pytest.mark.parametrize("max_steps", [1, 3])
async def test_a_model_that_calls_tools_for_ever_is_stopped(store_url: str, max_steps: int) -> None:
    """It is asked `max_steps` times; the last answer's calls are not run, and say so."""
    model = Answers([("work", {})])
    async with app_of(store_url, model, work, agent={"max_steps": max_steps}).open(SESSION) as s:
        result = await s.send("go")
        view = await s.show()

    ended = [call.status.value for call in result.tool_calls]
    assert result.status is TurnStatus.LIMIT
    assert len(model.asked) == max_steps
    assert ended == ["done"] * (max_steps - 1) + ["cancelled"]
    assert unanswered(view) == set()


async def test_a_model_that_calls_unknown_tools_for_ever_is_stopped(store_url: str) -> None:
    """Refusals cost steps too."""
    model = Answers([("nothing", {})])
    async with app_of(store_url, model, agent={"max_steps": 3}).open(SESSION) as session:
        result = await session.send("go")

    assert result.status is TurnStatus.LIMIT
    assert len(model.asked) == 3


async def test_the_turn_after_a_limit_works(store_url: str) -> None:
    """Its model sees every call answered."""
    model = Answers([("work", {})], "done")
    async with app_of(store_url, model, work, agent={"max_steps": 1}).open(SESSION) as session:
        await session.send("go")
        result = await session.send("next")

    assert (result.status, result.text) == (TurnStatus.COMPLETED, "done")
    assert statuses(model.asked[-1]) == ["cancelled"]


@pytest.mark.parametrize(
    ("finish", "status"),
    [
        (FinishReason.STOP, TurnStatus.COMPLETED),
        (FinishReason.LENGTH, TurnStatus.LIMIT),
        (FinishReason.CONTENT_FILTER, TurnStatus.COMPLETED),
    ],
)
async def test_why_the_model_stopped_says_how_the_turn_ended(
    store_url: str, finish: FinishReason, status: TurnStatus
) -> None:
    """An answer that was cut off for its length is a limit; its text is kept."""

    def script(messages: Sequence[Message]) -> ModelAnswer:
        return ModelAnswer(assistant("once upon"), finish)

    async with app_of(store_url, script).open(SESSION) as session:
        result = await session.send("tell me a story")

    assert (result.status, result.text) == (status, "once upon")


async def test_a_turn_at_exactly_its_limit_is_completed(store_url: str) -> None:
    """An answer in the last allowed step is an answer."""
    model = Answers([("work", {})], "done")
    async with app_of(store_url, model, work, agent={"max_steps": 2}).open(SESSION) as session:
        result = await session.send("go")

    assert (result.status, result.text) == (TurnStatus.COMPLETED, "done")


@tool
def page(number: int) -> str:
    """Return a long page."""
    return f"{number}" * 990_000


@pytest.mark.parametrize("a_step", [17, 6], ids=["at once", "step by step"])
async def test_results_that_no_commit_could_hold_are_not_kept_and_the_model_is_told(
    store_url: str, a_step: int
) -> None:
    """The turn ends as any other, what the model was shown is what is stored, and one goes on."""
    calls = [[("page", {"number": step}) for _ in range(a_step)] for step in range(18 // a_step)]
    model = Answers(*calls, "read", "and on")
    async with app_of(store_url, model, page).open(SESSION) as session:
        result = await session.send("go")
        after = await session.send("go on")
        view = await session.show()

    kept = MAX_DRAFT_BYTES // 991_000
    ended = [call.status.value for call in result.tool_calls]
    shown = model.asked[len(calls)]
    assert (result.status, result.text) == (TurnStatus.COMPLETED, "read")
    assert ended == ["done"] * kept + ["failed"] * (len(ended) - kept)
    assert statuses(shown) == ended
    assert [part["status"] for part in responses(view)] == ended
    assert "was not kept" in str(shown[-1].parts)
    assert after.text == "and on"


def responses(view: SessionView) -> list[dict[str, Any]]:
    """Return what the tools said, as it is stored."""
    parts = (part for message in view.messages for part in message.parts)
    return [part for part in parts if part["type"] == "tool_call_response"]
