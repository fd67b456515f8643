"""How often a disk was flushed for some commits, as somebody else counts it."""

from __future__ import annotations

import asyncio
import shutil
import sys
from asyncio.subprocess import DEVNULL
from pathlib import Path

import psycopg

from benchmarks.store.places import ROOT, Place

COUNT = "SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'"
CALLS = ("fsync", "fdatasync")
CALLS_COLUMN = 3  # of a line of what `strace -c` sums up


async def counted(place: Place, sessions: int, at_once: int) -> int | None:
    """Let each session commit once; return how many flushes that took, or None if none counts."""
    committer = ("benchmarks.store.committer", place.url, str(sessions), str(at_once))
    if place.is_file:
        return await _by_strace(place.path.with_suffix(".strace"), committer)
    return await _by_server(place.url, committer)


async def _by_strace(log: Path, committer: tuple[str, ...]) -> int | None:
    if shutil.which("strace") is None:
        return None
    # Stopped at these calls alone: a process that is stopped at each commits one at a time.
    strace = ("strace", "-f", "--seccomp-bpf", "-c", "-e", f"trace={','.join(CALLS)}")
    await _run(*strace, "-o", str(log), sys.executable, "-m", *committer)
    return _calls(log)


def _calls(log: Path) -> int:
    lines = [line.split() for line in log.read_text().splitlines()]
    return sum(int(line[CALLS_COLUMN]) for line in lines if line and line[-1] in CALLS)


async def _by_server(url: str, committer: tuple[str, ...]) -> int | None:
    before = _wal_flushes(url)
    await _run(sys.executable, "-m", *committer)
    after = _wal_flushes(url)
    return None if before is None or after is None else after - before


def _wal_flushes(url: str) -> int | None:
    """Return the server's own count; each of its processes adds to it as it ends, at the latest."""
    with psycopg.connect(url) as connection:
        try:
            found = connection.execute(COUNT).fetchone()
        except psycopg.Error:  # an older server has no such count
            return None
    return int(found[0]) if found else None


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=DEVNULL)
    code = await process.wait()
    assert code == 0
