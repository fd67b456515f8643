"""Making a worker stand still at a point of a turn, so that it can be killed exactly there."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import asdict, dataclass

from examples.clerk import settings
from examples.clerk.ledger import Ledger
from examples.clerk.stage import Stage


@dataclass(frozen=True, slots=True)
class Order:
    """Where the first worker that gets there is to stand still.

    Attributes:
        point: the point of a turn.
        posted: not before the ledger has this invoice; empty for at once.
    """

    session_id: str
    point: str
    posted: str = ""

    def give(self, stage: Stage) -> None:
        """Tell every worker, also those that are not started yet."""
        stage.flag.unlink(missing_ok=True)
        draft = stage.order.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(stage.order)

    @classmethod
    def standing(cls, stage: Stage) -> Order | None:
        """Return the order that stands, if there is one."""
        try:
            return cls(**json.loads(stage.order.read_text()))
        except FileNotFoundError:
            return None


@dataclass(frozen=True, slots=True)
class Passed:
    """A point that a worker passed, by the clock that all processes of this machine share."""

    at: float
    pid: int
    session_id: str
    point: str


class StopOnce:
    """A probe that notes every point, and stands still where the order says.

    An order stops one worker, once: the flag can be raised by one process only.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def reached(self, point: str, session_id: str) -> None:
        """Note the point; stand still, heartbeats and all, if this is where to be killed."""
        self._note(Passed(time.monotonic(), os.getpid(), session_id, point))
        order = Order.standing(self._stage)
        if order is None or (order.point, order.session_id) != (point, session_id):
            return
        if order.posted and not Ledger(settings.ledger_path()).find(order.posted):
            return
        if self._raise_flag():
            await asyncio.Event().wait()

    def _note(self, passed: Passed) -> None:
        with self._stage.trace.open("a") as trace:
            trace.write(json.dumps(asdict(passed)) + "\n")

    def _raise_flag(self) -> bool:
        # A link appears whole, and only if there is none: one worker gets it, with its id in it.
        own = self._stage.flag.with_suffix(f".{os.getpid()}")
        own.write_text(str(os.getpid()))
        try:
            self._stage.flag.hardlink_to(own)
        except FileExistsError:
            return False
        finally:
            own.unlink()
        return True


def passed(stage: Stage) -> list[Passed]:
    """Return every point that was passed, in order."""
    lines = stage.trace.read_text().splitlines()
    return sorted((Passed(**json.loads(line)) for line in lines), key=lambda each: each.at)
