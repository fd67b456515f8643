"""A tool call: journaled before it runs and after, so that nothing is silently done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sojourn import ids
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
from sojourn.hooks import ToolCallView
from sojourn.host import SessionHost
from sojourn.journal import Effect, EffectKind, EffectRef, EffectStatus, Outcome, tool_key
from sojourn.keeper import LeaseKeeper
from sojourn.messages import CallStatus, ToolCallPart, ran_with, tool_response
from sojourn.outcome import Abort
from sojourn.plugin_sessions import PluginSessions
from sojourn.requests import CallTool, ToolEnded
from sojourn.residents import Resident
from sojourn.tool_spec import ToolSpec
from sojourn.tools import AnyTool, Tool, ToolContext, ToolResult
from sojourn.turns.verdicts import Admission, Ending, admitted, judged

DENIED = "A person refused this call: it was not run."
REFUSED = "A plugin refused this call: it was not run."
LOST = "The tool did not end: every attempt was lost or timed out."

# What a start is called that says: nothing runs, the refusal is being recorded.
_REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class _Call:
    """One tool call, resolved.

    Attributes:
        arguments: what it is run with.
        is_replaced: whether a plugin has changed them.
    """

    host: SessionHost
    request: CallTool
    written: ToolCallPart
    tool: AnyTool
    plugins: PluginSessions
    arguments: Mapping[str, Any]
    is_replaced: bool = False

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

    @property
    def view(self) -> ToolCallView:
        context = self.context
        return ToolCallView(
            session_id=context.session_id,
            turn_id=context.turn_id,
            step=self.request.step,
            call_id=context.call_id,
            tool_id=self.tool.tool_id,
            tool=self.tool.name,
            arguments=self.arguments,
            attempt=context.attempt,
            attachments=context.attachments,
        )

    def fits(self, arguments: Mapping[str, Any]) -> None:
        self.tool.check(arguments, self.context)


async def call_tool(host: SessionHost, request: CallTool) -> ToolEnded:
    """Run a tool call unless its outcome is recorded, and record the outcome.

    A tool that is not idempotent and was started by another attempt is not run: the outcome is
    UNKNOWN, and the model is told so. Plugins are asked before it is started and before its
    outcome is recorded.

    Raises:
        ToolRetry: the tool may be tried again; nothing is recorded yet.
        LeaseLost: a newer owner has the session.
    """
    call = await _resolved(host, request)
    if request.denied:
        return await _write(call, Ending(CallStatus.DENIED, {"error": DENIED}))
    admission = await _admission(call)
    attempt_id = ids.mint(_REFUSAL if admission.ending else "try")
    effect = await host.store.start_effect(call.ref, attempt_id)
    if effect.is_final:
        return _ended(effect)
    is_anothers = effect.attempt_id != attempt_id
    if is_anothers and effect.attempt_id.startswith(_REFUSAL):
        refused = Ending(CallStatus.DENIED, {"error": REFUSED})
        return await _write(call, admission.ending or refused)
    may_have_run = is_anothers and (not call.tool.options.idempotent or admission.is_refused)
    if request.settle or may_have_run:
        abort = admission.ending.abort if admission.ending else None
        return await _record_lost(call, may_have_run=may_have_run, abort=abort)
    if admission.ending is not None:
        return await _write(call, admission.ending)
    await host.app.probe.reached("tool.started", request.turn.session_id)
    ending = await _run(
        replace(call, arguments=admission.arguments, is_replaced=admission.is_replaced)
    )
    await host.app.probe.reached("tool.ran", request.turn.session_id)
    ended = await _record(call, ending)
    await host.app.probe.reached("tool.recorded", request.turn.session_id)
    return ended


async def _admission(call: _Call) -> Admission:
    if call.request.settle:
        return Admission(call.arguments)
    return await admitted(call.plugins, call.view, call.tool, call.fits)


async def _resolved(host: SessionHost, request: CallTool) -> _Call:
    turn = request.turn
    resident = await host.resident(turn.session_id, turn.agent, turn.head_revision)
    written = await _written(host, resident, request)
    # By the id that it had when the model wrote it: the name may have gone to another tool since.
    tool_id = resident.draft_of(turn.turn_id).tool_id(request.step, request.call_id)
    catalog = resident.runtime.catalog
    try:
        tool = catalog.find(written.name) if tool_id is None else catalog.find_by_id(tool_id)
    except ToolUnavailable as gone:
        tool = _stand_in(written.name, gone)
    return _Call(host, request, written, tool, resident.runtime.plugins, written.arguments)


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
        effects = await host.store.effects(turn.session_id, turn.turn_id, draft.position)
        resident.absorb(turn.turn_id, effects)
        written = draft.arguments(request.step, request.call_id)
    if written is None and not draft.input_digest:
        raise EffectSettled(turn_id=turn.turn_id, effect_key=request.call_id)
    if written is None:
        raise UnknownCall(session_id=turn.session_id, call_id=request.call_id)
    return written


async def _run(call: _Call) -> Ending | None:
    """Run the tool, and return what to record, or None if it may still have its effect."""
    turn = call.request.turn
    keeper = LeaseKeeper(
        call.host.store, turn.session_id, turn.fencing_token, call.host.app.timings
    )
    return await keeper.run(_ran(call))


async def _ran(call: _Call) -> Ending | None:
    idempotent = call.tool.options.idempotent
    result = await (_attempt(call) if idempotent else _attempts_without_effect(call))
    if isinstance(result.failure, (ToolTimedOut, ToolLost)) and not idempotent:
        return None
    return await judged(call.plugins, call.view, result, is_replaced=call.is_replaced)


async def _attempt(call: _Call) -> ToolResult:
    """Run an idempotent tool once; a failure that is not its last goes up as `ToolRetry`."""
    last = call.request.attempt >= call.request.max_attempts
    try:
        result = await call.tool.call(call.arguments, call.context)
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
            return await call.tool.call(call.arguments, call.context)
        except ToolRetry as again:
            await asyncio.sleep(again.after_seconds or delay)
            delay = min(delay * 2, options.retry_max.total_seconds())
    try:
        return await call.tool.call(call.arguments, call.context)
    except ToolRetry as again:
        return _given_up(again)


def _given_up(again: ToolRetry) -> ToolResult:
    return ToolResult.failed(again)


async def _record(call: _Call, ending: Ending | None) -> ToolEnded:
    if ending is None:
        return await _record_lost(call, may_have_run=True)
    return await _write(call, ending)


async def _record_lost(call: _Call, *, may_have_run: bool, abort: Abort | None = None) -> ToolEnded:
    if not may_have_run:
        return await _write(call, Ending(CallStatus.FAILED, {"error": LOST}))
    payload = unknown_response(call.written).encode()
    facts = {"status": CallStatus.UNKNOWN.value, **_aborting(abort)}
    return await _settle(call, EffectStatus.UNKNOWN, payload, facts)


async def _write(call: _Call, ending: Ending) -> ToolEnded:
    status = EffectStatus.DONE if ending.status is CallStatus.DONE else EffectStatus.FAILED
    written = call.written
    response = tool_response(
        written.id, written.name, ending.response, ending.status, ending.attachments
    )
    if ending.arguments is not None:
        response = ran_with(response, dict(ending.arguments))
    facts = {"status": ending.status.value, **_aborting(ending.abort)}
    return await _settle(call, status, response.encode(), facts)


def _aborting(abort: Abort | None) -> dict[str, Any]:
    return {"abort": abort.model_dump(mode="json")} if abort else {}


async def _settle(
    call: _Call, status: EffectStatus, payload: bytes, facts: Mapping[str, Any]
) -> ToolEnded:
    outcome = Outcome(EffectKind.TOOL, status, payload, dict(facts))
    return _ended(await call.plugins.journal.record(call.host.store, call.ref, outcome))


def _ended(effect: Effect) -> ToolEnded:
    abort = effect.facts.get("abort")
    return ToolEnded(
        status=CallStatus(effect.facts.get("status", CallStatus.FAILED)),
        abort=Abort.model_validate(abort) if abort else None,
    )
