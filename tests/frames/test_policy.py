"""Which model, which instructions and which tools are in force: the later word wins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sojourn import Agent, App, Residency, tool
from sojourn.errors import (
    InvalidInput,
    LeaseHeld,
    MissingContextWindow,
    MissingModel,
    UnknownSession,
    UnresolvedTool,
    UnusableModel,
)
from sojourn.messages import Message
from sojourn.models import ModelAnswer, ModelRequest, ModelSpec
from sojourn.testing import ScriptedModel
from tests.embedded.making import SESSION, problems

BIG = ModelSpec("scripted:big", context_window_tokens=100_000)
SMALL = ModelSpec("scripted:small", context_window_tokens=10_000)
UNKNOWN = ModelSpec("scripted:unknown")


class Named(ScriptedModel):
    """A model that answers with its name, and keeps what it was told.

    Attributes:
        requests: every question.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(self._answer, spec)
        self.requests: list[ModelRequest] = []
        self._name = spec.id.partition(":")[2]

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Keep the question, and answer."""
        self.requests.append(request)
        return await super().complete(request)

    def _answer(self, messages: Sequence[Message]) -> str:
        del messages
        return self._name


@tool
def add(first: int, second: int) -> int:
    """Add."""
    return first + second


@tool
def subtract(first: int, second: int) -> int:
    """Subtract."""
    return first - second


def app_of(store_url: str, model: Any, *others: Named | ModelSpec, **options: Any) -> App:
    """Return an app of one agent with two tools, and models that its sessions may change to."""
    agent = Agent("clerk", model=model, instructions="be brief", **options)
    return App(agents=[agent], tools=[add, subtract], models=others, store=store_url)


async def said(app: App, session_id: str = SESSION) -> str:
    """Open the session, send a message, and return the answer: the model's name."""
    async with app.open(session_id) as session:
        return (await session.send("who are you?")).text


async def test_the_hosts_model_wins_over_the_persisted_one(store_url: str) -> None:
    """Reopening with another choice changes the model; nothing has to be undone."""
    assert await said(app_of(store_url, Named(BIG))) == "big"
    assert await said(app_of(store_url, Named(SMALL))) == "small"
    assert await said(app_of(store_url, Named(BIG))) == "big"


async def test_a_host_without_a_model_leaves_the_persisted_one_standing(store_url: str) -> None:
    """It only has to know who answers for it; a session that never had one is refused."""
    big = Named(BIG)
    await said(app_of(store_url, big))
    silent = app_of(store_url, None, big)
    assert await said(silent) == "big"
    with pytest.raises(MissingModel):
        await said(silent, "another")
    async with silent.open("another") as session:
        with pytest.raises(UnknownSession):
            await session.show()


async def test_a_chosen_model_survives_every_rebuild_until_it_is_taken_back(
    store_url: str,
) -> None:
    """It wins over the app's default, also when that changes."""
    app = app_of(store_url, Named(BIG), Named(SMALL))
    async with app.open(SESSION) as session:
        assert (await session.send("who?")).text == "big"
        configured = await session.configure(model="scripted:small")
        assert (await session.send("who?")).text == "small"
        assert (await session.show()).model.model_dump() == {"id": SMALL.id, "chosen": True}
    other = app_of(store_url, Named(ModelSpec("scripted:newer")), Named(SMALL))
    assert await said(other) == "small"
    async with other.open(SESSION) as session:
        back = await session.configure(default_model=True)
        assert (await session.send("who?")).text == "newer"
        assert (await session.show()).model.chosen is False

    assert (configured.model, back.model) == (SMALL.id, "scripted:newer")
    assert await problems(store_url) == []


async def test_a_model_may_be_chosen_before_the_first_message(store_url: str) -> None:
    """And wins at once."""
    app = app_of(store_url, Named(BIG), Named(SMALL))
    async with app.open(SESSION) as session:
        await session.configure(model="scripted:small")
    assert await said(app) == "small"


async def test_a_model_that_cannot_be_opened_is_refused_before_anything_is_written(
    store_url: str,
) -> None:
    """The session goes on with the one that it has."""
    app = app_of(store_url, Named(BIG))
    async with app.open(SESSION) as session:
        await session.send("who?")
        before = await session.show()
        with pytest.raises(UnusableModel, match="nobody:knows"):
            await session.configure(model="nobody:knows")
        assert (await session.show()).head_revision == before.head_revision
        assert (await session.send("who?")).text == "big"


async def test_a_model_is_refused_if_compaction_would_not_know_its_window(store_url: str) -> None:
    """The refusal says how to tell it; described, it is taken."""
    big, small = Named(BIG), Named(UNKNOWN)
    app = app_of(store_url, big, small, compact_at=0.8)
    async with app.open(SESSION) as session:
        with pytest.raises(MissingContextWindow, match="ModelSpec"):
            await session.configure(model=UNKNOWN.id)
        await session.configure(model=ModelSpec(UNKNOWN.id, context_window_tokens=5_000))
        assert (await session.send("who?")).text == "unknown"
    assert small.requests[-1].model.context_window_tokens == 5_000


async def test_tools_are_taken_and_given_in_mid_session(store_url: str) -> None:
    """The generation moves with each change, the change survives, and a new app has it too."""
    model = Named(BIG)
    app = app_of(store_url, model)
    async with app.open(SESSION) as session:
        await session.send("hello")
        first = await session.configure(disable=["add"])
        await session.send("hello")
        view = await session.show()
    async with app.open(SESSION) as session:
        await session.send("hello")
        second = await session.configure(enable=["add"])
        await session.send("hello")

    offered = [[spec.name for spec in request.tools] for request in model.requests]
    both = ["add", "subtract"]
    assert offered == [both, ["subtract"], ["subtract"], both]
    assert view.disabled_tools == ("add",)
    assert second.generation == first.generation + 1


async def test_an_unknown_tool_changes_nothing(store_url: str) -> None:
    """Neither the tools that were named beside it, here or elsewhere."""
    model = Named(BIG)
    app = app_of(store_url, model)
    async with app.open(SESSION) as session:
        await session.send("hello")
        with pytest.raises(UnresolvedTool, match="divide"):
            await session.configure(disable=["add", "divide"])
        await session.send("hello")
        view = await session.show()

    assert len(model.requests[-1].tools) == 2
    assert (view.head_revision, view.disabled_tools) == (2, ())


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"model": "scripted:big", "default_model": True},
        {"enable": ["add"], "disable": ["add"]},
    ],
    ids=["nothing", "two models", "both ways"],
)
async def test_a_wish_that_makes_no_sense_is_refused(store_url: str, wish: dict[str, Any]) -> None:
    """Before anybody is asked."""
    async with app_of(store_url, Named(BIG)).open(SESSION) as session:
        with pytest.raises(InvalidInput):
            await session.configure(**wish)


async def test_a_session_that_another_holds_is_not_changed(store_url: str) -> None:
    """Not even in the memory of the one who was refused."""
    model = Named(BIG)
    app = app_of(store_url, model)
    async with app.open(SESSION) as holder:
        await holder.send("hello")
        async with app.open(SESSION) as other:
            with pytest.raises(LeaseHeld):
                await other.configure(disable=["add"])
        await holder.send("hello")
    assert len(model.requests[-1].tools) == 2


@pytest.mark.parametrize("residency", list(Residency))
async def test_a_frame_has_its_own_model_and_instructions(
    store_url: str, residency: Residency
) -> None:
    """In force in the frame and in those that are opened within it, and not before it."""
    big, small = Named(BIG), Named(SMALL)
    agent = Agent("clerk", model=big, instructions="be brief")
    app = App(agents=[agent], models=[small], store=store_url, residency=residency)
    async with app.open(SESSION) as session:
        await session.send("hello")
        before = (await session.show()).leaf
        await session.open_frame("go on", model="scripted:small", instructions="be long")
        await session.send("hello")
        await session.compact("we went on")
        await session.fork("earlier", at=before)
        view = await session.show()
    assert await said(app) == "small"
    assert small.requests[-1].instructions == "be long"
    assert small.requests[-1].model == SMALL
    assert await said(app, "earlier") == "big"
    assert big.requests[-1].instructions == "be brief"
    assert view.frame is not None
    assert view.frame.sets == ("model", "instructions")
    assert view.model.model_dump() == {"id": SMALL.id, "chosen": False}


async def test_of_a_frames_model_and_a_chosen_one_the_later_word_wins(store_url: str) -> None:
    """A choice within a frame wins; a frame that names a model takes an earlier choice back."""
    app = app_of(store_url, Named(BIG), Named(SMALL), Named(UNKNOWN))
    async with app.open(SESSION) as session:
        await session.send("hello")
        await session.open_frame(model="scripted:small")
        assert (await session.send("who?")).text == "small"
        await session.configure(model="scripted:unknown")
        assert (await session.send("who?")).text == "unknown"
        await session.open_frame("a frame that names no model")
        assert (await session.send("who?")).text == "unknown"
        await session.open_frame(model="scripted:small")
        assert (await session.send("who?")).text == "small"
    assert await said(app) == "small"


async def test_a_chosen_model_that_is_gone_is_not_silently_replaced(store_url: str) -> None:
    """The turn fails and names it, until it is taken back."""
    async with app_of(store_url, Named(BIG), Named(SMALL)).open(SESSION) as session:
        await session.configure(model="scripted:small")
    poorer = app_of(store_url, Named(BIG))
    async with poorer.open(SESSION) as session:
        failed = await session.send("who?")
        await session.configure(default_model=True)
        result = await session.send("who?")

    assert failed.error is not None
    assert failed.error.type == "UnusableModel"
    assert "scripted:small" in failed.error.message
    assert result.text == "big"


async def test_a_choice_is_not_taken_back_for_a_model_that_is_gone(store_url: str) -> None:
    """It is refused before anything is written, and the session goes on with its choice."""
    own, gone = Named(ModelSpec("scripted:own")), Named(ModelSpec("scripted:gone"))
    async with app_of(store_url, own, gone).open(SESSION) as session:
        await session.send("hello")
        await session.open_frame("briefing", model="scripted:gone")
        await session.configure(model="scripted:own")
    async with app_of(store_url, own).open(SESSION) as session:
        before = (await session.show()).head_revision
        with pytest.raises(UnusableModel, match="scripted:gone"):
            await session.configure(default_model=True)
        assert (await session.show()).head_revision == before
        assert (await session.send("go on")).text == "own"


async def test_a_fork_and_a_child_have_what_was_chosen(store_url: str) -> None:
    """Until it is taken back there."""
    app = app_of(store_url, Named(BIG), Named(SMALL))
    async with app.open(SESSION) as session:
        await session.send("hello")
        await session.configure(model="scripted:small", disable=["add"])
        await session.fork("fork")
        await session.spawn("child")
    async with app.open("child") as child:
        assert (await child.send("who?")).text == "small"
    async with app.open("fork") as fork:
        assert (await fork.send("who?")).text == "small"
        assert (await fork.show()).disabled_tools == ("add",)
        await fork.configure(default_model=True)
        assert (await fork.send("who?")).text == "big"
    assert await said(app) == "small"
