"""A client waits for a session only as long as somebody may answer."""

from __future__ import annotations

import pytest

from sojourn import Agent, App
from sojourn.errors import NoWorker
from sojourn.testing import ScriptedModel
from sojourn_worker import SessionClient
from tests.support.running import running
from tests.support.server import DevServer

pytestmark = pytest.mark.server


async def test_a_run_on_a_queue_that_nobody_polls_is_named(
    server: DevServer, queue: str, session_id: str, store_url: str
) -> None:
    """The open run's own queue counts, not the client's, which has a worker here."""
    app = App(agents=[Agent("clerk", model=ScriptedModel(lambda _: "yes"))], store=store_url)
    async with running(server, queue, app) as client:
        stranded = SessionClient(client._client, task_queue=f"{queue}-gone", store=store_url)
        async with stranded:
            with pytest.raises(NoWorker, match="-gone"):
                await stranded.session(session_id).send("hello")

        with pytest.raises(NoWorker, match="-gone"):
            await client.session(session_id).send("hello again")
