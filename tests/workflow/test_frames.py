"""Frames and choices on Temporal: done between turns, in the order of the asking."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sojourn import App, TurnStatus, tool
from sojourn.compaction import SEED
from sojourn.errors import (
    CompactionFailed,
    LeaseHeld,
    ModelRefused,
    ModelUnavailable,
    UnknownSession,
    UnresolvedTool,
    UnusableModel,
)
from sojourn.models import ModelSpec
from sojourn.testing import ScriptedModel
from tests.embedded.making import GateAt
from tests.frames.making import LONG, SUMMARY, WINDOW, Counting
from tests.support.gate import Gate
from tests.support.scene import Scene, until

pytestmark = pytest.mark.server

SPEC = ModelSpec("scripted:counting", context_window_tokens=WINDOW)
SEEDED = f"{SEED}\n\n{SUMMARY}"
PLENTY = 4


def counting(script: Counting) -> ScriptedModel:
    """Return a model of a known window."""
    return ScriptedModel(script, SPEC)


async def activities(scene: Scene) -> list[str]:
    """Return the names of the activities of the newest run that were scheduled, in order."""
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in await scene.events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


async def test_a_session_is_compacted_when_its_window_fills_up(scene: Scene) -> None:
    """By an activity before the first step; what is summarised does not enter the history."""
    script = Counting()
    playing = scene.playing(counting(script), compact_at=0.5, compact_keep=0)
    async with playing as session:
        for number in range(PLENTY):
            result = await session.send(f"{number} {LONG}")
        names = await activities(scene)
        history = b"".join(event.SerializeToString() for event in await scene.events())
        view = await session.show()

    assert result.status is TurnStatus.COMPLETED
    assert names.count("session.compact") == 1
    assert script.asked[-1][0] == SEEDED
    assert SUMMARY.encode() not in history
    assert (view.turns, view.head_revision) == (PLENTY, PLENTY + 1)
    assert view.frame is not None
    assert view.frame.reason == "automatic"


async def test_a_turn_goes_on_uncompacted_if_there_is_no_summary(scene: Scene) -> None:
    """And nothing is asked of the model in vain within the same turn."""
    script = Counting(ModelRefused(model="m", reason="no"))
    async with scene.playing(counting(script), compact_at=0.5) as session:
        for number in range(PLENTY):
            result = await session.send(f"{number} {LONG}")
        view = await session.show()

    assert result.status is TurnStatus.COMPLETED
    assert len(script.asked[-1]) == PLENTY * 2 - 1
    assert view.frame is None


async def test_a_turn_can_be_cancelled_while_its_session_is_compacted(scene: Scene) -> None:
    """The session stays uncompacted, and the model is not asked for an answer."""
    gate, asked = Gate(), Counting()

    async def script(messages: object) -> str:
        if asked.summarised:
            await gate.enter()
        return asked(messages)  # type: ignore[arg-type]

    asked.summarised.append([])
    gate.open()
    async with scene.playing(ScriptedModel(script, SPEC), compact_at=0.5) as session:
        for number in range(3):
            await session.send(f"{number} {LONG}")
        gate = Gate()
        turn = await session.submit("go on")

        async def is_compacting() -> bool:
            return (await session.status()).phase == "compact"

        await until(is_compacting)
        await gate.reached()
        assert await turn.cancel() is True
        result = await turn.result()
        view = await session.show()

    assert result.status is TurnStatus.CANCELLED
    assert view.frame is None
    assert (view.turns, view.head_revision) == (4, 4)


async def test_a_cancel_that_meets_the_opening_of_a_frame_wins(scene: Scene) -> None:
    """The frame is committed by then; the turn goes by the head that it has made."""
    probe = GateAt("compact.after")
    app = scene.app(counting(Counting()), compact_at=0.5, compact_keep=0)
    async with scene.played_by(replace(app, probe=probe)) as session:
        for number in range(3):
            await session.send(f"{number} {LONG}")
        turn = await session.submit(f"3 {LONG}")
        await probe.gate.reached()
        assert await turn.cancel() is True
        result = await turn.result()
        probe.gate.open()
        again = await session.send("go on")

    assert (result.status, result.head_revision) == (TurnStatus.CANCELLED, 5)
    assert again.head_revision == 6


async def test_a_compaction_by_hand_waits_for_the_turns_that_were_sent_before(
    scene: Scene,
) -> None:
    """It is queued like a message, and what is sent after it comes after it."""
    gate, counted = Gate(), Counting()

    async def script(messages: object) -> str:
        await gate.enter()
        return counted(messages)  # type: ignore[arg-type]

    playing = scene.playing(ScriptedModel(script, SPEC), compact_keep=0)
    async with playing as session:
        first = await session.submit("one")
        await gate.reached()
        compacting = asyncio.create_task(session.compact())
        await until(lambda: _has_updates(scene, 2))
        after = await session.submit("two")
        gate.open()
        await first.result()
        opened = await compacting
        await after.result()

    assert counted.summarised == [["one", "1 heard"]]
    assert counted.asked == [["one"], [SEEDED, "two"]]
    assert (opened.head_revision, opened.replaced) == (2, 2)


async def test_a_parked_session_is_started_for_what_is_asked_of_it(scene: Scene) -> None:
    """And gives its lease back when it parks again."""
    script = Counting()
    async with scene.playing(counting(script), compact_keep=0) as session:
        await session.send("one")
        await session.park()
        opened = await session.compact()
        await session.open_frame("anew")
        await session.park()
        lease = await scene.store.lease(scene.session_id)
        await session.send("two")

    assert opened.frame is not None
    assert lease is not None
    assert lease.released
    assert script.asked[-1] == ["anew", "two"]


async def test_a_failure_is_told_to_whoever_asked_and_the_session_goes_on(scene: Scene) -> None:
    """Each with its type: nothing was written, and the lease is given back at the park."""
    script = Counting(ModelUnavailable(model="m", reason="down"))
    async with scene.playing(counting(script)) as session:
        with pytest.raises(UnknownSession):
            await session.compact()
        await session.send("one")
        await session.send("two")
        with pytest.raises(CompactionFailed):
            await session.compact()
        with pytest.raises(UnusableModel):
            await session.configure(model="nobody:knows")
        with pytest.raises(UnresolvedTool):
            await session.configure(disable=["nothing"])
        result = await session.send("three")
        await session.park()
        lease = await scene.store.lease(scene.session_id)

    assert result.head_revision == 3
    assert lease is not None
    assert lease.released


async def test_a_session_that_another_holds_is_not_compacted(scene: Scene) -> None:
    """The refusal names the holder."""
    async with scene.playing(counting(Counting())) as session, scene.embedded() as other:
        await other.send("one")
        with pytest.raises(LeaseHeld, match="embedded-"):
            await session.compact()


async def test_choices_survive_the_worker_and_the_run(scene: Scene) -> None:
    """Model and tools: changed between turns, kept over a park and by another worker."""

    @tool
    def add(first: int, second: int) -> int:
        """Add."""
        return first + second

    other = ScriptedModel(lambda _: "the other one", ModelSpec("scripted:other"))

    def app() -> App:
        return replace(scene.app(counting(Counting()), add), models=(other,))

    async with scene.played_by(app()) as session:
        assert (await session.send("who?")).text == "1 heard"
        configured = await session.configure(model="scripted:other", disable=["add"])
        assert (await session.send("who?")).text == "the other one"
        await session.park()
    async with scene.played_by(app()) as session:
        assert (await session.send("who?")).text == "the other one"
        view = await session.show()

    assert configured.model == "scripted:other"
    assert view.model.chosen
    assert view.disabled_tools == ("add",)


async def _has_updates(scene: Scene, count: int) -> bool:
    events = await scene.events()
    accepted = [
        e for e in events if e.HasField("workflow_execution_update_accepted_event_attributes")
    ]
    return len(accepted) >= count
