"""A copy of the checkout for tests of `temporal-dev.sh`, and the processes that it starts."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEMPORAL = Path(sys.executable).with_name("temporal")

# Behaves like the environment's own Python, but only notes what pip is asked for.
PYTHON = """#!/bin/sh
here=$(dirname "$0")/..
if [ "$1 $2" = '-m pip' ]; then
  echo "$*" >>"$here/pip.log"
  echo 'Collecting nothing'
  exit "$(cat "$here/pip.exit" 2>/dev/null || echo 0)"
fi
exec '{python}' "$@"
"""


@dataclass(frozen=True)
class Checkout:
    """A copy of what the script needs, and how to run it there."""

    root: Path

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    def command(self, *arguments: str) -> list[str]:
        return [str(self.root / "temporal-dev.sh"), *arguments]

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd="/",
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def installations(self) -> list[str]:
        log = self.venv / "pip.log"
        return log.read_text().splitlines() if log.exists() else []

    def write_demo(self, source: str) -> None:
        folder = self.root / "examples/clerk"
        folder.mkdir(parents=True)
        (folder / "demo.py").write_text(source)


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without what would lead the script elsewhere."""
    return {key: value for key, value in os.environ.items() if key != "SOJOURN_VENV"} | variables


def write_script(path: Path, text: str) -> None:
    """Write an executable file."""
    path.write_text(text)
    path.chmod(0o755)


def make_checkout(root: Path) -> Checkout:
    """Copy to `root` what the script needs, with an environment whose pip is scripted."""
    (root / ".venv/bin").mkdir(parents=True)
    shutil.copytree(ROOT / "requirements", root / "requirements")
    for name in ("temporal-dev.sh", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    (root / ".venv/pyvenv.cfg").touch()
    (root / ".venv/bin/temporal").symlink_to(TEMPORAL)
    write_script(root / ".venv/bin/python", PYTHON.format(python=sys.executable))
    return Checkout(root)


@dataclass(frozen=True)
class Started:
    """A running script, with a pipe that stays open as long as any of its processes lives."""

    process: subprocess.Popen[str]
    lifeline: int

    def read_until(self, pattern: str) -> str:
        """Return what the first matching line of output has in the pattern's group."""
        assert self.process.stdout is not None
        lines: list[str] = []
        for line in self.process.stdout:
            lines.append(line)
            if found := re.search(pattern, line):
                return found[1]
        raise AssertionError("".join(lines))

    def is_gone(self) -> bool:
        """Return whether no process is left, waiting for it as long as a stop may take."""
        readable, _, _ = select.select([self.lifeline], [], [], 20)
        return bool(readable) and os.read(self.lifeline, 1) == b""


@contextlib.contextmanager
def started(checkout: Checkout, *arguments: str) -> Generator[Started]:
    """Run the script in the background, and ask it to end at the end."""
    lifeline, held = os.pipe()
    process = subprocess.Popen(
        checkout.command(*arguments),
        env=environment(TEMPORAL_ADDRESS="127.0.0.1:1", TEMPORAL_TLS="true"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=[held],
    )
    os.close(held)
    with process:
        try:
            yield Started(process, lifeline)
        finally:
            process.terminate()
            process.wait()
            os.close(lifeline)


def is_serving(address: str) -> bool:
    """Return whether a Temporal server answers there."""
    command = [str(TEMPORAL), "operator", "cluster", "health", "--address", address]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return "SERVING" in result.stdout
