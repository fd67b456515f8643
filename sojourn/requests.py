"""What the parts of a turn are asked and what they answer: ids, digests and decisions only.

These are the messages between workflow and activities; the embedded session uses the same.
"""

from __future__ import annotations

from datetime import datetime

from sojourn.compact import Compact
from sojourn.messages import CallStatus
from sojourn.outcome import Abort, Fault, TurnOutcome, TurnStatus
from sojourn.policy import DEFAULT_MAX_STEPS


class BeginTurn(Compact):
    """Claim the session for a turn and journal its input.

    Attributes:
        agent: the agent's name; empty for the one that the session has.
        known_token: the newest fencing token that this owner knows, or None not to check; see
            `reads.TurnOpening`.
        executor_id: who claims for the owner; empty for the turn itself.
    """

    session_id: str
    turn_id: str
    text: str
    owner_id: str
    incarnation_id: str
    agent: str = ""
    known_token: int | None = None
    executor_id: str = ""


class Holder(Compact):
    """Who holds a session, and how long to wait before asking again."""

    name: str
    expires_at: datetime
    retry_after_seconds: float


class TurnLimits(Compact):
    """What bounds a turn, as its agent and worker have it; times in seconds."""

    max_steps: int = DEFAULT_MAX_STEPS
    model_attempts: int = 8
    model_timeout_seconds: float = 600.0
    heartbeat_seconds: float = 3.0


class TurnBegun(Compact):
    """The turn is open; or it ended long ago (`outcome`); or the session is held (`holder`).

    Attributes:
        compact_due: whether the session is to be compacted before the turn's first step.
    """

    agent: str = ""
    fencing_token: int = 0
    head_revision: int = 0
    limits: TurnLimits = TurnLimits()
    outcome: TurnOutcome | None = None
    holder: Holder | None = None
    compact_due: bool = False


class TurnRef(Compact):
    """An open turn, and the fence to write it."""

    session_id: str
    agent: str
    turn_id: str
    fencing_token: int
    head_revision: int = 0


class StepTurn(Compact):
    """Get the model's answer of one step, from the journal if it is there.

    Attributes:
        attempt: counted from 1.
        commits: whether to commit the turn as well if the answer is its last.
    """

    turn: TurnRef
    step: int = 1
    commits: bool = False
    attempt: int = 0

    @property
    def is_first(self) -> bool:
        """Whether nobody can have recorded anything since the turn was opened."""
        return self.step == 1 and self.attempt == 1


class CallTool(Compact):
    """Run one tool call of a step, unless its outcome is recorded.

    Attributes:
        max_attempts: how often a failing tool is tried; the last failure is recorded.
        attempt: counted from 1.
        denied: do not run it: record that a person refused it.
        settle: do not run it: record what can be said of it after its attempts were lost.
    """

    turn: TurnRef
    step: int
    call_id: str
    max_attempts: int = 1
    attempt: int = 1
    denied: bool = False
    settle: bool = False


class ToolEnded(Compact):
    """How a tool call ended, and whether a plugin ends the turn over it."""

    status: CallStatus = CallStatus.DONE
    abort: Abort | None = None


class CommitTurnRequest(Compact):
    """Commit what the turn has."""

    turn: TurnRef
    status: TurnStatus = TurnStatus.COMPLETED
    fault: Fault | None = None
    release: bool = False


class ParkSession(Compact):
    """Flush a session and give its lease back."""

    session_id: str
    fencing_token: int = 0


class Parked(Compact):
    """The session is parked at this head."""

    head_revision: int = 0
