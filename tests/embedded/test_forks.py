"""Forks: another session on the same nodes, without copying one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sojourn import tool
from sojourn.adapters.open import opened_store
from sojourn.errors import InvalidId, InvalidInput, SessionDeleted, UnknownNode, UnknownSession
from sojourn.messages import Message
from tests.embedded.making import SESSION, Answers, Slow, app_of, problems, statuses, user_texts

FORK = "chat-2"


async def node_count(store_url: str) -> int:
    """Return how many nodes a store has."""
    async with opened_store(store_url) as store:
        return (await store.stats())["nodes"]


async def test_a_fork_copies_no_node_and_sees_all(store_url: str) -> None:
    """The new session begins where the old one stands."""
    app = app_of(store_url)
    async with app.open(SESSION) as session:
        await session.send("one")
        before = await node_count(store_url)
        assert await session.fork(FORK) == FORK
        original = await session.show()
    async with app.open(FORK) as fork:
        view = await fork.show()

    assert await node_count(store_url) == before == 2
    assert view.messages == original.messages
    assert view.leaf == original.leaf


async def test_a_fork_and_its_origin_go_on_apart(store_url: str) -> None:
    """At the same time: each holds a lease of its own, and sees its own words alone."""
    app = app_of(store_url)
    async with app.open(SESSION) as session:
        await session.send("one")
        await session.fork(FORK)
        async with app.open(FORK) as fork:
            await session.send("two")
            await fork.send("other two")
            await session.send("three")
            texts = user_texts(await session.show()), user_texts(await fork.show())

    assert texts == (["one", "two", "three"], ["one", "other two"])
    assert await node_count(store_url) == 8
    assert await problems(store_url) == []


async def test_a_turn_id_is_free_in_a_fork(store_url: str) -> None:
    """Receipts are a session's own."""
    app = app_of(store_url)
    async with app.open(SESSION) as session:
        await session.send("one", "t-1")
        await session.fork(FORK)
    async with app.open(FORK) as fork:
        result = await fork.send("two", "t-1")
        assert user_texts(await fork.show()) == ["one", "two"]

    assert result.text == "you said two"


async def test_a_fork_at_an_earlier_node_forgets_what_came_after(store_url: str) -> None:
    """In its view and for its model."""
    model = Answers("first", "second", "third")
    app = app_of(store_url, model)
    async with app.open(SESSION) as session:
        await session.send("one")
        after_one = (await session.show()).leaf
        await session.send("two")
        await session.fork(FORK, at=after_one)
    async with app.open(FORK) as fork:
        await fork.send("other two")
        assert user_texts(await fork.show()) == ["one", "other two"]

    assert [message.text for message in model.asked[-1]] == ["one", "first", "other two"]


async def test_a_fork_in_the_middle_of_a_turn_leaves_no_call_open(store_url: str) -> None:
    """A model is never shown a call without a response."""

    @tool
    def work() -> str:
        """Work."""
        return "works"

    model = Answers([("work", {})], "done", "I see")
    app = app_of(store_url, model, work)
    async with app.open(SESSION) as session:
        await session.send("go")
        asking = (await session.show()).messages[1].node_id
        await session.fork(FORK, at=asking)
    async with app.open(FORK) as fork:
        result = await fork.send("and?")

    assert result.text == "I see"
    assert statuses(model.asked[-1]) == ["unknown"]


async def test_a_fork_of_a_fork_sees_its_whole_ancestry(store_url: str) -> None:
    """Three sessions, one path."""
    app = app_of(store_url)
    names = [SESSION, "chat-2", "chat-3"]
    for name, following in zip(names, [*names[1:], "chat-4"], strict=True):
        async with app.open(name) as session:
            await session.send(f"in {name}")
            await session.fork(following)
    async with app.open("chat-4") as last:
        assert user_texts(await last.show()) == [f"in {name}" for name in names]


async def test_a_session_is_forked_while_it_works(store_url: str) -> None:
    """From what is committed: the open turn is not part of it."""
    slow = Slow()
    app = app_of(store_url, slow)
    async with app.open(SESSION) as session:
        await session.send("one")
        turn = await session.submit("wait")
        await slow.gate.reached()
        await session.fork(FORK)
        async with app.open(FORK) as fork:
            assert user_texts(await fork.show()) == ["one"]
        slow.gate.open()
        assert (await turn.result()).head_revision == 2


async def test_a_fork_survives_the_deletion_of_its_origin(store_url: str) -> None:
    """Nodes that it reaches stay."""
    app = app_of(store_url)
    async with app.open(SESSION) as session:
        await session.send("one")
        await session.fork(FORK)
    async with opened_store(store_url) as store:
        await store.delete(SESSION)
        await store.vacuum()
    async with app.open(FORK) as fork:
        await fork.send("two")
        assert user_texts(await fork.show()) == ["one", "two"]

    assert await problems(store_url) == []


async def test_what_cannot_be_forked_is_refused(store_url: str) -> None:
    """Nothing, an unknown node, and another session's node."""
    app = app_of(store_url)
    async with app.open("chat-3") as other:
        await other.send("hello")
        foreign = (await other.show()).leaf
    async with app.open(SESSION) as session:
        with pytest.raises(UnknownSession):
            await session.fork(FORK)
        await session.send("one")
        for node in ("nobody", foreign):
            with pytest.raises(UnknownNode):
                await session.fork(FORK, at=node)
    async with app.open(FORK) as fork:
        with pytest.raises(UnknownSession):
            await fork.show()


async def test_an_id_that_is_not_free_is_refused(store_url: str) -> None:
    """Taken, the session's own, deleted, or no id at all."""
    app = app_of(store_url)
    async with app.open("gone") as gone:
        await gone.send("hello")
    async with opened_store(store_url) as store:
        await store.delete("gone")
    async with app.open(SESSION) as session:
        await session.send("one")
        await session.fork(FORK)
        for taken in (FORK, SESSION):
            with pytest.raises(InvalidInput, match="already"):
                await session.fork(taken)
        with pytest.raises(SessionDeleted):
            await session.fork("gone")
        with pytest.raises(InvalidId):
            await session.fork("a b")


async def test_a_fork_counts_its_own_tokens(store_url: str) -> None:
    """What the origin has spent is the origin's."""

    def script(messages: Sequence[Message]) -> str:
        return "said"

    app = app_of(store_url, script)
    async with app.open(SESSION) as session:
        await session.send("one")
        await session.fork(FORK)
    async with app.open(FORK) as fork:
        before = (await fork.show()).usage
        result = await fork.send("two")
        after = (await fork.show()).usage

    assert before.input_tokens == 0
    assert after == result.usage
