"""Files that nobody should have written: refused by a line, in words, before they do harm."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from sojourn.errors import AssemblyError, InvalidInput, SessionExists, Untransferable
from sojourn.ports import SessionStore
from sojourn.residency import Residency
from sojourn.state import load_state
from sojourn.transfer import ExportOptions, Format, ImportOptions, batches, import_session
from tests.transfer.making import (
    as_lines,
    chain,
    committed,
    exchange,
    exported,
    imported,
    lines,
    resigned,
    rich_session,
)

ITEMS = ImportOptions("s-1", Format.OPENAI_AGENTS)
LONG = as_lines([{"role": "user", "content": f"question {number}"} for number in range(10)])
SHORT = as_lines([{"role": "user", "content": "something else"}])
DEEP = b"[" * 100_000
HIDDEN = "kept-to-myself"


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


async def test_arguments_that_overflow_go_back_as_they_came(store: SessionStore) -> None:
    """No number of ours says them, and what is written has to be JSON."""
    call = {"type": "function_call", "call_id": "c", "name": "n", "arguments": '{"a": 1e400}'}
    result = {"type": "function_call_output", "call_id": "c", "output": "done"}
    items = [{"role": "user", "content": "hi"}, call, result]
    await imported(store, as_lines(items), ITEMS)
    out = ExportOptions(format=Format.OPENAI_AGENTS)
    assert lines(await exported(store, "s-1", out)) == items


def _header(**facts: Any) -> Callable[[list[Any]], None]:
    return lambda file: file[0].update(facts)


def _node(**facts: Any) -> Callable[[list[Any]], None]:
    def change(file: list[Any]) -> None:
        node = next(line for line in file if "node" in line)
        body = node.pop("body")
        node.update(facts, body=body)

    return change


def _line(kind: str, **facts: Any) -> Callable[[list[Any]], None]:
    def change(file: list[Any]) -> None:
        next(line for line in file if kind in line and "sojourn" not in line).update(facts)

    return change


def _state(name: str, body: Any) -> Callable[[list[Any]], None]:
    def change(file: list[Any]) -> None:
        state = next(line for line in file if line.get("state") == name)
        state.pop("body", None)
        state.update(base64=None, body=body)

    return change


def _twice(file: list[Any]) -> None:
    first, second, *_ = [line for line in file if "receipt" in line]
    second["receipt"] = first["receipt"]


def _spent(**tokens: int) -> Callable[[list[Any]], None]:
    return _line("usage", usage={"source": "turn", "model": "m", "usage": tokens})


def _config(**config: Any) -> Callable[[list[Any]], None]:
    return _header(config={"agent": "clerk", **config})


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
        _config(agent=5),
        _config(model=HIDDEN),
        _config(model={"id": HIDDEN, "context_window_tokens": -1}),
        _config(chosen={"model": HIDDEN}),
        _config(context=HIDDEN),
        _config(prices=HIDDEN),
        _config(prices={"m": {"input": HIDDEN, "output": 1}}),
        _config(healed=[HIDDEN]),
        _state("tools", {"generation": HIDDEN}),
        _state("tools", {"generation": 1, "tools": {"": {"name": HIDDEN}}}),
        _state("plugins", {"p": HIDDEN}),
        _line("state", generation=-1),
        _twice,
        _spent(input_tokens=-1),
        _spent(output_tokens=2**70),
    ],
    ids=[
        "fewer turns than none",
        "turns without end",
        "never whole",
        "no time zone",
        "too late",
        "no time zone of a node",
        "too early",
        "agent",
        "model",
        "window",
        "choice",
        "context",
        "prices",
        "price",
        "healed",
        "tools",
        "tool without id",
        "plugins",
        "generation",
        "receipt twice",
        "negative tokens",
        "too many tokens",
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
    with pytest.raises(Untransferable) as refused:
        await imported(store, resigned(changed), ImportOptions("copy"))
    assert refused.value.line > 0
    assert HIDDEN not in str(refused.value)


@pytest.mark.usefixtures("_small_batches")
async def test_a_receipt_that_an_earlier_commit_brought_is_refused_by_its_line(
    here: SessionStore, there: SessionStore
) -> None:
    """The store knows it, and the import knows the line."""
    await rich_session(here)
    file = lines(await exported(here))
    _twice(file)
    line = [number for number, each in enumerate(file, 1) if "receipt" in each][1]
    changed = b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in file)
    with pytest.raises(Untransferable, match=f"Line {line} .* receipt"):
        await imported(there, resigned(changed), ImportOptions("copy"))


async def test_negative_tokens_of_langchain_are_refused(store: SessionStore) -> None:
    """The ledger would say less than was spent."""
    data = {"content": "hi", "usage_metadata": {"input_tokens": 1, "output_tokens": -7}}
    file = as_lines([{"type": "ai", "data": data}])
    with pytest.raises(Untransferable, match="Line 1"):
        await imported(store, file, ImportOptions("s-1", Format.LANGCHAIN))


@pytest.mark.parametrize("is_named", [True, False])
async def test_a_byte_order_mark_is_passed_over(store: SessionStore, is_named: bool) -> None:
    """Editors put it before a file, whatever its format."""
    await rich_session(store)
    for name, form, file in (
        ("own", Format.SOJOURN, await exported(store)),
        ("lines", Format.OPENAI_AGENTS, LONG),
        ("array", Format.OPENAI_AGENTS, json.dumps(lines(LONG)).encode()),
    ):
        options = ImportOptions(name, form if is_named else None)
        told = await imported(store, codecs.BOM_UTF8 + file, options)
        assert (told.is_done, told.format) == (True, form)


async def test_changed_line_endings_are_named(store: SessionStore) -> None:
    """The digest would not fit, and would not say why."""
    await rich_session(store)
    file = (await exported(store)).replace(b"\n", b"\r\n")
    with pytest.raises(Untransferable, match="line endings were changed"):
        await imported(store, file, ImportOptions("copy"))


@pytest.mark.parametrize(
    "config",
    [{"agent": 5}, {"model": HIDDEN}, {"chosen": HIDDEN}, {"context": HIDDEN}, {"prices": HIDDEN}],
    ids=str,
)
async def test_a_malformed_stored_configuration_is_told_without_its_words(
    store: SessionStore, config: dict[str, Any]
) -> None:
    """Whoever wrote it: a session that cannot be opened says so in our words."""
    await committed(store, "t1", *chain(None, *exchange(1)), config={"agent": "clerk", **config})
    with pytest.raises(AssemblyError, match="stored configuration is malformed") as refused:
        await load_state(store, "chat-42", Residency.KEEP_ALL)
    assert HIDDEN not in str(refused.value)
