"""What the tests of stores have in common: a clock that stands still, and a place for a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sojourn.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """The time of the store under test."""
    return ManualClock()


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """Where the SQLite store of a test has its file."""
    return tmp_path / "sojourn.db"
