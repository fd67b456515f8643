"""What a session's history holds: ids and decisions, a few hundred bytes an effect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from sojourn import tool
from sojourn.errors import ToolRetry
from sojourn.messages import Message
from sojourn.outcome import TurnStatus
from sojourn_worker.client_session import ClientSession
from tests.support.gate import Gate
from tests.support.scene import Scene, responses

pytestmark = pytest.mark.server

SAID, ASKED, RETURNED, TOLD, RAISED = "MARK-1", "MARK-2", "MARK-3", "MARK-4", "MARK-5"
ACCEPTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
MAX_EVENTS, MAX_BYTES = 16, 3_000


def raw(events: Sequence[HistoryEvent]) -> bytes:
    """Return a history as the server keeps it."""
    return b"".join(event.SerializeToString() for event in events)


@tool(approval=True)
def note(text: str) -> str:
    """Note a text, and tell another."""
    return RETURNED


@tool
def fail(text: str) -> str:
    """Quote a text in an error."""
    raise ValueError(RAISED + text)


@tool(idempotent=True, retry=2)
def later(text: str) -> str:
    """Ask for a repeat, in so many words."""
    raise ToolRetry(reason=RAISED + text)


@tool
def odd(text: str) -> object:
    """Return what no history could hold."""
    return type(RETURNED, (), {})()


def talk(messages: Sequence[Message]) -> Any:
    """Call every tool with a marker, and tell another."""
    if responses(messages):
        return TOLD
    return [(name, {"text": ASKED}) for name in ("note", "fail", "later", "odd", "none")]


async def test_a_history_quotes_the_input_once_and_nothing_else(scene: Scene) -> None:
    """Answers, arguments, results and errors stay in the store; the message comes in once."""
    async with scene.playing(talk, note, fail, later, odd) as session:
        turn = await session.submit(SAID)
        await session.approve(await scene.waiting_call(session))
        result = await turn.result()
        await session.park()
        history = raw(await scene.events())

    assert (result.status, result.text) == (TurnStatus.COMPLETED, TOLD)
    assert history.count(SAID.encode()) == 1
    assert not [mark for mark in (ASKED, RETURNED, TOLD, RAISED) if mark.encode() in history]
    stored = repr((await scene.view()).messages)
    assert not [mark for mark in (SAID, ASKED, RETURNED, TOLD, RAISED) if mark not in stored]


async def test_a_failing_model_puts_no_text_into_history(scene: Scene) -> None:
    """Its exception is named by type and place."""

    def broken(messages: Sequence[Message]) -> str:
        raise ValueError(RAISED)

    async with scene.playing(broken, model_attempts=2) as session:
        result = await session.send(SAID)
        history = raw(await scene.events())

    assert result.status is TurnStatus.FAILED
    assert history.count(SAID.encode()) == 1
    assert RAISED.encode() not in history


async def test_a_cancelled_turn_puts_no_text_into_history(scene: Scene) -> None:
    """A cancel travels by ids alone."""
    gate = Gate()

    async def stuck(messages: Sequence[Message]) -> str:
        try:
            await gate.enter()
        finally:
            raise ValueError(RAISED)

    async with scene.playing(stuck) as session:
        turn = await session.submit(SAID)
        await gate.reached()
        await turn.cancel()
        await turn.result()
        history = raw(await scene.events())

    assert history.count(SAID.encode()) == 1
    assert RAISED.encode() not in history


@asynccontextmanager
async def told_turns(scene: Scene, count: int) -> AsyncIterator[list[list[HistoryEvent]]]:
    """Send so many plain messages, and yield the events of each turn."""
    async with scene.playing(lambda _: "fine") as session:
        for n in range(count):
            await session.send(f"{n:04}")
        yield by_turn(await scene.events())


def by_turn(events: Sequence[HistoryEvent]) -> list[list[HistoryEvent]]:
    """Split a history where a turn's update comes in; what went before the first is left out."""
    turns: list[list[HistoryEvent]] = []
    for event in events:
        if event.event_type == ACCEPTED:
            turns.append([])
        if turns:
            turns[-1].append(event)
    return turns


async def test_a_plain_turn_costs_sixteen_events_and_three_kilobytes_at_most(
    scene: Scene,
) -> None:
    """The third turn costs no less than the thirtieth: nothing grows with the conversation."""
    count = scene.many(31)
    async with told_turns(scene, count) as turns:
        costs = {n: (len(turns[n]), len(raw(turns[n]))) for n in (3, count // 2, count - 2)}

    counts = {count for count, _ in costs.values()}
    sizes = [size for _, size in costs.values()]
    assert max(counts) <= MAX_EVENTS
    # Without a cache one more workflow task's event may come between, early as well as late.
    assert max(counts) - min(counts) <= (1 if scene.worker_options else 0)
    assert max(sizes) <= MAX_BYTES
    assert max(sizes) < 1.05 * min(sizes)


async def test_a_long_message_costs_its_own_length_once(scene: Scene) -> None:
    """A message of 100 KB makes its turn 100 KB longer, not 200."""
    async with scene.playing(lambda _: "y" * 100_000) as session:
        await one(session, "x")
        await one(session, "x" * 100_000)
        short, long = (len(raw(turn)) for turn in by_turn(await scene.events()))

    assert 99_000 < long - short < 101_000


async def one(session: ClientSession, text: str) -> None:
    """Send one message."""
    assert (await session.send(text)).status is TurnStatus.COMPLETED
