"""A process that has imported everything, and forks writers which can be killed at any time.

Usage: python -m tests.faults.nursery: reads lines from stdin. `work PATH TOLD NAME` and
`compete PATH TOLD NAME` fork a writer to the store in the file PATH, which appends what it tells
to the file or pipe TOLD; `kill` ends it by SIGKILL; `wait` awaits its end. These two answer its
exit code.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sojourn.adapters.sqlite import SqliteStore
from tests.faults.rivals import compete
from tests.faults.steps import Tell, Told
from tests.faults.work import Work, luck_of

ROOT = Path(__file__).absolute().parents[2]
PIPE_BYTES = 65_536
SILENCE_SECONDS = 30
CROWDS = (["s0", "s1", "s2", "s3"], ["s4"], ["s5"])


class Nursery:
    """The process, as seen from the test that started it; it has one writer at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Nursery]:
        """Start the process, and end it with whatever writer it has."""
        command = [sys.executable, "-m", "tests.faults.nursery"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
            nursery = cls(process)
            nursery._ask("ready")
            yield nursery

    def start(self, task: str, path: Path, told: Path, name: str) -> None:
        """Fork a writer."""
        self._say(f"{task} {path} {told} {name}")

    def kill(self) -> int:
        """Kill the writer; return its exit code, which is its own if it was quicker."""
        return int(self._ask("kill"))

    def wait(self) -> int:
        """Await the writer's end; return its exit code."""
        return int(self._ask("wait"))

    def _ask(self, line: str) -> str:
        self._say(line)
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


class Ear:
    """A pipe with a name, by which a writer is heard while it tells."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._heard = b""

    def wait_for(self, lines: int) -> None:
        """Listen until so many steps were told."""
        while self._heard.count(b"\n") < lines:
            assert select.select([self._pipe], [], [], SILENCE_SECONDS)[0], "the writer is silent"
            self._heard += os.read(self._pipe, PIPE_BYTES)

    def closed(self) -> list[Told]:
        """Return all that was told, and listen no more: what was being said at the end is lost."""
        with suppress(BlockingIOError):
            while True:
                self._heard += os.read(self._pipe, PIPE_BYTES)
        os.close(self._pipe)
        return parsed(self._heard)


def parsed(lines: bytes) -> list[Told]:
    """Return what whole lines tell."""
    return [Told.parsed(line) for line in lines[: lines.rfind(b"\n") + 1].splitlines()]


async def work(store: SqliteStore, name: str, tell: Tell) -> None:
    """Work for ever: several sessions that commit together, and others beside them."""
    crowds = [(Work(store, name, luck_of(name + crowd[0]), tell), crowd) for crowd in CROWDS]
    await asyncio.gather(*(one.go_on(crowd) for one, crowd in crowds))


async def write(task: str, path: str, told: str, name: str) -> None:
    """Do a writer's task, and tell of it in a file: what was told outlives SIGKILL."""
    paper = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def tell(one: Told) -> None:
        os.write(paper, one.line())

    store = await SqliteStore.open(path)
    await {"work": work, "compete": compete}[task](store, name, tell)
    await store.close()


def fork(arguments: list[str]) -> int:
    """Start a writer, which never returns here; return its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        asyncio.run(write(*arguments))
        code = 0
    finally:
        if code:
            traceback.print_exc()
        os._exit(code)


def main() -> None:
    """Do what the lines of stdin say; the last writer dies when there are no more."""
    pid = 0
    for line in sys.stdin:
        match line.split():
            case ["ready"]:
                answer("ready")
            case [("kill" | "wait") as how]:
                answer(str(end(pid, how)))
                pid = 0
            case arguments:
                pid = fork(arguments)
    if pid:
        end(pid, "kill")


def end(pid: int, how: str) -> int:
    """Await a writer's end, having killed it or not; return its exit code."""
    assert pid, "there is no writer"  # 0 would be everybody
    if how == "kill":
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def answer(line: str) -> None:
    """Tell the parent."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
