"""Several agents in one app: who answers, with which tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from typing_extensions import override

from sojourn import Agent, App, tool
from sojourn.errors import InvalidInput, UnknownAgent
from sojourn.messages import Message
from sojourn.models import ModelAnswer, ModelRequest
from sojourn.testing import ScriptedModel
from tests.embedded.making import SESSION, Answers, app_of
from tests.support.scene import responses


class Overheard(ScriptedModel):
    """A model that keeps what it was asked."""

    def __init__(self, says: str, *calls: tuple[str, Mapping[str, Any]]) -> None:
        def script(messages: Sequence[Message]) -> Any:
            return list(calls) if calls and messages[-1].role == "user" else says

        super().__init__(script)
        self.requests: list[ModelRequest] = []

    @override
    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Answer, and remember."""
        self.requests.append(request)
        return await super().complete(request)

    @property
    def offered(self) -> list[str]:
        """The tools of the newest request."""
        return [spec.name for spec in self.requests[-1].tools]


@tool
def shared() -> str:
    """Be shared."""
    return "shared"


@tool
def charge() -> str:
    """Charge."""
    return "charged"


@tool
def look() -> str:
    """Look."""
    return "seen"


def two(store: str, clerk: ScriptedModel, scout: ScriptedModel) -> App:
    """Return an app of a clerk who charges and a scout who looks."""
    return App(
        agents=[
            Agent("clerk", model=clerk, tools=[charge], instructions="Be a clerk."),
            Agent("scout", model=scout, tools=[look], instructions="Be a scout."),
        ],
        tools=[shared],
        store=store,
    )


async def test_of_several_agents_one_has_to_be_named(store_url: str) -> None:
    """For a session that does not exist yet; the refusal names them."""
    app = two(store_url, Overheard("clerk"), Overheard("scout"))
    with pytest.raises(UnknownAgent, match="clerk, scout"):
        async with app.open(SESSION):
            raise AssertionError


async def test_an_unknown_agent_is_refused(store_url: str) -> None:
    """Whether the app has one or several."""
    for app in (app_of(store_url), two(store_url, Overheard("clerk"), Overheard("scout"))):
        with pytest.raises(UnknownAgent, match="nobody"):
            async with app.open(SESSION, agent="nobody"):
                raise AssertionError


async def test_a_session_remembers_its_agent(store_url: str) -> None:
    """It need not be named again, and a fork has the same."""
    app = two(store_url, Overheard("clerk"), Overheard("scout"))
    async with app.open(SESSION, agent="scout") as session:
        await session.send("hello")
        await session.fork("chat-2")
    for name in (SESSION, "chat-2"):
        async with app.open(name) as session:
            assert session.agent == "scout"
            assert (await session.send("again")).text == "scout"


async def test_an_agent_that_the_app_has_no_more_is_not_replaced_in_silence(
    store_url: str,
) -> None:
    """Another has to be named; then the session goes on with that one."""
    async with app_of(store_url).open(SESSION) as session:
        await session.send("hello")
    app = App(agents=[Agent("scout", model=Overheard("scout"))], store=store_url)
    with pytest.raises(UnknownAgent, match="clerk"):
        async with app.open(SESSION):
            raise AssertionError
    async with app.open(SESSION, agent="scout") as session:
        assert (await session.send("again")).text == "scout"
        assert (await session.show()).agent == "scout"


async def test_each_agent_is_asked_with_its_own_instructions_and_tools(store_url: str) -> None:
    """The app's tools come first; another agent's are not among them."""
    clerk, scout = Overheard("clerk"), Overheard("scout")
    app = two(store_url, clerk, scout)
    for name in ("clerk", "scout"):
        async with app.open(f"chat-{name}", agent=name) as session:
            await session.send("hello")

    assert clerk.requests[-1].instructions == "Be a clerk."
    assert scout.requests[-1].instructions == "Be a scout."
    assert (clerk.offered, scout.offered) == (["shared", "charge"], ["shared", "look"])


async def test_a_session_that_changes_its_agent_changes_its_tools(store_url: str) -> None:
    """The new agent is not offered the old one's, cannot call them, and sees what was said."""
    clerk, scout = Overheard("clerk"), Overheard("scout", ("charge", {}), ("look", {}))
    app = two(store_url, clerk, scout)
    async with app.open(SESSION, agent="clerk") as session:
        await session.send("hello")
    async with app.open(SESSION, agent="scout") as session:
        result = await session.send("go")
        view = await session.show()

    assert scout.offered == ["shared", "look"]
    assert [call.status.value for call in result.tool_calls] == ["failed", "done"]
    assert [message.text for message in scout.requests[0].messages] == ["hello", "clerk", "go"]
    assert view.tools.orphaned == ("charge",)


async def test_the_old_agents_tools_come_back_with_it(store_url: str) -> None:
    """An orphan is kept, not forgotten."""
    clerk = Overheard("clerk")
    app = two(store_url, clerk, Overheard("scout"))
    for name in ("clerk", "scout", "clerk"):
        async with app.open(SESSION, agent=name) as session:
            await session.send("hello")
            orphaned = (await session.show()).tools.orphaned

    assert clerk.offered == ["shared", "charge"]
    assert orphaned == ("look",)


def test_an_app_has_agents_of_different_names() -> None:
    """None, or two of one name, are refused."""
    with pytest.raises(InvalidInput):
        App(agents=[])
    with pytest.raises(InvalidInput):
        App(agents=[Agent("clerk"), Agent("clerk")])


async def test_a_conversation_survives_a_change_of_model(store_url: str) -> None:
    """Tool calls of the one are in the other's past, answered."""
    async with app_of(store_url, Answers([("charge", {})], "done"), charge).open(SESSION) as s:
        await s.send("go")
    other = Answers("I see")
    async with app_of(store_url, other, charge).open(SESSION) as session:
        await session.send("and?")

    [response] = responses(other.asked[0][:-1])
    assert response.response == "charged"
