"""The turn machine: what comes next after an answer, a result, a limit or a cancel.

It is pure and serialisable. The workflow and the embedded session drive the same one:

    state = begin(turn_id, max_steps)
    while not isinstance(next_move := decide(state), Finished):
        state = <do the move, feed back what came of it>
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sojourn.compact import Compact
from sojourn.models import FinishReason
from sojourn.outcome import Abort, Fault, TurnOutcome, TurnStatus


class ToolCallRef(Compact):
    """A tool call as decisions see it: ids and policy, never arguments."""

    call_id: str
    name: str
    tool_id: str
    timeout_seconds: float = 60.0
    max_attempts: int = 1
    retry_initial_seconds: float = 1.0
    retry_max_seconds: float = 60.0
    idempotent: bool = False
    approval: bool = False
    queue: str | None = None


class StepAnswer(Compact):
    """What a model step came to: why the model stopped, and the calls that can be run.

    Calls that no tool can serve are answered already and are not among `calls`. `outcome` says
    that the answer was the turn's last and that the turn is committed; `fault` says why the model
    was not asked at all; `goes_on`, that plugins have put something behind what would have been
    the last; `abort`, that they end the turn.
    """

    finish: FinishReason
    calls: tuple[ToolCallRef, ...] = ()
    digest: str = ""
    outcome: TurnOutcome | None = None
    fault: Fault | None = None
    abort: Abort | None = None
    goes_on: bool = False


class TurnPhase(StrEnum):
    """What a turn waits for."""

    MODEL = "model"
    TOOLS = "tools"
    COMMIT = "commit"
    DONE = "done"


class TurnState(Compact):
    """Where a turn stands."""

    turn_id: str
    max_steps: int
    phase: TurnPhase = TurnPhase.MODEL
    step: int = 1
    calls: tuple[ToolCallRef, ...] = ()
    status: TurnStatus = TurnStatus.COMPLETED
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class CallModel:
    """Ask the model for the answer of `step`."""

    step: int


@dataclass(frozen=True, slots=True)
class CallTools:
    """Run these calls, in parallel; they belong to `step`."""

    step: int
    calls: tuple[ToolCallRef, ...]


@dataclass(frozen=True, slots=True)
class CommitTurn:
    """Commit what the turn has, as `status`."""

    status: TurnStatus
    fault: Fault | None


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing is left to do."""


Move = CallModel | CallTools | CommitTurn | Finished


def begin(turn_id: str, max_steps: int) -> TurnState:
    """Return the state of a turn whose input is journaled."""
    return TurnState(turn_id=turn_id, max_steps=max_steps)


def decide(state: TurnState) -> Move:
    """Return the next move; the same state always gives the same."""
    match state.phase:
        case TurnPhase.MODEL:
            return CallModel(state.step)
        case TurnPhase.TOOLS:
            return CallTools(state.step, state.calls)
        case TurnPhase.COMMIT:
            return CommitTurn(state.status, state.fault)
        case TurnPhase.DONE:
            return Finished()


def answered(state: TurnState, answer: StepAnswer) -> TurnState:
    """Feed back a model's answer: run its calls, go on, or commit.

    An answer that needs a step beyond the last allowed one ends the turn as `limit`.
    """
    if answer.outcome is not None:
        return committed(state)
    if state.phase is not TurnPhase.MODEL:
        return state
    if answer.abort is not None:
        return aborted(state, answer.abort)
    if answer.finish is not FinishReason.TOOL_CALLS and not answer.goes_on:
        limit = answer.finish is FinishReason.LENGTH
        closing = _closing(state, TurnStatus.LIMIT if limit else TurnStatus.COMPLETED)
        return closing.model_copy(update={"fault": answer.fault})
    if state.step >= state.max_steps:
        return _closing(state, TurnStatus.LIMIT)
    return _with_calls(state, answer.calls)


def tools_ended(state: TurnState, aborts: Iterable[Abort | None] = ()) -> TurnState:
    """Feed back that every call of the step has a recorded outcome; the first abort is heard."""
    for abort in aborts:
        if abort is not None:
            return aborted(state, abort)
    return _next_step(state) if state.phase is TurnPhase.TOOLS else state


def cancelled(state: TurnState) -> TurnState:
    """Feed back a cancel: it wins unless the turn is being committed."""
    return _closing(state, TurnStatus.CANCELLED) if is_cancellable(state) else state


def failed(state: TurnState, fault: Fault) -> TurnState:
    """Feed back that a move cannot be made: the turn commits what it has."""
    if not is_cancellable(state):
        return state
    return _closing(state, TurnStatus.FAILED).model_copy(update={"fault": fault})


def aborted(state: TurnState, abort: Abort) -> TurnState:
    """Feed back that a plugin ends the turn: it commits what it has."""
    if not is_cancellable(state):
        return state
    return _closing(state, abort.status).model_copy(update={"fault": abort.fault})


def limited(state: TurnState) -> TurnState:
    """Feed back that the turn has used up what it may: it commits what it has."""
    return _closing(state, TurnStatus.LIMIT) if is_cancellable(state) else state


def committed(state: TurnState) -> TurnState:
    """Feed back that the commit is done."""
    return state.model_copy(update={"phase": TurnPhase.DONE})


def is_cancellable(state: TurnState) -> bool:
    """Tell whether a cancel would still win."""
    return state.phase in (TurnPhase.MODEL, TurnPhase.TOOLS)


def _next_step(state: TurnState) -> TurnState:
    return state.model_copy(update={"phase": TurnPhase.MODEL, "step": state.step + 1, "calls": ()})


def _with_calls(state: TurnState, calls: tuple[ToolCallRef, ...]) -> TurnState:
    if not calls:
        return _next_step(state)
    return state.model_copy(update={"phase": TurnPhase.TOOLS, "calls": calls})


def _closing(state: TurnState, status: TurnStatus) -> TurnState:
    return state.model_copy(update={"phase": TurnPhase.COMMIT, "status": status, "calls": ()})
