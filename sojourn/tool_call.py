"""One tool call: what the tool is told, under which terms it runs, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from sojourn.attachment import Attachment
from sojourn.attachments import SessionAttachments
from sojourn.errors import (
    InvalidInput,
    SojournError,
    ToolFailure,
    ToolLost,
    ToolRaised,
    ToolTimedOut,
)
from sojourn.messages import CallStatus

DEFAULT_TIMEOUT = timedelta(seconds=60)
MAX_DETAIL_CHARS = 2_000
MAX_RESULT_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may know of the call that runs it: annotate a parameter with it to get it.

    Attributes:
        session_id: the session.
        turn_id: the turn.
        call_id: the call, as the model named it.
        attempt: counted from 1.
        idempotency_key: the same for every attempt; `session/turn/step/call` in a turn.
        attachments: keeps bytes beside the conversation; return what `put` gives.
    """

    session_id: str
    turn_id: str
    call_id: str
    attempt: int = 1
    idempotency_key: str = ""
    attachments: SessionAttachments = field(
        default_factory=SessionAttachments, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        if not self.idempotency_key:
            key = f"{self.session_id}/{self.turn_id}/{self.call_id}"
            object.__setattr__(self, "idempotency_key", key)


@dataclass(frozen=True, slots=True)
class ToolRetryPolicy:
    """How often a tool is tried in all, and how long the waits between are."""

    max_attempts: int = 3
    initial: timedelta = timedelta(seconds=1)
    maximum: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class ToolOptions:
    """The terms that a tool runs under; checked when they are made.

    Attributes:
        idempotent: running it twice does what running it once does.
        timeout: of one attempt.
        max_attempts: attempts in all.
        approval: a person has to approve each call.
        queue: the task queue that runs it, or None for the session's own.
        max_result_bytes: the largest result, as JSON, that is kept.
        retry_initial: the wait before the second attempt; it doubles from there.
        retry_max: the longest wait.
        hidden: never shown to a model, and never callable by one.

    Raises:
        InvalidInput: a limit is not above zero.
    """

    idempotent: bool = False
    timeout: timedelta = DEFAULT_TIMEOUT
    max_attempts: int = 1
    approval: bool = False
    queue: str | None = None
    max_result_bytes: int = MAX_RESULT_BYTES
    retry_initial: timedelta = timedelta(seconds=1)
    retry_max: timedelta = timedelta(seconds=60)
    hidden: bool = False

    def __post_init__(self) -> None:
        if self.timeout <= timedelta(0):
            raise InvalidInput(reason="a tool's timeout must be above zero")
        if self.max_attempts < 1:
            raise InvalidInput(reason="a tool needs at least one attempt")
        if self.max_result_bytes < 1:
            raise InvalidInput(reason="a tool's max_result_bytes must be above zero")


@dataclass(frozen=True, slots=True)
class ToolResult:
    """How a call ended, as the model is told.

    Attributes:
        value: the tool's result, as JSON; None unless it is DONE.
        status: how it ended.
        error: what went wrong, in words for the model: it may hold content.
        failure: the error itself, whose message holds none.
        attachments: those that the result has, each once.
    """

    value: Any
    status: CallStatus = CallStatus.DONE
    error: str | None = None
    failure: SojournError | None = None
    attachments: tuple[Attachment, ...] = ()

    @classmethod
    def failed(cls, failure: SojournError) -> ToolResult:
        """Tell the model of a failure, by its detail if it has one."""
        detail = failure.detail if isinstance(failure, ToolFailure) else None
        return cls(None, CallStatus.FAILED, detail or str(failure), failure)

    @property
    def retryable(self) -> bool:
        """Whether running the same call again may end better."""
        failure = self.failure
        return failure is not None and (
            failure.retryable or isinstance(failure, (ToolRaised, ToolTimedOut, ToolLost))
        )

    @property
    def response(self) -> Any:
        """The body of the `tool_call_response`: the value, or an object with the error."""
        return self.value if self.error is None else {"error": self.error}


def attachments_in(value: object) -> Iterator[Attachment]:
    """Yield the attachments that a tool's result has, alone or in lists, tuples and dicts."""
    match value:
        case Attachment():
            yield value
        case Mapping():
            for item in cast("Mapping[Any, object]", value).values():
                yield from attachments_in(item)
        case list() | tuple():
            for item in cast("list[object]", value):
                yield from attachments_in(item)
        case _:
            return
