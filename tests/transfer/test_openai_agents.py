"""openai-agents' items: what it wrote is a session, and what a session says it can read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agents import SQLiteSession
from openai.types.responses import ResponseInputItemParam
from pydantic import TypeAdapter

from sojourn.errors import InvalidInput, Untransferable
from sojourn.messages import Role
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.transfer import ExportOptions, Format, ImportOptions, Note
from sojourn.transfer.pairing import HELD_ITEMS
from sojourn.view import view_session
from tests.transfer.making import as_lines, exported, imported, lines, rich_session

ITEMS = TypeAdapter[ResponseInputItemParam](ResponseInputItemParam)
OUT = ExportOptions(format=Format.OPENAI_AGENTS)
IN = ImportOptions("agents-1", Format.OPENAI_AGENTS)

CONVERSATION: list[dict[str, Any]] = [
    {"role": "developer", "content": "be short"},
    {"role": "user", "content": "is the blue room free?"},
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "I shall look."}],
        "encrypted_content": "gAAAA",
    },
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [
            {"type": "output_text", "text": "Let me ", "annotations": []},
            {"type": "output_text", "text": "look.", "annotations": []},
        ],
    },
    {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "look",
        "arguments": '{"room": "blue"}',
        "status": "completed",
    },
    {
        "type": "function_call",
        "id": "fc_2",
        "call_id": "call_2",
        "name": "look",
        "arguments": "{broken",
    },
    {"type": "function_call_output", "call_id": "call_1", "output": "free"},
    {
        "type": "function_call_output",
        "call_id": "call_2",
        "output": [{"type": "input_text", "text": "no JSON"}],
    },
    {"role": "assistant", "content": "It is free."},
    {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "and this one?"},
            {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
        ],
    },
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
    {
        "type": "message",
        "id": "msg_2",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "refusal", "refusal": "I cannot see."}],
    },
]


async def test_a_conversation_is_a_session(store: SessionStore) -> None:
    """Its messages, its calls with their results, and a turn for each word of the user."""
    told = await imported(store, as_lines(CONVERSATION), IN)
    view = await view_session(store, "agents-1")

    assert (told.turns, view.turns, told.format) == (2, 2, Format.OPENAI_AGENTS)
    assert [message.role for message in view.messages] == [
        *("system", "user", "assistant", "tool", "tool", "assistant", "user", "assistant")
    ]
    assert view.messages[2].text == "Let me look."
    assert [part["type"] for part in view.messages[2].parts] == [
        *("reasoning", "text", "text", "tool_call", "tool_call")
    ]
    assert view.messages[2].parts[3]["arguments"] == {"room": "blue"}
    assert view.messages[3].parts[0]["name"] == "look"
    assert {message.turn_id for message in view.messages[:6]} == {"imported-1"}
    assert view.healed == ()


async def test_what_no_message_can_say_is_counted_and_named(store: SessionStore) -> None:
    """A hosted tool's item is kept for its way back, and is no part of the conversation."""
    told = await imported(store, as_lines(CONVERSATION), IN)

    assert told.noted == 1
    assert told.notes[0].line == 11
    assert "web_search_call" in told.notes[0].what


async def test_a_conversation_comes_back_as_it_went(here: SessionStore) -> None:
    """Item for item, field for field."""
    await imported(here, as_lines(CONVERSATION), IN)

    assert lines(await exported(here, "agents-1", OUT)) == CONVERSATION


async def test_a_json_array_is_read_too(store: SessionStore) -> None:
    """The format is guessed from either."""
    file = json.dumps(CONVERSATION, indent=1).encode()
    told = await imported(store, file, ImportOptions("agents-1"))

    assert (told.format, told.turns) == (Format.OPENAI_AGENTS, 2)
    assert lines(await exported(store, "agents-1", OUT)) == CONVERSATION


async def test_a_session_of_ours_is_one_that_the_library_takes(
    store: SessionStore, tmp_path: Path
) -> None:
    """Every item is valid for the API, and its own session keeps and gives them."""
    await rich_session(store)
    notes = list[Note]()
    options = ExportOptions(format=Format.OPENAI_AGENTS, note=notes.append)
    items = lines(await exported(store, options=options))

    for item in items:
        ITEMS.validate_python(item)
    session = SQLiteSession("theirs", tmp_path / "agents.db")
    await session.add_items(items)
    assert await session.get_items() == items
    session.close()
    assert [item.get("role") or item["type"] for item in items] == [
        *("user", "function_call", "function_call_output", "assistant") * 2
    ]
    assert items[1] == {
        "type": "function_call",
        "call_id": "call-1",
        "name": "look",
        "arguments": '{"room": "bl\\u00e5"}',
    }
    assert notes == []


async def test_what_its_session_has_kept_can_be_imported(
    store: SessionStore, tmp_path: Path
) -> None:
    """Theirs, ours, theirs: the same items."""
    session = SQLiteSession("theirs", tmp_path / "agents.db")
    await session.add_items(CONVERSATION)  # type: ignore[arg-type]
    kept: Any = await session.get_items()
    session.close()
    await imported(store, as_lines(kept), IN)

    assert lines(await exported(store, "agents-1", OUT)) == kept


async def test_a_call_without_a_result_goes_out_answered(store: SessionStore) -> None:
    """The library would refuse a call that has none."""
    await imported(store, as_lines(CONVERSATION[1:5]), IN)
    items = lines(await exported(store, "agents-1", OUT))

    assert items[-1]["type"] == "function_call_output"
    assert items[-1]["call_id"] == "call_1"


async def test_a_result_that_stands_apart_from_its_call_is_not_left_out_in_silence(
    store: SessionStore,
) -> None:
    """No model takes it where it stands; whoever exports is told so."""
    far = HELD_ITEMS * [CONVERSATION[1]]
    apart = [CONVERSATION[1], CONVERSATION[4], *far, CONVERSATION[6]]
    await imported(store, as_lines(apart), IN)
    notes: list[Note] = []
    await exported(store, "agents-1", replace(OUT, note=notes.append))

    assert any("tool response without call" in note.what for note in notes), notes


async def test_an_item_between_calls_and_results_keeps_them_together(store: SessionStore) -> None:
    """Nothing stands between an answer with calls and their results."""
    between = [CONVERSATION[1], CONVERSATION[4], CONVERSATION[10], CONVERSATION[6]]
    await imported(store, as_lines(between), IN)
    read = await store.load("agents-1", ReadScope.ACTIVE_PATH)

    assert read is not None
    assert [node.message.role for node in read.nodes if node.kind == "message"] == [
        *(Role.USER, Role.ASSISTANT, Role.TOOL)
    ]
    assert (await view_session(store, "agents-1")).healed == ()
    back = lines(await exported(store, "agents-1", OUT))
    assert back == [between[0], between[1], between[3], between[2]]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b'{"role":"user","content":"a"}\n{"role":', "Line 2"),
        (b'[{"role":"user","content":"a"},', "Line 2"),
        (b'[{"role":"user","content":"a"} {"role":"user"}]', "without a comma"),
        (b'[{"role":"user","content":"a"}] 1', "after the end"),
        (b'{"role":"user","content":"a"}\n17\n', "Line 2 .* no JSON object"),
        (b'{"role":"user","content":"a"}\n{"type":["x"]}\n', "Line 2"),
        (b'{"type":"function_call","call_id":1,"name":"x"}\n{"role":"user","content":"\xff"}', "2"),
    ],
)
async def test_a_line_that_is_no_item_is_named(
    store: SessionStore, file: bytes, reason: str
) -> None:
    """And nothing of the file is in the store."""
    with pytest.raises(Untransferable, match=reason):
        await imported(store, file, IN)
    assert await store.head("agents-1") is None


@pytest.mark.parametrize(
    "file", [b"hello", b"[]", b'{"a":1}', b'{"type":"x","data":{},"role":"y"}']
)
async def test_a_format_that_is_not_clear_has_to_be_named(store: SessionStore, file: bytes) -> None:
    """Nothing is guessed at random."""
    with pytest.raises(InvalidInput, match="--format"):
        await imported(store, file, ImportOptions("agents-1"))


async def test_a_conversation_needs_an_id(store: SessionStore) -> None:
    """These files name no session."""
    with pytest.raises(InvalidInput, match="--session"):
        await imported(store, as_lines(CONVERSATION), ImportOptions())
