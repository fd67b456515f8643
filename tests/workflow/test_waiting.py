"""Callers who wait: more than the server lets wait at once, and never in one another's way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from sojourn.errors import QueueFull
from sojourn.messages import Message
from sojourn.outcome import TurnStatus
from sojourn_workflows import options, turn_book
from tests.support.gate import Gate
from tests.support.scene import Scene, echo, until

pytestmark = pytest.mark.server


async def test_many_who_wait_do_not_keep_a_cancel_out(scene: Scene) -> None:
    """The server allows ten updates in flight: some room is always left."""
    gate = Gate()

    async def stuck(messages: Sequence[Message]) -> str:
        if messages[-1].text == "first":
            await gate.enter()
        return echo(messages)

    async with scene.playing(stuck) as session:
        first = asyncio.create_task(session.send("first", "t-1"))
        await gate.reached()
        others = [asyncio.create_task(session.send(f"message {n}")) for n in range(15)]

        async def all_queued() -> bool:
            return len((await session.status()).queued) == len(others)

        await until(all_queued)
        assert await session.cancel("t-1") is True
        results = await asyncio.gather(first, *others)

    assert [result.status for result in results] == [
        TurnStatus.CANCELLED,
        *[TurnStatus.COMPLETED] * 15,
    ]


async def test_a_full_queue_refuses_a_message(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal is typed and costs no history; what was queued is answered."""
    monkeypatch.setattr(options, "MAX_QUEUED_TURNS", 2)
    gate = Gate()

    async def gated(messages: Sequence[Message]) -> str:
        await gate.enter()
        return echo(messages)

    async with scene.playing(gated) as session:
        turns = [await session.submit("first")]
        await gate.reached()
        turns += [await session.submit(text) for text in ("second", "third")]
        before = len(await scene.events())
        with pytest.raises(QueueFull, match="2 turns waiting"):
            await session.submit("fourth")
        assert len(await scene.events()) == before
        gate.open()
        results = [await turn.result() for turn in turns]

    assert [result.text for result in results] == [
        f"you said {text}" for text in ("first", "second", "third")
    ]


async def test_every_result_of_a_long_queue_can_be_fetched_at_its_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run remembers the last turns; the store answers for the others."""
    monkeypatch.setattr(turn_book, "MAX_REMEMBERED", 3)
    async with scene.playing() as session:
        turns = [await session.submit(f"message {n}") for n in range(8)]
        await turns[-1].result()
        results = [await turn.result() for turn in turns]

    assert [result.text for result in results] == [f"you said message {n}" for n in range(8)]
