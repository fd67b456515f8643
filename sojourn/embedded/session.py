"""An embedded session: the same methods as a session on Temporal, in this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from sojourn import ids
from sojourn.attachments import AttachmentReader
from sojourn.branching import spawn
from sojourn.embedded.control import TurnControl
from sojourn.embedded.owner import EmbeddedOwner
from sojourn.embedded.turn import EmbeddedTurn
from sojourn.errors import (
    InvalidInput,
    StoreError,
    TurnConflict,
    UnknownCall,
    UnknownTurn,
)
from sojourn.events import SessionEvent, follow, follow_turn
from sojourn.frames import FramePolicy
from sojourn.host import SessionHost
from sojourn.inputs import checked_text
from sojourn.models import ModelSpec
from sojourn.operations import Configured, ConfigureSession, FrameOpened, OpenFrame
from sojourn.outcome import TurnOutcome, TurnResult, TurnStatus
from sojourn.ports import SessionStore
from sojourn.view import SessionView, view_session

if TYPE_CHECKING:
    from sojourn.app import App

log = logging.getLogger(__name__)


class EmbeddedSession:
    """One session, opened in this process; turns run in the order in which they are submitted."""

    def __init__(self, host: SessionHost, session_id: str, agent: str) -> None:
        self.session_id = session_id
        self.agent = agent
        self._host = host
        self._owner = EmbeddedOwner(host, session_id, agent)
        self._turns: dict[str, EmbeddedTurn] = {}
        self._is_closed = False

    async def send(self, text: str, turn_id: str | None = None) -> TurnResult:
        """Send a message and wait for the turn's end; the same turn id again runs nothing.

        Raises:
            EmptyText: there is nothing to send.
            TextTooLarge: the text has more than 1,000,000 bytes.
            TurnConflict: the turn id was used for other text.
            LeaseHeld: another owner has the session.
        """
        turn = await self.submit(text, turn_id)
        return await turn.result()

    async def submit(self, text: str, turn_id: str | None = None) -> EmbeddedTurn:
        """Queue a message and return its turn at once; the id of an open turn joins that turn.

        Raises:
            EmptyText, TextTooLarge, InvalidId: as `send`.
            TurnConflict: the turn is open with other text.
            InvalidInput: the session is closed.
        """
        checked_text(text)
        turn_id = ids.checked("turn", turn_id) if turn_id is not None else ids.mint("turn")
        self._check_open()
        known = self._turns.get(turn_id)
        if known is not None and known.text != text:
            raise TurnConflict(session_id=self.session_id, turn_id=turn_id)
        return known or self._start(turn_id, text)

    async def cancel(self, turn_id: str) -> bool:
        """Cancel a turn by its id, and tell whether that won over its commit.

        It returns at once: the turn ends when what it was doing has stopped.

        Raises:
            UnknownTurn: there is no such turn.
        """
        turn = self._turns.get(turn_id)
        receipt = await self._host.store.receipt(self.session_id, turn_id)
        if receipt is not None:
            return TurnOutcome.of(receipt).status is TurnStatus.CANCELLED
        if turn is None:
            raise UnknownTurn(session_id=self.session_id, turn_id=turn_id)
        return turn.control.cancel() or (await turn.result()).status is TurnStatus.CANCELLED

    async def approve(self, call_id: str) -> None:
        """Let a waiting tool call run.

        Raises:
            UnknownCall: no such call waits.
        """
        self._answer(call_id, approved=True)

    async def deny(self, call_id: str) -> None:
        """Refuse a waiting tool call; the model is told.

        Raises:
            UnknownCall: no such call waits.
        """
        self._answer(call_id, approved=False)

    def waiting_approvals(self) -> list[str]:
        """Return the ids of the calls that wait for `approve` or `deny`."""
        return [call for turn in self._turns.values() for call in turn.control.waiting()]

    @property
    def attachments(self) -> AttachmentReader:
        """The session's attachments, to be read by the ids that its messages name."""
        return AttachmentReader(self._host.store, self._host.blobs, self.session_id)

    async def show(self) -> SessionView:
        """Read the session from its store.

        Raises:
            UnknownSession: nothing was ever sent.
        """
        return await view_session(self._host.store, self.session_id)

    async def fork(self, new_session_id: str, at: str | None = None) -> str:
        """Make a session that stands on node `at` of this one (its leaf by default).

        No node is copied. Returns the new session's id.

        Raises:
            UnknownNode: this session has no such node, or nothing at all.
            InvalidInput: the new id is taken.
        """
        at = at or (await self.show()).leaf or ""
        ids.checked("session", new_session_id)
        await self._host.store.fork(self.session_id, at, new_session_id)
        return new_session_id

    async def spawn(
        self, new_session_id: str, agent: str | None = None, at: str | None = None
    ) -> str:
        """Make a child of this session; see `sojourn.branching.spawn`. Returns its id.

        Raises:
            UnknownAgent: the app has no such agent.
            UnknownSession: nothing was ever sent in this session.
            InvalidInput: the new id is taken.
        """
        name = self._host.app.agent(agent).name if agent else ""
        await spawn(self._host.store, self.session_id, new_session_id, name, at)
        return new_session_id

    def events(self, after: str | None = None) -> AsyncGenerator[SessionEvent, None]:
        """Yield what happens in the session from now on; see `sojourn.events.follow`.

        Args:
            after: an event's cursor, to go on after it.
        """
        return follow(self._host.store, self.session_id, after, open_turn=self._running_turn)

    def events_of(
        self, turn: EmbeddedTurn, after: str | None
    ) -> AsyncGenerator[SessionEvent, None]:
        """Yield what happens in one turn; see `EmbeddedTurn.events`."""
        return follow_turn(self._host.store, self.session_id, turn.id, turn.task, after)

    async def compact(self, summary: str | None = None) -> FrameOpened:
        """Open a frame that begins with a summary of the conversation and its last turns verbatim.

        It waits for the open turns. What came before stays readable, and is no longer sent to the
        model. Without anything new since the last frame, nothing is done.

        Args:
            summary: what stands for what came before; without it, the model is asked.

        Raises:
            CompactionFailed: there is no usable summary; the session is as it was.
            UnknownSession: nothing was ever sent.
            LeaseHeld: another owner has the session.
        """
        self._check_open()
        return await self._owner.open_frame(OpenFrame.compacting(self.session_id, summary))

    async def open_frame(
        self,
        text: str = "",
        *,
        model: str | ModelSpec | None = None,
        instructions: str | None = None,
    ) -> FrameOpened:
        """Open a frame that begins with `text` alone, or with nothing; the model is not asked.

        Args:
            text: what the model is told of what came before.
            model: the model in this frame.
            instructions: what stands in the place of the agent's instructions in this frame.

        Raises:
            AssemblyError: the model cannot be opened; nothing was written.
            UnknownSession, LeaseHeld: as `compact`.
        """
        self._check_open()
        policy = FramePolicy.of(model, instructions)
        return await self._owner.open_frame(OpenFrame.beginning(self.session_id, text, policy))

    async def configure(
        self,
        *,
        model: str | ModelSpec | None = None,
        default_model: bool = False,
        enable: Iterable[str] = (),
        disable: Iterable[str] = (),
    ) -> Configured:
        """Change what the session runs with from its next turn on; it waits for the open turns.

        A model that is chosen so wins over the frame's and the app's, in every process, until it
        is taken back.

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
        self._check_open()
        tools = (enable, disable)
        wish = ConfigureSession.of(self.session_id, model, tools, default_model=default_model)
        return await self._owner.configure(wish)

    async def park(self) -> None:
        """Wait for the open turns, give the lease back and drop the session from memory."""
        open_turns = [turn.task for turn in self._turns.values()]
        if open_turns:
            await asyncio.wait(open_turns)
        await self._owner.park()

    async def close(self) -> None:
        """Cancel what is open, which commits what it has, and park; nothing is taken any more.

        A park that fails costs nothing that was said: the lease runs out by itself.
        """
        self._is_closed = True
        for turn in self._turns.values():
            turn.control.cancel()
        try:
            await self.park()
        except StoreError as error:
            log.warning("session %s was closed without its lease: %s", self.session_id, error)

    def _check_open(self) -> None:
        if self._is_closed:
            raise InvalidInput(reason=f"session {self.session_id!r} is closed here: open it again")

    def _start(self, turn_id: str, text: str) -> EmbeddedTurn:
        control = TurnControl()
        task = asyncio.create_task(self._owner.run(turn_id, text, control))
        turn = self._turns[turn_id] = EmbeddedTurn(self, turn_id, text, control, task)
        task.add_done_callback(partial(self._ended, turn_id))
        return turn

    def _ended(self, turn_id: str, task: asyncio.Task[TurnResult]) -> None:
        del self._turns[turn_id]
        if not task.cancelled():
            task.exception()  # else asyncio complains of a failure that nobody asked for

    def _running_turn(self) -> str | None:
        """Name the turn that runs: the first of those that are open, since they run in order."""
        return next(iter(self._turns), None)

    def _answer(self, call_id: str, *, approved: bool) -> None:
        for turn in self._turns.values():
            if turn.control.answer(call_id, approved=approved):
                return
        raise UnknownCall(session_id=self.session_id, call_id=call_id)


@asynccontextmanager
async def open_session(
    app: App, session_id: str, agent: str | None, store: str | SessionStore | None
) -> AsyncIterator[EmbeddedSession]:
    """Open a session on the app's store (or `store`), and park it at the end."""
    ids.checked("session", session_id)
    async with app.host(store) as host:
        session = EmbeddedSession(host, session_id, await host.agent_of(session_id, agent))
        try:
            yield session
        finally:
            await session.close()
