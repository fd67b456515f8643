"""The demo: `./temporal-dev.sh demo`. It books invoices, kills workers, and proves what is left.

First in this process with SQLite alone, then on Temporal with two worker processes, of which the
busy one is killed by SIGKILL in four turns. It exits 0 only if the proof holds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.status import Status
from temporalio.client import Client
from temporalio.envconfig import ClientConfig

from examples.clerk.evidence import gather
from examples.clerk.proof import prove
from examples.clerk.report import Report
from examples.clerk.stage import Stage
from examples.clerk.story import TEMPORAL, Scene, StoryBroken, Teller, Told, play_embedded
from examples.clerk.worker import staged_app
from examples.clerk.workers import Workers
from sojourn import ids
from sojourn.errors import SojournError
from sojourn_worker import SessionClient

APP = "examples.clerk.app:app"
NO_SERVER = "The demo needs a Temporal server: run ./temporal-dev.sh demo, which starts one."
PLAIN_WIDTH = 160
FAILED, INTERRUPTED = 1, 130
FAILURES = (SojournError, StoryBroken, TimeoutError, RuntimeError)


class Demo:
    """One telling of the story on a stage of its own, with its progress on a console."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self._stage = stage
        self._console = console
        self._name = ids.mint("clerk")

    async def run(self) -> Report:
        """Tell the whole story, and check what it left behind."""
        began_at = time.monotonic()
        self._stage.enter()
        self._console.print(f"folder: {self._stage.folder}", soft_wrap=True)
        with self._console.status("embedded, without a server") as status:
            embedded = await self._embedded()
            client = await Client.connect(**ClientConfig.load_client_connect_config())
            told, workflow_id = await self._on_temporal(client, status)
            status.update("reading the databases")
            found = await gather(self._stage, client, workflow_id, embedded, told)
        return Report(self._stage.folder, found, prove(found), time.monotonic() - began_at)

    async def _embedded(self) -> list[Told]:
        stage = self._stage
        store_url = stage.store_url("embedded")
        told = await play_embedded(staged_app(stage), store_url, f"{self._name}-embedded")
        for each in told:
            self._say("embedded", each)
        return told

    async def _on_temporal(self, client: Client, status: Status) -> tuple[list[Told], str]:
        """Play the scenes with two workers, park the session, and see the workers off."""
        stage = self._stage
        sessions = SessionClient(
            client,
            task_queue=stage.queue,
            store=stage.store_url("temporal"),
            idle=timedelta(0),  # the demo parks by itself, so that one run tells it all
        )
        session = sessions.session(self._name)
        status.update("starting two workers")
        try:
            async with Workers(stage) as workers:
                self._console.print(f"workers: {' and '.join(map(str, workers.pids))}")
                told = await self._played(Teller(stage, workers, session), workers, status)
                await session.park()
        finally:
            await sessions.close()
        return told, session.workflow_id

    async def _played(self, teller: Teller, workers: Workers, status: Status) -> list[Told]:
        told: list[Told] = []
        for number, scene in enumerate(TEMPORAL, start=1):
            status.update(_coming(number, scene))
            told.append(await teller.play(scene, f"turn-{number}"))
            self._say("Temporal", told[-1])
            await workers.ready()
        return told

    def _say(self, where: str, told: Told) -> None:
        result, kill = told.result, told.kill
        line = (
            f"{where} {result.turn_id}: {told.scene.text}: {result.status} in {told.seconds:.1f} s"
        )
        if kill is not None:
            line += (
                f"; pid {kill.pid} killed {told.scene.killed};"
                f" pid {kill.next_pid} went on after {kill.seconds:.1f} s"
            )
        self._console.print(line, markup=False, highlight=False)


def _coming(number: int, scene: Scene) -> str:
    fate = " (to be killed)" if scene.killed else ""
    return f"turn-{number}: {scene.text}{fate}"


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sojourn-clerk-"))
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder)


async def _until_terminated(demo: Demo) -> Report:
    """Run the demo; Ctrl-C and SIGTERM end it with its workers."""
    running = asyncio.ensure_future(demo.run())
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, running.cancel)
    return await running


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code: 0 if all is proved, else 1."""
    asked = _arguments(arguments)
    if not os.environ.get("TEMPORAL_ADDRESS"):
        print(NO_SERVER, file=sys.stderr)
        return FAILED
    console = Console(stderr=asked.json)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    with _folder(keep=asked.keep) as folder:
        demo = Demo(Stage(folder, app=asked.app, queue=ids.mint("clerk")), console)
        try:
            report = asyncio.run(_until_terminated(demo))
        except asyncio.CancelledError:
            return INTERRUPTED
        except FAILURES as error:
            print(f"the demo failed: {error or type(error).__name__}", file=sys.stderr)
            return FAILED
        if asked.json:
            print(report.as_json())
        else:
            report.show(console)
        return 0 if report.proved else FAILED


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="examples.clerk.demo", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the databases")
    parser.add_argument("--app", default=APP, help="the app to run (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
