"""This process as a session's owner: what it does under the lease, one thing after the other."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import count

from sojourn import ids
from sojourn.embedded.control import TurnControl
from sojourn.embedded.driver import TurnDriver
from sojourn.embedded.retrying import asked, stored
from sojourn.errors import CompactionFailed, LeaseHeld
from sojourn.host import SessionHost
from sojourn.keeper import LeaseKeeper
from sojourn.lease import LeaseOwner
from sojourn.operations import (
    COMPACTION_ATTEMPTS,
    Configured,
    ConfigureSession,
    FrameOpened,
    OpenFrame,
)
from sojourn.outcome import TurnOutcome, TurnResult
from sojourn.requests import BeginTurn, ParkSession, TurnBegun, TurnRef
from sojourn.turns import answer_text, begin_turn, configure_session, open_frame, park_session


class EmbeddedOwner:
    """Holds one session for one open: what is asked of it is done in the order of the asking.

    Args:
        host: what runs the parts.
        session_id: the session.
        agent: its agent.
    """

    def __init__(self, host: SessionHost, session_id: str, agent: str) -> None:
        self._host = host
        self._session_id = session_id
        owner = LeaseOwner.fresh()
        self._names = {
            "agent": agent,
            "owner_id": owner.owner_id,
            "incarnation_id": owner.incarnation_id,
            "executor_id": ids.mint("exec"),
        }
        self._serial = asyncio.Lock()
        self._token = 0

    async def run(self, turn_id: str, text: str, control: TurnControl) -> TurnResult:
        """Run a turn, or return how it ended long ago.

        Raises:
            LeaseHeld: another owner has the session.
            SojournError: as `begin_turn` and `TurnDriver.run`.
        """
        async with self._serial:
            outcome = await self._outcome(turn_id, text, control)
        answer = await answer_text(self._host, self._session_id, outcome)
        return TurnResult.of(self._session_id, outcome, answer)

    async def open_frame(self, wish: OpenFrame) -> FrameOpened:
        """Open a frame as this owner.

        Raises:
            CompactionFailed: there is no usable summary; the session is as it was.
            SojournError: as `sojourn.turns.open_frame`.
        """
        request = wish.model_copy(update={**self._names, "max_attempts": COMPACTION_ATTEMPTS})
        attempts = count(1)

        async def ask() -> FrameOpened:
            again = request.model_copy(update={"attempt": next(attempts)})
            return await stored(partial(open_frame, self._host, again))

        async with self._serial:
            opened = await asked(ask, COMPACTION_ATTEMPTS)
            self._token = opened.fencing_token or self._token
        if opened.fault is not None:
            raise CompactionFailed(reason=opened.fault.message)
        return opened

    async def configure(self, wish: ConfigureSession) -> Configured:
        """Change what the session runs with, as this owner.

        Raises:
            SojournError: as `sojourn.turns.configure_session`.
        """
        request = wish.model_copy(update=self._names)
        async with self._serial:
            configured = await stored(partial(configure_session, self._host, request))
            self._token = configured.fencing_token or self._token
        return configured

    async def park(self) -> None:
        """Give the lease back and drop the session from memory."""
        async with self._serial:
            token = await stored(self._held)
            request = ParkSession(session_id=self._session_id, fencing_token=token)
            await stored(partial(park_session, self._host, request))

    async def _held(self) -> int:
        """Return the token to give back, of a claim too that failed before it was told."""
        lease = await self._host.store.lease(self._session_id)
        is_own = lease is not None and lease.owner.incarnation_id == self._names["incarnation_id"]
        return lease.fencing_token if lease is not None and is_own else self._token

    async def _outcome(self, turn_id: str, text: str, control: TurnControl) -> TurnOutcome:
        begun = await self._begin(turn_id, text)
        if begun.outcome is not None:
            return begun.outcome
        self._token = begun.fencing_token
        turn = TurnRef(
            session_id=self._session_id,
            agent=begun.agent,
            turn_id=turn_id,
            fencing_token=begun.fencing_token,
            head_revision=begun.head_revision,
        )
        keeper = LeaseKeeper(
            self._host.store, self._session_id, self._token, self._host.app.timings
        )
        driver = TurnDriver(self._host, turn, begun.limits, control)
        return await keeper.run(driver.run(compact_due=begun.compact_due))

    async def _begin(self, turn_id: str, text: str) -> TurnBegun:
        request = BeginTurn.model_validate(
            {"session_id": self._session_id, "turn_id": turn_id, "text": text, **self._names}
        )
        begun = await stored(partial(begin_turn, self._host, request))
        if begun.holder is not None:
            raise LeaseHeld(
                session_id=self._session_id,
                holder=begun.holder.name,
                expires_at=begun.holder.expires_at,
            )
        return begun
