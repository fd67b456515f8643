"""What a turn costs on Temporal: time, history events and bytes; early and late in a session.

Run by `python -m benchmarks.turn [--rounds N] [--late N]`.

Starts its own dev server and workers. The floor is one update that runs one activity, on the
same server, by a worker of its own, turn about with ours.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from benchmarks.floor import FloorWorkflow
from benchmarks.measure import Row, Work, interleaved, milliseconds, publish
from sojourn_worker import ClientSession, SessionClient
from tests.support.server import DevServer

ROOT = Path(__file__).parent.parent
TEXT = "What is the state of invoice 42? " * 4
EARLY = 10
WARM = 200
BUDGET, FLAT_BUDGET, EVENTS_BUDGET, BYTES_BUDGET = 1.3, 1.1, 16, 3_000


@contextmanager
def worker(module: str, address: str, *arguments: str) -> Iterator[None]:
    """Run a worker of `module` in a process of its own."""
    sources = [ROOT, ROOT / "workflows", ROOT / "activities", ROOT / "worker"]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sources))}
    env["TEMPORAL_ADDRESS"] = address
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], env=env, cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


async def history_of_a_turn(client: Client, session: ClientSession) -> tuple[float, float]:
    """Return the events and the bytes, beyond the text, that one turn adds to its run."""
    handle = client.get_workflow_handle(session.workflow_id)
    while True:
        before = await handle.fetch_history()
        await session.send(TEXT)
        after = await handle.fetch_history()
        if after.run_id == before.run_id and len(after.events) > len(before.events):
            added = after.events[len(before.events) :]
            size = sum(event.ByteSize() for event in added)
            return len(added), size - len(TEXT)


async def measure(address: str, queue: str, floor_queue: str, rounds: int, late: int) -> list[Row]:
    """Measure early, grow the session, measure late."""
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    floor: WorkflowHandle[FloorWorkflow, None] = await client.start_workflow(
        FloorWorkflow.run, id=f"floor-{uuid.uuid4()}", task_queue=floor_queue
    )
    store = os.environ["BENCH_STORE"]
    clients = SessionClient(client, task_queue=queue, store=store, idle=timedelta(0))

    async def bare() -> None:
        await floor.execute_update(FloorWorkflow.once, TEXT)

    def works_of(session: ClientSession) -> dict[str, Work]:
        return {"ours": lambda: session.send(TEXT), "bare": bare}

    fresh = await interleaved(works_of(clients.session("warms-the-worker", "bench")), WARM)
    session = clients.session(f"bench-{uuid.uuid4().hex[:8]}", agent="bench")
    works = works_of(session)
    for _ in range(EARLY):
        await works["ours"]()
    events, size = await history_of_a_turn(client, session)
    early = await interleaved(works, rounds)
    done = EARLY + rounds + 1
    for _ in range(late - done):
        await works["ours"]()
    late_events, late_size = await history_of_a_turn(client, session)
    lately = await interleaved(works, rounds)
    await clients.close()
    return [
        _against("turn without tools, on a worker just started", fresh),
        _against(f"the same after {EARLY} turns, the worker warm", early, BUDGET),
        _against(f"the same after {late:,} turns", lately, BUDGET),
        Row(
            "late against early, both against their floor",
            "",
            "",
            (lately["ours"] / lately["bare"]) / (early["ours"] / early["bare"]),
            FLAT_BUDGET,
        ),
        Row(
            "history events of a turn",
            f"{events:.0f}",
            str(EVENTS_BUDGET),
            events / EVENTS_BUDGET,
            1.0,
        ),
        Row(
            "history bytes of a turn beyond its text",
            f"{size:,.0f}",
            f"{BYTES_BUDGET:,}",
            size / BYTES_BUDGET,
            1.0,
        ),
        Row(
            f"events after {late:,} turns against early",
            f"{late_events:.0f}",
            f"{events:.0f}",
            late_events / events,
            FLAT_BUDGET,
        ),
        Row(
            f"bytes after {late:,} turns against early",
            f"{late_size:,.0f}",
            f"{size:,.0f}",
            late_size / size,
            FLAT_BUDGET,
        ),
    ]


def _against(what: str, medians: dict[str, float], budget: float | None = None) -> Row:
    ours, bare = medians["ours"], medians["bare"]
    return Row(what, milliseconds(ours), milliseconds(bare), ours / bare, budget)


def main() -> None:
    """Start what is needed, measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--late", type=int, default=2_000)
    options = parser.parse_args()
    queue, floor_queue = f"ours-{uuid.uuid4()}", f"floor-{uuid.uuid4()}"
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, DevServer.started() as server:
        os.environ["BENCH_STORE"] = store = f"sqlite:///{folder}/sessions.db"
        app = "benchmarks.app:app"
        ours = worker("tests.support.worker_main", server.address, app, queue, store, "")
        with ours, worker("benchmarks.floor", server.address, floor_queue):
            measured = measure(server.address, queue, floor_queue, options.rounds, options.late)
            rows = asyncio.run(measured)
    notes = (
        "A turn with a scripted model, by update-with-start, SQLite at synchronous=FULL, against "
        "one update that runs one empty activity. Dev server in memory with "
        "`history.transferProcessorMaxPollRPS=2000`; workers in processes of their own. A worker "
        f"is slower in its first turns: {WARM} turns of another session come first."
    )
    publish("Turn", "python -m benchmarks.turn", rows, notes)


if __name__ == "__main__":
    main()
