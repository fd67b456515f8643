"""A tool call: journaled before it runs and after, so that nothing is silently done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sojourn import ids
from sojourn.attachment import Attachment
from sojourn.backoff import growing
from sojourn.draft import unknown_response
from sojourn.errors import (
    EffectSettled,
    ToolLost,
    ToolRetry,
    ToolTimedOut,
    ToolUnavailable,
    UnknownCall,
)
from sojourn.host import SessionHost
from sojourn.journal import Effect, EffectKind, EffectRef, EffectStatus, Outcome, tool_key
from sojourn.keeper import LeaseKeeper
from sojourn.messages import CallStatus, ToolCallPart, tool_response
from sojourn.models import ToolSpec
from sojourn.requests import CallTool, ToolEnded
from sojourn.residents import Resident
from sojourn.tools import AnyTool, Tool, ToolContext, ToolResult

DENIED = "A person refused this call: it was not run."
LOST = "The tool did not end: every attempt was lost or timed out."


@dataclass(frozen=True, slots=True)
class _Call:
    """One tool call, resolved."""

    host: SessionHost
    request: CallTool
    written: ToolCallPart
    tool: AnyTool

    @property
    def ref(self) -> EffectRef:
        turn = self.request.turn
        key = tool_key(self.request.step, self.request.call_id)
        return EffectRef(turn.session_id, turn.turn_id, key, turn.fencing_token)

    @property
    def context(self) -> ToolContext:
        turn = self.request.turn
        return ToolContext(
            session_id=turn.session_id,
            turn_id=turn.turn_id,
            call_id=self.request.call_id,
            attempt=self.request.attempt,
            # Some models use a call id again in a later step of the same turn.
            idempotency_key="/".join(
                (turn.session_id, turn.turn_id, str(self.request.step), self.request.call_id)
            ),
            attachments=self.host.attachments(turn),
        )


async def call_tool(host: SessionHost, request: CallTool) -> ToolEnded:
    """Run a tool call unless its outcome is recorded, and record the outcome.

    A tool that is not idempotent and was started by another attempt is not run: the outcome is
    UNKNOWN, and the model is told so.

    Raises:
        ToolRetry: the tool may be tried again; nothing is recorded yet.
        LeaseLost: a newer owner has the session.
    """
    call = await _resolved(host, request)
    if request.denied:
        return await _record_denied(call)
    attempt_id = ids.mint("try")
    effect = await host.store.start_effect(call.ref, attempt_id)
    if effect.is_final:
        return _ended(effect)
    may_have_run = effect.attempt_id != attempt_id and not call.tool.options.idempotent
    if request.settle or may_have_run:
        return await _record_lost(call, may_have_run=may_have_run)
    await host.app.probe.reached("tool.started", request.turn.session_id)
    result = await _run(call)
    await host.app.probe.reached("tool.ran", request.turn.session_id)
    ended = await _record(call, result)
    await host.app.probe.reached("tool.recorded", request.turn.session_id)
    return ended


async def _resolved(host: SessionHost, request: CallTool) -> _Call:
    turn = request.turn
    resident = await host.resident(turn.session_id, turn.agent, turn.head_revision)
    written = await _written(host, resident, request)
    try:
        tool = resident.runtime.catalog.find(written.name)
    except ToolUnavailable as gone:
        tool = _stand_in(written.name, gone)
    return _Call(host, request, written, tool)


def _stand_in(name: str, gone: ToolUnavailable) -> AnyTool:
    """Return a tool that fails as `gone`: the worker that began the call had more tools."""

    async def unavailable(**_: object) -> None:
        raise gone

    return Tool(unavailable, tool_id=name, spec=ToolSpec(name, "", {}))


async def _written(host: SessionHost, resident: Resident, request: CallTool) -> ToolCallPart:
    turn = request.turn
    draft = resident.draft_of(turn.turn_id)
    written = draft.arguments(request.step, request.call_id)
    if written is None:
        draft.absorb(await host.store.effects(turn.session_id, turn.turn_id, draft.position))
        written = draft.arguments(request.step, request.call_id)
    if written is None and not draft.input_digest:
        raise EffectSettled(turn_id=turn.turn_id, effect_key=request.call_id)
    if written is None:
        raise UnknownCall(session_id=turn.session_id, call_id=request.call_id)
    return written


async def _run(call: _Call) -> ToolResult:
    turn = call.request.turn
    keeper = LeaseKeeper(
        call.host.store, turn.session_id, turn.fencing_token, call.host.app.timings
    )
    if call.tool.options.idempotent:
        return await keeper.run(_attempt(call))
    return await keeper.run(_attempts_without_effect(call))


async def _attempt(call: _Call) -> ToolResult:
    """Run an idempotent tool once; a failure that is not its last goes up as `ToolRetry`."""
    last = call.request.attempt >= call.request.max_attempts
    try:
        result = await call.tool.call(call.written.arguments, call.context)
    except ToolRetry as again:
        if last:
            return _given_up(again)
        # The tool's own reason may quote content, and this error goes into history.
        raise ToolRetry(reason="the tool asks for it", after_seconds=_pause(call, again)) from None
    if result.status is CallStatus.FAILED and result.retryable and not last:
        reason = f"attempt {call.request.attempt} failed"
        raise ToolRetry(reason=reason, after_seconds=_pause(call))
    return result


def _pause(call: _Call, again: ToolRetry | None = None) -> float:
    """Return the seconds until the next attempt: what the tool asks for, or what grows."""
    options = call.tool.options
    grown = growing(options.retry_initial, call.request.attempt, options.retry_max)
    return (again.after_seconds if again else None) or grown.total_seconds()


async def _attempts_without_effect(call: _Call) -> ToolResult:
    """Run a tool that is not idempotent; only its own word that nothing happened repeats it.

    These repeats stay inside one journaled start: for a later attempt the start means UNKNOWN.
    """
    options = call.tool.options
    delay = options.retry_initial.total_seconds()
    for _ in range(options.max_attempts - 1):
        try:
            return await call.tool.call(call.written.arguments, call.context)
        except ToolRetry as again:
            await asyncio.sleep(again.after_seconds or delay)
            delay = min(delay * 2, options.retry_max.total_seconds())
    try:
        return await call.tool.call(call.written.arguments, call.context)
    except ToolRetry as again:
        return _given_up(again)


def _given_up(again: ToolRetry) -> ToolResult:
    return ToolResult.failed(again)


async def _record(call: _Call, result: ToolResult) -> ToolEnded:
    is_open = isinstance(result.failure, (ToolTimedOut, ToolLost))
    if is_open and not call.tool.options.idempotent:
        return await _record_lost(call, may_have_run=True)
    status = EffectStatus.DONE if result.status is CallStatus.DONE else EffectStatus.FAILED
    return await _write(call, status, result.response, result.status, result.attachments)


async def _record_denied(call: _Call) -> ToolEnded:
    return await _write(call, EffectStatus.FAILED, {"error": DENIED}, CallStatus.DENIED)


async def _record_lost(call: _Call, *, may_have_run: bool) -> ToolEnded:
    if not may_have_run:
        return await _write(call, EffectStatus.FAILED, {"error": LOST}, CallStatus.FAILED)
    payload = unknown_response(call.written).encode()
    outcome = Outcome(EffectKind.TOOL, EffectStatus.UNKNOWN, payload, _facts(CallStatus.UNKNOWN))
    return _ended(await call.host.store.record_effect(call.ref, outcome))


async def _write(
    call: _Call,
    status: EffectStatus,
    value: object,
    call_status: CallStatus,
    attachments: Sequence[Attachment] = (),
) -> ToolEnded:
    response = tool_response(call.written.id, call.written.name, value, call_status, attachments)
    outcome = Outcome(EffectKind.TOOL, status, response.encode(), _facts(call_status))
    return _ended(await call.host.store.record_effect(call.ref, outcome))


def _facts(status: CallStatus) -> dict[str, str]:
    return {"status": status.value}


def _ended(effect: Effect) -> ToolEnded:
    return ToolEnded(status=CallStatus(effect.facts.get("status", CallStatus.FAILED)))
