"""The stage: the one folder that a demo writes to, and what stands where in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stage:
    """A demo's files.

    Attributes:
        folder: holds them all.
        app: the app to run, as `module:attribute`.
        queue: the task queue of the demo's workers.
    """

    folder: Path
    app: str
    queue: str

    @property
    def ledger(self) -> Path:
        """The ledger that the tools post to."""
        return self.folder / "ledger.db"

    @property
    def purchases(self) -> Path:
        """One line for each answer that a model was paid for: no store knows of it."""
        return self.folder / "purchases.log"

    @property
    def trace(self) -> Path:
        """One line for each point of a turn that any worker passed."""
        return self.folder / "trace.jsonl"

    @property
    def order(self) -> Path:
        """Where the next worker is to stand still."""
        return self.folder / "order.json"

    @property
    def flag(self) -> Path:
        """The process id of the worker that stands still."""
        return self.folder / "flag"

    @property
    def worker_log(self) -> Path:
        """What the workers write to standard error."""
        return self.folder / "workers.log"

    def store_url(self, name: str) -> str:
        """Return the URL of a session store on the stage."""
        return f"sqlite:///{self.folder / name}.db"

    def enter(self) -> None:
        """Let the tools of this process and of its children use the stage's ledger."""
        os.environ["CLERK_LEDGER"] = str(self.ledger)
