from __future__ import annotations

import asyncio
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


async def flushes(sqlite_path: Path, sessions: int, rounds: int) -> int:
    """Let sessions commit in a process of their own; return how often it flushed in all."""
    log = sqlite_path.with_suffix(".strace")
    process = await asyncio.create_subprocess_exec(
        *("strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(log)),
        *(sys.executable, "-m", "tests.store.committer"),
        *(str(sqlite_path), str(sessions), str(rounds)),
        cwd=ROOT,
        stdin=DEVNULL,
        stdout=PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert int(out) == sessions * rounds
    return sum("sync(" in line for line in log.read_text().splitlines())


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace counts the flushes")
async def test_sessions_that_commit_at_once_share_their_flushes(sqlite_path: Path) -> None:
    """At most one flush for five commits, those of opening, claiming and checkpoints included."""
    sessions, rounds = 32, 20
    once = await flushes(sqlite_path, sessions, rounds)

    assert once <= 0.2 * sessions * rounds


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace counts the flushes")
async def test_a_commit_alone_is_flushed_before_it_is_told(sqlite_path: Path) -> None:
    """Nobody else's commit is waited for: one flush each, which is what FULL promises."""
    assert await flushes(sqlite_path, 1, 50) >= 50
