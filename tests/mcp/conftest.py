"""Servers of a test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mcp.making import Raw


@pytest.fixture
def raw(tmp_path: Path) -> Raw:
    """A raw server with a folder of this test's own."""
    folder = tmp_path / "raw"
    folder.mkdir()
    return Raw(folder)
