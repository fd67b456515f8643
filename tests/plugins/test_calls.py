"""What plugins say to calls, in whole turns: what is run, what is recorded, what the model sees."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from typing_extensions import override

from sojourn import Agent, App, TurnResult, TurnStatus, tool
from sojourn.adapters.memory import MemoryStore
from sojourn.hooks import (
    AbortTurn,
    Answer,
    Deny,
    ReplaceArguments,
    ReplaceResult,
    ToolCallView,
    ToolResultView,
)
from sojourn.journal import EffectKind, EffectStatus
from sojourn.messages import CallStatus, ToolResponsePart
from sojourn.reads import ReadScope
from sojourn.requests import CallTool, CommitTurnRequest, StepTurn
from sojourn.testing import ScriptedModel
from sojourn.tools import AnyTool
from sojourn.turns import call_tool, commit_turn, step_turn
from sojourn.turns.calling import REFUSED
from sojourn.view import SessionView
from tests.plugins.making import CONTENT, Hooked, begun, raising, returning
from tests.support.scene import calling


class Adding:
    """A tool that counts how it was called."""

    def __init__(self, **options: Any) -> None:
        self.calls: list[tuple[int, int]] = []

        def add(a: int, b: int) -> int:
            """Add two numbers."""
            self.calls.append((a, b))
            return a + b

        self.tool: AnyTool = tool(**options)(add)


def app_of(adding: Adding, *plugins: Hooked, store: Any = None, **options: Any) -> App:
    """Return an app whose model adds 1 and 2, and tells what came of it."""
    script = calling(("add", {"a": 1, "b": 2}))
    return App(
        agents=[Agent("clerk", model=ScriptedModel(script))],
        tools=[adding.tool],
        plugins=plugins,
        store=store or MemoryStore(),
        **options,
    )


async def played(app: App) -> tuple[TurnResult, ToolResponsePart]:
    """Run one turn, and return its result and the call's response as it is stored."""
    async with app.open("s-1") as session:
        result = await session.send("add")
        view = await session.show()
    return result, response_in(view)


def response_in(view: SessionView) -> ToolResponsePart:
    """Return the only tool response of a session."""
    parts = [part for message in view.messages for part in message.parts]
    (response,) = [part for part in parts if part["type"] == "tool_call_response"]
    return ToolResponsePart.model_validate(response)


async def test_a_denied_call_is_not_run_and_the_model_is_told_why() -> None:
    """The turn goes on."""
    adding = Adding()
    result, response = await played(
        app_of(adding, Hooked(before_tool_call=returning(Deny("not today"))))
    )

    assert adding.calls == []
    assert (response.status, response.response) == (CallStatus.DENIED, {"error": "not today"})
    assert result.status is TurnStatus.COMPLETED
    assert "not today" in result.text


async def test_an_answered_call_is_not_run_either() -> None:
    """The model takes the plugin's answer for the tool's."""
    adding = Adding()
    _, response = await played(app_of(adding, Hooked(before_tool_call=returning(Answer(7)))))

    assert adding.calls == []
    assert (response.status, response.response) == (CallStatus.DONE, 7)


async def test_what_a_call_was_run_with_is_told_where_it_is_not_what_the_model_wrote() -> None:
    """The response says so for good; otherwise it says nothing of it."""
    adding = Adding()
    plugin = Hooked(before_tool_call=returning(ReplaceArguments({"a": 1, "b": 5})))
    _, replaced = await played(app_of(adding, plugin))
    _, plain = await played(app_of(Adding(), Hooked(before_tool_call=returning(None))))

    assert adding.calls == [(1, 5)]
    assert (replaced.response, replaced.arguments) == (6, {"a": 1, "b": 5})
    assert (plain.response, plain.arguments) == (3, None)


async def test_arguments_that_do_not_fit_are_the_plugins_failure() -> None:
    """Not the model's: the tool is not run, and the turn ends with the plugin's name."""
    adding = Adding()
    plugin = Hooked("odd", before_tool_call=returning(ReplaceArguments({"a": "x", "b": 5})))
    result, response = await played(app_of(adding, plugin))

    assert adding.calls == []
    assert response.status is CallStatus.FAILED
    assert result.status is TurnStatus.FAILED
    assert result.error is not None
    assert result.error.type == "PluginFailed"
    assert "'odd' failed in before_tool_call: its arguments do not fit" in result.error.message


@pytest.mark.parametrize(("limit", "status"), [(False, "failed"), (True, "limit")])
async def test_a_plugin_may_end_the_turn_over_a_call(*, limit: bool, status: str) -> None:
    """Before it is run, so that it is not; the outcome names the plugin and its reason."""
    adding = Adding()
    plugin = Hooked("judge", before_tool_call=returning(AbortTurn("enough\nof it", limit)))
    result, response = await played(app_of(adding, plugin))

    assert adding.calls == []
    assert response.status is CallStatus.CANCELLED
    assert result.status.value == status
    assert result.error is not None
    assert result.error.type == "TurnAborted"
    assert result.error.message == "Plugin 'judge' ended the turn: enough."


async def test_a_plugin_may_end_the_turn_over_a_result() -> None:
    """What ran is recorded as it ran."""
    plugin = Hooked("judge", after_tool_call=returning(AbortTurn("seen enough")))
    result, response = await played(app_of(Adding(), plugin))

    assert (response.status, response.response) == (CallStatus.DONE, 3)
    assert (result.status, result.text) == (TurnStatus.FAILED, "")


async def test_a_result_is_recorded_as_plugins_leave_it() -> None:
    """Replaced, or withheld with a reason."""
    _, replaced = await played(
        app_of(Adding(), Hooked(after_tool_call=returning(ReplaceResult("three"))))
    )
    _, withheld = await played(app_of(Adding(), Hooked(after_tool_call=returning(Deny("private")))))

    assert (replaced.status, replaced.response) == (CallStatus.DONE, "three")
    assert withheld.status is CallStatus.FAILED
    assert withheld.response == {"error": "The tool ran, but its result was not kept: private"}


async def test_a_result_that_a_failing_plugin_was_to_see_is_not_kept() -> None:
    """It might have been there to take something out."""
    result, response = await played(app_of(Adding(), Hooked("odd", after_tool_call=raising)))

    assert response.status is CallStatus.FAILED
    assert "'odd' failed in after_tool_call: ValueError" in response.response["error"]
    assert result.status is TurnStatus.FAILED
    assert CONTENT not in repr(result) + repr(response)


async def test_failed_results_pass_the_plugins_too() -> None:
    """Errors may hold what results may hold."""
    seen: list[ToolResultView] = []

    def looking(_: ToolCallView, result: ToolResultView) -> ReplaceResult:
        seen.append(result)
        return ReplaceResult({"error": "gone wrong"})

    @tool(name="add")
    def broken(a: int, b: int) -> int:
        """Fail."""
        raise ValueError(a, b)

    adding = Adding()
    adding.tool = broken
    _, response = await played(app_of(adding, Hooked(after_tool_call=looking)))

    assert [each.status for each in seen] == [CallStatus.FAILED]
    assert (response.status, response.response) == (CallStatus.FAILED, {"error": "gone wrong"})


async def test_a_person_is_asked_whatever_plugins_say() -> None:
    """A plugin's answer comes after the person's, and a person's no asks no plugin."""
    asked: list[ToolCallView] = []
    plugin = Hooked(before_tool_call=asked.append)
    adding = Adding(approval=True)
    async with app_of(adding, plugin).open("s-1") as session:
        turn = await session.submit("add")
        call_id = await _waiting(session)
        assert asked == []
        await session.deny(call_id)
        await turn.result()
    assert (asked, adding.calls) == ([], [])


async def test_what_a_person_approved_cannot_be_changed_only_refused() -> None:
    """Otherwise something else would run than was approved."""
    changing = Hooked("odd", before_tool_call=returning(ReplaceArguments({"a": 9, "b": 9})))
    refusing = Hooked(before_tool_call=returning(Deny("no")))
    for plugin, status, text in (
        (changing, CallStatus.FAILED, "a person approved other arguments"),
        (refusing, CallStatus.DENIED, "no"),
    ):
        adding = Adding(approval=True)
        async with app_of(adding, plugin).open("s-1") as session:
            turn = await session.submit("add")
            await session.approve(await _waiting(session))
            await turn.result()
            view = await session.show()
        response = response_in(view)
        assert adding.calls == []
        assert response.status is status
        assert text in response.response["error"]


async def _waiting(session: Any) -> str:
    async with asyncio.timeout(20):
        while not (waiting := session.waiting_approvals()):
            await asyncio.sleep(0.01)
    found: str = waiting[0]
    return found


# Attempts


async def opened(app: App) -> Any:
    """Begin a turn up to its call, on a host of its own; close it yourself."""
    hosting = app.host()
    host = await hosting.__aenter__()
    turn = await begun(host, text="add")
    answer = await step_turn(host, StepTurn(turn=turn, step=1, attempt=1))
    return hosting, host, CallTool(turn=turn, step=1, call_id=answer.calls[0].call_id)


@pytest.mark.parametrize(
    ("idempotent", "first", "then", "ran"),
    [
        (False, Deny("no"), None, 0),
        (False, None, Deny("no"), 1),
        (True, Deny("no"), None, 0),
        (True, None, Deny("no"), 1),
    ],
)
async def test_what_a_hook_decided_and_is_recorded_no_other_attempt_decides_anew(
    *, idempotent: bool, first: Any, then: Any, ran: int
) -> None:
    """Another worker, whose plugin is of another mind, finds the outcome and returns it."""
    store, adding = MemoryStore(), Adding(idempotent=idempotent)
    hosting, host, request = await opened(
        app_of(adding, Hooked(before_tool_call=returning(first)), store=store)
    )
    ended = await call_tool(host, request)
    other = app_of(adding, Hooked(before_tool_call=returning(then)), store=store)
    async with other.host() as elsewhere:
        again = await call_tool(elsewhere, request.model_copy(update={"attempt": 2}))
    await hosting.__aexit__(None, None, None)

    assert again == ended
    assert len(adding.calls) == ran


@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("word", [Deny("no"), AbortTurn("no")])
async def test_a_call_that_is_refused_after_it_may_have_run_is_not_said_not_to_have(
    word: Any, *, idempotent: bool
) -> None:
    """The first attempt ran, and its record was lost; an abort still ends the turn."""

    class Lost(MemoryStore):
        is_lost = True

        @override
        async def record_effect(self, ref: Any, outcome: Any) -> Any:
            if self.is_lost and outcome.kind is EffectKind.TOOL and outcome.payload:
                self.is_lost = False
                raise ConnectionError
            return await super().record_effect(ref, outcome)

    store, adding = Lost(), Adding(idempotent=idempotent)
    hosting, host, request = await opened(app_of(adding, store=store))
    with pytest.raises(ConnectionError):
        await call_tool(host, request)
    other = app_of(adding, Hooked(before_tool_call=returning(word)), store=store)
    async with other.host() as elsewhere:
        again = await call_tool(elsewhere, request.model_copy(update={"attempt": 2}))
    await hosting.__aexit__(None, None, None)

    assert adding.calls == [(1, 2)]
    assert again.status is CallStatus.UNKNOWN
    assert (again.abort is not None) is isinstance(word, AbortTurn)


async def test_a_refusal_that_was_lost_before_it_was_recorded_runs_nothing_later() -> None:
    """Its start says that nothing runs: the next attempt does not take it for a lost run."""

    class Lost(MemoryStore):
        is_lost = True

        @override
        async def record_effect(self, ref: Any, outcome: Any) -> Any:
            if self.is_lost and outcome.status is EffectStatus.FAILED:
                self.is_lost = False
                raise ConnectionError
            return await super().record_effect(ref, outcome)

    store, adding = Lost(), Adding()
    hosting, host, request = await opened(
        app_of(adding, Hooked(before_tool_call=returning(Deny("no"))), store=store)
    )
    with pytest.raises(ConnectionError):
        await call_tool(host, request)
    other = app_of(adding, Hooked(before_tool_call=returning(None)), store=store)
    async with other.host() as elsewhere:
        again = await call_tool(elsewhere, request.model_copy(update={"attempt": 2}))
        await commit_turn(elsewhere, CommitTurnRequest(turn=request.turn))
        read = await store.load("s-1", ReadScope.FULL_GRAPH)
    await hosting.__aexit__(None, None, None)

    assert again.status is CallStatus.DENIED
    assert adding.calls == []
    assert read is not None
    assert REFUSED in read.nodes[-1].body.decode()
