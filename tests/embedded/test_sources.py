"""Sources of tools that change while a session is live."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from typing_extensions import override

from sojourn import Agent, App, tool
from sojourn.messages import CallStatus
from sojourn.models import ModelAnswer, ModelRequest
from sojourn.testing import ScriptedModel
from sojourn.tools import AnyTool
from tests.embedded.making import SESSION, app_of
from tests.runtime.hosts import Worker
from tests.support.gate import Gate
from tests.support.scene import calling
from tests.tools.sources import Rack, named


class Offered(ScriptedModel):
    """A scripted model that keeps the names of the tools it was offered with each question."""

    def __init__(self, *calls: tuple[str, dict[str, object]]) -> None:
        super().__init__(calling(*calls))
        self.offered: list[Sequence[str]] = []

    @override
    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Note what is offered, and answer."""
        self.offered.append([spec.name for spec in request.tools])
        return await super().complete(request)


async def test_a_question_offers_the_tools_that_the_sources_have_by_then(store_url: str) -> None:
    """A source that moves in mid-turn is read again before the next question."""
    rack = Rack("r")

    @tool
    def learn() -> str:
        """Learn another trade."""
        rack.put(learn, named("taught"))
        return "learnt"

    rack.put(learn)
    model = Offered(("learn", {}))
    async with app_of(store_url, model, sources=[rack]).open(SESSION) as session:
        await session.send("go")
        view = await session.show()

    assert model.offered == [["learn"], ["learn", "taught"]]
    assert view.tools.generation == 2


async def test_a_session_has_its_own_tools_whenever_it_comes_to_life(store_url: str) -> None:
    """They are asked for by its id, and replace the app's of the same name."""

    @tool(name="who")
    def anybody() -> str:
        """Say who."""
        return "anybody"

    def own(session_id: str) -> list[AnyTool]:
        @tool(id="own/who", name="who")
        def somebody() -> str:
            """Say who."""
            return session_id

        return [somebody] if session_id != "stranger" else []

    app = app_of(store_url, calling(("who", {})), anybody, session_tools=own)
    said: list[str] = []
    for session_id in ("ann", "ann", "bob", "stranger"):
        async with app.open(session_id) as session:
            said.append((await session.send("go")).text)

    assert said == ["['ann']", "['ann']", "['bob']", "['anybody']"]


async def test_a_call_runs_the_tool_that_the_model_saw(store_url: str) -> None:
    """If its name has gone to another tool by then, that one is not run in its place."""
    ran: list[str] = []

    @tool(id="mail/draft", name="mail")
    def draft() -> str:
        """Write it down."""
        ran.append("draft")
        return "drafted"

    @tool(id="mail/send", name="mail")
    def send() -> str:
        """Send it."""
        ran.append("send")
        return "sent"

    rack = Rack("r", draft)
    model = ScriptedModel(calling(("mail", {})))
    app = App(agents=[Agent("clerk", model=model)], sources=[rack], store=store_url)
    async with app.host() as host:
        worker = Worker(host)
        turn = await worker.begin()
        call = (await worker.step(turn)).calls[0]
        rack.put(send)
        host.residents.clear()
        ended = await worker.call(turn, call.call_id)

    assert (ended, ran) == (CallStatus.FAILED, [])


async def test_a_source_may_be_removed_while_one_of_its_tools_runs(store_url: str) -> None:
    """The call ends and is recorded; the next question does not offer the tool any more."""
    gate = Gate()

    @tool
    async def slow() -> str:
        """Take a while."""
        await gate.enter()
        return "done"

    model = Offered(("slow", {}))
    app = App(agents=[Agent("clerk", model=model)], sources=[Rack("r", slow)], store=store_url)
    async with app.host() as host:
        worker = Worker(host)
        turn = await worker.begin()
        call = (await worker.step(turn)).calls[0]
        running = asyncio.ensure_future(worker.call(turn, call.call_id))
        await gate.reached()
        live = host.residents.peek(turn.session_id)
        assert live is not None
        live.runtime.catalog.remove_source("r")
        gate.open()
        assert await running == CallStatus.DONE
        await worker.step(turn, step=2)

    assert model.offered == [["slow"], []]
