"""Opening sessions: on which store, and which of them can be."""

from __future__ import annotations

import asyncio

import pytest

from sojourn.adapters.open import opened_store
from sojourn.embedded.session import EmbeddedSession
from sojourn.errors import SessionDeleted, UnknownSession
from sojourn.testing import ScriptedModel
from tests.embedded.making import SESSION, app_of, problems, seen, user_texts
from tests.support.scene import echo


async def test_opens_of_one_app_share_its_memory() -> None:
    """It lives as long as the app; another app has its own."""
    app = app_of("memory://")
    async with app.open(SESSION) as session:
        await session.send("one")
    async with app.open(SESSION) as session:
        assert user_texts(await session.show()) == ["one"]
    async with app_of("memory://").open(SESSION) as session:
        with pytest.raises(UnknownSession):
            await session.show()


async def test_a_store_that_was_handed_over_stays_open(store_url: str) -> None:
    """Whoever opened it closes it; and it takes the place of the app's own."""
    app = app_of("memory://")
    async with opened_store(store_url) as store:
        for _ in range(2):
            async with app.open(SESSION, store=store) as session:
                await session.send("hello")
        head = await store.head(SESSION)
    async with app.open(SESSION) as session:
        with pytest.raises(UnknownSession):
            await session.show()

    assert head is not None
    assert head.head_revision == 2


async def test_sessions_of_one_store_keep_apart(store_url: str) -> None:
    """Twelve at once, each on a connection of its own."""
    app = app_of(store_url)

    async def visit(name: str) -> list[str]:
        async with app.open(name) as session:
            await session.send(f"{name} says one")
            await session.send(f"{name} says two")
            return user_texts(await session.show())

    names = [f"chat-{number}" for number in range(12)]
    visits = await asyncio.gather(*map(visit, names))

    assert visits == [[f"{name} says one", f"{name} says two"] for name in names]
    assert await problems(store_url) == []


async def _deleted(session: EmbeddedSession, store_url: str) -> None:
    await session.park()
    async with opened_store(store_url) as store:
        await store.delete(session.session_id)


async def test_a_deleted_session_takes_no_message_for_ever(store_url: str) -> None:
    """Ids are used once: no turn is begun again, old or new, and there is nothing to see."""
    app = app_of(store_url)
    async with app.open(SESSION) as session:
        await session.send("hello", "t-1")
        await _deleted(session, store_url)
    async with app.open(SESSION) as session:
        for turn_id in ("t-1", "t-2"):
            with pytest.raises(SessionDeleted):
                await session.send("hello", turn_id)
        with pytest.raises(UnknownSession):
            await session.show()


async def test_a_session_that_is_deleted_while_it_is_open_takes_no_message(store_url: str) -> None:
    """The refusal is typed, and the session closes quietly."""
    async with app_of(store_url).open(SESSION) as session:
        await session.send("hello", "t-1")
        await _deleted(session, store_url)
        for turn_id in ("t-1", "t-2"):
            with pytest.raises(SessionDeleted):
                await session.send("hello", turn_id)


async def test_an_open_without_a_turn_leaves_no_trace(store_url: str) -> None:
    """A session is made by its first turn."""
    model = ScriptedModel(echo)
    async with app_of(store_url, model).open(SESSION):
        pass
    with pytest.raises(UnknownSession):
        await seen(store_url)
