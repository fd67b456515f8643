"""What the parts of a turn are asked and what they answer: ids, digests and decisions only.

These are the messages between workflow and activities; the embedded session uses the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sojourn import ids
from sojourn.commit import CommitReceipt
from sojourn.compact import Compact
from sojourn.frames import FramePolicy, FrameReason
from sojourn.messages import CallStatus
from sojourn.outcome import Abort, Fault, TurnOutcome, TurnStatus
from sojourn.policy import DEFAULT_MAX_STEPS

# How often a model that does not answer is asked for a summary: a turn can do without.
COMPACTION_ATTEMPTS = 3


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


class CompactTurn(Compact):
    """Compact the session of an open turn before its first step, if there is a need to.

    Attributes:
        attempt: counted from 1.
        max_attempts: how often a model that does not answer is asked.
    """

    turn: TurnRef
    attempt: int = 1
    max_attempts: int = 1

    @property
    def is_last(self) -> bool:
        """Whether the model is not asked again after this attempt."""
        return self.attempt >= self.max_attempts


class OpenFrame(Compact):
    """Open a frame, as an operation of its own.

    Attributes:
        operation_id: names the operation for ever: a retry is the same one.
        agent: the agent's name; empty for the one that the session has.
        reason: why; see `frames.FrameReason`.
        text: what stands in the place of what came before; None asks the model for a summary.
        keep_turns: how many turns stay verbatim; None leaves it to the agent.
        policy: what the frame sets.
    """

    session_id: str
    operation_id: str
    owner_id: str = ""
    incarnation_id: str = ""
    agent: str = ""
    reason: str = "requested"
    text: str | None = None
    keep_turns: int | None = None
    policy: FramePolicy = FramePolicy()
    executor_id: str = ""
    attempt: int = 1
    max_attempts: int = 1

    @property
    def is_last(self) -> bool:
        """Whether the model is not asked again after this attempt."""
        return self.attempt >= self.max_attempts

    @classmethod
    def compacting(cls, session_id: str, summary: str | None = None) -> OpenFrame:
        """Ask for a frame that begins with a summary, the model's or a given one."""
        return cls(session_id=session_id, operation_id=ids.mint("compact"), text=summary)

    @classmethod
    def beginning(cls, session_id: str, text: str, policy: FramePolicy) -> OpenFrame:
        """Ask for a frame that begins with a text alone."""
        return cls(
            session_id=session_id,
            operation_id=ids.mint("frame"),
            reason=FrameReason.OPENED.value,
            text=text,
            policy=policy,
        )


class FrameOpened(Compact):
    """Where the session stands now, and what became of what came before.

    Attributes:
        frame: the frame's node; None if there was nothing to do, or it failed.
        replaced: how many messages are no longer shown to the model.
        kept: how many of them still are, verbatim.
        fault: why it failed; the session is as it was.
    """

    head_revision: int = 0
    fencing_token: int = 0
    frame: str | None = None
    replaced: int = 0
    kept: int = 0
    fault: Fault | None = None

    @classmethod
    def of(cls, receipt: CommitReceipt, fencing_token: int) -> FrameOpened:
        """Read what an operation's receipt says."""
        place = {"head_revision": receipt.head_revision, "fencing_token": fencing_token}
        return cls.model_validate({**receipt.result, **place})

    def facts(self) -> dict[str, Any]:
        """Return what a commit keeps."""
        return self.model_dump(mode="json", include={"frame", "replaced", "kept"})


class ParkSession(Compact):
    """Flush a session and give its lease back."""

    session_id: str
    fencing_token: int = 0


class Parked(Compact):
    """The session is parked at this head."""

    head_revision: int = 0
