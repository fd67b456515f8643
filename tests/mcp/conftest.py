"""Servers of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mcp.http_making import HttpServer
from tests.mcp.making import Raw


@pytest.fixture
def raw(tmp_path: Path) -> Raw:
    """A raw server with a folder of this test's own."""
    folder = tmp_path / "raw"
    folder.mkdir()
    return Raw(folder)


@pytest.fixture(scope="module")
def http_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """A server over HTTP for all tests of a module: it takes seconds to start."""
    server = HttpServer(tmp_path_factory.mktemp("http"))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def http(http_process: HttpServer) -> HttpServer:
    """The server, running, with an empty folder."""
    for file in http_process.folder.iterdir():
        file.unlink()
    http_process.ensure_started()
    return http_process
