"""The worker's host: opened once, whoever asks, and however long it takes."""

from __future__ import annotations

import asyncio

import pytest

from sojourn.errors import InvalidInput
from sojourn_worker.host_keeper import HostKeeper
from tests.embedded.making import app_of
from tests.tools.doors import Door


async def test_an_opening_goes_on_when_whoever_asked_for_it_gives_up(store_url: str) -> None:
    """An activity that is timed out does not have the next one begin anew."""
    door = Door("door")
    keeper = HostKeeper(app_of(store_url, sources=[door]))
    asking = asyncio.create_task(keeper.get())
    await door.knocked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    door.gate.set()

    assert await keeper.get() is await keeper.get()
    assert (door.knocks, door.opened) == (1, 1)
    await keeper.close()
    assert door.opened == 0


async def test_an_opening_that_fails_is_tried_again(store_url: str) -> None:
    """Whoever asks next may have better luck."""
    door = Door("door", InvalidInput(reason="no such variable"))
    door.gate.set()
    keeper = HostKeeper(app_of(store_url, sources=[door]))

    for _ in range(2):
        with pytest.raises(InvalidInput, match="no such variable"):
            await keeper.get()

    assert (door.knocks, door.opened) == (2, 0)
    await keeper.close()


async def test_a_keeper_that_is_closed_in_mid_opening_leaves_nothing_open(store_url: str) -> None:
    """And opens again for whoever asks afterwards."""
    door = Door("door")
    keeper = HostKeeper(app_of(store_url, sources=[door]))
    asking = asyncio.create_task(keeper.get())
    await door.knocked.wait()
    await keeper.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert door.opened == 0

    door.gate.set()
    await keeper.get()
    assert door.opened == 1
    await keeper.close()
