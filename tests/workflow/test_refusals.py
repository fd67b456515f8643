"""Nothing leaves a workflow running for ever: whatever is wrong ends in a typed answer."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowFailureError,
    WorkflowUpdateFailedError,
)
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy

from sojourn import Agent, App
from sojourn.errors import (
    MissingModel,
    NoWorker,
    SessionDeleted,
    StoreError,
    StoreUnusable,
    UnknownAgent,
)
from sojourn.lease import Lease
from sojourn.messages import Message
from sojourn.outcome import TurnStatus
from sojourn.testing import ScriptedModel
from sojourn_worker import attending
from sojourn_worker.client import SessionClient
from sojourn_workflows import options
from sojourn_workflows.contract import SUBMIT
from tests.support.gate import Gate
from tests.support.scene import Scene, echo

pytestmark = pytest.mark.server


async def delete(scene: Scene) -> None:
    """Delete the session, whoever works on it."""
    lease = await scene.store.lease(scene.session_id)
    assert isinstance(lease, Lease)
    await scene.store.release(lease)
    await scene.store.delete(scene.session_id)


@dataclass
class Raising:
    """A probe that raises at one point of a turn."""

    point: str
    error: Exception
    left: int = 1_000

    async def reached(self, point: str, session_id: str) -> None:  # noqa: ARG002 - a Probe
        """Raise if this is the point."""
        if point == self.point and self.left:
            self.left -= 1
            raise self.error


def with_probe(scene: Scene, probe: Raising) -> App:
    """Return the scene's app with a probe."""
    agent = Agent("clerk", model=ScriptedModel(echo), model_attempts=1)
    return App(agents=[agent], store=scene.store, probe=probe)


@pytest.mark.filterwarnings("ignore:coroutine .*run_workflow.* was never awaited")
@pytest.mark.parametrize("config", [{"agent": "clerk"}, {"session_id": 7}, "nonsense", None])
async def test_a_workflow_with_a_bad_input_fails(scene: Scene, config: Any) -> None:
    """Its task is not retried for ever."""
    async with scene.playing():
        handle = await scene.client.start_workflow(
            "Session", config, id=f"session/{scene.session_id}", task_queue=scene.queue
        )
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    gc.collect()  # Temporal drops the workflow's coroutine unstarted: hear of that here


@pytest.mark.parametrize("request_", [{"text": "hello"}, {"turn_id": "t", "text": 5}, None])
async def test_an_update_with_a_bad_argument_is_refused(scene: Scene, request_: Any) -> None:
    """The run goes on as if nothing had been sent."""
    async with scene.playing() as session:
        await session.send("hello")
        with pytest.raises(WorkflowUpdateFailedError):
            await scene.handle.execute_update(SUBMIT, request_)
        assert (await session.send("again")).head_revision == 2


@pytest.mark.parametrize(("text", "turn_id"), [("  ", "t-1"), ("hello", "a b"), ("hello", "")])
async def test_a_client_of_another_make_is_checked_by_the_workflow(
    scene: Scene, text: str, turn_id: str
) -> None:
    """What our own client would refuse is refused before anything is written."""
    async with scene.playing() as session:
        await session.send("hello")
        with pytest.raises(WorkflowUpdateFailedError):
            await scene.handle.execute_update(SUBMIT, {"turn_id": turn_id, "text": text})
        assert (await session.send("again")).head_revision == 2


async def test_an_unknown_agent_is_refused_by_name(scene: Scene) -> None:
    """The refusal tells which agents there are; the right one is served at once."""
    async with scene.playing() as session:
        wrong = await scene.from_afar()
        wrong._config = wrong._config.model_copy(update={"agent": "robot"})
        with pytest.raises(UnknownAgent, match="clerk"):
            await wrong.send("hello", "t-1")
        await session.park()
        assert (await session.send("hello", "t-1")).status is TurnStatus.COMPLETED


async def test_an_agent_without_a_model_is_refused(scene: Scene) -> None:
    """Nothing is written."""
    async with scene.played_by(App(agents=[Agent("clerk")], store=scene.store)) as session:
        with pytest.raises(MissingModel):
            await session.send("hello")

    assert await scene.store.head(scene.session_id) is None


async def test_a_deleted_session_is_refused(scene: Scene) -> None:
    """Its open workflow says so, and so does every later one."""
    async with scene.playing() as session:
        await session.send("hello")
        await delete(scene)
        with pytest.raises(SessionDeleted):
            await session.send("again")
        await session.park()
        with pytest.raises(SessionDeleted):
            await session.send("once more")


async def test_a_session_that_is_deleted_in_mid_turn_is_refused(scene: Scene) -> None:
    """The turn cannot be committed, and its caller is told why."""
    gate = Gate()

    async def gated(messages: Sequence[Message]) -> str:
        await gate.enter()
        return echo(messages)

    async with scene.playing(gated) as session:
        turn = await session.submit("hello")
        await gate.reached()
        await delete(scene)
        gate.open()
        with pytest.raises(SessionDeleted):
            await turn.result()


@pytest.mark.parametrize("point", ["claim.before", "claim.after", "commit.before"])
async def test_a_domain_error_where_a_turn_begins_or_ends_is_told(scene: Scene, point: str) -> None:
    """The caller gets it typed; the session goes on, and keeps what it had."""
    probe = Raising(point, StoreUnusable(url="store", reason="broken"), left=2)
    async with scene.played_by(with_probe(scene, probe)) as session:
        with pytest.raises(StoreUnusable):
            await session.send("hello", "t-1")
        probe.left = 0
        result = await session.send("hello", "t-1")

    assert (result.status, result.head_revision) == (TurnStatus.COMPLETED, 1)


@pytest.mark.parametrize("point", ["model.calling", "model.recorded"])
async def test_a_domain_error_in_a_step_fails_the_turn(scene: Scene, point: str) -> None:
    """The fault is kept with the turn; the session goes on."""
    probe = Raising(point, StoreUnusable(url="store", reason="broken"), left=1)
    async with scene.played_by(with_probe(scene, probe)) as session:
        result = await session.send("hello")
        after = await session.send("again")

    assert result.status is TurnStatus.FAILED
    assert result.error is not None
    assert result.error.type == "StoreUnusable"
    assert after.status is TurnStatus.COMPLETED


@pytest.mark.parametrize(
    "point", ["claim.after", "commit.before", "commit.after", "model.recorded"]
)
async def test_a_bug_that_passes_costs_a_retry(scene: Scene, point: str) -> None:
    """An unexpected exception is tried again: the turn is run once all the same."""
    probe = Raising(point, KeyError("secret"), left=1)
    app = with_probe(scene, probe)
    agent = Agent("clerk", model=app.agents[0].model, model_attempts=2)
    async with scene.played_by(App(agents=[agent], store=scene.store, probe=probe)) as session:
        result = await session.send("hello")

    assert (result.status, result.head_revision, probe.left) == (TurnStatus.COMPLETED, 1, 0)
    assert await scene.texts() == ["hello"]


async def test_a_store_that_does_not_answer_is_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for within bounds, and the refusal is the store's."""
    bounds = {
        "start_to_close_timeout": timedelta(milliseconds=100),
        "retry_policy": RetryPolicy(maximum_attempts=1),
    }
    stuck = Gate()

    async def silent(*_: object) -> None:
        await stuck.enter()

    async with scene.playing() as session:
        with monkeypatch.context() as patched:
            patched.setattr(options, "STORE", options.STORE | bounds)
            patched.setattr(scene.store, "open_turn", silent)
            with pytest.raises(StoreError, match="did not answer in time"):
                await session.send("hello", "t-1")
        assert (await session.send("hello", "t-1")).status is TurnStatus.COMPLETED


async def test_a_park_that_fails_ends_the_run_all_the_same(scene: Scene) -> None:
    """Nothing is lost: the lease runs out by itself, and this owner's own next run takes it."""
    probe = Raising("park.before", StoreUnusable(url="store", reason="broken"))
    async with scene.played_by(with_probe(scene, probe)) as session:
        await session.send("hello")
        await session.park()
        assert not await scene.is_open()


async def test_no_worker_is_told_in_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message for a queue that nobody polls is not waited for for ever."""
    monkeypatch.setattr(attending, "PATIENCE", attending.PATIENCE / 50)
    client = SessionClient(scene.client, task_queue=scene.queue)
    with pytest.raises(NoWorker, match=scene.queue):
        await client.session(scene.session_id).send("hello")


async def test_a_newer_client_is_understood(scene: Scene, plain_client: Client) -> None:
    """Fields that this version does not know are passed over, in configuration and message."""
    async with scene.playing():
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            "Session",
            {"session_id": scene.session_id, "mood": "new"},
            id=f"session/{scene.session_id}",
            task_queue=scene.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        reply = await plain_client.execute_update_with_start_workflow(
            SUBMIT,
            {"turn_id": "t-1", "text": "hello", "wait": True, "colour": "blue"},
            start_workflow_operation=start,
        )

    assert reply["outcome"]["status"] == "completed"
