"""How a turn ended: the outcome that is recorded, and the result that users get."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, field_serializer

from sojourn.commit import CommitReceipt
from sojourn.compact import Compact
from sojourn.errors import SojournError
from sojourn.messages import CallStatus
from sojourn.usage import Usage


class TurnStatus(StrEnum):
    """How a turn ended."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    LIMIT = "limit"


class Fault(Compact):
    """Why a turn failed: an error's class name and its line, which holds no message content."""

    type: str
    message: str

    @classmethod
    def of(cls, error: BaseException) -> Fault:
        """Describe `error`; what is not ours is named by its type alone."""
        name = type(error).__name__
        return cls(type=name, message=str(error) if isinstance(error, SojournError) else name)


class Abort(Compact):
    """A turn's end before its time: as what, and why."""

    status: TurnStatus = TurnStatus.FAILED
    fault: Fault


class CallSummary(Compact):
    """One tool call of a turn."""

    call_id: str
    name: str
    status: CallStatus = CallStatus.DONE


class TurnOutcome(Compact):
    """How a turn ended, without its text: this is what history and receipts hold.

    Attributes:
        turn_id: the turn.
        status: how it ended.
        head_revision: the session's head after it.
        usage: the turn's tokens.
        tool_calls: the turn's tool calls, in the model's order.
        input_digest: names the input's text: the same turn id with another text is refused.
        answer_node: the node of the last assistant message, or None.
        fault: why it failed.
        cost: the dollars that its tokens cost, or None if a price is unknown.
        lost_attempts: how many more questions were asked, whose tokens nobody has counted.
    """

    turn_id: str
    status: TurnStatus
    head_revision: int = 0
    usage: Usage = Usage()
    tool_calls: tuple[CallSummary, ...] = ()
    input_digest: str = ""
    answer_node: str | None = None
    fault: Fault | None = None
    cost: Decimal | None = None
    lost_attempts: int = 0

    @field_serializer("usage")
    def _usage_without_zeros(self, usage: Usage) -> dict[str, int]:
        return usage.model_dump(exclude_defaults=True)

    @classmethod
    def of(cls, receipt: CommitReceipt) -> TurnOutcome:
        """Read the outcome of a turn's receipt."""
        return cls.model_validate({**receipt.result, "head_revision": receipt.head_revision})

    def facts(self) -> dict[str, Any]:
        """Return what a commit keeps: all but the revision, which is the receipt's to say."""
        return self.model_dump(mode="json", exclude={"head_revision"})


class TurnResult(BaseModel):
    """What `send` returns: the outcome and the answer's text."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    session_id: str
    turn_id: str
    status: TurnStatus
    text: str
    head_revision: int
    usage: Usage
    tool_calls: tuple[CallSummary, ...] = ()
    error: Fault | None = None
    cost: Decimal | None = None
    lost_attempts: int = 0

    @field_serializer("tool_calls")
    def _calls_with_status(self, calls: tuple[CallSummary, ...]) -> list[dict[str, str]]:
        """Leave nothing out: whoever reads this JSON knows of no defaults."""
        return [dict(call) for call in calls]

    @classmethod
    def of(cls, session_id: str, outcome: TurnOutcome, text: str) -> TurnResult:
        """Join an outcome with the text that it refers to."""
        return cls(
            session_id=session_id,
            turn_id=outcome.turn_id,
            status=outcome.status,
            text=text,
            head_revision=outcome.head_revision,
            usage=outcome.usage,
            tool_calls=outcome.tool_calls,
            error=outcome.fault,
            cost=outcome.cost,
            lost_attempts=outcome.lost_attempts,
        )
