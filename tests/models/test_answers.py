from __future__ import annotations

import json

import pytest

from sojourn.errors import ModelGarbage
from sojourn.messages import (
    CallStatus,
    Message,
    ReasoningPart,
    Role,
    ToolCallPart,
    assistant,
    tool_response,
    user,
)
from sojourn.models import FinishReason, TextDelta
from sojourn.usage import Usage
from tests.models.asking import KEY, PROMPT, WEATHER, asked, failing, question, serving
from tests.models.http_server import answer, events, hang, raw

ways = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@ways
async def test_a_text_comes_back_with_its_finish_reason_and_model(streamed: bool) -> None:
    """A plain answer is one assistant's text, ended by STOP, of the model that the server names."""
    async with serving([answer("It is so.")]) as (_, model):
        got = await asked(model, question(), streamed=streamed)
    assert got.message == assistant("It is so.")
    assert (got.finish_reason, got.model) == (FinishReason.STOP, "scripted-1")


@ways
async def test_usage_counts_every_token_once(streamed: bool) -> None:
    """Cached input is taken out of `input_tokens`, and reasoning stays within the output."""
    async with serving([answer("x")]) as (_, model):
        got = await asked(model, question(), streamed=streamed)
    assert got.usage == Usage(
        input_tokens=30,
        output_tokens=20,
        cache_read_tokens=60,
        cache_write_tokens=10,
        reasoning_tokens=5,
    )


@ways
async def test_an_answer_without_usage_costs_nothing_known(streamed: bool) -> None:
    """A server that reports no usage is not a failure."""
    async with serving([answer("x", usage=None)]) as (_, model):
        got = await asked(model, question(), streamed=streamed)
    assert got.usage == Usage()


@ways
async def test_several_tool_calls_keep_their_order_ids_and_arguments(streamed: bool) -> None:
    """Calls arrive parsed, in the model's order, beside the text that came with them."""
    reply = answer("Let me look.", ("weather", {"city": "Paris", "at": None}), ("weather", {}))
    async with serving([reply]) as (_, model):
        got = await asked(model, question(tools=[WEATHER]), streamed=streamed)
    assert got.finish_reason is FinishReason.TOOL_CALLS
    assert got.message.text == "Let me look."
    assert got.message.tool_calls == (
        ToolCallPart(id="call_0", name="weather", arguments={"city": "Paris", "at": None}),
        ToolCallPart(id="call_1", name="weather", arguments={}),
    )


@ways
async def test_calls_with_one_id_are_told_apart(streamed: bool) -> None:
    """Two calls that a server gave the same id get distinct ones: effects are keyed by them."""
    reply = answer("", ("weather", {"n": 1}), ("weather", {"n": 2}), call_ids=["c", "c"])
    async with serving([reply]) as (_, model):
        got = await asked(model, question(tools=[WEATHER]), streamed=streamed)
    assert [call.id for call in got.message.tool_calls] == ["c", "c-2"]


@ways
async def test_empty_arguments_are_none_at_all(streamed: bool) -> None:
    """A call without arguments, which some servers write as an empty text, has an empty object."""
    async with serving([answer("", ("weather", ""))]) as (_, model):
        got = await asked(model, question(tools=[WEATHER]), streamed=streamed)
    assert got.message.tool_calls[0].arguments == {}


@ways
@pytest.mark.parametrize("arguments", ['{"city": "Par', '["private"]', "private"])
async def test_malformed_arguments_are_garbage_and_are_not_quoted(
    arguments: str, streamed: bool
) -> None:
    """Arguments that are no JSON object fail the answer, retryably, without quoting them."""
    error, _ = await failing(answer("", ("weather", arguments)), streamed=streamed)
    assert isinstance(error, ModelGarbage)
    assert "arguments of a tool call" in str(error)
    assert "Par" not in str(error)
    assert "private" not in str(error)


@ways
@pytest.mark.parametrize(
    ("sent", "finish"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("tool_calls", FinishReason.STOP),
    ],
)
async def test_finish_reasons_are_mapped(sent: str, finish: FinishReason, streamed: bool) -> None:
    """Each reason has its own; one that promises calls which are not there is a plain STOP."""
    async with serving([answer("x", finish_reason=sent)]) as (_, model):
        got = await asked(model, question(), streamed=streamed)
    assert got.finish_reason is finish


@ways
async def test_calls_are_calls_whatever_the_server_says_of_the_end(streamed: bool) -> None:
    """A server that says "stop" after tool calls still wants them called."""
    async with serving([answer("", ("weather", {}), finish_reason="stop")]) as (_, model):
        got = await asked(model, question(), streamed=streamed)
    assert got.finish_reason is FinishReason.TOOL_CALLS


@ways
async def test_reasoning_survives_the_round_trip(streamed: bool) -> None:
    """Stored reasoning goes back to its provider in the field that it came in."""
    script = [answer("", ("weather", {}), reasoning_content="Hm."), answer("done")]
    async with serving(script) as (server, model):
        first = await asked(model, question(tools=[WEATHER]), streamed=streamed)
        stored = Message.decode(first.message.encode())
        assert isinstance(stored.parts[0], ReasoningPart)
        result = tool_response("call_0", "weather", "rain", CallStatus.DONE)
        await asked(model, question(user(PROMPT), stored, result), streamed=streamed)
    assert server.asked[1].messages[2]["reasoning_content"] == "Hm."


@ways
async def test_stored_bytes_of_equal_answers_are_equal(streamed: bool) -> None:
    """Nothing that differs between two calls, such as a timestamp, enters a stored message."""
    reply = answer("x", ("weather", {}), reasoning_content="Hm.")
    async with serving([reply, reply]) as (_, model):
        first = await asked(model, question(), streamed=streamed)
        second = await asked(model, question(), streamed=streamed)
    assert first.message.encode() == second.message.encode()
    assert "1700000000" not in first.message.encode().decode()


async def test_what_is_sent_is_the_request_and_nothing_else() -> None:
    """Instructions, tools and the output limit go out; ids of sessions and turns do not."""
    async with serving([answer("x")]) as (server, model):
        await model.complete(question(tools=[WEATHER], capacity=77))
    (sent,) = server.asked
    assert sent.path == "/v1/chat/completions"
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": PROMPT},
    ]
    assert sent.body["max_completion_tokens"] == 77
    assert sent.body["tools"][0]["function"]["name"] == "weather"
    named = {"model", "messages", "max_completion_tokens", "tools", "tool_choice", "stream"}
    assert set(sent.body) == named


async def test_tool_results_follow_their_calls_whatever_came_between() -> None:
    """One message a result becomes what chat wants: all results first, then what the user said."""
    calls = [ToolCallPart(id=f"c{n}", name="weather") for n in range(3)]
    spoken = [
        user("go"),
        assistant("", *calls),
        tool_response("c0", "weather", {"sky": "blue"}, CallStatus.DONE),
        user("hurry"),
        tool_response("c1", "weather", {"error": "no"}, CallStatus.FAILED),
        tool_response("c2", "weather", {"error": "who knows"}, CallStatus.UNKNOWN),
    ]
    async with serving([answer("x")]) as (server, model):
        await model.complete(question(*spoken))
    sent = server.asked[0].messages
    assert [message["role"] for message in sent] == [
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
        "tool",
        "user",
    ]
    assert [message["tool_call_id"] for message in sent[3:6]] == ["c0", "c1", "c2"]
    assert [json.loads(message["content"]) for message in sent[3:6]] == [
        {"sky": "blue"},
        {"error": "no"},
        {"error": "who knows"},
    ]


async def test_pieces_arrive_while_the_answer_is_still_being_written() -> None:
    """A stream does not wait for its end: pieces come from a server that never finishes."""
    async with serving([hang("one ", "two ")]) as (server, model):
        stream = model.stream(question())
        assert [await anext(stream), await anext(stream)] == [TextDelta("one "), TextDelta("two ")]
        await stream.aclose()
        await server.left.wait()


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": [{"mess',
        b"[1, 2]",
        b'{"choices": []}',
        b'{"id": "x", "choices": [{"message": 7}]}',
        b"\xff\xfe",
        b"null",
        b"",
    ],
)
async def test_a_body_that_is_no_completion_is_garbage(body: bytes) -> None:
    """Malformed JSON and JSON of another shape are retryable, and are not quoted."""
    error, _ = await failing(raw(body), streamed=False)
    assert isinstance(error, ModelGarbage)


@pytest.mark.parametrize(
    "data",
    [
        (b'{"choices": [{"del',),
        (b"[DONE]",),
        (b'{"choices": [{"index": 0, "delta": {"content": "private"}}]}', b"[DONE]"),
    ],
    ids=["malformed", "empty", "unfinished"],
)
async def test_a_stream_that_is_no_whole_completion_is_garbage(data: tuple[bytes, ...]) -> None:
    """A stream that ends without a finish reason does not pass for an answer."""
    error, _ = await failing(events(*data), streamed=True)
    assert isinstance(error, ModelGarbage)
    assert "private" not in str(error)


async def test_a_user_may_speak_first_after_a_system_message() -> None:
    """System messages in the conversation stay where they stand."""
    system = Message(role=Role.SYSTEM, parts=user("Mind the date.").parts)
    async with serving([answer("x")]) as (server, model):
        await model.complete(question(system, user("hi")))
    assert [m["content"] for m in server.asked[0].messages] == [
        "Mind the date.",
        "Be brief.",
        "hi",
    ]
