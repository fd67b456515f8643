"""How others reach a running turn: a cancel, and answers to the calls that wait for a person."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence


class TurnControl:
    """A turn's ears. The first of cancel and commit wins, and whoever cancels is told which."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._approvals: dict[str, asyncio.Future[bool]] = {}
        self._is_closed = False

    @property
    def is_cancelled(self) -> bool:
        """Whether a cancel came in time."""
        return self._asked.is_set()

    def cancel(self) -> bool:
        """Ask for a cancel, and tell whether one came in time."""
        if not self._is_closed:
            self._asked.set()
        return self.is_cancelled

    async def cancelled(self) -> None:
        """Wait for a cancel."""
        await self._asked.wait()

    def close(self) -> bool:
        """Hear no cancel from now on, and tell whether one came in time."""
        self._is_closed = True
        return self.is_cancelled

    def waiting(self) -> Sequence[str]:
        """Return the ids of the calls that wait for a person."""
        return [call_id for call_id, answer in self._approvals.items() if not answer.done()]

    def answer(self, call_id: str, *, approved: bool) -> bool:
        """Answer for a person, and tell whether the call waited for it."""
        if call_id not in self.waiting():
            return False
        self._approvals[call_id].set_result(approved)
        return True

    async def approval(self, call_id: str) -> bool:
        """Wait for a person's answer."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._approvals[call_id] = answer
        try:
            return await answer
        finally:
            del self._approvals[call_id]
