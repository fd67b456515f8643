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
    try:
        assert await process.wait() == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def sent_again(store_url: str, text: str, at: datetime) -> TurnResult:
    """Open the session at a time, and send the message as the same turn."""
    clock = ManualClock(at)
    store = await open_store(store_url, clock=clock)
    try:
        async with shop(store_url, SilentProbe()).open(SESSION, store=store) as session:
            return await session.send(text, TURN)
    finally:
        await store.close()


async def lived(store_url: str, point: str, tool: str) -> dict[str, object]:
    """Let one process die in a turn and another one end it; return what is seen afterwards."""
    await killed(store_url, point, tool)
    later = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251 - the dead process had real time
    result = await sent_again(store_url, tool, later)
    async with opened_store(store_url) as store:
        lease = await store.lease(SESSION)
        assert lease is not None
        return {
            "result": (result.text, result.status, result.head_revision),
            "counts": Ledger.beside(store_url).counts(),
            "transcript": await transcript_of(store, SESSION),
            "problems": [problem async for problem in store.check()],
            "open effects": (await store.stats())["effects"],
            "is held": lease.is_live(later),
        }


def expected(tool: str, status: str, counts: dict[str, int]) -> dict[str, object]:
    """Return what is to be seen after a death that has cost nothing but what is said."""
    told = f"{tool} {status}"
    return {
        "result": (told, "completed", 1),
        "counts": ASKED | counts,
        "transcript": [
            f"user: {tool}",
            f"assistant: {tool}",
            f"tool: {told}",
            f"assistant: {told}",
        ],
        "problems": [],
        "open effects": 0,
        "is held": False,
    }


async def test_the_next_process_goes_on_from_the_journal(tmp_path: Path) -> None:
    """The same turn id is the same turn: what is recorded is neither bought nor done again."""
    async with asyncio.TaskGroup() as group:
        lives = {
            (point, tool): group.create_task(
                lived(f"sqlite:///{tmp_path}/{number}.db", point, tool)
            )
            for number, (point, tool, _, _) in enumerate(DEATHS)
        }

    assert {point: life.result() for point, life in lives.items()} == {
        (point, tool): expected(tool, status, counts) for point, tool, status, counts in DEATHS
    }


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
