"""Tool hooks folded: the strongest word stands, and what is replaced is seen by those before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.errors import InvalidArguments, PluginConflict, PluginFailed
from sojourn.hooks import (
    AbortTurn,
    Answer,
    Deny,
    ReplaceArguments,
    ReplaceResult,
    ToolCallView,
    ToolResultView,
)
from sojourn.messages import CallStatus
from sojourn.plugin_calls import CallVerdict, after_call, before_call
from tests.plugins.making import CONTENT, Hooked, built, raising, returning

CALL = ToolCallView("s-1", "t-1", 1, "c-1", "add", "add", {"a": 1})
RESULT = ToolResultView(CallStatus.DONE, {"sum": 1})
WORDS: dict[str, Any] = {
    "nothing": None,
    "answer": Answer(7),
    "deny": Deny("no"),
    "abort": AbortTurn("over"),
}
STRENGTH = list(WORDS)


def fits(arguments: Mapping[str, Any]) -> None:
    """Take numbers alone."""
    if not all(isinstance(value, int) for value in arguments.values()):
        raise InvalidArguments(tool="add", reason="a: int_parsing")


async def judged(*plugins: Hooked) -> CallVerdict:
    """Ask plugins about the call."""
    return await before_call(built(*plugins), CALL, fits)


def before(name: str, hook: Any) -> Hooked:
    """Return a plugin that has something to say before a call."""
    return Hooked(name, before_tool_call=hook)


def after(name: str, hook: Any) -> Hooked:
    """Return a plugin that has something to say after a call."""
    return Hooked(name, after_tool_call=hook)


@given(said=st.lists(st.sampled_from(STRENGTH), max_size=5))
async def test_the_strongest_word_stands_and_of_equal_ones_the_first(said: list[str]) -> None:
    """In whatever order plugins are registered: none can grant what another has denied."""
    plugins = [before(f"p{i}", returning(WORDS[word])) for i, word in enumerate(said)]
    verdict = await judged(*plugins)

    strongest = max(said, key=STRENGTH.index, default="nothing")
    assert verdict.refusal == WORDS[strongest]
    assert verdict.plugin_id == (f"p{said.index(strongest)}" if verdict.refusal else "")


async def test_replaced_arguments_are_what_the_next_one_sees() -> None:
    """At once, and as a copy: what a plugin does to its own reaches nobody."""
    seen: list[Any] = []

    def looking(call: ToolCallView) -> None:
        seen.append(dict(call.arguments))
        if isinstance(call.arguments, dict):
            call.arguments["a"] = 99

    async def doubling(call: ToolCallView) -> ReplaceArguments | None:
        return ReplaceArguments({"a": 2}) if call.arguments["a"] == 1 else None

    verdict = await judged(
        before("first", looking), before("doubling", doubling), before("last", looking)
    )

    assert seen == [{"a": 1}, {"a": 2}, {"a": 2}]
    assert (verdict.call.arguments, verdict.replaced_by) == ({"a": 2}, "doubling")
    assert CALL.arguments == {"a": 1}


async def test_who_came_before_can_refuse_what_was_replaced_and_grant_nothing() -> None:
    """An answer of theirs would go round the plugins behind."""

    def no_twos(call: ToolCallView) -> Deny | None:
        return Deny("two") if call.arguments["a"] == 2 else None

    def answers_twos(call: ToolCallView) -> Answer | None:
        return Answer(4) if call.arguments["a"] == 2 else None

    two = before("two", returning(ReplaceArguments({"a": 2})))
    assert (await judged(before("no", no_twos), two)).refusal == Deny("two")
    assert (await judged(before("four", answers_twos), two)).refusal is None
    assert (await judged(before("deny", returning(Deny("x"))), two)).refusal == Deny("x")


async def test_two_that_replace_each_others_arguments_are_a_conflict() -> None:
    """Both are named; two that agree are none."""
    one = before("one", returning(ReplaceArguments({"a": 1})))
    two = before("two", returning(ReplaceArguments({"a": 2})))
    with pytest.raises(PluginConflict) as caught:
        await judged(two, one, before("two-again", returning(ReplaceArguments({"a": 2}))))

    failed = caught.value
    assert (failed.other_id, failed.plugin_id) == ("two", "one")
    assert "'two' and 'one' replace each other's arguments in before_tool_call" in str(failed)
    assert (await judged(two, before("also", returning(ReplaceArguments({"a": 2}))))).is_replaced


async def test_arguments_that_say_the_same_replace_nothing() -> None:
    """Nobody is asked again for it."""
    verdict = await judged(before("same", returning(ReplaceArguments({"a": 1}))))

    assert not verdict.is_replaced


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        (raising, "ValueError"),
        (
            returning(ReplaceResult(1)),
            "it returned ReplaceResult, not AbortTurn, Deny, Answer or ReplaceArguments",
        ),
        (returning(ReplaceArguments({"a": "x"})), "its arguments do not fit the tool"),
        (returning(ReplaceArguments([])), "it returned list, not Mapping"),  # type: ignore[arg-type]
        (returning(ReplaceArguments({"a": object()})), "TypeError"),
        (returning(Answer(object())), "TypeError"),
        (returning(Answer("\ud800")), "ValueError"),
        (returning(Deny("\ud800")), "ValueError"),
        (returning(Deny(None)), "it returned NoneType, not str"),  # type: ignore[arg-type]
        (returning(ReplaceArguments({"a": "\ud800"})), "ValueError"),
    ],
)
async def test_a_hook_before_a_call_that_fails_is_named(hook: Any, reason: str) -> None:
    """And nothing of what it said is quoted."""
    with pytest.raises(PluginFailed) as caught:
        await judged(before("odd", hook))

    failed = caught.value
    assert (failed.plugin_id, failed.hook, failed.reason) == ("odd", "before_tool_call", reason)
    assert CONTENT not in str(failed)


async def test_results_are_replaced_in_turn() -> None:
    """Each plugin sees what the ones before made of it; a refusal stands beside."""

    def adds_one(_: ToolCallView, result: ToolResultView) -> ReplaceResult | None:
        value = result.response["sum"]
        return ReplaceResult({"sum": value + 1}) if value < 3 else None

    def thrice(_: ToolCallView, result: ToolResultView) -> ReplaceResult | None:
        value = result.response["sum"]
        return ReplaceResult({"sum": value * 3}) if value == 2 else None

    verdict = await after_call(built(after("a", adds_one), after("b", thrice)), CALL, RESULT)
    assert (verdict.result.response, verdict.refusal) == ({"sum": 6}, None)

    refused = await after_call(
        built(after("a", adds_one), after("no", returning(Deny("secret")))), CALL, RESULT
    )
    assert (refused.refusal, refused.plugin_id) == (Deny("secret"), "no")


async def test_two_that_replace_each_others_results_are_a_conflict() -> None:
    """As with arguments."""
    one = after("one", returning(ReplaceResult(1)))
    two = after("two", returning(ReplaceResult(2)))
    with pytest.raises(PluginConflict, match="'one' and 'two' replace each other's result"):
        await after_call(built(one, two), CALL, RESULT)


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        (raising, "ValueError"),
        (returning(Answer(1)), "it returned Answer, not AbortTurn, Deny or ReplaceResult"),
        (returning(ReplaceResult(object())), "TypeError"),
        (returning(ReplaceResult("\ud800")), "ValueError"),
        (returning(Deny("\ud800")), "ValueError"),
        (returning(ReplaceResult(1, (5,))), "it returned int, not Attachment"),  # type: ignore[arg-type]
    ],
)
async def test_a_hook_after_a_call_that_fails_is_named(hook: Any, reason: str) -> None:
    """As before one."""
    with pytest.raises(PluginFailed) as caught:
        await after_call(built(after("odd", hook)), CALL, RESULT)

    assert (caught.value.hook, caught.value.reason) == ("after_tool_call", reason)
