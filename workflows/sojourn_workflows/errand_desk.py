"""Where a session's errands come in: the updates that ask for a frame, or for other choices."""

from __future__ import annotations

from typing import TypeVar

from temporalio import workflow

from sojourn import ids
from sojourn.errors import CompactionFailed, QueueFull, SessionContinuing, SojournError
from sojourn.operations import Configured, ConfigureSession, FrameOpened, OpenFrame
from sojourn_activities.failures import to_failure
from sojourn_workflows import contract, options
from sojourn_workflows.contract import SessionConfig
from sojourn_workflows.errands import Errand, configured, opened
from sojourn_workflows.growth import has_events
from sojourn_workflows.turn_book import TurnBook

R = TypeVar("R", FrameOpened, Configured)


class ErrandDesk:
    """The part of the session workflow that queues errands among its turns.

    An update of an errand stays open until it is done.
    """

    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        self._book = TurnBook()
        self._known_token = config.known_token
        self._is_closing = False
        self._last_active = workflow.now()

    @workflow.update(name=contract.OPEN_FRAME)
    async def open_frame(self, request: OpenFrame) -> FrameOpened:
        """Open a frame when what was queued before has ended."""
        done = await self._done(Errand(lambda: opened(self._config.agent, request)))
        if done.fault is not None:
            raise to_failure(CompactionFailed(reason=done.fault.message))
        return done

    @open_frame.validator
    def _check_open_frame(self, request: OpenFrame) -> None:
        self._check_errand(request.session_id)

    @workflow.update(name=contract.CONFIGURE)
    async def configure(self, request: ConfigureSession) -> Configured:
        """Change what the session runs with, when what was queued before has ended."""
        return await self._done(Errand(lambda: configured(self._config.agent, request)))

    @configure.validator
    def _check_configure(self, request: ConfigureSession) -> None:
        self._check_errand(request.session_id)

    async def _done(self, errand: Errand[R]) -> R:
        self._last_active = workflow.now()
        self._book.add(errand)
        await workflow.wait_condition(lambda: errand.ended is not None)
        if errand.ended is None or isinstance(errand.ended, SojournError):
            raise to_failure(errand.ended or SojournError())
        self._known_token = errand.ended.fencing_token or self._known_token
        return errand.ended

    def _check_errand(self, session_id: str) -> None:
        try:
            ids.checked("session", session_id)
            self._check_room()
        except SojournError as error:
            raise to_failure(error) from None

    def _check_room(self) -> None:
        """Let pass only what can be queued now.

        Raises:
            SessionContinuing: the run takes nothing any more.
            QueueFull: too much waits already.
        """
        session_id = self._config.session_id
        if self._is_closing or has_events(self._config, options.OVERGROWN):
            raise SessionContinuing(session_id=session_id)
        if len(self._book) >= options.MAX_QUEUED_TURNS:
            raise QueueFull(session_id=session_id, limit=options.MAX_QUEUED_TURNS)
