"""The stage of a crash test: a session, workers that die on it, and one that goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.worker import Worker

from sojourn import TurnResult, ids
from sojourn.adapters.open import opened_store
from sojourn.errors import NoWorker, SojournError
from sojourn.ports import SilentProbe
from sojourn_worker import SessionClient, SojournPlugin
from sojourn_worker.client_session import ClientSession
from tests.support.crash_apps import Ledger, shop
from tests.support.transcripts import transcript_of
from tests.support.worker_process import WorkerProcess


@dataclass(frozen=True)
class Stored:
    """What a store says of its one session."""

    head_revision: int
    transcript: list[str]
    fencing_token: int
    released: bool
    receipts: int
    open_effects: int
    problems: list[str]


@dataclass
class Stage:
    """A session, its store, its task queue, and who works there."""

    client: Client
    address: str
    folder: Path
    store_url: str
    session_id: str = field(default_factory=lambda: ids.mint("chat"))
    queue: str = field(default_factory=lambda: ids.mint("queue"))
    workers: ExitStack = field(default_factory=ExitStack)

    @classmethod
    async def set_up(cls, address: str, folder: Path) -> Stage:
        """Connect a client to the server, and let the store be a file in `folder`."""
        store_url = f"sqlite:///{folder}/sojourn.db"
        plugin = SojournPlugin(shop(store_url, SilentProbe()))
        return cls(await Client.connect(address, plugins=[plugin]), address, folder, store_url)

    @property
    def session(self) -> ClientSession:
        """The session, as its users have it."""
        return SessionClient(self.client, task_queue=self.queue).session(self.session_id)

    @property
    def counts(self) -> dict[str, int]:
        """How often the model was asked, by the messages it read, and each tool took effect."""
        return Ledger.beside(self.store_url).counts()

    def worker(self, kill_at: str = "", app: str = "shop") -> WorkerProcess:
        """Start a worker process; it kills itself at the point `kill_at`, if any."""
        app = f"tests.support.crash_apps:{app}"
        log = self.folder / "workers.log"
        started = WorkerProcess.start(
            app, self.address, self.queue, self.store_url, kill_at=kill_at, log=log
        )
        self.workers.callback(started.stop)
        return started

    @asynccontextmanager
    async def survivor(self) -> AsyncIterator[None]:
        """Work in this process: the worker that goes on."""
        async with Worker(self.client, task_queue=self.queue):
            yield

    async def visit(self, *texts: str) -> list[TurnResult]:
        """Send messages as `turn-1`, `turn-2` and so on, then park the session."""
        named = enumerate(texts, start=1)
        results = [await self.send(text, f"turn-{number}") for number, text in named]
        await self.session.park()
        return results

    async def send(self, text: str, turn_id: str) -> TurnResult:
        """Send a message, however long it takes until there is a worker."""
        while True:
            try:
                return await self.session.send(text, turn_id)
            except NoWorker:
                pass  # the same turn id again is the same turn

    async def approvals(self) -> list[str]:
        """Return the ids of the calls that wait for a person; none while there is no session."""
        try:
            return list((await self.session.status()).approvals)
        except SojournError:
            return []  # its first message is on its way

    async def is_parked(self) -> bool:
        """Tell whether the session's last run has ended well, so that none is open."""
        handle = self.client.get_workflow_handle(f"session/{self.session_id}")
        return (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED

    async def stored(self) -> Stored:
        """Read what stands in the store, by a connection of its own."""
        async with opened_store(self.store_url) as store:
            head = await store.head(self.session_id)
            lease = await store.lease(self.session_id)
            stats = await store.stats()
            assert head is not None
            assert lease is not None
            return Stored(
                head_revision=head.head_revision,
                transcript=await transcript_of(store, self.session_id),
                fencing_token=lease.fencing_token,
                released=lease.released,
                receipts=stats["receipts"],
                open_effects=stats["effects"],
                problems=[problem.problem async for problem in store.check()],
            )


async def died(worker: WorkerProcess) -> None:
    """Wait until a worker has killed itself."""
    await asyncio.to_thread(worker.wait_killed)
