"""Probes for crash tests: die, or stand still, at a named point of a turn."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path


class _Nth:
    def __init__(self, point: str, nth: int) -> None:
        self._point = point
        self._left = nth

    def is_now(self, point: str) -> bool:
        if point != self._point:
            return False
        self._left -= 1
        return self._left == 0


class KillAt:
    """A probe that ends its own process by SIGKILL when `point` is passed for the `nth` time."""

    def __init__(self, point: str, nth: int = 1) -> None:
        self._nth = _Nth(point, nth)

    async def reached(self, point: str, session_id: str) -> None:  # noqa: ARG002 - a Probe
        """Die if this is the time: nothing is flushed, closed or released."""
        if self._nth.is_now(point):
            os.kill(os.getpid(), signal.SIGKILL)


class PauseAt:
    """A probe that writes its process id to `flag` at the `nth` `point`, then waits for ever.

    Whoever sees the flag knows that the process stands exactly there, and can kill it.
    """

    def __init__(self, point: str, flag: Path, nth: int = 1) -> None:
        self._nth = _Nth(point, nth)
        self._flag = flag

    async def reached(self, point: str, session_id: str) -> None:  # noqa: ARG002 - a Probe
        """Raise the flag and stop if this is the time; only cancelling or killing ends it."""
        if self._nth.is_now(point):
            self._raise_flag()
            await asyncio.Event().wait()

    def _raise_flag(self) -> None:
        # Renamed into place, so that nobody reads half a process id.
        written = self._flag.with_name(f"{self._flag.name}.{os.getpid()}")
        written.write_text(str(os.getpid()))
        written.replace(self._flag)
