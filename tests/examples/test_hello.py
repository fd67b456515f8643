"""The smallest example, run as its readers run it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HELLO = Path(__file__).parent.parent.parent / "examples/hello.py"


def run(folder: Path) -> str:
    """Run the example in `folder` and return what it prints."""
    command = [sys.executable, "-W", "error", str(HELLO)]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_hello_answers_and_remembers(tmp_path: Path) -> None:
    """Run twice, the example goes on with the session that it began."""
    assert run(tmp_path) == "The sum is 5. (turn 1 of this session)\n"
    assert run(tmp_path) == "The sum is 5. (turn 2 of this session)\n"
