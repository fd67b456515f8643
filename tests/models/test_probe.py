from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from sojourn.testing import KillAt, PauseAt

KILLED = """
import asyncio, sys
from sojourn.testing import KillAt

async def main():
    probe = KillAt("tool.ran", nth=2)
    for point in ("tool.ran", "commit.before", "tool.ran", "commit.after"):
        await probe.reached(point, "s")
        print(point, flush=True)

asyncio.run(main())
"""


def _files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.crash
async def test_a_process_is_killed_at_the_nth_point() -> None:
    """SIGKILL comes exactly there: what was before has happened, what is after has not."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert output.decode().split() == ["tool.ran", "commit.before"]


async def test_other_points_do_not_count() -> None:
    """A probe stands at one point only."""
    probe = KillAt("tool.ran")
    await probe.reached("tool.started", "s")


async def test_a_pause_raises_its_flag_and_never_returns(tmp_path: Path) -> None:
    """The flag holds the process id, whole, and appears only when the process stands still."""
    flag = tmp_path / "flag"
    probe = PauseAt("commit.before", flag, nth=2)
    await probe.reached("commit.before", "s")
    assert not flag.exists()
    paused = asyncio.ensure_future(probe.reached("commit.before", "s"))
    await asyncio.sleep(0)  # one step: it raises the flag and waits
    assert _files(tmp_path) == {"flag": str(os.getpid())}
    assert not paused.done()
    paused.cancel()
    with pytest.raises(asyncio.CancelledError):
        await paused
