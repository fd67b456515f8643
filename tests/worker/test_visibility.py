"""Session workflows can be found by their search attributes, where the server has them."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from sojourn import Agent, App
from sojourn.testing import ScriptedModel
from sojourn_worker.visibility import AGENT, SESSION, Visibility
from tests.support.running import running
from tests.support.server import DevServer

pytestmark = pytest.mark.server


async def test_a_session_is_found_by_its_id_and_its_agent(
    server: DevServer, queue: str, session_id: str, store_url: str, plain_client: Client
) -> None:
    """The attributes are set when the run starts."""
    app = App(agents=[Agent("clerk", model=ScriptedModel(lambda _: "yes"))], store=store_url)
    async with running(server, queue, app) as client:
        await client.session(session_id, agent="clerk").send("hello")

    run = await plain_client.get_workflow_handle(f"session/{session_id}").describe()
    assert run.typed_search_attributes[SESSION] == session_id
    assert run.typed_search_attributes[AGENT] == "clerk"


class Unasked:
    """A client whose server does not say which attributes it has."""

    namespace = "default"

    @property
    def operator_service(self) -> Unasked:
        """Stand for the operator service too."""
        return self

    async def list_search_attributes(self, _: Any) -> Any:
        """Refuse."""
        raise RPCError("not allowed", RPCStatusCode.PERMISSION_DENIED, b"")


async def test_a_server_that_does_not_tell_is_not_asked_for_attributes() -> None:
    """Without them sessions are found by their ids, and start all the same."""
    client: Any = Unasked()

    assert await Visibility(client).of("chat-42", "clerk") is None
