"""The conformance suite itself: it runs wherever pytest does, and notices a broken store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sojourn.testing import store_conformance
from tests.docs.pages import plain, table

ROOT = Path(__file__).parents[2]
TESTS = """
from contextlib import asynccontextmanager

import pytest
from sojourn.adapters.memory import MemoryStore
from sojourn.testing import store_conformance


class Forgetful(MemoryStore):
    async def receipt(self, session_id, operation_id):
        return None


@asynccontextmanager
async def open_sound(clock, folder):
    yield MemoryStore(clock)


@asynccontextmanager
async def open_forgetful(clock, folder):
    yield Forgetful(clock)


@pytest.fixture
def opener():
    return open_sound


TestSound = store_conformance(open_sound, durable=False)
TestByFixture = store_conformance("opener", durable=False)
TestForgetful = store_conformance(open_forgetful, durable=False)
"""


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run pytest on the tests above, in a folder without a configuration."""
    (folder / "test_stores.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    "options",
    [
        ("-p", "no:asyncio"),
        ("-o", "asyncio_mode=strict", "-o", "asyncio_default_fixture_loop_scope=function"),
        ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function"),
    ],
    ids=["no plugin", "strict", "auto"],
)
def test_the_suite_runs_in_every_mode(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Without a plugin for asyncio, and beside one; opened by a function, and by a fixture."""
    code, output = run(tmp_path, *options, "-k", "TestReceipts and not Forgetful")

    assert code == 0, output
    assert "skipped" not in output


def test_the_suite_notices_a_store_that_breaks_a_law(tmp_path: Path) -> None:
    """It names the law, and says what was compared."""
    code, output = run(tmp_path, "-p", "no:asyncio", "-k", "TestForgetful and TestReceipts")

    law = "TestForgetful::TestReceipts::test_a_result_comes_back_as_it_was_given"
    assert code == 1
    assert f"FAILED test_stores.py::{law}" in output
    assert "assert None is not None" in output


def test_a_store_that_keeps_nothing_is_not_opened_again(tmp_path: Path) -> None:
    """Its laws are left out, not skipped."""
    _, output = run(tmp_path, "-p", "no:asyncio", "--collect-only")

    assert "TestSound::TestMachine" in output
    assert "TestReopening" not in output


def test_applications_are_tested_without_pytest() -> None:
    """What else `sojourn.testing` has imports neither pytest nor hypothesis."""
    script = "import sys, sojourn.testing; print({'pytest', 'hypothesis'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "set()"


def test_the_page_on_stores_names_every_class() -> None:
    """Whoever reads of a law that failed finds what it is about."""
    suite = store_conformance("opener")
    classes = sorted(name for name in vars(suite) if name.startswith("Test"))
    rows = table("docs/stores.md", "class")

    assert sorted(name for row in rows for name in plain(row[0]).split(", ")) == classes
