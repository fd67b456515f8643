"""Compaction on every store: one law, whatever keeps the session."""

from __future__ import annotations

import pytest

from sojourn.adapters.memory import MemoryStore
from sojourn.compaction import SEED
from sojourn.ports import SessionStore
from tests.frames.making import SESSION, SUMMARY, Counting, counting_app
from tests.support.postgres import migrated, postgres_url

__all__ = ["migrated", "postgres_url"]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> str | SessionStore:
    """An empty store of each kind."""
    if request.param == "memory":
        return MemoryStore()
    name = "postgres_url" if request.param == "postgres" else "store_url"
    url: str = request.getfixturevalue(name)
    return url


async def test_a_session_is_compacted_and_goes_on(store: str | SessionStore) -> None:
    """By hand and by itself: the frames are read back, accounted for, and nothing is left over."""
    script = Counting()
    app = counting_app(store, script, compact_at=0.9, compact_keep=0)
    async with app.open(SESSION) as session:
        await session.send("one")
        first = await session.compact()
        await session.send("two")
    async with app.open(SESSION) as session:
        for _ in range(3):
            await session.send("x" * 3_000)
        view = await session.show()
    async with app.host() as host:
        ledger = {entry.source for entry in await host.store.usage(SESSION)}
        effects = (await host.store.stats())["effects"]
        problems = [problem async for problem in host.store.check()]

    assert first.head_revision == 2
    assert script.asked[1] == [f"{SEED}\n\n{SUMMARY}", "two"]
    assert view.frame is not None
    assert (view.frame.reason, view.turns) == ("automatic", 5)
    assert ledger == {"turn", "compaction"}
    assert (effects, problems) == (0, [])
