"""A session that fails in this process is given back all the same."""

from __future__ import annotations

import pytest
from typing_extensions import override

from sojourn.adapters.memory import MemoryStore
from sojourn.errors import PluginFailed
from sojourn.reads import OpenTurn, TurnOpening
from sojourn.runtime import SessionRuntime
from tests.embedded.making import SESSION, app_of


async def test_a_session_whose_plugins_cannot_say_what_to_keep_is_given_back(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens it next need not wait until the lease runs out."""

    async def unable(_: SessionRuntime) -> None:
        raise PluginFailed(plugin="Notes", hook="snapshot", reason="no idea")

    async with app_of(store_url).open(SESSION) as session:
        await session.send("hello")
        monkeypatch.setattr(SessionRuntime, "settle", unable)
    async with app_of(store_url).open(SESSION) as session:
        assert (await session.send("again")).text == "you said again"


class Mute(MemoryStore):
    """A store that opens a turn, and is never heard of it."""

    @override
    async def open_turn(self, opening: TurnOpening) -> OpenTurn:
        await super().open_turn(opening)
        raise PluginFailed(plugin="none", hook="none", reason="lost")


async def test_a_claim_that_fails_before_it_is_told_is_given_back() -> None:
    """Its token is the store's to say."""
    store = Mute()
    async with app_of(store).open(SESSION) as session:
        with pytest.raises(PluginFailed):
            await session.send("hello")
    lease = await store.lease(SESSION)

    assert lease is not None
    assert lease.released
