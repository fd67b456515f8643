"""A session on Temporal whose workers are killed is the same as one that nothing happened to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from sojourn import Residency, ids
from sojourn.adapters.open import opened_store
from sojourn.errors import NoWorker
from sojourn_worker import SessionClient, SojournPlugin
from sojourn_worker.client_session import ClientSession
from tests.equality.apps import family
from tests.equality.portrait import Portrait, cold_portrait
from tests.equality.scripts import Turn
from tests.support.server import DevServer
from tests.support.worker_process import WorkerProcess

pytestmark = [pytest.mark.server, pytest.mark.crash]

SESSION = "chat-1"
TURNS = (Turn(((0, 2), (5,)), "tea"), Turn(((3,), (2, 4)), "two words"))
# Each lets the worker die of the first turn's notes, or of what comes right after them.
POINTS = ("tool.recorded:2", "model.recorded:2", "model.calling:3", "commit.before", "park.before")


@dataclass(frozen=True)
class Theatre:
    """A store and a task queue of one session's own."""

    server: DevServer
    folder: Path
    residency: Residency

    @property
    def store_url(self) -> str:
        """The store's URL."""
        return f"sqlite:///{self.folder}/sojourn.db"

    async def killed_at(self, point: str) -> Portrait:
        """Live a session on Temporal, a worker dying on the way; return what is then stored."""
        queue = ids.mint("queue")
        plugin = SojournPlugin(family(self.residency, self.store_url))
        client = await Client.connect(self.server.address, plugins=[plugin])
        session = SessionClient(client, task_queue=queue).session(ids.mint("chat"))
        with ExitStack() as workers:
            factory = f"tests.equality.apps:{self.residency.name.lower()}"
            victim = WorkerProcess.start(
                factory,
                self.server.address,
                queue,
                self.store_url,
                kill_at=point,
                log=self.folder / "workers.log",
            )
            workers.callback(victim.stop)
            living = asyncio.create_task(live(session))
            await asyncio.to_thread(victim.wait_killed)
            async with Worker(client, task_queue=queue):
                await living
        return await self.portrait(session.session_id)

    async def undisturbed(self) -> Portrait:
        """Live the same session embedded, where nothing happens to it."""
        app = family(self.residency, self.store_url)
        async with app.open(SESSION) as session:
            for turn in numbered():
                await session.send(turn.text, f"turn-{turn.number}")
        return await self.portrait(SESSION)

    async def portrait(self, session_id: str) -> Portrait:
        """Assemble a session from its store."""
        app = family(self.residency, self.store_url)
        async with opened_store(self.store_url) as store:
            return await cold_portrait(app, store, session_id)


def numbered() -> Sequence[Turn]:
    """Return the turns, each with a number of its own."""
    return [replace(turn, number=number) for number, turn in enumerate(TURNS, start=1)]


async def live(session: ClientSession) -> None:
    """Send every message, however long it takes until there is a worker, and park."""
    for turn in numbered():
        while True:
            try:
                await session.send(turn.text, f"turn-{turn.number}")
                break
            except NoWorker:
                pass  # the same turn id again is the same turn
    await session.park()


@pytest.mark.parametrize("residency", list(Residency))
async def test_a_session_whose_worker_is_killed_is_the_same(
    server: DevServer, tmp_path: Path, residency: Residency
) -> None:
    """Catalogue, policy, frame, plugin state and transcript are those of an undisturbed one."""
    theatres = {point: Theatre(server, tmp_path / point, residency) for point in POINTS}
    for theatre in theatres.values():
        theatre.folder.mkdir()
    found = await asyncio.gather(*(each.killed_at(point) for point, each in theatres.items()))
    calm = Theatre(server, tmp_path, residency)
    expected = await calm.undisturbed()

    for point, each in zip(POINTS, found, strict=True):
        assert {key: each[key] for key in each if each[key] != expected[key]} == {}, point
