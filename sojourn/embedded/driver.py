"""Driving one turn in this process, by the same machine as the workflow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sojourn import turn as machine
from sojourn.errors import ModelError, ModelUnavailable, SojournError, ToolRetry, UnknownCall
from sojourn.host import SessionHost
from sojourn.outcome import Fault, TurnOutcome
from sojourn.requests import CallTool, CommitTurnRequest, StepTurn, TurnLimits, TurnRef
from sojourn.turn import CallModel, CallTools, CommitTurn, ToolCallRef, TurnState
from sojourn.turns import call_tool, commit_turn, step_turn

T = TypeVar("T")

RETRY_SECONDS = 1.0


@dataclass
class TurnControl:
    """How others reach a running turn: a cancel, and answers to waiting approvals."""

    cancel: asyncio.Event = field(default_factory=asyncio.Event)
    approvals: dict[str, asyncio.Future[bool]] = field(
        default_factory=dict[str, "asyncio.Future[bool]"]
    )
    committing: bool = False

    def answer(self, session_id: str, call_id: str, *, approved: bool) -> None:
        """Settle a waiting approval.

        Raises:
            UnknownCall: no such call waits.
        """
        waiting = self.approvals.pop(call_id, None)
        if waiting is None or waiting.done():
            raise UnknownCall(session_id=session_id, call_id=call_id)
        waiting.set_result(approved)


async def drive(
    host: SessionHost, turn: TurnRef, limits: TurnLimits, control: TurnControl
) -> TurnOutcome:
    """Run an open turn to its commit; a cancel that comes in time makes it commit what it has."""
    state = machine.begin(turn.turn_id, limits.max_steps)
    while True:
        match machine.decide(state):
            case CallModel():
                state = await _stepped(host, turn, state, control, limits)
            case CallTools(step, calls):
                state = await _called(host, turn, state, control, CallTools(step, calls))
            case CommitTurn(status, fault):
                control.committing = True
                return await commit_turn(
                    host, CommitTurnRequest(turn=turn, status=status, fault=fault)
                )
            case _:
                raise AssertionError(state.phase)


async def _stepped(
    host: SessionHost, turn: TurnRef, state: TurnState, control: TurnControl, limits: TurnLimits
) -> TurnState:
    async def ask() -> TurnState:
        request = StepTurn(turn=turn, step=state.step)
        answer = await _retried(lambda: step_turn(host, request), limits)
        return machine.answered(state, answer)

    return await _or_cancelled(ask, state, control)


async def _called(
    host: SessionHost, turn: TurnRef, state: TurnState, control: TurnControl, move: CallTools
) -> TurnState:
    async def run() -> TurnState:
        async with asyncio.TaskGroup() as group:
            for call in move.calls:
                group.create_task(_call(host, turn, control, move.step, call))
        return machine.tools_ended(state)

    return await _or_cancelled(run, state, control)


async def _call(
    host: SessionHost, turn: TurnRef, control: TurnControl, step: int, call: ToolCallRef
) -> None:
    denied = call.approval and not await _approved(control, call.call_id)
    delay = call.retry_initial_seconds
    for attempt in range(1, call.max_attempts + 1):
        request = CallTool(
            turn=turn,
            step=step,
            call_id=call.call_id,
            attempt=attempt,
            max_attempts=call.max_attempts,
            denied=denied,
        )
        try:
            await call_tool(host, request)
        except ToolRetry as again:
            await asyncio.sleep(again.after_seconds or delay)
            delay = min(delay * 2, call.retry_max_seconds)
        else:
            return


async def _approved(control: TurnControl, call_id: str) -> bool:
    waiting = asyncio.get_running_loop().create_future()
    control.approvals[call_id] = waiting
    return bool(await waiting)


async def _retried(ask: Callable[[], Awaitable[T]], limits: TurnLimits) -> T:
    for attempt in range(1, limits.model_attempts + 1):
        try:
            async with asyncio.timeout(limits.model_timeout_seconds):
                return await ask()
        except ModelError as error:
            if not error.retryable or attempt == limits.model_attempts:
                raise
            await asyncio.sleep(error.retry_after_seconds or RETRY_SECONDS * attempt)
        except TimeoutError:
            if attempt == limits.model_attempts:
                raise ModelUnavailable(model="of the agent", reason="no answer in time") from None
    raise AssertionError(limits)


async def _or_cancelled(
    work: Callable[[], Awaitable[TurnState]], state: TurnState, control: TurnControl
) -> TurnState:
    if control.cancel.is_set():
        return machine.cancelled(state)  # before anything is begun
    working = asyncio.ensure_future(work())
    asked = asyncio.create_task(control.cancel.wait())
    try:
        await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else machine.cancelled(state)
    except SojournError as error:
        return machine.failed(state, Fault.of(error))
    except ExceptionGroup as group:
        return machine.failed(state, _fault_of(group))
    finally:
        await _stop(working)
        await _stop(asked)


async def _stop(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # else asyncio complains that nobody looked


def _fault_of(group: ExceptionGroup[Exception]) -> Fault:
    """Name the first of several errors; one that is not ours is a bug and goes up."""
    ours, others = group.split(SojournError)
    if others is not None or ours is None:
        raise group
    return Fault.of(next(_leaves(ours)))


def _leaves(group: ExceptionGroup[SojournError]) -> Iterator[SojournError]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
