"""What is asked of a session besides turns: done between them, in the order of the asking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from sojourn.errors import SojournError
from sojourn.operations import (
    COMPACTION_ATTEMPTS,
    Configured,
    ConfigureSession,
    FrameOpened,
    OpenFrame,
)
from sojourn_activities.failures import from_failure
from sojourn_activities.session import SessionActivities
from sojourn_workflows import options

T = TypeVar("T")


class Errand(Generic[T]):
    """One thing to do, queued among the turns.

    Attributes:
        ended: what came of it, or why it was not done; None before that.
    """

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self.ended: T | SojournError | None = None

    async def run(self) -> None:
        """Do it; a failure is told to whoever asked, and is nobody else's."""
        try:
            self.ended = await self._work()
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            self.ended = _typed(error)


async def opened(agent: str, request: OpenFrame) -> FrameOpened:
    """Open a frame, as the logical workflow that asks for it."""
    names = _names(agent) | {"max_attempts": COMPACTION_ATTEMPTS}
    return await workflow.execute_activity_method(
        SessionActivities.open_frame,
        request.model_copy(update=names),
        **options.errand(COMPACTION_ATTEMPTS),
    )


async def configured(agent: str, request: ConfigureSession) -> Configured:
    """Change what the session runs with, as the logical workflow that asks for it."""
    return await workflow.execute_activity_method(
        SessionActivities.configure,
        request.model_copy(update=_names(agent)),
        **options.errand(1),
    )


def _names(agent: str) -> dict[str, Any]:
    info = workflow.info()
    return {
        "agent": agent,
        "owner_id": f"temporal/{info.namespace}/{info.workflow_id}",
        "incarnation_id": info.first_execution_run_id,
    }


def _typed(error: ActivityError) -> SojournError:
    if isinstance(error.cause, ApplicationError):
        return from_failure(error.cause)
    return SojournError(reason=type(error.cause).__name__)
