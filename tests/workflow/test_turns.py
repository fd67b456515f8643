"""What a turn is, from a message to its result."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from sojourn import tool
from sojourn.errors import EmptyText, InvalidId, TextTooLarge, TurnConflict
from sojourn.messages import Message
from sojourn.models import FinishReason, ModelAnswer
from sojourn.outcome import TurnStatus
from sojourn.usage import Usage
from tests.support.gate import Gate
from tests.support.scene import Scene, calling, echo, responses

pytestmark = pytest.mark.server


@tool(idempotent=True)
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def metered(messages: Sequence[Message]) -> ModelAnswer:
    """Answer at a known price."""
    usage = Usage(input_tokens=7, output_tokens=3, cache_read_tokens=2)
    message = Message.decode(b'{"role":"assistant","parts":[{"type":"text","content":"paid"}]}')
    return ModelAnswer(message, FinishReason.STOP, usage)


async def test_a_message_is_answered_and_stands_in_the_store(scene: Scene) -> None:
    """A turn is one commit: the message and its answer, at the next head."""
    async with scene.playing() as session:
        result = await session.send("hello", "t-1")

    assert (result.status, result.text) == (TurnStatus.COMPLETED, "you said hello")
    assert (result.session_id, result.turn_id) == (scene.session_id, "t-1")
    assert result.head_revision == 1
    view = await scene.view()
    assert [(m.role, m.text) for m in view.messages] == [
        ("user", "hello"),
        ("assistant", "you said hello"),
    ]
    assert view.head_revision == 1


async def test_the_result_tells_what_the_turn_cost(scene: Scene) -> None:
    """Usage comes from the model, and adds up in the session."""
    async with scene.playing(metered) as session:
        first = await session.send("hello")
        await session.send("again")

    assert first.usage == Usage(input_tokens=7, output_tokens=3, cache_read_tokens=2)
    assert (await scene.view()).usage == first.usage + first.usage


async def test_the_result_tells_what_became_of_each_tool_call(scene: Scene) -> None:
    """Calls are listed in the model's order, those that no tool could serve among them."""
    script = calling(("add", {"a": 1, "b": 2}), ("nope", {}), ("add", {"a": "x"}))
    async with scene.playing(script, add) as session:
        result = await session.send("add")

    assert [(call.name, call.status.value) for call in result.tool_calls] == [
        ("add", "done"),
        ("nope", "failed"),
        ("add", "failed"),
    ]
    assert result.text.startswith("[3, ")


async def test_calls_of_one_answer_run_side_by_side(scene: Scene) -> None:
    """Each call waits for the other here: one after the other they would never end."""
    met = asyncio.Barrier(3)

    @tool
    async def meet(name: str) -> str:
        """Wait for the others."""
        await met.wait()
        return name

    script = calling(*(("meet", {"name": name}) for name in "abc"))
    async with scene.playing(script, meet) as session:
        result = await session.send("meet")

    assert result.text == "['a', 'b', 'c']"


async def test_a_turn_takes_as_many_steps_as_its_tools_need(scene: Scene) -> None:
    """The model is asked again with the results, until it asks for no more."""

    def count(messages: Sequence[Message]) -> object:
        found = responses(messages)
        last = found[-1].response if found else 0
        return "three" if last == 3 else [("add", {"a": last, "b": 1})]

    async with scene.playing(count, add) as session:
        result = await session.send("count to three")

    assert (result.text, len(result.tool_calls)) == ("three", 3)


async def test_a_turn_ends_at_its_limit_of_steps(scene: Scene) -> None:
    """A model that never stops asking is stopped, what it has is kept, and the session goes on."""

    def endless(messages: Sequence[Message]) -> object:
        return "enough" if messages[-1].text == "stop" else [("add", {"a": 1, "b": 1})]

    async with scene.playing(endless, add, max_steps=3) as session:
        result = await session.send("go")
        after = await session.send("stop")

    assert result.status is TurnStatus.LIMIT
    assert [call.status.value for call in result.tool_calls] == ["done", "done", "cancelled"]
    assert (after.status, after.text, after.head_revision) == (TurnStatus.COMPLETED, "enough", 2)


async def test_messages_are_answered_in_the_order_in_which_they_came(scene: Scene) -> None:
    """Many messages wait for the first one's answer, and keep their order."""
    gate = Gate()

    async def gated(messages: Sequence[Message]) -> str:
        await gate.enter()
        return echo(messages)

    wanted = [f"message {n}" for n in range(scene.many(20))]
    async with scene.playing(gated) as session:
        turns = [await session.submit(text) for text in wanted]
        await gate.reached()
        assert (await session.status()).queued == tuple(turn.id for turn in turns[1:])
        gate.open()
        results = [await turn.result() for turn in turns]

    assert [result.text for result in results] == [f"you said {text}" for text in wanted]
    assert [result.head_revision for result in results] == list(range(1, len(wanted) + 1))
    assert await scene.texts() == wanted


async def test_messages_at_once_are_each_answered_once(scene: Scene) -> None:
    """Callers who wait at once do not keep one another out, twice as many as the server allows."""
    count = scene.many(20)
    async with scene.playing() as session:
        results = await asyncio.gather(*(session.send(f"message {n}") for n in range(count)))

    assert {result.text for result in results} == {f"you said message {n}" for n in range(count)}
    assert sorted(result.head_revision for result in results) == list(range(1, count + 1))


async def test_the_same_turn_again_runs_nothing(scene: Scene) -> None:
    """A turn id is one turn: the second call gets the first one's result."""
    calls: list[str] = []

    def counted(messages: Sequence[Message]) -> str:
        calls.append(messages[-1].text)
        return f"answer {len(calls)}"

    async with scene.playing(counted) as session:
        first = await session.send("hello", "t-1")
        await session.send("another", "t-2")
        again = await session.send("hello", "t-1")

    assert again == first
    assert calls == ["hello", "another"]


async def test_the_same_turn_from_several_callers_is_one_turn(scene: Scene) -> None:
    """Callers who meet share the result."""
    async with scene.playing() as session:
        results = await asyncio.gather(*(session.send("hello", "t-1") for _ in range(5)))

    assert results == [results[0]] * 5
    assert (await scene.view()).head_revision == 1


async def test_a_turn_id_with_other_text_is_refused(scene: Scene) -> None:
    """The session keeps its first text and goes on."""
    async with scene.playing() as session:
        await session.send("hello", "t-1")
        with pytest.raises(TurnConflict, match="t-1"):
            await session.send("good-bye", "t-1")
        after = await session.send("still there?")

    assert after.head_revision == 2
    assert await scene.texts() == ["hello", "still there?"]


async def test_a_turn_that_waits_is_refused_other_text_too(scene: Scene) -> None:
    """The conflict is seen before the first turn has ended."""
    gate = Gate()

    async def gated(messages: Sequence[Message]) -> str:
        await gate.enter()
        return echo(messages)

    async with scene.playing(gated) as session:
        turn = await session.submit("hello", "t-1")
        await gate.reached()
        with pytest.raises(TurnConflict):
            await session.submit("good-bye", "t-1")
        gate.open()
        assert (await turn.result()).text == "you said hello"


@pytest.mark.parametrize(
    ("text", "turn_id", "error"),
    [
        (" \n", "t-1", EmptyText),
        ("x" * 1_000_001, "t-1", TextTooLarge),
        ("hello", "with space", InvalidId),
    ],
)
async def test_what_cannot_be_a_message_starts_nothing(
    scene: Scene, text: str, turn_id: str, error: type[Exception]
) -> None:
    """The caller is told before anything is written anywhere."""
    async with scene.playing() as session:
        with pytest.raises(error):
            await session.send(text, turn_id)

    assert await scene.store.head(scene.session_id) is None
