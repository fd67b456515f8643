"""Where a server is, and what it takes to reach it, in clear: for transports alone."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Target:
    """A server's address. Nothing of it may be shown to anybody else.

    Attributes:
        command: the command of a server that is started here, or nothing.
        url: the URL of one that runs elsewhere, or nothing.
        env: variables for the command, beside `PATH`, `HOME` and the like.
        headers: sent with every request to the URL.
        cwd: where the command is run.
    """

    command: tuple[str, ...] = field(default=(), repr=False)
    url: str = field(default="", repr=False)
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    cwd: Path | None = None

    @property
    def program(self) -> str:
        """The program to start: on the path, or beside this Python, where pip installs it."""
        name = self.command[0]
        beside = str(Path(sys.executable).parent)
        return shutil.which(name) or shutil.which(name, path=beside) or name
