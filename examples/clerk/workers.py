"""The demo's worker processes: always two, however often one is killed."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Self

from examples.clerk.stage import Stage
from examples.clerk.worker import READY

ROOT = Path(__file__).parent.parent.parent
COUNT = 2
READY_SECONDS = 30.0
STOP_SECONDS = 5.0


class Workers:
    """Two real worker processes of one stage; a killed one is replaced at once."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._alive: dict[int, Process] = {}
        self._starting: set[int] = set()

    async def __aenter__(self) -> Self:
        try:
            for _ in range(COUNT):
                await self._start()
            await self.ready()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stop()

    @property
    def pids(self) -> list[int]:
        """The processes that are alive."""
        return list(self._alive)

    async def ready(self) -> None:
        """Wait until each of them polls for work."""
        async with asyncio.timeout(READY_SECONDS):
            for pid in list(self._starting):
                said = await _output(self._alive[pid]).readline()
                if said != READY:
                    log = self._stage.worker_log.read_text().splitlines()
                    raise RuntimeError(f"worker {pid} did not start: {log[-1:]}")
                self._starting.discard(pid)

    async def kill(self, pid: int) -> int:
        """Kill one by SIGKILL, start another, and return how the killed one ended."""
        process = self._alive.pop(pid)
        process.send_signal(signal.SIGKILL)
        await self._start()
        return await process.wait()

    async def _start(self) -> None:
        stage = self._stage
        with stage.worker_log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "examples.clerk.worker"),
                *(str(stage.folder), stage.app, stage.queue),
                cwd=ROOT,
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
            )
        self._alive[process.pid] = process
        self._starting.add(process.pid)

    async def _stop(self) -> None:
        """Close their standard inputs, and see each of them end."""
        await asyncio.gather(*(_ended(process) for process in self._alive.values()))
        self._alive.clear()


async def _ended(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _output(process: Process) -> asyncio.StreamReader:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    return process.stdout
