"""Models that fail: asked again as often as the agent says, then a failed turn, then the next."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from sojourn import Agent, App, TurnStatus, tool
from sojourn.errors import (
    MissingModel,
    ModelGarbage,
    ModelRefused,
    ModelUnavailable,
    UnknownSession,
)
from sojourn.messages import Message, ToolCallPart, assistant
from sojourn.models import FinishReason, ModelAnswer
from tests.embedded.making import (
    SESSION,
    Answers,
    GateAt,
    app_of,
    problems,
    unanswered,
    user_texts,
)

pytestmark = pytest.mark.usefixtures("impatient")

SECRET = "the customer's password"  # noqa: S105 - it is what must not leak
AWAY = ModelUnavailable(model="scripted:one", reason="overloaded")
GARBAGE = ModelGarbage(model="scripted:one", reason="no JSON")
REFUSED = ModelRefused(model="scripted:one", reason="too long")


@pytest.mark.parametrize("error", [AWAY, GARBAGE, ValueError(SECRET), OSError(SECRET)])
async def test_a_model_that_fails_is_asked_again(store_url: str, error: Exception) -> None:
    """What it answers at last is the answer, and nothing else was bought."""
    model = Answers(error, error, "at last")
    async with app_of(store_url, model, agent={"model_attempts": 3}).open(SESSION) as session:
        result = await session.send("hello")

    assert (result.status, result.text) == (TurnStatus.COMPLETED, "at last")
    assert len(model.asked) == 3


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (AWAY, "ModelUnavailable"),
        (GARBAGE, "ModelGarbage"),
        (ValueError(SECRET), "ValueError"),
        (KeyError(SECRET), "KeyError"),
        (TimeoutError(SECRET), "ModelUnavailable"),
        (ExceptionGroup(SECRET, [ValueError(SECRET)]), "ValueError"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_a_model_that_keeps_failing_fails_the_turn(
    store_url: str, caplog: pytest.LogCaptureFixture, error: Exception, kind: str
) -> None:
    """After `model_attempts`; the turn is committed, its fault names the error and no content."""
    model = Answers(error, error, error, "back again")
    async with app_of(store_url, model, agent={"model_attempts": 3}).open(SESSION) as session:
        result = await session.send("hello", "t-1")
        assert len(model.asked) == 3
        assert await session.send("hello", "t-1") == result
        assert len(model.asked) == 3
        after = await session.send("next")
        view = await session.show()

    assert (result.status, result.text, result.head_revision) == (TurnStatus.FAILED, "", 1)
    assert result.error is not None
    assert result.error.type == kind
    assert SECRET not in result.model_dump_json()
    assert SECRET not in caplog.text
    assert (after.text, after.head_revision) == ("back again", 2)
    assert user_texts(view) == ["hello", "next"]


async def test_a_model_that_refuses_is_asked_once(store_url: str) -> None:
    """Trying again cannot help."""
    model = Answers(REFUSED)
    async with app_of(store_url, model).open(SESSION) as session:
        result = await session.send("hello")

    assert result.status is TurnStatus.FAILED
    assert result.error is not None
    assert result.error.type == "ModelRefused"
    assert len(model.asked) == 1


class Silent:
    """A model that never answers, and notes who stopped waiting for it."""

    def __init__(self) -> None:
        self.asked = 0
        self.stopped = 0

    async def __call__(self, _: Sequence[Message]) -> str:
        """Wait for ever."""
        self.asked += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped += 1
        raise AssertionError


async def test_a_model_that_does_not_answer_in_time_is_asked_again_and_given_up() -> None:
    """Each attempt has the agent's `model_timeout`, and is stopped after it."""
    silent = Silent()
    agent: dict[str, Any] = {"model_timeout": timedelta(milliseconds=200), "model_attempts": 2}
    async with app_of("memory://", silent, agent=agent).open(SESSION) as session:
        result = await session.send("hello")

    assert result.status is TurnStatus.FAILED
    assert result.error is not None
    assert result.error.type == "ModelUnavailable"
    assert (silent.asked, silent.stopped) == (2, 2)


async def test_an_answer_that_was_recorded_too_late_to_be_told_is_not_bought_again() -> None:
    """The next attempt finds it in the journal."""
    probe, model = GateAt("model.recorded"), Answers("hello yourself")
    agent: dict[str, Any] = {"model_timeout": timedelta(milliseconds=200), "model_attempts": 2}
    async with app_of("memory://", model, agent=agent, probe=probe).open(SESSION) as session:
        result = await session.send("hello")

    assert (result.status, result.text) == (TurnStatus.COMPLETED, "hello yourself")
    assert len(model.asked) == 1


async def test_a_model_that_cancels_itself_fails_the_turn(store_url: str) -> None:
    """Its cancellation is not taken for the caller's."""
    model = Answers(asyncio.CancelledError(), "back again")
    async with app_of(store_url, model).open(SESSION) as session:
        result = await session.send("hello")
        after = await session.send("next")

    assert result.status is TurnStatus.FAILED
    assert result.error is not None
    assert result.error.type == "CancelledError"
    assert after.text == "back again"


async def test_half_an_emoji_is_stored_as_what_cannot_be_shown(store_url: str) -> None:
    """In text, arguments, names and call ids; two halves side by side are the emoji."""
    lone = ToolCallPart(
        id="call \ud800", name="wo\ud800rk", arguments={"a\ud800": ["\ud83d\ude00"]}
    )
    answers = iter([assistant("half \ud800 of it", lone), assistant("all \ud83d\ude00 of it")])

    def broken(messages: Sequence[Message]) -> ModelAnswer:
        return ModelAnswer(next(answers), FinishReason.STOP)

    async with app_of(store_url, broken, agent={"model_attempts": 1}).open(SESSION) as session:
        result = await session.send("hello")
        view = await session.show()

    assert (result.status, result.text) == (TurnStatus.COMPLETED, "all \U0001f600 of it")
    assert view.messages[1].text == "half \ufffd of it"
    call = view.messages[1].parts[1]
    assert (call["id"], call["name"]) == ("call \ufffd", "wo\ufffdrk")
    assert call["arguments"] == {"a\ufffd": ["\U0001f600"]}
    assert [part["status"] for part in view.messages[2].parts] == ["failed"]
    assert await problems(store_url) == []


async def test_a_model_that_fails_after_a_tool_keeps_what_the_tool_did(store_url: str) -> None:
    """The turn commits what it has: no call dangles, and the next turn's model sees it."""

    @tool
    def work() -> str:
        """Work."""
        return "works"

    model = Answers([("work", {})], REFUSED, "I see")
    async with app_of(store_url, model, work).open(SESSION) as session:
        failed = await session.send("go")
        after = await session.send("and?")
        view = await session.show()

    assert failed.status is TurnStatus.FAILED
    assert [call.status.value for call in failed.tool_calls] == ["done"]
    assert failed.usage.output_tokens > 0
    assert after.text == "I see"
    assert [str(message.role) for message in model.asked[-1]] == [
        "user",
        "assistant",
        "tool",
        "user",
    ]
    assert unanswered(view) == set()


async def test_an_agent_without_a_model_is_refused_before_anything_is_written(
    store_url: str,
) -> None:
    """The turn has not begun: its id is free."""
    async with App(agents=[Agent("clerk")], store=store_url).open(SESSION) as session:
        with pytest.raises(MissingModel, match="clerk"):
            await session.send("hello", "t-1")
        with pytest.raises(UnknownSession):
            await session.show()
    async with app_of(store_url).open(SESSION) as session:
        assert (await session.send("hello", "t-1")).head_revision == 1


async def test_a_failure_that_nobody_waits_for_is_nobodys_noise(
    store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A turn that was submitted and could not begin does not complain when it is forgotten."""
    async with App(agents=[Agent("clerk")], store=store_url).open(SESSION) as session:
        await session.submit("hello")
        await session.park()
    gc.collect()

    assert "never retrieved" not in caplog.text
