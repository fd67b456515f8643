"""`sojourn.branching`, on stores in memory and in a file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sojourn import App, ids
from sojourn.adapters.open import opened_store
from sojourn.branching import checkout, start
from sojourn.errors import HeadConflict, LeaseHeld, SessionDeleted, UnknownNode, UnknownSession
from sojourn.lease import Claim, LeaseOwner
from sojourn.messages import user
from sojourn.ports import SessionStore
from sojourn.reads import TurnOpening
from sojourn.view import SessionView, view_session
from tests.cli.apps import app


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, store_url: str) -> AsyncIterator[SessionStore]:
    """An open store of each kind."""
    async with opened_store("memory://" if request.param == "memory" else store_url) as opened:
        yield opened


async def talked(store: SessionStore, *texts: str) -> SessionView:
    """Send messages to the session, and return how it stands."""
    async with App(agents=app.agents).open("chat-42", store=store) as session:
        for text in texts:
            await session.send(text)
    return await view_session(store, "chat-42")


def said(view: SessionView) -> list[str]:
    """Return what the user said on the active path."""
    return [message.text for message in view.messages if message.role == "user"]


async def test_a_started_session_is_at_head_1_and_free(store: SessionStore) -> None:
    """It has its configuration, no message, and nobody's lease."""
    assert await start(store, "chat-42", {"agent": "clerk", "model": None})
    head = await store.head("chat-42")
    lease = await store.lease("chat-42")

    assert head is not None
    assert (head.head_revision, head.leaf, head.turn_count) == (1, None, 0)
    assert head.config["agent"] == "clerk"
    assert lease is not None
    assert lease.released


async def test_a_session_that_exists_is_not_started_again(store: SessionStore) -> None:
    """Nothing of it changes."""
    before = await talked(store, "one")

    assert not await start(store, "chat-42", {"agent": "cook"})
    assert await view_session(store, "chat-42") == before


async def test_a_row_without_a_commit_is_started(store: SessionStore) -> None:
    """A start that was killed in the middle has left one: the next start goes on."""
    await store.release(await store.claim(Claim("chat-42", LeaseOwner.fresh(), "exec")))

    assert await start(store, "chat-42", {"agent": "clerk"})
    assert not await start(store, "chat-42", {"agent": "clerk"})


async def test_a_session_in_its_first_turn_is_not_started_again(store: SessionStore) -> None:
    """Its configuration came with the turn; the turn's lease is not touched."""
    opening = TurnOpening(
        claim=Claim("chat-42", LeaseOwner("somebody", "life"), "t1"),
        turn_id="t1",
        input_payload=user("hello").encode(),
        input_digest=ids.digest(b"hello"),
        config={"agent": "clerk"},
    )
    opened = await store.open_turn(opening)

    assert not await start(store, "chat-42", {"agent": "cook"})
    assert await store.lease("chat-42") == opened.lease


async def test_a_deleted_id_is_not_started(store: SessionStore) -> None:
    """Ids are used once."""
    await talked(store, "one")
    await store.delete("chat-42")

    with pytest.raises(SessionDeleted):
        await start(store, "chat-42", {})


async def test_a_checkout_is_one_commit_that_gives_the_lease_back(store: SessionStore) -> None:
    """The head rises by one, no turn is counted, and no node is written or lost."""
    view = await talked(store, "one", "two")
    receipt = await checkout(store, "chat-42", view.messages[1].node_id)
    after = await view_session(store, "chat-42")

    assert receipt.head_revision == view.head_revision + 1
    assert (after.leaf, after.turns) == (view.messages[1].node_id, 2)
    assert said(after) == ["one"]
    assert after.lease is not None
    assert after.lease.released
    assert (await store.stats())["nodes"] == len(view.messages)


async def test_turns_go_on_from_the_node_that_was_checked_out(store: SessionStore) -> None:
    """Back and forth, as often as one likes, to the same node too."""
    two = await talked(store, "one", "two")
    one = two.messages[1].node_id
    await checkout(store, "chat-42", one)
    assert said(await talked(store, "three")) == ["one", "three"]
    await checkout(store, "chat-42", two.leaf or "")
    assert said(await talked(store, "four")) == ["one", "two", "four"]
    await checkout(store, "chat-42", one)
    assert said(await talked(store, "five")) == ["one", "five"]


async def test_a_fork_can_check_out_what_it_inherited_and_no_more(store: SessionStore) -> None:
    """A node is visible up to where the fork was made."""
    view = await talked(store, "one", "two")
    await store.fork("chat-42", view.messages[1].node_id, "chat-43")

    assert (await checkout(store, "chat-43", view.messages[0].node_id)).head_revision == 2
    with pytest.raises(UnknownNode):
        await checkout(store, "chat-43", view.leaf or "")


async def test_an_unknown_session_is_not_made_by_a_checkout(store: SessionStore) -> None:
    """Claiming would make its row: it is looked for first."""
    with pytest.raises(UnknownSession):
        await checkout(store, "chat-42", "n1")

    assert await store.head("chat-42") is None


async def test_an_unknown_node_costs_no_lease(store: SessionStore) -> None:
    """Nothing is claimed for a checkout that cannot be."""
    view = await talked(store, "one")

    with pytest.raises(UnknownNode):
        await checkout(store, "chat-42", "n1")
    assert await view_session(store, "chat-42") == view


async def test_a_session_that_is_held_is_not_checked_out(store: SessionStore) -> None:
    """The holder keeps its lease and its leaf."""
    view = await talked(store, "one", "two")
    held = await store.claim(Claim("chat-42", LeaseOwner("somebody", "life"), "turn-9"))

    with pytest.raises(LeaseHeld):
        await checkout(store, "chat-42", view.messages[1].node_id)
    assert await store.lease("chat-42") == held
    assert (await view_session(store, "chat-42")).leaf == view.leaf


async def test_a_checkout_that_fails_gives_the_lease_back(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to wait for its expiry."""
    view = await talked(store, "one", "two")

    async def refuse(_: object) -> None:
        raise HeadConflict(session_id="chat-42", expected=2, actual=3)

    monkeypatch.setattr(store, "commit", refuse)
    with pytest.raises(HeadConflict):
        await checkout(store, "chat-42", view.messages[1].node_id)
    lease = await store.lease("chat-42")
    assert lease is not None
    assert lease.released
