"""What plugins make of one tool call, as it is recorded: what ends it, and what ends the turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sojourn.attachment import Attachment
from sojourn.errors import PluginFailed
from sojourn.hooks import AbortTurn, Answer, ToolCallView, ToolResultView
from sojourn.messages import CallStatus
from sojourn.outcome import Abort, Fault
from sojourn.plugin_calls import AFTER, BEFORE, CallVerdict, Fits, after_call, before_call
from sojourn.plugin_sessions import PluginSessions
from sojourn.plugin_turns import aborted
from sojourn.tools import AnyTool, ToolResult

APPROVED_AS_IT_WAS = "a person approved other arguments"
TURN_ENDED = "This call was not run: the turn was ended before it."
WITHHELD = "The tool ran, but its result was not kept: {}"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call is recorded.

    Attributes:
        status: how it ended.
        response: what the model is told, as JSON.
        attachments: those that the response has.
        abort: how the turn ends over it, if it does.
        arguments: what the tool was called with, if that is not what the model wrote.
    """

    status: CallStatus
    response: Any
    attachments: tuple[Attachment, ...] = ()
    abort: Abort | None = None
    arguments: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """What a call is run with; with an `ending`, it is not run."""

    arguments: Mapping[str, Any]
    ending: Ending | None = None
    is_replaced: bool = False

    @property
    def is_refused(self) -> bool:
        """Whether the model would be told that the call was not run."""
        return self.ending is not None and self.ending.status is not CallStatus.DONE


async def admitted(
    plugins: PluginSessions, call: ToolCallView, tool: AnyTool, fits: Fits
) -> Admission:
    """Ask the plugins about a call that is to be run.

    They can refuse what a person has approved, and not change it. A plugin that fails ends the
    turn, and the call is not run.
    """
    if not plugins.having(BEFORE):
        return Admission(call.arguments)
    try:
        verdict = await before_call(plugins, call, fits)
        _check_approved(verdict, tool)
    except PluginFailed as failed:
        ending = Ending(CallStatus.FAILED, {"error": str(failed)}, abort=_failure(failed))
        return Admission(call.arguments, ending)
    return Admission(verdict.call.arguments, _refusal(verdict), verdict.is_replaced)


async def judged(
    plugins: PluginSessions, call: ToolCallView, result: ToolResult, *, is_replaced: bool = False
) -> Ending:
    """Ask the plugins about a result, and return how it is recorded.

    Of a plugin that fails nobody knows what it would have taken out: the result is not kept, and
    the turn ends.
    """
    ran_with = call.arguments if is_replaced else None
    view = ToolResultView(result.status, result.response, result.attachments)
    if not plugins.having(AFTER):
        return _recorded(view, ran_with)
    try:
        verdict = await after_call(plugins, call, view)
    except PluginFailed as failed:
        return _withheld(str(failed), ran_with, _failure(failed))
    if verdict.refusal is None:
        return _recorded(verdict.result, ran_with)
    if not isinstance(verdict.refusal, AbortTurn):
        return _withheld(verdict.refusal.reason, ran_with)
    abort = aborted(verdict.plugin_id, verdict.refusal)
    return replace(_recorded(verdict.result, ran_with), abort=abort)


def _check_approved(verdict: CallVerdict, tool: AnyTool) -> None:
    if verdict.is_replaced and tool.options.approval:
        raise PluginFailed(plugin_id=verdict.replaced_by, hook=BEFORE, reason=APPROVED_AS_IT_WAS)


def _refusal(verdict: CallVerdict) -> Ending | None:
    refusal = verdict.refusal
    if refusal is None:
        return None
    if isinstance(refusal, Answer):
        return Ending(CallStatus.DONE, refusal.response)
    if isinstance(refusal, AbortTurn):
        abort = aborted(verdict.plugin_id, refusal)
        return Ending(CallStatus.CANCELLED, {"error": TURN_ENDED}, abort=abort)
    return Ending(CallStatus.DENIED, {"error": refusal.reason})


def _recorded(result: ToolResultView, ran_with: Mapping[str, Any] | None) -> Ending:
    return Ending(result.status, result.response, result.attachments, arguments=ran_with)


def _withheld(
    reason: str, ran_with: Mapping[str, Any] | None, abort: Abort | None = None
) -> Ending:
    response = {"error": WITHHELD.format(reason)}
    return Ending(CallStatus.FAILED, response, abort=abort, arguments=ran_with)


def _failure(failed: PluginFailed) -> Abort:
    return Abort(fault=Fault.of(failed))
