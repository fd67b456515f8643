"""Frames that were damaged: what is left is read, and the right frame is current."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from sojourn import Residency
from sojourn.compaction import SEED
from tests.frames.making import SESSION, SUMMARY, Counting, counting_app

SEEDED = f"{SEED}\n\n{SUMMARY}"


def lose(store_url: str, node_id: str | None) -> None:
    """Lose a node, behind the store's back."""
    path = store_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM nodes WHERE node_id = ?", (node_id,))


@pytest.mark.parametrize("residency", list(Residency))
async def test_a_lost_leaf_in_a_frame_leaves_the_frame_current(
    store_url: str, residency: Residency
) -> None:
    """The newest message stands in, and what came before the frame is not shown again."""
    script = Counting()
    app = counting_app(store_url, script, residency=residency, compact_keep=0)
    async with app.open(SESSION) as session:
        await session.send("one")
        await session.compact()
        await session.send("two")
        leaf = (await session.show()).leaf
    lose(store_url, leaf)
    async with app.open(SESSION) as session:
        await session.send("three")
        view = await session.show()

    assert script.asked[-1] == [SEEDED, "two", "three"]
    assert [each.kind for each in view.healed] == ["dangling leaf"]
    assert view.frame is not None


@pytest.mark.parametrize("residency", list(Residency))
async def test_a_lost_frame_node_makes_the_earlier_frame_current(
    store_url: str, residency: Residency
) -> None:
    """An empty frame is a leaf itself: with it goes what it has set."""
    script = Counting()
    app = counting_app(store_url, script, residency=residency)
    async with app.open(SESSION) as session:
        await session.send("one")
        opened = await session.open_frame(instructions="be long")
    lose(store_url, opened.frame)
    async with app.open(SESSION) as session:
        await session.send("two")
        view = await session.show()

    assert script.asked[-1] == ["one", "1 heard", "two"]
    assert view.frame is None
