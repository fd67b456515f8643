"""A process is killed by SIGKILL while it compacts a session, and another one goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from sojourn.adapters.open import open_store, opened_store
from sojourn.clock import ManualClock
from sojourn.errors import NoWorker
from sojourn.ports import SilentProbe
from sojourn.view import view_session
from sojourn_worker import ClientSession, SessionClient, SojournPlugin
from tests.support.crash_apps import Ledger, talker
from tests.support.stage import Stage, died
from tests.support.worker_process import ROOT, SOURCES

pytestmark = pytest.mark.crash

SESSION, TURN = "chat-1", "turn-4"
LONG = "x" * 1_200
TEXTS = [f"say {number} {LONG}" for number in range(4)]
POINTS = ["compact.before", "compact.summarised", "compact.after"]


async def begun(store_url: str) -> None:
    """Let a session grow until it is to be compacted before its next turn."""
    async with talker(store_url, SilentProbe()).open(SESSION) as session:
        for text in TEXTS[:3]:
            await session.send(text)


async def ended(store_url: str, session_id: str = SESSION) -> dict[str, object]:
    """Return what is to be seen of a session afterwards."""
    async with opened_store(store_url) as store:
        view = await view_session(store, session_id)
        frame, lease = view.frame, await store.lease(session_id)
        return {
            "place": (view.turns, view.head_revision),
            "frame": (frame.reason, frame.messages, frame.head_revision) if frame else None,
            "summaries": Ledger.beside(store_url).counts().get("summary"),
            "ledger": sorted(entry.source for entry in await store.usage(session_id)),
            "problems": [problem async for problem in store.check()],
            "open effects": (await store.stats())["effects"],
            "is released": lease is not None and lease.released,
        }


# Four turns and a frame that was opened by the fourth commit, with its seed and the fourth turn.
EXPECTED = {
    "place": (4, 5),
    "frame": ("automatic", 3, 4),
    "summaries": 1,
    "ledger": ["compaction", "turn"],
    "problems": [],
    "open effects": 0,
    "is released": True,
}


async def killed(store_url: str, point: str) -> None:
    """Let a process send the fourth message and die at a point."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.embedded_main", "tests.support.crash_apps:talker"),
        *(store_url, point, SESSION, TURN, TEXTS[3]),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, SOURCES))},
    )
    assert await process.wait() == -signal.SIGKILL


async def lived(store_url: str, point: str) -> dict[str, object]:
    """Let one process die, and another one send the same turn again."""
    await begun(store_url)
    await killed(store_url, point)
    later = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251 - the dead had real time
    store = await open_store(store_url, clock=ManualClock(later))
    try:
        async with talker(store_url, SilentProbe()).open(SESSION, store=store) as session:
            result = await session.send(TEXTS[3], TURN)
    finally:
        await store.close()
    assert result.text == "echo say 3"
    return await ended(store_url)


async def test_an_embedded_process_that_dies_while_it_compacts_buys_one_summary(
    tmp_path: Path,
) -> None:
    """The next one compacts, or goes on with the summary, or in the frame."""
    async with asyncio.TaskGroup() as group:
        lives = [
            group.create_task(lived(f"sqlite:///{tmp_path}/{point}.db", point)) for point in POINTS
        ]

    assert {
        point: life.result() for point, life in zip(POINTS, lives, strict=True)
    } == dict.fromkeys(POINTS, EXPECTED)


async def sent(session: ClientSession, text: str, turn_id: str) -> None:
    """Send a message, however long it takes until there is a worker."""
    while True:
        try:
            await session.send(text, turn_id)
        except NoWorker:
            continue  # the same turn id again is the same turn
        return


async def taken_over(stage: Stage, point: str) -> dict[str, object]:
    """Let a worker die in the fourth turn of a session, and another one go on."""
    app = talker(stage.store_url, SilentProbe())
    client = await Client.connect(stage.address, plugins=[SojournPlugin(app)])
    session = SessionClient(client, task_queue=stage.queue).session(stage.session_id)
    victim = stage.worker(kill_at=point, app="talker")
    for number, text in enumerate(TEXTS[:3]):
        await sent(session, text, f"turn-{number}")
    last = await session.submit(TEXTS[3], TURN)
    await died(victim)
    async with Worker(client, task_queue=stage.queue):
        await last.result()
        await session.park()
    return await ended(stage.store_url, stage.session_id)


@pytest.mark.server
async def test_a_worker_that_dies_while_it_compacts_buys_one_summary(
    new_stage: Callable[[], Awaitable[Stage]],
) -> None:
    """The next one compacts, or goes on with the summary, or in the frame."""
    stages = [await new_stage() for _ in POINTS]
    lives = await asyncio.gather(*map(taken_over, stages, POINTS))

    assert dict(zip(POINTS, lives, strict=True)) == dict.fromkeys(POINTS, EXPECTED)


@pytest.mark.server
async def test_a_worker_that_dies_in_a_compaction_by_hand_does_it_once(
    new_stage: Callable[[], Awaitable[Stage]],
) -> None:
    """Whoever asked waits, and is told of the one frame."""

    async def compacted(stage: Stage, point: str) -> dict[str, object]:
        app = talker(stage.store_url, SilentProbe())
        client = await Client.connect(stage.address, plugins=[SojournPlugin(app)])
        session = SessionClient(client, task_queue=stage.queue).session(stage.session_id)
        victim = stage.worker(kill_at=point, app="talker")
        await sent(session, "hello", "turn-1")
        compacting = asyncio.create_task(session.compact())
        await died(victim)
        async with Worker(client, task_queue=stage.queue):
            opened = await compacting
            await session.park()
        seen = await ended(stage.store_url, stage.session_id)
        return seen | {"told": opened.head_revision}

    stages = [await new_stage() for _ in POINTS]
    lives = await asyncio.gather(*map(compacted, stages, POINTS))
    by_hand = {"place": (1, 2), "frame": ("requested", 1, 2), "told": 2}

    assert dict(zip(POINTS, lives, strict=True)) == dict.fromkeys(POINTS, EXPECTED | by_hand)
