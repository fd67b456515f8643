from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.errors import ModelGarbage, ModelUnavailable
from sojourn.messages import CallStatus, Message, ToolCallPart, assistant, tool_response, user
from sojourn.models import FinishReason, ModelAnswer, ModelRequest, ModelSpec, TextDelta
from sojourn.testing import ScriptedModel
from sojourn.usage import Usage


def _request(*messages: Message, session_id: str = "s") -> ModelRequest:
    return ModelRequest(ModelSpec(id="scripted"), "", messages, session_id=session_id)


async def test_a_text_is_an_answer() -> None:
    """What the function returns is what the model says."""
    model = ScriptedModel(lambda messages: f"You said {messages[-1].text}")
    got = await model.complete(_request(user("hi")))
    assert got.message == assistant("You said hi")
    assert (got.finish_reason, got.model) == (FinishReason.STOP, "scripted")


async def test_a_list_is_tool_calls() -> None:
    """Pairs of name and arguments become calls, and the answer wants them called."""
    model = ScriptedModel(lambda _: [("add", {"a": 1}), ("stop", {})])
    got = await model.complete(_request(user("hi")))
    assert got.finish_reason is FinishReason.TOOL_CALLS
    assert got.message.tool_calls == (
        ToolCallPart(id="call-1-0", name="add", arguments={"a": 1}),
        ToolCallPart(id="call-1-1", name="stop"),
    )


async def test_call_ids_are_the_same_on_a_retry_and_new_in_the_next_step() -> None:
    """An id is the call's place in the conversation: retries find it, later steps do not."""
    model = ScriptedModel(lambda _: [("add", {})])
    begun = [user("hi")]
    first = await model.complete(_request(*begun))
    again = await model.complete(_request(*begun))
    assert first == again
    result = tool_response(first.message.tool_calls[0].id, "add", 1, CallStatus.DONE)
    later = await model.complete(_request(*begun, first.message, result))
    assert later.message.tool_calls[0].id == "call-3-0"


async def test_an_async_function_is_awaited() -> None:
    """A script may wait for what it wants."""

    async def _script(messages: Sequence[Message]) -> str:
        return "later"

    got = await ScriptedModel(_script).complete(_request(user("hi")))
    assert got.message.text == "later"


async def test_a_whole_answer_is_passed_on_as_it_is() -> None:
    """A script may decide everything, usage and finish reason included."""
    answer = ModelAnswer(assistant("x"), FinishReason.LENGTH, Usage(output_tokens=9), "other")
    assert await ScriptedModel(lambda _: answer).complete(_request(user("hi"))) is answer


async def test_what_the_function_raises_is_raised() -> None:
    """A script can fail as providers do."""

    def _script(messages: Sequence[Message]) -> str:
        raise ModelUnavailable(model="scripted", reason="on purpose")

    model = ScriptedModel(_script)
    with pytest.raises(ModelUnavailable, match="on purpose"):
        await model.complete(_request(user("hi")))
    assert model.calls == 1


@pytest.mark.parametrize(
    "returned",
    [None, 7, [], [("add",)], [("add", "x")], ["add"], [("add", {"x": object()})], {"add": {}}],
)
async def test_anything_else_is_garbage(returned: Any) -> None:
    """A script that returns the wrong thing fails as a provider that answers nonsense."""
    with pytest.raises(ModelGarbage):
        await ScriptedModel(lambda _: returned).complete(_request(user("hi")))


async def test_calls_are_counted_by_either_way() -> None:
    """`calls` says how often the model was asked: tests prove by it what was not bought twice."""
    model = ScriptedModel(lambda _: "x")
    await model.complete(_request(user("hi")))
    async for _ in model.stream(_request(user("hi"))):
        pass
    assert model.calls == 2


@given(st.text())
async def test_a_stream_is_words_that_add_up(text: str) -> None:
    """The pieces, joined, are the answer's text; the answer itself comes last."""
    model = ScriptedModel(lambda _: text)
    pieces = [piece async for piece in model.stream(_request(user("hi")))]
    assert pieces.pop() == await model.complete(_request(user("hi")))
    words = [piece.text for piece in pieces if isinstance(piece, TextDelta)]
    assert "".join(words) == text
    assert all(word.split() == [word.strip()] or word.isspace() for word in words)


@given(st.lists(st.text(max_size=9).map(user), min_size=1, max_size=6), st.integers(0, 5))
async def test_usage_is_a_quarter_of_the_bytes_however_the_session_grew(
    messages: list[Message], before: int
) -> None:
    """One token is four bytes, of the whole conversation, also when only its end is new."""
    model = ScriptedModel(lambda _: "x")
    await model.complete(_request(*messages[:before], user("of another branch")))
    await model.complete(_request(*messages[:before]))
    got = await model.complete(_request(*messages))
    assert got.usage.input_tokens == -(-sum(len(m.encode()) for m in messages) // 4)
    assert got.usage.output_tokens == -(-len(got.message.encode()) // 4)
