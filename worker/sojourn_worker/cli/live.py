"""What people see while a turn runs: one live line on standard error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from temporalio.exceptions import TemporalError

from sojourn.errors import SojournError
from sojourn_worker.cli.output import console
from sojourn_worker.client_session import ClientSession
from sojourn_workflows.contract import SessionStatus

POLL = timedelta(milliseconds=500)


class Watcher:
    """Shows what a session does, and once for each call that waits for a person how to answer."""

    def __init__(self, session: ClientSession, turn_id: str, screen: Console) -> None:
        self._session = session
        self._turn_id = turn_id
        self._screen = screen
        self._told: set[str] = set()

    async def watch(self, progress: Progress) -> None:
        """Ask the session again and again; an answer that does not come changes nothing."""
        task = progress.add_task(f"{self._turn_id}: sent", total=None)
        while True:
            with suppress(SojournError, TemporalError):
                status = await self._session.status()
                progress.update(task, description=described(status, self._turn_id))
                self._tell(status)
            await asyncio.sleep(POLL.total_seconds())

    def _tell(self, status: SessionStatus) -> None:
        for call_id, tool in status.approvals.items():
            if call_id not in self._told:
                self._told.add(call_id)
                command = f"sojourn session approve {self._session.session_id} {call_id}"
                self._screen.print(f"{tool} waits for approval: {command} (or deny)")


@asynccontextmanager
async def watching(session: ClientSession, turn_id: str) -> AsyncIterator[None]:
    """Watch the turn while the block runs; without a terminal only approvals are told."""
    screen = console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(
        *columns, console=screen, transient=True, disable=not screen.is_terminal
    ) as progress:
        task = asyncio.create_task(Watcher(session, turn_id, screen).watch(progress))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


def described(status: SessionStatus, turn_id: str) -> str:
    """Say in a few words what a session does, as the one who waits for `turn_id` sees it."""
    if status.turn_id is None:
        return f"{turn_id}: sent"
    if status.turn_id != turn_id:
        return f"{turn_id}: waits for turn {status.turn_id}"
    if status.phase == "approval":
        return f"{turn_id}: step {status.step}, {', '.join(status.approvals.values())} to approve"
    if status.phase == "tools":
        return f"{turn_id}: step {status.step}, {', '.join(status.calls)}"
    if status.phase == "model":
        return f"{turn_id}: step {status.step}, the model"
    return f"{turn_id}: {status.phase}"
