"""A server over HTTP, in a process that a test starts, kills and starts again."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sojourn.mcp import McpServer
from tests.mcp.making import TOKEN, Raw
from tests.support.server import free_port

SERVER = Path(__file__).parent / "http_server.py"
READY_SECONDS = 30


@dataclass
class HttpServer(Raw):
    """The server at a port of its own."""

    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/mcp"

    def server(self, **options: Any) -> McpServer:
        """Return it as a source, without the tool that another test has taught it."""
        given: dict[str, Any] = {
            "deny": ["taught"],
            "url": self.url,
            "headers": {"Authorization": f"Bearer {TOKEN}"},
        } | options
        return McpServer("http", **given)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [sys.executable, str(SERVER), str(self.folder), str(self.port), TOKEN]
        self.process = subprocess.Popen(command)
        deadline = time.monotonic() + READY_SECONDS
        while not self._listens():
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def ensure_started(self) -> None:
        """Start it unless it is running."""
        if self.process is None or self.process.poll() is not None:
            self.start()

    def stop(self) -> None:
        """Kill it, and wait until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
