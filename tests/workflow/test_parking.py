"""Parking and continuing: a session's workflow comes and goes, and no message notices."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.service import RPCError

from sojourn.errors import SessionContinuing, TurnConflict, UnknownTurn
from sojourn.messages import Message
from sojourn.outcome import TurnResult, TurnStatus
from sojourn_workflows.contract import SessionConfig
from tests.support.gate import Gate
from tests.support.scene import Scene, echo, until

pytestmark = pytest.mark.server

SOON = timedelta(milliseconds=50)
MANY = 30
SPEAKERS = 5
PARK_POINTS = ("park.before", "park.after")


class Parks:
    """A probe that counts how often the session has come to each point of a park."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self._passing = asyncio.Condition()

    async def reached(self, point: str, session_id: str) -> None:  # noqa: ARG002 - a Probe
        """Count."""
        async with self._passing:
            self.passed[point] += 1
            self._passing.notify_all()

    async def next(self, point: str, passed: int) -> None:
        """Wait until the point has been passed more often than so."""
        async with self._passing:
            await self._passing.wait_for(lambda: self.passed[point] > passed)


async def closed(scene: Scene) -> None:
    """Wait until the session's newest run has ended."""
    await scene.handle.result()


async def test_a_parked_session_has_no_open_workflow(scene: Scene) -> None:
    """Parking ends the run and gives the lease back."""
    async with scene.playing() as session:
        await session.send("hello")
        assert await scene.is_open()
        await session.park()
        assert not await scene.is_open()

    lease = (await scene.view()).lease
    assert lease is not None
    assert lease.released


async def test_a_session_parks_by_itself_when_nothing_comes(scene: Scene) -> None:
    """Idle is free."""
    scene.bounds["idle"] = SOON
    async with scene.playing() as session:
        await session.send("hello")
        await closed(scene)

    lease = (await scene.view()).lease
    assert lease is not None
    assert lease.released


async def test_the_next_message_brings_a_parked_session_back(scene: Scene) -> None:
    """In a new run, with everything that was said before."""

    def counted(messages: Sequence[Message]) -> str:
        return str(len(messages))

    async with scene.playing(counted) as session:
        await session.send("hello")
        first = await scene.run_id()
        await session.park()
        result = await session.send("again")
        assert await scene.run_id() != first

    assert (result.text, result.head_revision) == ("3", 2)


async def test_parking_twice_and_parking_nothing_is_harmless(scene: Scene) -> None:
    """There is nothing left to do."""
    async with scene.playing() as session:
        await session.park()
        await session.send("hello")
        await session.park()
        await session.park()

    assert (await scene.view()).head_revision == 1


async def test_a_park_lets_the_queued_turns_end(scene: Scene) -> None:
    """What was accepted is answered first."""
    gate = Gate()

    async def gated(messages: Sequence[Message]) -> str:
        await gate.enter()
        return echo(messages)

    async with scene.playing(gated) as session:
        turns = [await session.submit(f"message {n}") for n in range(3)]
        await gate.reached()
        parking = asyncio.create_task(session.park())
        gate.open()
        await parking
        results = [await turn.result() for turn in turns]

    assert [result.text for result in results] == [f"you said message {n}" for n in range(3)]


async def test_a_turn_that_ended_before_a_park_is_answered_by_the_store(scene: Scene) -> None:
    """The same turn again runs nothing; with other text it is refused."""
    asked: list[str] = []

    def counted(messages: Sequence[Message]) -> str:
        asked.append(messages[-1].text)
        return "answer"

    async with scene.playing(counted) as session:
        first = await session.send("hello", "t-1")
        await session.park()
        assert await session.send("hello", "t-1") == first
        await session.send("next", "t-2")
        assert await session.send("hello", "t-1") == first
        with pytest.raises(TurnConflict):
            await session.send("good-bye", "t-1")
        await session.park()
        with pytest.raises(TurnConflict):
            await session.send("good-bye", "t-1")

    assert asked == ["hello", "next"]
    assert (await scene.view()).head_revision == 2


async def test_a_result_can_be_fetched_after_the_park(scene: Scene) -> None:
    """Whoever submitted a turn learns its outcome, however late; of no turn there is none."""
    async with scene.playing() as session:
        turn = await session.submit("hello")
        await session.park()
        result = await turn.result()
        with pytest.raises(UnknownTurn):
            await session.outcome("t-none")

    assert (result.status, result.text) == (TurnStatus.COMPLETED, "you said hello")


async def test_a_turn_that_ended_before_a_continue_as_new_is_answered_by_the_store(
    scene: Scene,
) -> None:
    """The same turn again runs nothing in the next run either; with other text it is refused."""
    scene.bounds["continue_after_events"] = 10
    asked: list[str] = []

    def counted(messages: Sequence[Message]) -> str:
        asked.append(messages[-1].text)
        return "answer"

    async with scene.playing(counted) as session:
        first = await session.send("hello", "t-1")
        await session.send("next", "t-2")
        assert len(await scene.chain()) > 1
        assert await session.send("hello", "t-1") == first
        assert await session.outcome("t-1") is not None
        with pytest.raises(TurnConflict):
            await session.send("good-bye", "t-1")

    assert asked == ["hello", "next"]
    assert (await scene.view()).head_revision == 2


async def test_a_new_run_starts_with_ids_alone(scene: Scene) -> None:
    """Nothing that was said travels from run to run."""
    scene.bounds["continue_after_events"] = 10
    async with scene.playing(lambda _: "a secret answer") as session:
        await session.send("a secret question", "t-1")
        await session.send("another secret", "t-2")
        runs = await scene.chain()
        started = (await scene.events(runs[0]))[0]

    config = started.workflow_execution_started_event_attributes.input.payloads
    assert [keys(payload) for payload in config] == [
        {"session_id", "continue_after_events", "known_token"}
    ]
    assert b"secret" not in started.SerializeToString()


def keys(payload: Payload) -> set[str]:
    """Return the fields of a JSON payload."""
    return SessionConfig.model_validate_json(payload.data).model_fields_set


async def test_a_run_continues_when_nothing_is_queued(scene: Scene) -> None:
    """A queue is served to its end first: its texts stay where they are."""
    scene.bounds["continue_after_events"] = 30
    gate = Gate()

    async def gated(messages: Sequence[Message]) -> str:
        await gate.enter()
        return echo(messages)

    async with scene.playing(gated) as session:
        turns = [await session.submit(f"message {n}") for n in range(5)]
        gate.open()
        for turn in turns:
            await turn.result()
        runs = await scene.chain()

    assert len(runs) == 2
    assert (await scene.view()).head_revision == 5


async def test_an_overgrown_run_takes_no_new_message(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller tries again by itself, and the next run serves the message."""
    scene.bounds["continue_after_events"] = 5
    refused: list[str] = []
    retried = SessionContinuing.__init__

    def noted(error: SessionContinuing, **facts: Any) -> None:
        refused.append("continuing")
        retried(error, **facts)

    gate = Gate()

    async def gated(messages: Sequence[Message]) -> str:
        await gate.enter()
        return echo(messages)

    async with scene.playing(gated) as session:
        first = await session.submit("first")
        await gate.reached()
        monkeypatch.setattr(SessionContinuing, "__init__", noted)
        second = asyncio.create_task(session.send("second"))

        async def was_refused() -> bool:
            return bool(refused)

        await until(was_refused)
        gate.open()
        results = await first.result(), await second
        runs = await scene.chain()

    assert [result.head_revision for result in results] == [1, 2]
    assert len(runs) > 1


@pytest.mark.parametrize(
    "bounds",
    [
        {"idle": SOON},
        {"continue_after_events": 20},
        {"idle": SOON, "continue_after_events": 20},
    ],
    ids=["parking", "continuing", "both"],
)
async def test_messages_that_meet_an_ending_run_are_each_answered_once(
    scene: Scene, bounds: dict[str, Any]
) -> None:
    """Many messages against runs that end all the time: none is lost, none runs twice."""
    scene.bounds |= bounds
    count, parks = scene.many(MANY), Parks()
    asked: list[str] = []
    results: list[TurnResult] = []

    def counted(messages: Sequence[Message]) -> str:
        asked.append(messages[-1].text)
        return echo(messages)

    async with scene.played_by(replace(scene.app(counted), probe=parks)) as session:

        async def speak(first: int) -> None:
            """Send every fifth message: at once after an answer, or in the midst of a park."""
            for n in range(first, count, SPEAKERS):
                point = PARK_POINTS[n % 2]
                passed = parks.passed[point]
                results.append(await session.send(f"message {n}", f"t-{n}"))
                if "idle" in bounds and n % 3:
                    await parks.next(point, passed)

        await asyncio.gather(*map(speak, range(SPEAKERS)))

    assert {result.text for result in results} == {f"you said message {n}" for n in range(count)}
    assert sorted(result.head_revision for result in results) == list(range(1, count + 1))
    assert sorted(asked) == sorted(f"message {n}" for n in range(count))


async def test_messages_that_meet_a_park_are_each_answered_once(scene: Scene) -> None:
    """Callers who park the session while others talk to it lose nothing."""
    count = scene.many(MANY)
    async with scene.playing() as session:

        async def park() -> None:
            for _ in range(5):
                await session.park()

        talk = (session.send(f"message {n}") for n in range(count))
        results = (await asyncio.gather(park(), *talk))[1:]

    assert sorted(result.head_revision for result in results if result) == [*range(1, count + 1)]


async def test_a_session_that_never_was_has_no_workflow(scene: Scene) -> None:
    """Asking what it does starts nothing."""
    async with scene.playing() as session:
        assert (await session.status()).phase == "idle"
        with pytest.raises(RPCError, match="not found"):
            await scene.handle.describe()
