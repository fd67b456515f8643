"""A real worker in a process of its own, to be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SOURCES = [ROOT, ROOT / "workflows", ROOT / "activities", ROOT / "worker"]


@dataclass
class WorkerProcess:
    """A worker started by `python -m tests.support.worker_main`."""

    process: subprocess.Popen[bytes]

    @classmethod
    def start(
        cls, app: str, address: str, queue: str, store: str, *, kill_at: str = "", log: Path
    ) -> WorkerProcess:
        """Start a worker of the app factory `module:function`.

        Args:
            app: names a function of `(store_url, probe)` that returns an `App`.
            address: the server.
            queue: the task queue.
            store: the store's URL.
            kill_at: `point` or `point:nth`: where the worker kills itself by SIGKILL.
            log: a file for its output.
        """
        command = [sys.executable, "-m", "tests.support.worker_main", app, queue, store, kill_at]
        env = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, SOURCES)),
            "TEMPORAL_ADDRESS": address,
        }
        with log.open("ab") as out:
            return cls(subprocess.Popen(command, env=env, cwd=ROOT, stdout=out, stderr=out))

    def wait_killed(self, timeout: float = 30.0) -> None:
        """Wait until the worker has died of SIGKILL."""
        assert self.process.wait(timeout=timeout) == -signal.SIGKILL

    def wait_stopped(self) -> None:
        """Wait until the worker has stopped by SIGSTOP."""
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

    def drain(self, timeout: float = 30.0) -> None:
        """Let it go on if it is stopped, end what it is doing, and leave."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        assert self.process.wait(timeout=timeout) == 0

    def kill(self) -> None:
        """Kill it by SIGKILL, and wait for its end."""
        self.process.kill()
        self.process.wait(timeout=20)

    def stop(self) -> None:
        """Stop it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=20)
