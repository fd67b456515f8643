"""A client waits for a session only as long as somebody may answer."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from sojourn import Agent, App
from sojourn.errors import ServerUnavailable, UnknownCall
from sojourn.testing import ScriptedModel
from sojourn_worker import attending, updates
from sojourn_workflows.contract import PARK, Done, SessionConfig
from tests.support.running import running
from tests.support.server import DevServer

pytestmark = pytest.mark.server


async def test_a_run_on_a_queue_that_nobody_polls_is_named(
    server: DevServer, queue: str, session_id: str, store_url: str, plain_client: Client
) -> None:
    """The open run's own queue counts, not the client's, which has a worker here."""
    await plain_client.start_workflow(
        "Session",
        SessionConfig(session_id=session_id).model_dump(),
        id=f"session/{session_id}",
        task_queue=f"{queue}-gone",
    )
    app = App(agents=[Agent("clerk", model=ScriptedModel(lambda _: "yes"))], store=store_url)
    async with running(server, queue, app):
        process = await asyncio.create_subprocess_exec(
            *(Path(sys.executable).with_name("sojourn"), "session", "send", session_id, "hello"),
            *("--task-queue", queue, "--store", store_url),
            env=os.environ | {"TEMPORAL_ADDRESS": server.address},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, err = await process.communicate()

    assert process.returncode == 1
    assert f"No worker polls task queue '{queue}-gone'" in err.decode()


@pytest.mark.parametrize(
    "passing",
    [
        WorkflowUpdateFailedError(ApplicationError("not processed", type="UnprocessedUpdate")),
        RPCError("too many in flight", RPCStatusCode.RESOURCE_EXHAUSTED, b""),
        RPCError("the run is ending", RPCStatusCode.ABORTED, b""),
    ],
    ids=["unprocessed", "exhausted", "aborted"],
)
async def test_a_server_that_is_busy_is_asked_again(
    server: DevServer,
    queue: str,
    session_id: str,
    passing: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under the same update id, so that it is one update whatever became of the first call."""
    monkeypatch.setattr(attending, "RETRY_DELAYS", (0.0, 0.0))
    sent: list[str] = []
    result = WorkflowUpdateHandle.result

    async def busy(handle: WorkflowUpdateHandle[Done]) -> Done:
        sent.append(handle.id)
        if len(sent) < 3:
            raise passing
        return await result(handle)

    monkeypatch.setattr(WorkflowUpdateHandle, "result", busy)
    app = App(agents=[Agent("clerk", model=ScriptedModel(lambda _: "yes"))], store="memory://")
    client = await Client.connect(server.address, data_converter=pydantic_data_converter)
    async with running(server, queue, app):
        await client.start_workflow(
            "Session",
            SessionConfig(session_id=session_id),
            id=f"session/{session_id}",
            task_queue=queue,
        )
        asked = updates.Updates(client, queue)
        assert await asked.call(f"session/{session_id}", PARK, Done(), Done) == Done()

    assert sent == [sent[0]] * 3 + sent[3:]


async def test_what_does_not_pass_is_told_at_once(
    server: DevServer, queue: str, plain_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal and an unavailable server are typed, and asked once."""
    asked = updates.Updates(plain_client, queue)
    errors = [
        WorkflowUpdateFailedError(ApplicationError("none waits", type="UnknownCall")),
        RPCError("no", RPCStatusCode.PERMISSION_DENIED, b""),
    ]

    async def fail(*_: object, **__: object) -> None:
        raise errors.pop(0)

    monkeypatch.setattr("temporalio.client.WorkflowHandle.start_update", fail)
    with pytest.raises(UnknownCall):
        await asked.call("session/none", PARK, Done(), Done)
    with pytest.raises(ServerUnavailable, match="PERMISSION_DENIED"):
        await asked.call("session/none", PARK, Done(), Done)
    assert errors == []
