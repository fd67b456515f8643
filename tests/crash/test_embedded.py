"""A process with an embedded session is killed by SIGKILL, and another one opens the session."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sojourn import TurnResult
from sojourn.adapters.open import open_store, opened_store
from sojourn.clock import ManualClock
from sojourn.errors import LeaseHeld
from sojourn.ports import SilentProbe
from tests.support.crash_apps import Ledger, shop
from tests.support.transcripts import transcript_of
from tests.support.worker_process import ROOT, SOURCES

pytestmark = pytest.mark.crash

SESSION, TURN = "chat-1", "turn-1"
ASKED = {"model 1": 1, "model 3": 1}

# Where it dies, the tool of its turn, how that ends, and what is counted in both lives together.
DEATHS = [
    ("claim.after", "charge", "done", {"charge": 1}),
    ("model.bought", "charge", "done", {"charge": 1, "model 1": 2}),
    ("model.recorded", "charge", "done", {"charge": 1}),
    ("tool.started", "charge", "unknown", {}),
    ("tool.ran", "charge", "unknown", {"charge": 1}),
    ("tool.recorded", "charge", "done", {"charge": 1}),
    ("tool.ran", "look", "done", {"look": 2}),
    ("model.recorded:2", "look", "done", {"look": 1}),
    ("commit.before", "charge", "done", {"charge": 1}),
    ("commit.after", "charge", "done", {"charge": 1}),
    ("park.before", "charge", "done", {"charge": 1}),
]


async def killed(store_url: str, point: str, text: str) -> None:
    """Let a process send a message as `turn-1` and die at a point."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.embedded_main", "tests.support.crash_apps:shop"),
        *(store_url, point, SESSION, TURN, text),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, SOURCES))},
    )
    assert await process.wait() == -signal.SIGKILL


async def sent_again(store_url: str, text: str, at: datetime) -> TurnResult:
    """Open the session at a time, and send the message as the same turn."""
    clock = ManualClock(at)
    store = await open_store(store_url, clock=clock)
    try:
        async with shop(store_url, SilentProbe()).open(SESSION, store=store) as session:
            return await session.send(text, TURN)
    finally:
        await store.close()


async def lived(store_url: str, point: str, tool: str) -> tuple[TurnResult, dict[str, int]]:
    """Let one process die in a turn and another one end it; return the result and the counts."""
    await killed(store_url, point, tool)
    later = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251 - the dead process had real time
    result = await sent_again(store_url, tool, later)
    return result, Ledger.beside(store_url).counts()


async def test_the_next_process_goes_on_from_the_journal(tmp_path: Path) -> None:
    """The same turn id is the same turn: what is recorded is neither bought nor done again."""
    urls = [f"sqlite:///{tmp_path}/{number}.db" for number in range(len(DEATHS))]
    lives = await asyncio.gather(
        *(lived(url, point, tool) for url, (point, tool, _, _) in zip(urls, DEATHS, strict=True))
    )

    seen = {
        (point, tool): (result.text, result.status, result.head_revision, counts)
        for (point, tool, _, _), (result, counts) in zip(DEATHS, lives, strict=True)
    }
    assert seen == {
        (point, tool): (f"{tool} {status}", "completed", 1, ASKED | counts)
        for point, tool, status, counts in DEATHS
    }
    for url, (_, tool, status, _) in zip(urls, DEATHS, strict=True):
        async with opened_store(url) as store:
            told = f"{tool} {status}"
            assert await transcript_of(store, SESSION) == [
                f"user: {tool}",
                f"assistant: {tool}",
                f"tool: {told}",
                f"assistant: {told}",
            ]
            assert [problem async for problem in store.check()] == []
            assert (await store.stats())["effects"] == 0
            lease = await store.lease(SESSION)
            assert lease is not None
            assert lease.released


async def test_a_dead_process_holds_the_session_until_its_lease_runs_out(store_url: str) -> None:
    """Nobody can know that it is dead; the refusal names it, and nothing is written."""
    await killed(store_url, "model.recorded", "charge")
    now = datetime.now(UTC)  # noqa: TID251 - as above
    with pytest.raises(LeaseHeld) as held:
        await sent_again(store_url, "charge", now)

    assert held.value.facts["holder"].startswith("embedded-")
    assert Ledger.beside(store_url).counts() == {"model 1": 1}
    result = await sent_again(store_url, "charge", held.value.expires_at)
    assert result.text == "charge done"
