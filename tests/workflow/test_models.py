"""What a turn makes of a model that is slow, broken or away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from sojourn.errors import ModelRefused, ModelUnavailable
from sojourn.messages import Message
from sojourn.outcome import TurnStatus
from tests.support.scene import Scene, echo

pytestmark = pytest.mark.server


class Moody:
    """A script that raises or returns what it is given, in turn, and then echoes."""

    def __init__(self, *moods: Any) -> None:
        self._moods = list(moods)
        self.asked = 0

    def __call__(self, messages: Sequence[Message]) -> Any:
        """Answer in the next mood."""
        self.asked += 1
        mood = self._moods.pop(0) if self._moods else echo(messages)
        if isinstance(mood, Exception):
            raise mood
        return mood


def away() -> ModelUnavailable:
    """A failure that is worth another attempt, soon."""
    return ModelUnavailable(model="m", reason="away", retry_after_seconds=0.01)


async def test_a_model_that_was_away_is_asked_again(scene: Scene) -> None:
    """After the time that its provider names; the answer counts once."""
    model = Moody(away(), away())
    async with scene.playing(model, model_attempts=3) as session:
        result = await session.send("hello")

    assert (result.status, result.text, model.asked) == (TurnStatus.COMPLETED, "you said hello", 3)


@pytest.mark.parametrize(
    ("mood", "fault"),
    [
        (42, "ModelGarbage"),
        ([("tool", "no arguments")], "ModelGarbage"),
        (away(), "ModelUnavailable"),
        (KeyError("a secret"), "KeyError"),
    ],
)
@pytest.mark.parametrize("attempts", [1, 2])
async def test_a_model_that_does_not_answer_is_asked_so_often_and_no_more(
    scene: Scene, mood: object, fault: str, attempts: int
) -> None:
    """The turn fails with a typed fault that quotes nothing, and is kept; the session goes on."""
    model = Moody(*[mood] * attempts)
    async with scene.playing(model, model_attempts=attempts) as session:
        result = await session.send("hello")
        asked = model.asked
        after = await session.send("still there?")

    assert (result.status, asked) == (TurnStatus.FAILED, attempts)
    assert result.error is not None
    assert result.error.type == fault
    assert "secret" not in result.error.message
    assert (after.status, after.head_revision) == (TurnStatus.COMPLETED, 2)
    assert await scene.texts() == ["hello", "still there?"]


async def test_a_model_that_refuses_is_not_asked_again(scene: Scene) -> None:
    """Asking again cannot help."""
    model = Moody(ModelRefused(model="m", reason="no such model"))
    async with scene.playing(model, model_attempts=5) as session:
        result = await session.send("hello")

    assert (result.status, model.asked) == (TurnStatus.FAILED, 1)


async def test_a_model_that_hangs_is_given_up_in_time(scene: Scene) -> None:
    """Each attempt is bounded by the agent's own timeout."""
    asked: list[int] = []

    async def hang(messages: Sequence[Message]) -> str:
        asked.append(1)
        await asyncio.Event().wait()
        return ""

    limit = timedelta(milliseconds=200)
    async with scene.playing(hang, model_attempts=1, model_timeout=limit) as session:
        result = await session.send("hello")

    assert (result.status, len(asked)) == (TurnStatus.FAILED, 1)
    assert result.error is not None
    assert result.error.type == "ModelUnavailable"


async def test_a_model_that_fails_after_its_tools_keeps_their_results(scene: Scene) -> None:
    """A failed turn commits what it has: the calls, their results, and the fault."""
    model = Moody([("nope", {})], KeyError("broken"))
    async with scene.playing(model, model_attempts=1) as session:
        result = await session.send("hello")

    assert result.status is TurnStatus.FAILED
    assert [call.status.value for call in result.tool_calls] == ["failed"]
    assert [m.role for m in (await scene.view()).messages] == ["user", "assistant", "tool"]
