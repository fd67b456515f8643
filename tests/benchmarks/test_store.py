"""The benchmark of the stores: its parts work, whatever they come to on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.measure import PAGE
from tests.support.postgres import server_url

ROOT = Path(__file__).parents[2]
TITLES = [
    "Store: a turn's commit, by length",
    "Store: many sessions at once",
    "Store: cold resume",
    "Store: forks",
    "Store: orphans and vacuum",
    "Store: reconciling attachments",
    "Peers: saving a turn",
    "Peers: bytes on disk of a turn",
    "Peers: loading a conversation",
]


@pytest.mark.timeout(180)
def test_every_part_of_the_benchmark_of_the_stores_works() -> None:
    """A quick run measures each part on both databases, and leaves the page alone."""
    page = PAGE.read_bytes()
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.store", "--quick"],
        cwd=ROOT,
        env=os.environ | {"SOJOURN_TEST_POSTGRES": server_url()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    sections = run.stdout.split("## ")[1:]

    assert run.returncode == 0, run.stderr
    assert [section.partition("\n")[0] for section in sections] == TITLES
    assert all("| SQLite, " in each or "| Sojourn, SQLite, " in each for each in sections)
    assert all("| PostgreSQL, " in each or "| Sojourn, PostgreSQL, " in each for each in sections)
    assert page == PAGE.read_bytes()
