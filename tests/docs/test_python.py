"""The code in the pages: every Python block is run, and the quickstart's commands too."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs import pages
from tests.docs.pages import PAGES, ROOT, Block
from tests.support.server import DevServer

SOURCES = (ROOT, ROOT / "workflows", ROOT / "activities", ROOT / "worker")
BACKGROUND = "runs in the background"
# Where the commands follow the code, on the same server and store.
WITH_COMMANDS = ("docs/quickstart.md",)
RUN = (
    "export SOJOURN_",
    "sojourn session ",
    "sojourn store ",
    "sojourn replay ",
    "temporal workflow ",
)


class Reader:
    """Somebody who does what a page says, in a folder of their own."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder = folder
        self._env = os.environ | {
            "TEMPORAL_ADDRESS": address,
            "PYTHONPATH": os.pathsep.join(map(str, SOURCES)),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        self._running: list[subprocess.Popen[bytes]] = []

    def follow(self, block: Block) -> None:
        """Save and run a block of Python, or type the commands of a block of shell."""
        if block.language == "python":
            self._save_and_run(block)
        else:
            typed = [line for line in block.lines if line.startswith(RUN)]
            self._check(block, ["bash", "-euc", "\n".join(typed)])

    def stop(self) -> None:
        """End what runs in the background."""
        for process in self._running:
            process.terminate()
            process.wait(timeout=20)

    def _save_and_run(self, block: Block) -> None:
        (self._folder / block.file).write_text(block.text, encoding="utf-8")
        command = [sys.executable, "-W", "error", block.file]
        if BACKGROUND in block.note:
            with (self._folder / "background.log").open("wb") as log:
                self._running.append(
                    subprocess.Popen(
                        command, cwd=self._folder, env=self._env, stdout=log, stderr=log
                    )
                )
        else:
            self._check(block, command)

    def _check(self, block: Block, command: Sequence[str]) -> None:
        done = subprocess.run(
            command, cwd=self._folder, env=self._env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{block.place}: {done.stdout}{done.stderr}"


@contextmanager
def reading(folder: Path, server: DevServer) -> Iterator[Reader]:
    """Yield a reader, who tidies up at the end."""
    reader = Reader(folder, server.address)
    try:
        yield reader
    finally:
        reader.stop()


@pytest.mark.server
@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", [page for page in PAGES if pages.blocks("python", page=page)])
def test_a_reader_who_does_what_a_page_says_meets_no_error(
    page: str, tmp_path: Path, server: DevServer
) -> None:
    """A page's blocks, saved and run in order in one folder, all end without a warning."""
    languages = ("python", "bash") if page in WITH_COMMANDS else ("python",)

    with reading(tmp_path, server) as reader:
        for block in pages.blocks(*languages, page=page):
            reader.follow(block)


@pytest.mark.server
def test_a_block_that_fails_is_noticed(tmp_path: Path, server: DevServer) -> None:
    """A reader who meets an error, or a warning, complains."""
    wrong = Block("page.md", 1, "python", "import warnings\nwarnings.warn('old')\n", "wrong.py")

    with reading(tmp_path, server) as reader, pytest.raises(AssertionError, match="old"):
        reader.follow(wrong)
