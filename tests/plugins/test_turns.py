"""What plugins say to turns: prompts, offers and contexts, what they enqueue, how they abort."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from typing_extensions import override

from sojourn import Agent, App, TurnResult, TurnStatus, tool
from sojourn.adapters.memory import MemoryStore
from sojourn.errors import PluginFailed
from sojourn.hooks import AbortTurn, Enqueue, Offer, PromptPart, Slot, TurnView
from sojourn.messages import Message, Role, TextPart, assistant, user
from sojourn.models import FinishReason, ModelAnswer, ModelRequest
from sojourn.plugin_faults import failures
from sojourn.requests import StepTurn
from sojourn.testing import ScriptedModel
from sojourn.turns import step_turn
from sojourn.usage import Usage
from sojourn.view import SessionView
from tests.plugins.making import CONTENT, Hooked, begun, raising, returning
from tests.support.scene import calling, echo


def system(text: str) -> Message:
    """Return a message of the system."""
    return Message(role=Role.SYSTEM, parts=(TextPart(content=text),))


@tool(idempotent=True)
def look() -> str:
    """Look."""
    return "seen"


class Recording(ScriptedModel):
    """A scripted model that remembers what it was asked."""

    def __init__(self, script: Any = echo) -> None:
        super().__init__(script)
        self.asked: list[ModelRequest] = []

    @override
    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Remember the question."""
        self.asked.append(request)
        return await super().complete(request)


def app_of(model: Any, *plugins: Hooked, store: Any = None, **agent: Any) -> App:
    """Return an app with one tool."""
    return App(
        agents=[Agent("clerk", model=model, **agent)],
        tools=[look],
        plugins=plugins,
        store=store or MemoryStore(),
    )


async def played(app: App, *texts: str) -> tuple[TurnResult, SessionView]:
    """Send messages; return the last result, and the session."""
    async with app.open("s-1") as session:
        for text in texts or ("hello",):
            result = await session.send(text)
        return result, await session.show()


def told(view: SessionView) -> list[str]:
    """Return a session's messages as role and text."""
    return [f"{message.role}: {message.text}" for message in view.messages]


# What a model sees


async def test_instructions_stand_by_slot_then_priority_then_order_each_once() -> None:
    """The agent's own stand behind the opening."""
    one = Hooked(
        "one",
        instructions=returning(
            [
                PromptPart("last", Slot.CLOSING),
                PromptPart("later"),
                PromptPart("first", Slot.OPENING),
            ]
        ),
    )
    two = Hooked("two", instructions=returning([PromptPart("sooner", priority=1)]))
    three = Hooked("three", instructions=returning("later"))
    model = Recording()
    await played(app_of(model, one, two, three, instructions="own"))

    assert model.asked[0].instructions == "first\n\nown\n\nsooner\n\nlater\n\nlast"


async def test_a_tool_that_a_plugin_hides_is_neither_offered_nor_callable() -> None:
    """A model that calls it all the same is told that it is not there; nothing is run."""
    model = Recording(calling(("look", {})))
    hiding = Hooked(offer=lambda ids: Offer(hidden=ids))
    result, view = await played(app_of(model, hiding))

    assert model.asked[0].tools == []
    assert "not offered now" in result.text
    assert [message.role for message in view.messages] == ["user", "assistant", "tool", "assistant"]


async def test_a_plugin_may_explain_a_tool() -> None:
    """In the order of plugins, behind the tool's own words."""
    model = Recording()
    notes = [Hooked(n, offer=returning(Offer(notes={"look": n, "gone": "x"}))) for n in ("b", "a")]
    await played(app_of(model, *notes))

    assert [spec.description for spec in model.asked[0].tools] == ["Look.\n\nb\n\na"]


async def test_a_context_is_for_one_question_and_is_never_stored() -> None:
    """Plugins work on one another's, the highest priority first."""

    async def shouting(messages: Sequence[Message]) -> list[Message]:
        return [user(message.text.upper()) for message in messages]

    def marking(messages: Sequence[Message]) -> list[Message]:
        return [user(f"{message.text}!") for message in messages]

    model = Recording()
    low, high = Hooked("low", context=shouting), Hooked("high", priority=1, context=marking)
    result, view = await played(app_of(model, low, high), "hello", "again")

    assert [m.text for m in model.asked[1].messages] == ["HELLO!", "YOU SAID HELLO!!", "AGAIN!"]
    assert result.text == "you said AGAIN!"
    assert [told(view)[0], told(view)[2]] == ["user: hello", "user: again"]


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        (raising, "ValueError"),
        (returning([5]), "it returned int, not Message"),
        (lambda messages: messages[:-1], "it left a call without its response"),
        (lambda messages: messages[-1:], "it left a response without its call"),
    ],
)
async def test_a_context_must_keep_calls_and_responses_together(context: Any, reason: str) -> None:
    """No model would take it: the plugin is named, and the turn ends with what it has."""

    def late(messages: Sequence[Message]) -> Any:
        return context(messages) if messages[-1].role is Role.TOOL else messages

    model = Recording(calling(("look", {})))
    result, view = await played(app_of(model, Hooked("odd", context=late)))

    assert result.error is not None
    assert (result.status, result.error.type) == (TurnStatus.FAILED, "PluginFailed")
    assert result.error.message == f"Plugin 'odd' failed in context: {reason}."
    assert [message.role for message in view.messages] == ["user", "assistant", "tool"]
    assert CONTENT not in repr(result)


async def test_an_answer_is_recorded_as_plugins_leave_it() -> None:
    """Its text may change, and the calls that it makes may not."""

    def masked(message: Message) -> Message:
        return assistant(message.text.replace("hello", "***"), *message.tool_calls)

    result, view = await played(app_of(Recording(), Hooked(answer=masked)))
    assert (result.text, told(view)[1]) == ("you said ***", "assistant: you said ***")

    dropping = Hooked("odd", answer=returning(assistant("nothing")))
    failed, _ = await played(app_of(Recording(calling(("look", {}))), dropping))
    assert failed.error is not None
    assert "'odd' failed in answer: it changed more" in failed.error.message


# What comes into a turn


async def test_what_is_enqueued_before_a_turn_stands_behind_its_input() -> None:
    """For good: the model sees it now, and in the turns to come."""
    views: list[TurnView] = []

    async def noting(view: TurnView) -> Enqueue:
        views.append(view)
        return Enqueue([system("mind the gap"), user("really")])

    model = Recording()
    _, view = await played(app_of(model, Hooked(before_turn=noting)))

    assert told(view) == [
        "user: hello",
        "system: mind the gap",
        "user: really",
        "assistant: you said really",
    ]
    assert [m.text for m in model.asked[0].messages] == ["hello", "mind the gap", "really"]
    assert (views[0].step, views[0].agent, views[0].status) == (1, "clerk", None)
    assert [m.text for m in views[0].messages] == ["hello"]


async def test_a_checkpoint_comes_after_tools_and_before_the_end() -> None:
    """What it enqueues at the end lets the turn go on, as far as its steps go."""
    seen: list[tuple[int, str]] = []

    def checking(view: TurnView) -> Enqueue | None:
        seen.append((view.step, view.messages[-1].role.value))
        return Enqueue([user("are you sure?")]) if len(seen) == 2 else None

    model = Recording(calling(("look", {})))
    result, view = await played(app_of(model, Hooked(checkpoint=checking), max_steps=4))

    assert seen == [(2, "tool"), (3, "assistant"), (4, "tool"), (5, "assistant")]
    assert [message.role for message in view.messages] == [
        *("user", "assistant", "tool", "assistant"),
        *("user", "assistant", "tool", "assistant"),
    ]
    assert result.status is TurnStatus.COMPLETED


async def test_a_turn_that_goes_on_for_ever_ends_at_its_last_step() -> None:
    """As `limit`, with everything that came into it."""
    result, view = await played(
        app_of(Recording(), Hooked(checkpoint=returning(Enqueue([user("more")]))), max_steps=2)
    )

    assert result.status is TurnStatus.LIMIT
    assert told(view)[1:] == [
        *("assistant: you said hello", "user: more"),
        *("assistant: you said more", "user: more"),
    ]


@pytest.mark.parametrize(("hook", "asked"), [("before_turn", 0), ("checkpoint", 1)])
async def test_a_plugin_may_end_a_turn_between_its_steps(hook: str, asked: int) -> None:
    """With its name and its reason; what other plugins enqueued there is dropped."""
    model = Recording()
    plugins = [
        Hooked("a", **{hook: returning(Enqueue([user("dropped")]))}),
        Hooked("b", **{hook: returning(AbortTurn("enough", limit=True))}),
        Hooked("c", **{hook: returning(AbortTurn("too late"))}),
    ]
    result, view = await played(app_of(model, *plugins))

    assert len(model.asked) == asked
    assert result.status is TurnStatus.LIMIT
    assert result.error is not None
    assert result.error.message == "Plugin 'b' ended the turn: enough."
    assert len(view.messages) == 1 + asked


async def test_after_a_turn_plugins_may_leave_word_for_the_next_one() -> None:
    """However it ended; they learn how, and what it took."""
    ends: list[tuple[str | None, int]] = []

    def leaving(view: TurnView) -> Enqueue:
        ends.append((view.status, view.usage.output_tokens))
        return Enqueue([system("noted")])

    class Paid(Recording):
        @override
        async def complete(self, request: ModelRequest) -> ModelAnswer:
            answer = await super().complete(request)
            return ModelAnswer(answer.message, FinishReason.STOP, Usage(output_tokens=7))

    model = Paid()
    result, view = await played(app_of(model, Hooked(after_turn=leaving)), "one", "two")

    assert ends == [("completed", 7), ("completed", 7)]
    assert result.text == "you said two"
    assert [m.text for m in model.asked[1].messages] == ["one", "you said one", "noted", "two"]
    assert told(view)[-1] == "system: noted"


@pytest.mark.parametrize("hook", ["before_turn", "checkpoint"])
@pytest.mark.parametrize(
    ("does", "reason"),
    [
        (raising, "ValueError"),
        (returning("stop"), "it returned str, not AbortTurn or Enqueue"),
        (returning(Enqueue(["text"])), "it returned str, not Message"),  # type: ignore[list-item]
        (returning(Enqueue([assistant("me")])), "it enqueued a message of role assistant"),
        (returning(Enqueue([user("\ud800")])), "PydanticSerializationError"),
        (returning(AbortTurn(None)), "it returned NoneType, not str"),  # type: ignore[arg-type]
    ],
)
async def test_a_plugin_that_fails_between_steps_ends_the_turn(
    hook: str, does: Any, reason: str
) -> None:
    """It was to decide, and did not: the turn commits what it has, under the plugin's name."""
    result, _ = await played(app_of(Recording(), Hooked("odd", **{hook: does})))

    assert result.error is not None
    assert result.error.message == f"Plugin 'odd' failed in {hook}: {reason}."


@pytest.mark.parametrize("does", [raising, returning(AbortTurn("no")), returning(5)])
async def test_a_plugin_that_fails_after_a_turn_changes_nothing(
    does: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is too late to end it: that is said in the log."""
    result, view = await played(app_of(Recording(), Hooked("odd", after_turn=does)))

    assert result.status is TurnStatus.COMPLETED
    assert len(view.messages) == 2
    assert "plugin odd failed in after_turn" in caplog.text
    assert CONTENT not in caplog.text


async def test_a_hook_that_hangs_ends_the_turn_and_not_the_worker() -> None:
    """After its time, with the plugin's name."""

    async def hanging(_: TurnView) -> None:
        await asyncio.Event().wait()

    plugin = Hooked("slow", seconds=0.02, before_turn=hanging)
    result, _ = await played(app_of(Recording(), plugin))

    assert result.error is not None
    assert "'slow' failed in before_turn: it did not end within 0.02 s" in result.error.message


# Recorded once


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (Enqueue([user("mind")]), None),
        (Enqueue([user("mind")]), Enqueue([user("other")])),
        (AbortTurn("enough"), None),
    ],
)
async def test_what_was_said_and_is_recorded_no_other_attempt_says_anew(
    first: Any, then: Any
) -> None:
    """Another worker goes on with what the first one's plugin decided, whatever its own says."""
    store = MemoryStore()
    model = Recording()
    dead = app_of(model, Hooked(before_turn=returning(first)), store=store)
    async with dead.host() as host:
        turn = await begun(host)
        said = await step_turn(host, StepTurn(turn=turn, step=1, attempt=1))
    alive = app_of(model, Hooked(before_turn=returning(then)), store=store)
    async with alive.host() as host:
        again = await step_turn(host, StepTurn(turn=turn, step=1, attempt=2))
        row = (await store.effects(turn.session_id, turn.turn_id))[1]

    assert again == said
    assert row.effect_key == "hook/1"
    assert (said.abort is not None) == isinstance(first, AbortTurn)
    assert len(model.asked) == (0 if said.abort else 1)


async def test_a_plugin_without_hooks_costs_no_write_and_no_read() -> None:
    """Nor does one whose hooks say nothing."""

    class Counting(MemoryStore):
        def __init__(self) -> None:
            super().__init__()
            self.trips: list[str] = []

        @override
        async def record_effect(self, ref: Any, outcome: Any) -> Any:
            self.trips.append(ref.effect_key)
            return await super().record_effect(ref, outcome)

        @override
        async def effects(self, *args: Any, **kwargs: Any) -> Any:
            self.trips.append("read")
            return await super().effects(*args, **kwargs)

    silent = {hook: returning(None) for hook in ("before_turn", "checkpoint", "after_turn")}
    silent |= {hook: returning(None) for hook in ("before_tool_call", "after_tool_call", "offer")}
    trips: list[list[str]] = []
    for plugins in ((), (Hooked(),), (Hooked(**silent),)):
        store = Counting()
        app = app_of(Recording(calling(("look", {}))), *plugins, store=store)
        await played(app)
        trips.append([trip.partition("/")[0] for trip in store.trips])

    assert trips[0] == trips[1] == trips[2]
    assert "hook" not in trips[0]


# Events


async def test_plugins_are_told_of_what_became_of_their_session() -> None:
    """In the order in which it happened, with ids and never with content."""
    told_of: list[tuple[str, Any]] = []

    def listening(event: str, facts: Any) -> None:
        told_of.append((event, facts))

    app = app_of(Recording(), Hooked(on_event=listening))
    async with app.open("s-1") as session:
        await session.send("hello", "t-1")
        await session.open_frame("what came before")
        await session.configure(disable=["look"])

    assert told_of == [
        ("session_restored", {"session_id": "s-1"}),
        ("turn_committed", {"session_id": "s-1", "turn_id": "t-1"}),
        ("frame_opened", {"session_id": "s-1", "reason": "opened"}),
        ("session_configured", {"session_id": "s-1"}),
    ]


async def test_failures_are_counted_by_plugin_and_hook() -> None:
    """Those that end a turn, and those that are only logged."""
    before = failures.copy()
    await played(app_of(Recording(), Hooked("counted", after_turn=raising)))
    await played(app_of(Recording(), Hooked("counted", before_turn=raising)))

    assert failures - before == {("counted", "after_turn"): 1, ("counted", "before_turn"): 1}


# Messages of users


async def test_a_message_is_kept_as_plugins_receive_it() -> None:
    """In their order; the same text under the same id is still the same turn."""

    class Receiving(Hooked):
        def __init__(self, name: str, text: str) -> None:
            super().__init__(name)
            self._text = text

        @override
        def receive(self, text: str) -> str:
            return f"{text} {self._text}"

    model = Recording()
    async with app_of(model, Receiving("a", "one"), Receiving("b", "two")).open("s-1") as session:
        first = await session.send("hello", "t-1")
        again = await session.send("hello", "t-1")
        view = await session.show()

    assert told(view) == ["user: hello one two", "assistant: you said hello one two"]
    assert (first, len(model.asked)) == (again, 1)


@pytest.mark.parametrize("answer", [None, 5, "\ud800"])
async def test_a_message_that_a_plugin_cannot_receive_is_refused(answer: Any) -> None:
    """Nothing is written: it might have had to be changed first."""

    class Odd(Hooked):
        @override
        def receive(self, text: str) -> str:
            kept: str = answer
            return kept

    store = MemoryStore()
    async with app_of(Recording(), Odd("odd"), store=store).open("s-1") as session:
        with pytest.raises(PluginFailed, match="'odd' failed in receive"):
            await session.send("hello")

    assert (await store.stats())["effects"] == 0
