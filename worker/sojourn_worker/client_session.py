"""A session on Temporal, with the same methods as an embedded one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from secrets import token_hex

from sojourn import ids
from sojourn.branching import spawn
from sojourn.errors import RunEnded, UnknownTurn
from sojourn.events import SessionEvent, follow
from sojourn.frames import FramePolicy
from sojourn.inputs import checked_text
from sojourn.models import ModelSpec
from sojourn.operations import Configured, ConfigureSession, FrameOpened, OpenFrame
from sojourn.outcome import TurnOutcome, TurnResult
from sojourn.ports import SessionStore
from sojourn.view import SessionView
from sojourn_worker.client_turn import ClientTurn
from sojourn_worker.reading import SessionReader
from sojourn_worker.updates import Updates
from sojourn_workflows import options
from sojourn_workflows.contract import (
    CONFIGURE,
    OPEN_FRAME,
    Decision,
    SessionConfig,
    SessionStatus,
    SubmitTurn,
)


class ClientSession:
    """One session on Temporal."""

    def __init__(self, config: SessionConfig, updates: Updates, reader: SessionReader) -> None:
        self.session_id = config.session_id
        self.workflow_id = options.WORKFLOW_ID_PREFIX + config.session_id
        self._config = config
        self._updates = updates
        self._reader = reader

    async def send(self, text: str, turn_id: str | None = None) -> TurnResult:
        """Send a message and wait for the turn's end; the same turn id again runs nothing.

        Raises:
            EmptyText: there is nothing to send.
            TextTooLarge: the text has more than 1,000,000 bytes.
            TurnConflict: the turn id was used for other text.
            SessionHeld: another owner kept the session.
            RunEnded: the session's run was ended before the turn; nothing is sent again by itself.
            ServerUnavailable: no server, or no worker, answers.
        """
        turn = await self._submit(text, turn_id, wait=True)
        return await turn.result()

    async def submit(self, text: str, turn_id: str | None = None) -> ClientTurn:
        """Queue a message and return its turn at once.

        Raises:
            SojournError: as `send`.
        """
        return await self._submit(text, turn_id, wait=False)

    async def cancel(self, turn_id: str) -> bool:
        """Cancel a turn by its id, and tell whether that won over its commit.

        It returns when the turn has ended, or at once if the turn is queued behind another.

        Raises:
            UnknownTurn: no such turn is open.
            SojournError: the turn was neither cancelled nor committed: it could not be run.
        """
        return await self._updates.cancel(self.workflow_id, turn_id)

    async def approve(self, call_id: str) -> None:
        """Let a waiting tool call run.

        Raises:
            UnknownCall: no such call waits.
        """
        await self._decide(call_id, approved=True)

    async def deny(self, call_id: str) -> None:
        """Refuse a waiting tool call; the model is told.

        Raises:
            UnknownCall: no such call waits.
        """
        await self._decide(call_id, approved=False)

    async def show(self) -> SessionView:
        """Read the session from its store.

        Raises:
            UnknownSession: nothing was ever sent.
        """
        return await self._reader.view(self.session_id)

    async def fork(self, new_session_id: str, at: str | None = None) -> str:
        """Make a session that stands on node `at` of this one (its leaf by default).

        No node is copied. Returns the new session's id.

        Raises:
            UnknownNode: this session has no such node.
            InvalidInput: the new id is taken, or the client has no store.
        """
        await self._reader.fork(self.session_id, new_session_id, at)
        return new_session_id

    async def spawn(
        self, new_session_id: str, agent: str | None = None, at: str | None = None
    ) -> str:
        """Make a child of this session; see `sojourn.branching.spawn`. Returns its id.

        Raises:
            InvalidInput: the new id is taken, or the client has no store.
        """
        await spawn(await self.store(), self.session_id, new_session_id, agent or "", at)
        return new_session_id

    async def events(self, after: str | None = None) -> AsyncGenerator[SessionEvent, None]:
        """Yield what happens in the session from now on; see `sojourn.events.follow`.

        Args:
            after: an event's cursor, to go on after it.

        Raises:
            InvalidInput: the client has no store.
        """
        async for event in follow(await self.store(), self.session_id, after):
            yield event

    async def store(self) -> SessionStore:
        """Return the store that this client reads.

        Raises:
            InvalidInput: the client has none.
        """
        return await self._reader.store()

    async def compact(self, summary: str | None = None) -> FrameOpened:
        """Open a frame that begins with a summary of the conversation and its last turns verbatim.

        It waits for the turns that were sent before. What came before stays readable, and is no
        longer sent to the model. Without anything new since the last frame, nothing is done.

        Args:
            summary: what stands for what came before, and stands in the workflow's history too;
                without it, the model is asked.

        Raises:
            CompactionFailed: there is no usable summary; the session is as it was.
            UnknownSession: nothing was ever sent.
            LeaseHeld: another owner has the session.
        """
        return await self._open_frame(OpenFrame.compacting(self.session_id, summary))

    async def open_frame(
        self,
        text: str = "",
        *,
        model: str | ModelSpec | None = None,
        instructions: str | None = None,
    ) -> FrameOpened:
        """Open a frame that begins with `text` alone, or with nothing; the model is not asked.

        Text and instructions stand in the workflow's history.

        Args:
            text: what the model is told of what came before.
            model: the model in this frame.
            instructions: what stands in the place of the agent's instructions in this frame.

        Raises:
            AssemblyError: the model cannot be opened; nothing was written.
            UnknownSession, LeaseHeld: as `compact`.
        """
        policy = FramePolicy.of(model, instructions)
        return await self._open_frame(OpenFrame.beginning(self.session_id, text, policy))

    async def configure(
        self,
        *,
        model: str | ModelSpec | None = None,
        default_model: bool = False,
        enable: Iterable[str] = (),
        disable: Iterable[str] = (),
    ) -> Configured:
        """Change what the session runs with from its next turn on.

        It waits for the turns that were sent before. A model that is chosen so wins over the
        frame's and the app's, in every process, until it is taken back.

        Args:
            model: by name, or described.
            default_model: take back an earlier choice.
            enable: ids of tools that the session is to have.
            disable: ids of tools that it is not to have.

        Raises:
            AssemblyError, UnresolvedTool: it cannot be done; nothing was written.
            InvalidInput: it contradicts itself, or asks for nothing.
            LeaseHeld: another owner has the session.
        """
        tools = (enable, disable)
        wish = ConfigureSession.of(self.session_id, model, tools, default_model=default_model)
        return await self._updates.errand(self._config, CONFIGURE, wish, Configured)

    async def park(self) -> None:
        """Let the queued turns end, then end the workflow; the next message starts it again."""
        await self._updates.park(self.workflow_id)

    async def status(self) -> SessionStatus:
        """Tell what the session's workflow is doing; a parked one is idle."""
        return await self._updates.status(self.workflow_id) or SessionStatus()

    async def outcome(self, turn_id: str) -> TurnOutcome:
        """Wait for a turn's outcome, which has no text; one that ended long ago is in the store.

        Raises:
            UnknownTurn: the session knows no such turn.
            RunEnded: the session's run was ended before the turn.
        """
        try:
            return await self._updates.outcome(self.workflow_id, turn_id)
        except (UnknownTurn, RunEnded):
            outcome = await self._reader.outcome(self.session_id, turn_id)
            if outcome is None:
                raise
            return outcome

    async def result(self, outcome: TurnOutcome) -> TurnResult:
        """Join an outcome with its text."""
        text = await self._reader.text(self.session_id, outcome)
        return TurnResult.of(self.session_id, outcome, text)

    async def _open_frame(self, wish: OpenFrame) -> FrameOpened:
        return await self._updates.errand(self._config, OPEN_FRAME, wish, FrameOpened)

    async def _submit(self, text: str, turn_id: str | None, *, wait: bool) -> ClientTurn:
        checked_text(text)
        turn_id = ids.checked("turn", turn_id) if turn_id is not None else ids.mint("turn")
        request = SubmitTurn(turn_id=turn_id, text=text, wait=wait, nonce=token_hex(4))
        outcome = await self._updates.submit(self._config, request)
        return ClientTurn(self, turn_id, outcome)

    async def _decide(self, call_id: str, *, approved: bool) -> None:
        decision = Decision(call_id=call_id, approved=approved)
        await self._updates.decide(self.workflow_id, self.session_id, decision)
