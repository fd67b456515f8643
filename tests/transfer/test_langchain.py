"""LangChain's messages: what it wrote is a session, and what a session says it can read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.load import dumpd
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    messages_from_dict,
    messages_to_dict,
)

from sojourn.errors import Untransferable
from sojourn.ports import SessionStore
from sojourn.transfer import ExportOptions, Format, ImportOptions
from sojourn.usage import Usage
from sojourn.view import view_session
from tests.transfer.making import as_lines, exported, imported, lines, rich_session

OUT = ExportOptions(format=Format.LANGCHAIN)
IN = ImportOptions("chain-1")

CONVERSATION: list[BaseMessage] = [
    SystemMessage("be short"),
    HumanMessage("is the blue room free?", id="h1", name="bob"),
    AIMessage(
        "let me look",
        id="a1",
        tool_calls=[
            {"name": "look", "args": {"room": "blue"}, "id": "c1", "type": "tool_call"},
            {"name": "look", "args": {}, "id": "c2", "type": "tool_call"},
        ],
        invalid_tool_calls=[
            {"name": "bad", "args": "{x", "id": "c3", "error": "no", "type": "invalid_tool_call"}
        ],
        usage_metadata={
            "input_tokens": 9,
            "output_tokens": 4,
            "total_tokens": 13,
            "input_token_details": {"cache_read": 2},
        },
        response_metadata={"model_name": "gpt-5"},
    ),
    ToolMessage("free", tool_call_id="c1", id="t1", artifact={"raw": 1}),
    ToolMessage([{"type": "text", "text": "broken"}], tool_call_id="c2", status="error"),
    ToolMessage("not run", tool_call_id="c3", status="error"),
    AIMessage("it is free", id="a2"),
    HumanMessage(
        [
            {"type": "text", "text": "and this?"},
            {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
        ]
    ),
    AIMessage(
        [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "no idea"},
        ]
    ),
    AIMessage([{"type": "text", "text": "or yes"}, "as a text"]),
]


def given(form: str) -> list[Any]:
    """Return the conversation in one of the two forms that the library writes."""
    if form == "dict":
        return list(messages_to_dict(CONVERSATION))
    return [dumpd(message) for message in CONVERSATION]


@pytest.mark.parametrize("form", ["dict", "lc"])
async def test_a_conversation_comes_back_as_it_went(here: SessionStore, form: str) -> None:
    """Theirs, ours, theirs: the same messages, for the library's own comparison."""
    told = await imported(here, as_lines(given(form)), IN)
    back = messages_from_dict(lines(await exported(here, "chain-1", OUT)))

    assert told.format is Format.LANGCHAIN
    assert [m.model_dump() for m in back] == [m.model_dump() for m in CONVERSATION]


@pytest.mark.parametrize("form", ["dict", "lc"])
async def test_a_conversation_is_a_session(store: SessionStore, form: str) -> None:
    """Its messages, its calls with their results, turns and tokens."""
    told = await imported(store, as_lines(given(form)), IN)
    view = await view_session(store, "chain-1")

    assert (view.turns, told.nodes) == (2, 10)
    assert [message.role for message in view.messages] == [
        *("system", "user", "assistant", "tool", "tool", "tool"),
        *("assistant", "user", "assistant", "assistant"),
    ]
    calls = [part for part in view.messages[2].parts if part["type"] == "tool_call"]
    assert [(call["id"], call["name"]) for call in calls] == [
        *(("c1", "look"), ("c2", "look"), ("c3", "bad"))
    ]
    answers = [message.parts[0] for message in view.messages[3:6]]
    assert [(each["name"], each["status"]) for each in answers] == [
        *(("look", "done"), ("look", "failed"), ("bad", "failed"))
    ]
    assert view.messages[8].text == "no idea"
    assert view.healed == ()
    (spent,) = await store.usage("chain-1")
    assert (spent.source, spent.model) == ("import", "gpt-5")
    assert spent.usage == Usage(input_tokens=7, output_tokens=4, cache_read_tokens=2)


async def test_what_no_part_can_say_is_counted_and_named(store: SessionStore) -> None:
    """A thinking block, broken arguments, and a kind of message that we do not have."""
    odd = [*given("dict"), *messages_to_dict([FunctionMessage("x", name="f")])]
    told = await imported(store, as_lines(odd), IN)

    assert [note.line for note in told.notes] == [3, 9, 11]
    assert lines(await exported(store, "chain-1", OUT))[-1] == odd[-1]


async def test_a_json_array_is_read_too(store: SessionStore) -> None:
    """As a file of `json.dump` is."""
    told = await imported(store, json.dumps(given("lc")).encode(), IN)

    assert (told.format, told.turns) == (Format.LANGCHAIN, 2)


async def test_a_session_of_ours_is_one_that_the_library_takes(store: SessionStore) -> None:
    """Roles, texts, calls and their results."""
    await rich_session(store)
    back = messages_from_dict(lines(await exported(store, options=OUT)))

    assert [message.type for message in back] == ["human", "ai", "tool", "ai"] * 2
    call, answer = back[1], back[2]
    assert isinstance(call, AIMessage)
    assert isinstance(answer, ToolMessage)
    assert call.tool_calls == [
        {"name": "look", "args": {"room": "blå"}, "id": "call-1", "type": "tool_call"}
    ]
    assert (answer.tool_call_id, answer.content, answer.status) == (
        *("call-1", '{"free": true}', "success"),
    )


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"ai","data":{"content":"x","tool_calls":[{"args":[1]}]}}',
        b'{"type":"ai","data":{"content":"x","usage_metadata":{"input_tokens":"many"}}}',
        b"7",
    ],
)
async def test_a_line_that_is_no_message_is_named(store: SessionStore, line: bytes) -> None:
    """And what it says is not repeated."""
    file = as_lines(given("dict")[:1]) + line

    with pytest.raises(Untransferable, match=r"^Line 2 of the file cannot be imported"):
        await imported(store, file, IN)
