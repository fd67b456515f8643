"""What plugins say to a tool call, before it and after: their words folded into one verdict."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from sojourn import plugin_state
from sojourn.attachment import Attachment
from sojourn.errors import InvalidArguments, PluginConflict
from sojourn.hooks import (
    AbortTurn,
    Answer,
    Deny,
    ReplaceArguments,
    ReplaceResult,
    ToolCallView,
    ToolResultView,
)
from sojourn.plugin_faults import Misbehaved, attributed, check_size, required
from sojourn.plugin_part import PluginPart
from sojourn.plugin_sessions import PluginSessions

BEFORE = "before_tool_call"
AFTER = "after_tool_call"

Refusal = AbortTurn | Deny | Answer
Fits = Callable[[Mapping[str, Any]], None]

# A weaker word never stands over a stronger one; of equal ones the first stays.
_STRENGTH: dict[type[object], int] = {Answer: 1, Deny: 2, AbortTurn: 3}


@dataclass(slots=True)
class CallVerdict:
    """What the plugins make of a call: what it is run with, or why it is not run.

    Attributes:
        call: the call with the arguments that stand.
        refusal: the strongest word against running it.
        plugin_id: whose word that is.
        replaced_by: the last plugin that replaced the arguments; empty if they are the model's.
    """

    call: ToolCallView
    refusal: Refusal | None = None
    plugin_id: str = ""
    replaced_by: str = ""

    @property
    def is_replaced(self) -> bool:
        """Whether the arguments are other than the model's."""
        return bool(self.replaced_by)

    def weigh(self, plugin_id: str, word: Refusal) -> None:
        """Take a word in, if it is stronger than the one that stands."""
        if _STRENGTH[type(word)] > _STRENGTH.get(type(self.refusal), 0):
            self.refusal, self.plugin_id = word, plugin_id


@dataclass(slots=True)
class ResultVerdict:
    """What the plugins make of a result: the one that stands, and the strongest word against it."""

    result: ToolResultView
    refusal: AbortTurn | Deny | None = None
    plugin_id: str = ""

    def weigh(self, plugin_id: str, word: AbortTurn | Deny) -> None:
        """Take a word in, if it is stronger than the one that stands."""
        if _STRENGTH[type(word)] > _STRENGTH.get(type(self.refusal), 0):
            self.refusal, self.plugin_id = word, plugin_id


async def before_call(plugins: PluginSessions, call: ToolCallView, fits: Fits) -> CallVerdict:
    """Ask every plugin about a call, in their order; arguments are replaced at once.

    The plugins before the one that replaced them see the new ones once, and can only refuse.

    Args:
        plugins: the session's.
        call: what the model asked for.
        fits: raises `InvalidArguments` if arguments do not fit the tool.

    Raises:
        PluginConflict: a plugin that sees another's arguments would replace them again.
        PluginFailed: a plugin raised, said something else, or gave arguments that do not fit.
    """
    verdict, asked = CallVerdict(call), list[PluginPart]()
    for part in plugins.having(BEFORE):
        word = await _before(part, verdict.call)
        if isinstance(word, ReplaceArguments):
            with attributed(part.plugin_id, BEFORE):
                arguments = _fitting(word.arguments, fits)
            if arguments != verdict.call.arguments:
                verdict.call = replace(call, arguments=arguments)
                verdict.replaced_by = part.plugin_id
                await _inspect_call(verdict, asked, part)
        elif word is not None:
            verdict.weigh(part.plugin_id, word)
        asked.append(part)
    return verdict


async def after_call(
    plugins: PluginSessions, call: ToolCallView, result: ToolResultView
) -> ResultVerdict:
    """Ask every plugin about a result, in their order, as `before_call` does about arguments.

    Raises:
        PluginConflict: a plugin that sees another's result would replace it again.
        PluginFailed: a plugin raised, or said something else.
    """
    verdict, asked = ResultVerdict(result), list[PluginPart]()
    for part in plugins.having(AFTER):
        word = await _after(part, call, verdict.result)
        if isinstance(word, ReplaceResult):
            with attributed(part.plugin_id, AFTER):
                changed = _changed(verdict.result, word)
            if changed != verdict.result:
                verdict.result = changed
                await _inspect_result(verdict, call, asked, part)
        elif word is not None:
            verdict.weigh(part.plugin_id, word)
        asked.append(part)
    return verdict


async def _inspect_call(verdict: CallVerdict, earlier: list[PluginPart], by: PluginPart) -> None:
    for part in earlier:
        word = await _before(part, verdict.call)
        if isinstance(word, ReplaceArguments):
            if plugin_state.as_json(dict(word.arguments)) != verdict.call.arguments:
                raise _conflict(part, by, BEFORE, "arguments")
        elif isinstance(word, AbortTurn | Deny):
            verdict.weigh(part.plugin_id, word)


async def _inspect_result(
    verdict: ResultVerdict, call: ToolCallView, earlier: list[PluginPart], by: PluginPart
) -> None:
    for part in earlier:
        word = await _after(part, call, verdict.result)
        if isinstance(word, ReplaceResult):
            if _changed(verdict.result, word) != verdict.result:
                raise _conflict(part, by, AFTER, "result")
        elif word is not None:
            verdict.weigh(part.plugin_id, word)


async def _before(part: PluginPart, call: ToolCallView) -> Refusal | ReplaceArguments | None:
    own = replace(call, arguments=copy.deepcopy(dict(call.arguments)))
    word = await part.ask(BEFORE, own)
    with attributed(part.plugin_id, BEFORE):
        if isinstance(word, Answer):
            return Answer(_storable(word.response))
        if isinstance(word, Deny):
            return Deny(_storable(required(str, word.reason)))
        if isinstance(word, AbortTurn):
            required(str, word.reason)
        if word is None or isinstance(word, AbortTurn | ReplaceArguments):
            return word
        raise Misbehaved.by_returning(word, "AbortTurn, Deny, Answer or ReplaceArguments")


async def _after(
    part: PluginPart, call: ToolCallView, result: ToolResultView
) -> AbortTurn | Deny | ReplaceResult | None:
    own = replace(result, response=copy.deepcopy(result.response))
    word = await part.ask(AFTER, call, own)
    with attributed(part.plugin_id, AFTER):
        if isinstance(word, Deny):
            return Deny(_storable(required(str, word.reason)))
        if isinstance(word, AbortTurn):
            required(str, word.reason)
        if word is None or isinstance(word, AbortTurn | ReplaceResult):
            return word
        raise Misbehaved.by_returning(word, "AbortTurn, Deny or ReplaceResult")


def _fitting(arguments: object, fits: Fits) -> dict[str, Any]:
    if not isinstance(arguments, Mapping):
        raise Misbehaved.by_returning(arguments, "Mapping")
    kept: dict[str, Any] = plugin_state.as_json(dict(cast("Mapping[str, Any]", arguments)))
    try:
        fits(kept)
    except InvalidArguments:
        raise Misbehaved("its arguments do not fit the tool") from None
    return kept


def _changed(result: ToolResultView, word: ReplaceResult) -> ToolResultView:
    added = [required(Attachment, each) for each in word.attachments]
    attachments = tuple(dict.fromkeys((*result.attachments, *added)))
    response = _storable(word.response)
    return replace(result, response=response, attachments=attachments)


def _storable(value: Any) -> Any:
    kept = plugin_state.as_json(value)
    check_size(len(plugin_state.as_bytes(kept)))
    return kept


def _conflict(earlier: PluginPart, later: PluginPart, hook: str, what: str) -> PluginConflict:
    return PluginConflict(
        plugin_id=later.plugin_id, other_id=earlier.plugin_id, hook=hook, what=what
    )
