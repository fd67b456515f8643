"""Files that nobody should have written: refused by a line, in words, before they do harm."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from sojourn.errors import InvalidInput, SessionExists, Untransferable
from sojourn.ports import SessionStore
from sojourn.transfer import Format, ImportOptions, batches, import_session
from tests.transfer.making import as_lines, exported, imported, lines, resigned, rich_session

ITEMS = ImportOptions("s-1", Format.OPENAI_AGENTS)
LONG = as_lines([{"role": "user", "content": f"question {number}"} for number in range(10)])
SHORT = as_lines([{"role": "user", "content": "something else"}])
DEEP = b"[" * 100_000


@pytest.fixture
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_NODES", 3)


@pytest.mark.usefixtures("_small_batches")
async def test_a_shorter_file_is_not_taken_for_the_one_that_was_imported(
    store: SessionStore,
) -> None:
    """It ends before the place where the two would be compared."""
    await imported(store, LONG, ITEMS)
    with pytest.raises(SessionExists):
        await imported(store, SHORT, ITEMS)


@pytest.mark.usefixtures("_small_batches")
async def test_a_shorter_file_does_not_finish_what_another_began(store: SessionStore) -> None:
    """The session would be said to be whole, and refuse every turn."""
    begun = import_session(store, io.BytesIO(LONG), ITEMS)
    await anext(begun)
    await anext(begun)
    await begun.aclose()
    with pytest.raises(InvalidInput, match="half imported from another file"):
        await imported(store, SHORT, ITEMS)


@pytest.mark.parametrize("form", [Format.OPENAI_AGENTS, Format.LANGCHAIN, None])
@pytest.mark.parametrize(
    "file",
    [
        DEEP,
        b'[{"a":' + DEEP,
        DEEP + b"]" * len(DEEP) + b"\n",
        b'[{"role":"user","content":"hello","a":' + DEEP[:500] + b"]" * 500 + b"}]",
        rb'[{"role":"user","content":"\ud800"}]',
        rb'[{"type":"human","data":{"content":"\ud800"}}]',
        b'[{"role":"user","content":"hello","a":NaN}]',
    ],
    ids=["deep", "deep element", "deep whole", "500 deep", "half emoji", "half emoji 2", "NaN"],
)
async def test_what_no_store_can_keep_is_refused_by_name(
    store: SessionStore, file: bytes, form: Format | None
) -> None:
    """Bombs of brackets, halves of emojis, numbers that are none."""
    with pytest.raises((InvalidInput, Untransferable)):
        await imported(store, file, ImportOptions("s-1", form))


async def test_arguments_that_are_a_bomb_are_kept_as_text(store: SessionStore) -> None:
    """They are for the way back alone, as all that are no JSON object."""
    call = {"type": "function_call", "call_id": "c", "name": "n", "arguments": DEEP.decode()}
    told = await imported(store, as_lines([{"role": "user", "content": "hi"}, call]), ITEMS)
    assert told.is_done


def _header(**facts: Any) -> Callable[[list[Any]], None]:
    return lambda file: file[0].update(facts)


def _node(**facts: Any) -> Callable[[list[Any]], None]:
    def change(file: list[Any]) -> None:
        node = next(line for line in file if "node" in line)
        body = node.pop("body")
        node.update(facts, body=body)

    return change


@pytest.mark.parametrize(
    "change",
    [
        _header(turns=-5),
        _header(turns=10**18),
        _header(config={"agent": "clerk", "importing": {"name": "x", "batches": 1, "chain": ""}}),
        _header(created_at="2020-01-01T00:00:00"),
        _header(created_at="9999-12-31T23:59:59-12:00"),
        _node(at="2020-01-01T00:00:00"),
        _node(at="0001-01-01T00:00:00+14:00"),
    ],
    ids=[
        "fewer turns than none",
        "turns without end",
        "never whole",
        "no time zone",
        "too late",
        "no time zone of a node",
        "too early",
    ],
)
async def test_what_a_session_could_not_live_with_is_refused(
    store: SessionStore, change: Callable[[list[Any]], None]
) -> None:
    """A file that vouches for itself may still say what no session can be."""
    await rich_session(store)
    file = lines(await exported(store))
    change(file)
    changed = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in file)
    with pytest.raises(Untransferable):
        await imported(store, resigned(changed), ImportOptions("copy"))
