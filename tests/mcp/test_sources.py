"""Opening the sources of an app: all at once, and none is left open."""

from __future__ import annotations

import asyncio

import pytest

from sojourn.errors import InvalidInput
from sojourn.sources import opened_sources
from tests.embedded.making import app_of
from tests.mcp.making import Raw, is_running
from tests.tools.doors import Door


async def test_sources_are_opened_at_the_same_time() -> None:
    """The slowest alone says how long it takes."""
    first, second = Door("a"), Door("b")
    second.gate.set()

    async def hold() -> None:
        async with opened_sources([first, second]):
            assert (first.opened, second.opened) == (1, 1)

    holding = asyncio.create_task(hold())
    await first.knocked.wait()
    await second.knocked.wait()
    first.gate.set()
    await holding

    assert (first.opened, second.opened) == (0, 0)


async def test_a_source_that_can_never_be_opened_closes_the_others() -> None:
    """Its own error says why."""
    good, bad = Door("a"), Door("b", InvalidInput(reason="no such variable"))
    good.gate.set()
    bad.gate.set()

    with pytest.raises(InvalidInput, match="no such variable"):
        async with opened_sources([good, bad]):
            raise AssertionError

    assert (good.opened, bad.opened) == (0, 0)


async def test_an_opening_that_is_cancelled_leaves_nothing_open() -> None:
    """Not even what was open already."""
    good, slow = Door("a"), Door("b")
    good.gate.set()
    opening = asyncio.create_task(opened_sources([good, slow]).__aenter__())
    await slow.knocked.wait()
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening

    assert (good.opened, slow.opened) == (0, 0)


async def test_a_server_whose_opening_is_cancelled_is_ended(raw: Raw) -> None:
    """No process stays behind."""
    raw.flag("mute")
    source = raw.server(open_timeout=30)
    opening = asyncio.create_task(source.open())
    await raw.noted("pids")
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening

    assert not is_running(raw.pid)


def test_a_server_is_open_in_one_loop_after_the_other(raw: Raw, store_url: str) -> None:
    """`asyncio.run` twice with one app is two openings; in two loops at once is refused."""
    source = raw.server()
    app = app_of(store_url, sources=[source])

    async def go() -> int:
        async with app.open("chat-1") as session:
            await session.send("go")
            with pytest.raises(InvalidInput, match="open in another event loop"):
                await asyncio.to_thread(asyncio.run, source.open())
            return len(source.tools())

    assert (asyncio.run(go()), asyncio.run(go())) == (10, 10)
    assert len(raw.lines("pids")) == 2
