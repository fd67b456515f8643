"""A disk that is full in mid-turn: a typed refusal, a sound store, and the same turn afterwards."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sojourn.adapters.sqlite import SqliteStore
from sojourn.errors import StoreUnavailable
from sojourn.messages import Message
from sojourn.outcome import TurnStatus
from sojourn_activities import session as activities
from sojourn_workflows import options
from tests.support.scene import Scene

pytestmark = pytest.mark.server

# More than fits into what the file's pages have left.
LONG = "x" * 100_000
PLENTY = 1_000_000
SOON = timedelta(milliseconds=5)


@dataclass
class FullAt:
    """A probe that leaves a store's file no room to grow when a point of a turn is passed."""

    point: str
    store: SqliteStore
    is_armed: bool = True

    async def reached(self, point: str, session_id: str) -> None:  # noqa: ARG002 - a Probe
        """Fill the disk if this is the point."""
        if point == self.point and self.is_armed:
            await self.limit(0)

    async def limit(self, pages: int) -> None:
        """Let the file have so many pages, or as many as it has if that is more."""
        await self.store._writer.execute_fetchall(f"PRAGMA max_page_count = {max(pages, 1)}")

    async def make_room(self) -> None:
        """Let the file grow again."""
        self.is_armed = False
        await self.limit(PLENTY)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every attempt that there is at once: their pauses take minutes otherwise."""
    policy = options.STORE.get("retry_policy")
    assert policy is not None
    policy = replace(policy, initial_interval=SOON, maximum_interval=SOON)
    monkeypatch.setattr(options, "STORE", options.STORE | {"retry_policy": policy})
    monkeypatch.setattr(activities, "PAUSE", SOON)


async def problems(store_url: str) -> Any:
    """Return what `sojourn store check` finds, by a process of its own."""
    sojourn = Path(sys.executable).with_name("sojourn")
    process = await asyncio.create_subprocess_exec(
        *(sojourn, "store", "check", "--store", store_url, "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(out)["problems"]


@pytest.mark.parametrize(
    ("point", "asked_before", "asked_after"),
    [("claim.before", 0, 1), ("model.calling", 4, 1), ("commit.before", 1, 0)],
    ids=["begin", "journal", "commit"],
)
async def test_a_full_disk_in_mid_turn_is_told_and_cured_by_room(
    scene: Scene, store_url: str, point: str, asked_before: int, asked_after: int
) -> None:
    """Nothing is half written, nothing runs on, and what was recorded is not bought again."""
    asked: list[int] = []

    def counted(messages: Sequence[Message]) -> str:
        asked.append(len(messages))
        return LONG

    assert isinstance(scene.store, SqliteStore)
    disk = FullAt(point, scene.store)
    app = replace(scene.app(counted, model_attempts=1), probe=disk)
    async with scene.played_by(app) as session:
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            await session.send(LONG, "t-1")
        assert len(asked) == asked_before
        await session.park()
        assert not await scene.is_open()
        assert await problems(store_url) == []
        await disk.make_room()
        result = await session.send(LONG, "t-1")
        assert await session.send(LONG, "t-1") == result

    assert (result.status, result.text, result.head_revision) == (TurnStatus.COMPLETED, LONG, 1)
    assert len(asked) == asked_before + asked_after
    assert await scene.texts() == [LONG]
    assert (await scene.store.stats())["effects"] == 0
    assert await problems(store_url) == []
