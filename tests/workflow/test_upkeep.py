"""The upkeep workflow, on the worker's own stores and beside live sessions."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

from sojourn import App, Attachment, ToolContext, tool
from sojourn.adapters.blobs.folder import FolderBlobs
from sojourn.attachments import AttachmentReader
from sojourn.chores import Chore, Piece, UpkeepPolicy
from sojourn.errors import StoreUnavailable, StoreUnusable
from sojourn.testing import replay
from sojourn.testing.conformance.making import problems
from sojourn_activities import upkeep as activities
from sojourn_worker import SojournPlugin
from sojourn_worker.schedule import run_upkeep_now, schedule_upkeep, unschedule_upkeep
from sojourn_workflows import options
from sojourn_workflows.upkeep import UpkeepReport, UpkeepWorkflow
from tests.attachments.making import keys_of
from tests.support.gate import Gate
from tests.support.neglected import given_up, orphans, waste, with_orphans
from tests.support.running import running
from tests.support.scene import Scene, calling, until
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.server

AT_ONCE = UpkeepPolicy(
    journals_days=0,
    intents_days=0,
    receipts_days=0,
    orphans_days=0,
    blobs_days=0,
    allow_empty=True,
)
Run = WorkflowHandle[UpkeepWorkflow, UpkeepReport]
Method = Callable[..., Coroutine[Any, Any, Any]]


@dataclass
class Keeping:
    """A store that needs looking after, and how its upkeep is started."""

    scene: Scene
    client: Client
    blobs: FolderBlobs
    started: int = 0

    def app(self) -> App:
        """Return the app of the workers that do it."""
        return replace(self.scene.app(), blobs=self.blobs)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """Run a worker."""
        async with self.scene.played_by(self.app()):
            yield

    async def start(self, policy: UpkeepPolicy = AT_ONCE, queue: str = "") -> Run:
        """Start a run by hand."""
        queue = queue or self.scene.queue
        self.started += 1
        return await self.client.start_workflow(
            UpkeepWorkflow.run, policy, id=f"upkeep-{queue}-{self.started}", task_queue=queue
        )

    async def neglect(self, count: int = 2) -> None:
        """Leave some of everything that upkeep removes."""
        for number in range(count):
            await given_up(self.scene.store, f"given-up-{number}", b"%d" % number)
            await with_orphans(self.scene.store, f"branched-{number}")
        await waste(self.blobs, count)

    def patch(self, patched: pytest.MonkeyPatch, name: str, method: Method) -> None:
        """Have a method of the store done otherwise."""
        patched.setattr(self.scene.store, name, method)


@pytest.fixture
async def keeping(scene: Scene, tmp_path: Path) -> Keeping:
    """The scene's store, and a folder of blobs."""
    client = await Client.connect(scene.server.address, plugins=[SojournPlugin()])
    return Keeping(scene, client, FolderBlobs(tmp_path / "blobs"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail soon: ten attempts take minutes."""
    config = options.upkeep
    policy = RetryPolicy(initial_interval=timedelta(milliseconds=5), maximum_attempts=2)

    def soon(chore: Chore) -> Any:
        return config(chore) | {"retry_policy": policy}

    monkeypatch.setattr(options, "upkeep", soon)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a stretch of one piece, so that many are needed."""
    monkeypatch.setattr(activities, "STRETCH_SECONDS", 0.0)


async def stretches(run: Run) -> Counter[str]:
    """Return how many activities of each chore a run has had."""
    scheduled = [
        event.user_metadata.summary.data
        for event in (await run.fetch_history()).events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    return Counter(summary.decode().strip('"') for summary in scheduled)


async def test_a_run_does_every_chore_and_tells_what_it_did(keeping: Keeping) -> None:
    """On the stores of the worker; doing it again finds nothing, and both replay."""
    store = keeping.scene.store
    await keeping.neglect(count=2)
    async with keeping.worker():
        run = await keeping.start()
        report = await run.result()
        again = await keeping.start()
        nothing = await again.result()
    counts = await store.stats()

    assert report.failed == {}
    assert {chore: piece.removed for chore, piece in report.done.items()} == {
        "journals": 2,
        "intents": 2,
        "receipts": 4,
        "orphans": 2,
        "vacuum": 2,
        "blobs": 2,
    }
    assert all(piece.is_done for piece in report.done.values())
    assert {piece.removed for piece in nothing.done.values()} == {0}
    assert (counts["effects"], counts["intents"], counts["tombstoned"]) == (0, 0, 0)
    assert (await keys_of(keeping.blobs), await problems(store)) == (set(), [])
    assert await stretches(run) == Counter({chore.value: 1 for chore in Chore})
    assert len(await replay([await run.fetch_history(), await again.fetch_history()])) == 2


@pytest.mark.usefixtures("short")
async def test_a_run_is_bounded_and_the_next_one_goes_on(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much there is to do, its history does not grow beyond a bound."""
    monkeypatch.setattr(options, "MAX_STRETCHES", 3)
    for number in range(5):
        await given_up(keeping.scene.store, f"given-up-{number}")
    policy = AT_ONCE.model_copy(update={"rows_a_piece": 1})
    async with keeping.worker():
        run = await keeping.start(policy)
        first = (await run.result()).done["journals"]
        second = (await (await keeping.start(policy)).result()).done["journals"]

    assert first == Piece(removed=3, is_done=False)
    assert second == Piece(removed=2)
    history, count = await run.fetch_history(), await stretches(run)
    assert count["journals"] == 3
    assert len(history.events) <= 6 * count.total() + 5
    assert len(await replay([history])) == 1


def test_the_longest_run_has_some_hundred_events() -> None:
    """Each stretch makes six events at most, unless its worker dies."""
    assert options.MAX_STRETCHES * len(Chore) * 6 < 1_000


@pytest.mark.usefixtures("impatient")
async def test_a_chore_that_fails_does_not_stop_the_next_and_is_told(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was not to be tried again, was tried in vain, or is refused for safety's sake."""
    store = keeping.scene.store
    await with_orphans(store, "branched")
    await waste(keeping.blobs, 3)

    async def unusable(*_: object) -> int:
        raise StoreUnusable(url="sqlite:///x.db", reason="it is broken")

    async def unavailable(*_: object) -> int:
        raise StoreUnavailable(url="sqlite:///x.db", reason="it is away")

    keeping.patch(monkeypatch, "reclaim_journals", unusable)
    keeping.patch(monkeypatch, "forget_intents", unavailable)
    async with keeping.worker():
        run = await keeping.start(AT_ONCE.model_copy(update={"allow_empty": False}))
        report = await run.result()

    assert report.failed == {
        "journals": "StoreUnusable: sqlite:///x.db cannot serve as a session store: it is broken.",
        "intents": "StoreUnavailable: The store sqlite:///x.db cannot be used now: it is away.",
        "blobs": "EmptyRootSet: The store names no attachment, and 3 blobs would go: allow it if "
        "that is right.",
    }
    assert not any(report.done[chore].is_done for chore in report.failed)
    assert {chore: piece.removed for chore, piece in report.done.items() if piece.is_done} == {
        "receipts": 2,
        "orphans": 1,
        "vacuum": 1,
    }
    assert len(await replay([await run.fetch_history()])) == 1


async def test_a_chore_that_fails_for_a_while_is_tried_again(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is away comes back: nothing is reported as failed."""
    await given_up(keeping.scene.store, "given-up")
    reclaim, left = keeping.scene.store.reclaim_journals, [1]

    async def reclaiming(before: datetime, limit: int) -> int:
        if left:
            left.pop()
            raise StoreUnavailable(url="sqlite:///x.db", reason="it is away")
        return await reclaim(before, limit)

    keeping.patch(monkeypatch, "reclaim_journals", reclaiming)
    async with keeping.worker():
        report = await (await keeping.start()).result()

    assert (report.failed, report.done["journals"]) == ({}, Piece(removed=1))


def gated(gate: Gate, method: Method) -> Method:
    """Return a method that stands at a gate first."""

    async def standing(*arguments: Any) -> Any:
        await gate.enter()
        return await method(*arguments)

    return standing


async def test_progress_is_told_while_it_runs(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done, what is at work, and nothing of what is to come."""
    gate = Gate()
    keeping.patch(monkeypatch, "vacuum", gated(gate, keeping.scene.store.vacuum))
    await keeping.neglect(count=1)
    async with keeping.worker():
        run = await keeping.start(AT_ONCE.model_copy(update={"receipts_days": None}))
        await gate.reached()
        told: UpkeepReport = await run.query(UpkeepWorkflow.progress)
        gate.open()
        report = await run.result()
        after: UpkeepReport = await run.query("upkeep.progress", result_type=UpkeepReport)

    assert told == UpkeepReport(
        done={
            "journals": Piece(removed=1),
            "intents": Piece(removed=1),
            "orphans": Piece(removed=1),
            "vacuum": Piece(is_done=False),
        }
    )
    assert after == report


async def test_a_run_that_is_cancelled_ends(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not go on with the next chore."""
    gate = Gate()
    keeping.patch(monkeypatch, "reclaim_journals", gated(gate, keeping.scene.store.vacuum))
    async with keeping.worker():
        run = await keeping.start()
        await gate.reached()
        await run.cancel()
        with pytest.raises(WorkflowFailureError):
            await run.result()
        gate.open()

    assert (await run.describe()).status is WorkflowExecutionStatus.CANCELED
    assert await stretches(run) == Counter(journals=1)


async def test_a_worker_that_is_told_to_stop_hands_its_chore_on(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The piece at hand is ended and counted; another worker has the rest."""
    await keeping.neglect(count=5)
    reclaim, gate, pieces = keeping.scene.store.reclaim_journals, Gate(), list[int]()

    async def reclaiming(before: datetime, limit: int) -> int:
        pieces.append(await reclaim(before, limit))
        if len(pieces) == 2:
            await gate.enter()
            await activity.wait_for_worker_shutdown()
        return pieces[-1]

    keeping.patch(monkeypatch, "reclaim_journals", reclaiming)
    gate.open()
    async with keeping.worker():
        run = await keeping.start(AT_ONCE.model_copy(update={"rows_a_piece": 1}))
        await gate.reached()
    assert pieces == [1, 1]
    async with keeping.worker():
        report = await run.result()

    assert report.done["journals"] == Piece(removed=5)
    assert (await stretches(run))["journals"] == 2


@pytest.mark.crash
@pytest.mark.parametrize("worker_options", [{}], ids=["cached"])
async def test_a_run_outlives_its_worker(keeping: Keeping, store_url: str, tmp_path: Path) -> None:
    """Killed in mid-chore: what was done is told, and another worker goes on."""
    await keeping.neglect()
    queue, address = keeping.scene.queue, keeping.scene.server.address
    victim = WorkerProcess.start(
        "tests.support.neglected:dying", address, queue, store_url, log=tmp_path / "victim.log"
    )
    run = await keeping.start()
    try:
        await asyncio.to_thread(victim.wait_killed)
    finally:
        victim.stop()
    async with keeping.worker():
        report = await run.result()

    assert {chore: piece.removed for chore, piece in report.done.items()} == {
        "journals": 2,
        "intents": 2,
        "receipts": 4,
        "orphans": 2,
        "vacuum": 2,
        "blobs": 2,
    }
    assert await keys_of(keeping.blobs) == set()
    assert len(await replay([await run.fetch_history()])) == 1


async def test_live_sessions_lose_nothing_while_upkeep_runs(keeping: Keeping) -> None:
    """Nothing is old enough to be safe by its age alone: all ages are zero."""
    scene, queue = keeping.scene, f"{keeping.scene.queue}-upkeep"

    @tool
    async def keep(name: str, context: ToolContext) -> Attachment:
        """Keep an attachment."""
        return await context.attachments.put(context.turn_id.encode(), "text/plain")

    policy = AT_ONCE.model_copy(update={"receipts_days": None})
    turns = [f"t-{number}" for number in range(scene.many(9))]
    app = replace(scene.app(calling(("keep", {"name": "x"})), keep), blobs=keeping.blobs)
    reports: list[UpkeepReport] = []
    await keeping.neglect()
    async with scene.played_by(app) as session, running(scene.server, queue, keeping.app()):

        async def talk() -> list[str]:
            return [(await session.send("keep it", turn)).status for turn in turns]

        talking = asyncio.create_task(talk())
        while not talking.done():
            await waste(keeping.blobs, 1)
            reports.append(await (await keeping.start(policy, queue)).result())
        statuses = await talking
    reader = AttachmentReader(scene.store, keeping.blobs, scene.session_id)
    rows = await scene.store.attachments(scene.session_id)
    kept = [await reader.get(row.attachment.attachment_id) for row in rows]

    assert set(statuses) == {"completed"}
    assert await scene.texts() == ["keep it"] * len(turns)
    assert (await scene.view()).head_revision == len(turns)
    assert sorted(kept) == [turn.encode() for turn in turns]
    assert all(row.is_committed for row in rows)
    assert {reason for report in reports for reason in report.failed.values()} == set()
    # Without any grace a file that is being written may go too: it is written again.
    assert sum(report.done["blobs"].removed for report in reports) >= len(reports) + 2
    assert await problems(scene.store) == []


class Scheduled:
    """A schedule as the server has it."""

    def __init__(self, client: Client, schedule_id: str) -> None:
        self.client = client
        self.handle: ScheduleHandle = client.get_schedule_handle(schedule_id)

    async def runs(self) -> list[str]:
        """Return the ids of the workflows that it has started."""
        actions = [each.action for each in (await self.handle.describe()).info.recent_actions]
        started = [
            each for each in actions if isinstance(each, ScheduleActionExecutionStartWorkflow)
        ]
        return [each.workflow_id for each in started]

    async def result(self, nth: int) -> UpkeepReport:
        """Return what the nth run did, once it has."""

        async def is_there() -> bool:
            return len(await self.runs()) > nth

        await until(is_there)
        workflow_id = (await self.runs())[nth]
        run = self.client.get_workflow_handle_for(UpkeepWorkflow.run, workflow_id)
        return await run.result()


@asynccontextmanager
async def scheduled(keeping: Keeping, **how: Any) -> AsyncIterator[Scheduled]:
    """Have a schedule for a while."""
    queue = keeping.scene.queue
    made = await schedule_upkeep(keeping.client, task_queue=queue, **how)
    try:
        yield Scheduled(keeping.client, made)
    finally:
        await unschedule_upkeep(keeping.client, task_queue=queue)


async def test_a_schedule_is_made_changed_in_place_and_removed(keeping: Keeping) -> None:
    """One for each task queue; what somebody has paused stays paused."""
    queue = keeping.scene.queue
    async with scheduled(keeping, every=timedelta(hours=6)) as made:
        await made.handle.pause(note="for the move")
        again = await schedule_upkeep(
            keeping.client, every=timedelta(days=1), policy=AT_ONCE, task_queue=queue
        )
        found = (await made.handle.describe()).schedule
        assert again == made.handle.id == f"sojourn-upkeep/{queue}"
        assert [interval.every for interval in found.spec.intervals] == [timedelta(days=1)]
        assert (found.state.paused, found.state.note) == (True, "for the move")
        assert isinstance(found.action, ScheduleActionStartWorkflow)
        assert found.action.task_queue == queue
        assert found.action.execution_timeout == options.UPKEEP_TIMEOUT
        assert [json.loads(each.data) for each in found.action.args] == [
            AT_ONCE.model_dump(mode="json")
        ]
        assert await unschedule_upkeep(keeping.client, task_queue=queue)
        assert not await unschedule_upkeep(keeping.client, task_queue=queue)


async def test_a_schedule_runs_upkeep_and_no_two_at_once(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes while one runs is left out, and counted."""
    gate = Gate()
    keeping.patch(monkeypatch, "vacuum", gated(gate, keeping.scene.store.vacuum))
    await given_up(keeping.scene.store, "given-up")
    queue = keeping.scene.queue
    async with keeping.worker(), scheduled(keeping, policy=AT_ONCE) as made:
        await run_upkeep_now(keeping.client, task_queue=queue)
        await gate.reached()
        await run_upkeep_now(keeping.client, task_queue=queue)

        async def is_skipped() -> bool:
            return (await made.handle.describe()).info.num_actions_skipped_overlap == 1

        await until(is_skipped)
        gate.open()
        report = await made.result(0)
        (workflow_id,) = await made.runs()

    assert workflow_id.startswith(f"sojourn-upkeep/{queue}-")
    assert report.done["journals"] == Piece(removed=1)


@pytest.mark.usefixtures("short")
async def test_the_next_run_looks_for_orphans_where_the_last_one_ended(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that in a store of very many sessions each one's turn comes."""
    monkeypatch.setattr(options, "MAX_STRETCHES", 1)
    monkeypatch.setattr("sojourn.upkeep.SESSIONS_A_PIECE", 2)
    store, sessions = keeping.scene.store, ["a", "b", "c", "d", "e"]
    for session in sessions:
        await with_orphans(store, session)
    left: list[int] = []
    cursors: list[str] = []
    async with keeping.worker(), scheduled(keeping, policy=AT_ONCE) as made:
        for number in range(3):
            await run_upkeep_now(keeping.client, task_queue=keeping.scene.queue)
            cursors.append((await made.result(number)).done["orphans"].cursor)
            left.append(await orphans(store, *sessions))

    assert (cursors, left) == (["b", "d", ""], [3, 1, 0])


async def test_a_worker_that_serves_no_app_takes_no_upkeep_from_others(
    keeping: Keeping,
) -> None:
    """A worker without stores has the workflow and not the activity: another worker does it."""
    await given_up(keeping.scene.store, "given-up")
    async with Worker(keeping.client, task_queue=keeping.scene.queue), keeping.worker():
        report = await (await keeping.start()).result()

    assert report.done["journals"] == Piece(removed=1)
