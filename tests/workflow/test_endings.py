"""A run that ends under its callers: each is told so, and the same turn id goes on from there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from sojourn import tool
from sojourn import turn as machine
from sojourn.errors import RunEnded, UnknownTurn
from sojourn.messages import Message
from sojourn.outcome import TurnStatus
from sojourn.ports import Probe, SilentProbe
from sojourn_worker.client_session import ClientSession
from sojourn_workflows import options
from tests.support.gate import Gate
from tests.support.scene import QUICK, Scene, calling, echo, until

pytestmark = pytest.mark.server

ENDED = "The run of {!r} ended before turn {!r}: send that id again, it runs once."


@dataclass
class Dig:
    """A turn of two steps: its tool stands at a gate, and a flaw of the workflow comes after it."""

    scene: Scene
    patched: pytest.MonkeyPatch
    gate: Gate = field(default_factory=Gate)
    probe: Probe = field(default_factory=SilentProbe)
    asked: int = 0

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[ClientSession]:
        """Run a worker whose leases are missed soon."""
        self.scene.timings = QUICK
        script = calling(("dig", {}))

        def counted(messages: Sequence[Message]) -> Any:
            self.asked += 1
            return script(messages)

        @tool(idempotent=True)
        async def dig() -> str:
            """Dig."""
            await self.gate.enter()
            return "gold"

        app = replace(self.scene.app(counted, dig), probe=self.probe)
        async with self.scene.played_by(app) as session:
            yield session

    async def terminate(self) -> None:
        """End the run as an operator does."""
        await self.scene.handle.terminate("by the test")

    async def cancel(self) -> None:
        """End the run as an operator does who asks for it."""
        await self.scene.handle.cancel()

    async def fail(self) -> None:
        """End the run by a bug of its own, when the tool has ended."""

        def broken(_: object) -> None:
            raise TypeError("boom")

        with self.patched.context() as flaw:
            flaw.setattr(machine, "tools_ended", broken)
            self.gate.open()

            await ended(self.scene, "FAILED")


@pytest.fixture
def dig(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Dig:
    """A turn that stands in the middle."""
    return Dig(scene, monkeypatch)


@dataclass
class AtPoint:
    """A probe that does something when a point is passed for the first time."""

    point: str
    action: Callable[[], Awaitable[None]]
    is_done: bool = False

    async def reached(self, point: str, session_id: str) -> None:  # noqa: ARG002 - a Probe
        """Do it if this is the point."""
        if point == self.point and not self.is_done:
            self.is_done = True
            await self.action()


@pytest.mark.parametrize(
    ("end", "status"),
    [(Dig.terminate, "TERMINATED"), (Dig.cancel, "CANCELED"), (Dig.fail, "FAILED")],
)
async def test_everybody_who_waits_is_told_that_the_run_ended(
    dig: Dig, end: Callable[[Dig], Awaitable[None]], status: str
) -> None:
    """Each by the name of the turn that it waits for; sent again, each turn is run once."""
    async with dig.playing() as session:
        sending = asyncio.create_task(session.send("hello", "t-1"))
        await dig.gate.reached()
        queued = await session.submit("next", "t-2")
        waiting = [
            sending,
            asyncio.create_task(session.outcome("t-1")),
            asyncio.create_task(queued.result()),
        ]
        await accepted(dig.scene, len(waiting) + 1)
        await end(dig)
        told = await asyncio.gather(*waiting, return_exceptions=True)
        await ended(dig.scene, status)
        late = await asyncio.gather(queued.result(), return_exceptions=True)
        dig.gate.open()
        results = [await session.send("hello", "t-1"), await session.send("next", "t-2")]

    name = session.session_id
    assert [type(error) for error in (*told, *late)] == [RunEnded] * 4
    assert [str(error) for error in told] == [
        ENDED.format(name, turn) for turn in ("t-1", "t-1", "t-2")
    ]
    assert [result.status for result in results] == [TurnStatus.COMPLETED] * 2
    assert await dig.scene.texts() == ["hello", "next"]
    assert dig.asked == 4


async def test_whoever_cancels_a_turn_is_told_that_the_run_ended(dig: Dig) -> None:
    """The cancel came before a commit, but there was none: the turn may be sent again."""
    stuck = Gate()

    async def stay(messages: Sequence[Message]) -> str:
        try:
            await stuck.enter()
        except asyncio.CancelledError:
            await dig.gate.enter()
            raise
        return echo(messages)

    async with dig.scene.playing(stay) as session:
        turn = await session.submit("hello", "t-1")
        await stuck.reached()
        cancelling = asyncio.create_task(turn.cancel())
        await dig.gate.reached()
        await dig.terminate()
        with pytest.raises(RunEnded) as told:
            await cancelling
        dig.gate.open()

    assert str(told.value) == ENDED.format(session.session_id, "t-1")


async def test_a_turn_that_was_committed_before_its_run_ended_has_its_outcome(dig: Dig) -> None:
    """A terminated run leaves what it has committed; whoever asks, or sends again, gets that."""
    dig.gate.open()
    dig.probe = AtPoint("commit.after", dig.terminate)
    async with dig.playing() as session:
        turn = await session.submit("hello", "t-1")
        result = await turn.result()
        again = await session.send("hello", "t-1")
        with pytest.raises(UnknownTurn):
            await session.outcome("t-2")

    assert result.status is TurnStatus.COMPLETED
    assert again == result
    assert dig.asked == 2


async def test_a_run_that_is_cancelled_while_it_begins_a_turn_ends(
    dig: Dig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store's answer is not waited for, and the cancel is not taken for a refusal."""
    monkeypatch.setattr(options, "TASK_TIMEOUT", timedelta(seconds=1))
    begins = Gate()
    dig.probe = AtPoint("claim.before", begins.enter)
    dig.gate.open()
    async with dig.playing() as session:
        sending = asyncio.create_task(session.send("hello", "t-1"))
        await begins.reached()
        await dig.cancel()
        with pytest.raises(RunEnded):
            await sending
        await ended(dig.scene, "CANCELED")
        begins.open()
        assert (await session.send("hello", "t-1")).status is TurnStatus.COMPLETED


async def ended(scene: Scene, status: str) -> None:
    """Wait until the newest run has ended, and look how."""

    async def has_ended() -> bool:
        return not await scene.is_open()

    await until(has_ended)
    described = (await scene.handle.describe()).status
    assert described is not None
    assert described.name == status


async def accepted(scene: Scene, count: int) -> None:
    """Wait until the run has taken so many updates."""

    async def has_taken() -> bool:
        events = await scene.events()
        kinds = [event.WhichOneof("attributes") for event in events]
        return kinds.count("workflow_execution_update_accepted_event_attributes") == count

    await until(has_taken)
