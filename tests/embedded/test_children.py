"""Children: sessions that another one makes, with its tools and its plugins' state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from typing_extensions import override

from sojourn import Agent, App, Plugin, tool
from sojourn.adapters.open import opened_store
from sojourn.branching import SPAWN, spawn
from sojourn.commit import Commit, CommitReceipt
from sojourn.errors import InvalidInput, StoreUnavailable, UnknownAgent, UnknownNode, UnknownSession
from sojourn.plugins import PluginContext, PluginSession
from sojourn.ports import SessionStore
from sojourn.testing import ScriptedModel
from sojourn.view import view_session
from tests.embedded.making import SESSION, problems, user_texts

CHILD = "chat-1/research"


class Noting(Plugin):
    """Counts the turns of each session, and keeps whom it was built for."""

    def __init__(self) -> None:
        self.built: list[PluginContext] = []

    @override
    def session(self, context: PluginContext) -> PluginSession:
        self.built.append(context)
        return NotingSession()


class NotingSession(PluginSession):
    """Counts what is committed."""

    count = 0

    @override
    def on_event(self, event: str, facts: Any) -> None:
        if event == "turn_committed":
            self.count += 1
            self.revision += 1

    @override
    def instructions(self) -> str:
        return f"count {self.count}"

    @override
    def snapshot(self) -> Any:
        return {"count": self.count}

    @override
    def restore(self, state: Any) -> None:
        self.count = state["count"] if state else 0


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return word


def family(store_url: str) -> tuple[App, Noting]:
    """Return an app of two agents, each with a model that says nothing of interest."""
    noting = Noting()
    model = ScriptedModel(lambda _: "said")
    agents = [Agent("lead", model=model), Agent("helper", model=model)]
    return App(agents=agents, store=store_url, tools=[look_up], plugins=[noting]), noting


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[SessionStore]:
    """A store in which the parent has taken two turns and was parked."""
    app, _ = family(store_url)
    async with app.open(SESSION, "lead") as session:
        await session.send("one")
        await session.send("two")
    async with opened_store(store_url) as opened:
        yield opened


async def test_a_child_begins_empty_with_its_parents_state(
    store: SessionStore, store_url: str
) -> None:
    """No message, but the catalogue's generation and the plugins' state; nothing is copied."""
    before = await store.stats()
    child = await spawn(store, SESSION, CHILD)
    parent = await store.head(SESSION)

    assert parent is not None
    assert (child.leaf, child.turn_count, child.head_revision) == (None, 0, 1)
    assert (child.tool_state, child.plugin_state) == (parent.tool_state, parent.plugin_state)
    assert child.config["agent"] == "lead"
    after = await store.stats()
    assert (after["nodes"], after["snapshots"]) == (before["nodes"], before["snapshots"])
    assert await problems(store_url) == []


async def test_a_child_knows_its_parent_for_good(store: SessionStore, store_url: str) -> None:
    """After turns, parks and rebuilds, plugins are still told whose child they serve."""
    await spawn(store, SESSION, CHILD, "helper")
    for text in ("first", "second"):
        app, noting = family(store_url)
        async with app.open(CHILD) as session:
            await session.send(text)

        assert noting.built == [PluginContext(CHILD, "helper", SESSION)]

    assert user_texts(await view_session(store, CHILD)) == ["first", "second"]


async def test_a_session_of_its_own_has_no_parent(store_url: str) -> None:
    """Nobody made it."""
    app, noting = family(store_url)
    async with app.open(SESSION, "lead") as session:
        await session.send("one")

    assert noting.built == [PluginContext(SESSION, "lead", None)]


async def test_a_child_may_stand_on_its_parents_conversation(
    store: SessionStore, store_url: str
) -> None:
    """From a node on, without copying one; then both go apart."""
    app, _ = family(store_url)
    async with app.open(SESSION) as parent:
        leaf = (await parent.show()).leaf
        assert await parent.spawn(CHILD, at=leaf) == CHILD
        async with app.open(CHILD) as child:
            await child.send("three")
            assert user_texts(await child.show()) == ["one", "two", "three"]
        assert user_texts(await parent.show()) == ["one", "two"]
    assert await problems(store_url) == []


async def test_spawning_again_changes_nothing(store: SessionStore) -> None:
    """A retry is the same child."""
    first = await spawn(store, SESSION, CHILD)

    assert await spawn(store, SESSION, CHILD) == first


async def test_a_taken_id_is_refused(store: SessionStore) -> None:
    """A session that exists, or is another's child, is nobody's to adopt."""
    await spawn(store, SESSION, CHILD)

    with pytest.raises(InvalidInput, match="already"):
        await spawn(store, CHILD, SESSION)
    await spawn(store, CHILD, "grandchild")
    with pytest.raises(InvalidInput, match="another session's child"):
        await spawn(store, SESSION, "grandchild")


async def test_what_does_not_exist_cannot_be_a_parent(store: SessionStore, store_url: str) -> None:
    """Neither a session nor a node nor an agent; nothing is written."""
    app, _ = family(store_url)
    with pytest.raises(UnknownSession):
        await spawn(store, "nobody", CHILD)
    with pytest.raises(UnknownNode):
        await spawn(store, SESSION, CHILD, at="nowhere")
    async with app.open(SESSION) as parent:
        with pytest.raises(UnknownAgent):
            await parent.spawn(CHILD, "stranger")

    assert await store.head(CHILD) is None


@pytest.mark.parametrize("on_leaf", [False, True])
async def test_a_spawn_that_was_cut_short_goes_on(
    store: SessionStore, on_leaf: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it had written: the bare row of a claim, or a fork without a parent."""
    parent = await store.head(SESSION)
    assert parent is not None
    at = parent.leaf if on_leaf else None
    commit = store.commit

    async def cut(wanted: Commit) -> CommitReceipt:
        assert wanted.operation_id == SPAWN
        raise StoreUnavailable(url="store", reason="cut")

    monkeypatch.setattr(store, "commit", cut)
    with pytest.raises(StoreUnavailable):
        await spawn(store, SESSION, CHILD, at=at)
    monkeypatch.setattr(store, "commit", commit)
    child = await spawn(store, SESSION, CHILD, at=at)

    assert (child.config["parent"], child.leaf) == (SESSION, at)
