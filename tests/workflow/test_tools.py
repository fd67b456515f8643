"""How tools run under a turn: their own timeouts and retry policies, and what may go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.worker import Worker

from sojourn import tool
from sojourn.errors import ToolRetry
from sojourn.messages import Message
from sojourn.outcome import TurnStatus
from sojourn.tools import ToolRetryPolicy
from sojourn_worker import SojournPlugin
from sojourn_workflows import options
from tests.support.gate import Gate
from tests.support.scene import Scene, calling

pytestmark = pytest.mark.server

AT_ONCE = ToolRetryPolicy(
    max_attempts=3, initial=timedelta(milliseconds=10), maximum=timedelta(milliseconds=20)
)


async def told(scene: Scene, name: str) -> tuple[str, Any]:
    """Return how the only call of the session ended, as the store tells the model."""
    for message in (await scene.view()).messages:
        for part in message.parts:
            if part["type"] == "tool_call_response" and part["name"] == name:
                return part["status"], part["response"]
    raise AssertionError(name)


async def test_an_idempotent_tool_that_fails_twice_is_tried_three_times(scene: Scene) -> None:
    """Its policy says how often; the model sees the success alone."""
    attempts: list[int] = []

    @tool(idempotent=True, retry=AT_ONCE)
    def flaky() -> str:
        """Fail at first."""
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("away")
        return "works"

    async with scene.playing(calling(("flaky", {})), flaky) as session:
        result = await session.send("go")

    assert (result.text, len(attempts)) == ("['works']", 3)


async def test_an_idempotent_tool_that_always_fails_is_given_up(scene: Scene) -> None:
    """After its last attempt the model is told, and the turn goes on."""
    attempts: list[int] = []

    @tool(idempotent=True, retry=AT_ONCE)
    def broken() -> str:
        """Fail."""
        attempts.append(1)
        raise OSError("away")

    async with scene.playing(calling(("broken", {})), broken) as session:
        result = await session.send("go")

    assert result.status is TurnStatus.COMPLETED
    assert await told(scene, "broken") == ("failed", {"error": "OSError: away"})
    assert len(attempts) == 3


async def test_a_tool_that_is_not_idempotent_is_not_repeated(scene: Scene) -> None:
    """What raised may have taken effect: the model is told, and decides."""
    attempts: list[int] = []

    @tool(retry=AT_ONCE)
    def charge() -> str:
        """Fail."""
        attempts.append(1)
        raise OSError("away")

    async with scene.playing(calling(("charge", {})), charge) as session:
        await session.send("go")

    assert len(attempts) == 1
    assert await told(scene, "charge") == ("failed", {"error": "OSError: away"})


@pytest.mark.parametrize("idempotent", [True, False])
async def test_a_tool_that_says_that_nothing_was_done_is_repeated(
    scene: Scene, *, idempotent: bool
) -> None:
    """`ToolRetry` repeats any tool, within its policy."""
    attempts: list[int] = []

    @tool(idempotent=idempotent, retry=AT_ONCE)
    def busy() -> str:
        """Ask for a repeat."""
        attempts.append(1)
        if len(attempts) < 3:
            raise ToolRetry(reason="busy")
        return "works"

    async with scene.playing(calling(("busy", {})), busy) as session:
        result = await session.send("go")

    assert (result.text, len(attempts)) == ("['works']", 3)


@pytest.mark.parametrize(("idempotent", "status"), [(True, "failed"), (False, "unknown")])
async def test_a_tool_that_hangs_is_timed_out(
    scene: Scene, status: str, *, idempotent: bool
) -> None:
    """The model is told; of a tool that is not idempotent, that its outcome is unknown."""

    @tool(idempotent=idempotent, timeout=0.2, retry=AT_ONCE)
    async def hang() -> None:
        """Never end."""
        await asyncio.Event().wait()

    async with scene.playing(calling(("hang", {})), hang) as session:
        result = await session.send("go")

    assert result.status is TurnStatus.COMPLETED
    assert [call.status.value for call in result.tool_calls] == [status]


async def test_a_tool_that_cannot_be_stopped_does_not_hold_the_turn(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own timeout ends what ignores every cancel; the call is then settled."""
    monkeypatch.setattr(options, "GRACE", timedelta(seconds=0.3))
    end = asyncio.Event()

    @tool(timeout=0.1)
    async def stubborn() -> None:
        """Ignore every cancel until the test is over."""
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                continue

    async with scene.playing(calling(("stubborn", {})), stubborn) as session:
        result = await session.send("go")
        end.set()

    assert [call.status.value for call in result.tool_calls] == ["unknown"]


async def test_a_result_of_five_megabytes_is_refused_to_the_model(scene: Scene) -> None:
    """It is over the limit: neither history nor the store gets it, and the turn goes on."""

    @tool
    def big() -> str:
        """Return too much."""
        return "x" * 5_000_000

    async with scene.playing(calling(("big", {})), big) as session:
        result = await session.send("go")

    status, response = await told(scene, "big")
    assert (result.status, status) == (TurnStatus.COMPLETED, "failed")
    assert "5000002 bytes" in response["error"]


async def test_a_result_that_is_no_json_is_refused_to_the_model(scene: Scene) -> None:
    """The model is told what came instead, and the turn goes on."""

    @tool
    def opaque() -> object:
        """Return what has no JSON form."""
        return object()

    async with scene.playing(calling(("opaque", {})), opaque) as session:
        result = await session.send("go")

    status, response = await told(scene, "opaque")
    assert (result.status, status) == (TurnStatus.COMPLETED, "failed")
    assert "not JSON" in response["error"]


async def test_a_retry_policy_that_starts_above_its_maximum_is_mended(scene: Scene) -> None:
    """The first wait is the longest then: the server would refuse such a policy for ever."""
    odd = ToolRetryPolicy(max_attempts=2, initial=timedelta(seconds=2), maximum=timedelta(0))

    @tool(idempotent=True, retry=odd)
    def fine() -> str:
        """Work."""
        return "works"

    async with scene.playing(calling(("fine", {})), fine) as session:
        assert (await session.send("go")).text == "['works']"


async def test_history_names_each_tools_own_terms(scene: Scene) -> None:
    """Timeout and attempts in the history are the tool's, plus what lost workers may cost."""

    @tool(idempotent=True, timeout=7, retry=ToolRetryPolicy(max_attempts=4))
    def quick() -> str:
        """Be quick."""
        return "done"

    async with scene.playing(calling(("quick", {})), quick) as session:
        await session.send("go")

    (scheduled,) = [
        event.activity_task_scheduled_event_attributes
        for event in await scene.events()
        if event.event_type is EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        and event.activity_task_scheduled_event_attributes.activity_type.name == "tool.call"
    ]
    assert scheduled.start_to_close_timeout.ToTimedelta() == timedelta(seconds=7) + options.GRACE
    assert scheduled.retry_policy.maximum_attempts == 4 + options.INFRASTRUCTURE_ATTEMPTS


async def test_a_tool_runs_on_its_own_task_queue(scene: Scene) -> None:
    """Only a worker of that queue runs it, whoever runs the session."""
    queue = f"{scene.queue}-gpu"

    @tool(queue=queue)
    def render() -> str:
        """Render."""
        return "rendered"

    app = scene.app(calling(("render", {})), render)
    async with scene.played_by(app) as session:
        turn = await session.submit("go")
        client = await Client.connect(scene.server.address, plugins=[SojournPlugin(app)])
        async with Worker(client, task_queue=queue):
            assert (await turn.result()).text == "['rendered']"

    queues = {
        event.activity_task_scheduled_event_attributes.task_queue.name
        for event in await scene.events()
        if event.activity_task_scheduled_event_attributes.activity_type.name == "tool.call"
    }
    assert queues == {queue}


async def test_no_more_calls_run_at_once_than_the_server_allows(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls beyond that wait for their turn, and all of them are run."""
    monkeypatch.setattr(options, "MAX_PARALLEL_CALLS", 2)
    gate, running, peak = Gate(), 0, 0

    @tool
    async def work() -> str:
        """Count who is at work."""
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await gate.enter()
        running -= 1
        return "done"

    async with scene.playing(calling(*[("work", {})] * 5), work) as session:
        turn = await session.submit("go")
        await gate.reached(2)
        gate.open()
        result = await turn.result()

    assert (len(result.tool_calls), gate.passed, peak) == (5, 5, 2)


async def test_a_turn_that_fills_its_history_ends_at_its_limit(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It commits what it has before the server would end the run."""
    monkeypatch.setattr(options, "MAX_TURN_EVENTS", 30)

    @tool(idempotent=True)
    def again() -> str:
        """Go on."""
        return "on"

    def endless(messages: Sequence[Message]) -> object:
        return [("again", {})]

    async with scene.playing(endless, again, max_steps=1000) as session:
        result = await session.send("go")

    assert result.status is TurnStatus.LIMIT
    assert (await scene.view()).head_revision == 1
    assert 0 < len(result.tool_calls) < 10
