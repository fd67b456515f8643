"""A client waits for a session only as long as somebody may answer."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from temporalio.client import Client

from sojourn import Agent, App
from sojourn.testing import ScriptedModel
from sojourn_workflows.contract import SessionConfig
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
