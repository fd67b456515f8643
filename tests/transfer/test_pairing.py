"""Calls and results that others wrote apart from each other: brought together, and nothing lost."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sojourn.ports import SessionStore
from sojourn.transfer import ExportOptions, Format, ImportOptions, pairing
from sojourn.transfer.conversation import Heard
from sojourn.transfer.items_in import heard
from sojourn.transfer.pairing import together
from sojourn.transfer.records import Note
from sojourn.view import view_session
from tests.transfer.making import as_lines, exported, imported, lines

IN = ImportOptions("s-1", Format.OPENAI_AGENTS)
OUT = ExportOptions(format=Format.OPENAI_AGENTS)


def item(word: str) -> dict[str, Any]:
    """Return an item by a short name: `c1` is a call and `r1` its result."""
    if word[0] in "cr" and word[1:].isdigit():
        kind = "function_call" if word[0] == "c" else "function_call_output"
        said = {"name": "look", "arguments": "{}"} if word[0] == "c" else {"output": word}
        return {"type": kind, "call_id": word[1:], **said}
    if word == "reasoning":
        return {"type": "reasoning", "id": "rs", "summary": []}
    if word == "search":
        return {"type": "web_search_call", "id": "ws", "status": "completed"}
    return {"role": word, "content": f"a word of {word}"}


def langchain(word: str) -> dict[str, Any]:
    """Return the same as a message of LangChain."""
    if word[0] == "c":
        call = {"id": word[1:], "name": "look", "args": {}}
        return {"type": "ai", "data": {"content": "", "tool_calls": [call]}}
    if word[0] == "r":
        return {"type": "tool", "data": {"content": word, "tool_call_id": word[1:]}}
    kind = {"user": "human", "system": "system", "assistant": "ai"}[word]
    return {"type": kind, "data": {"content": f"a word of {word}"}}


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ("user c1 user r1 assistant", "user c1 r1 user assistant", 1),
        ("user c1 system r1", "user c1 r1 system", 1),
        ("user c1 c2 r1 reasoning r2", "user c1 c2 r1 r2 reasoning", 1),
        ("user c1 user c2 r2 r1 user", "user c1 r1 user c2 r2 user", 3),
        ("user c1 c2 user r1 system r2", "user c1 c2 r1 r2 user system", 2),
        ("user c1 user search assistant r1", "user c1 r1 user search assistant", 3),
        ("user c1 user c1 r1", "user c1 user c1 r1", 0),
    ],
)
async def test_what_stands_between_a_call_and_its_result_comes_after_it(
    store: SessionStore, before: str, after: str, moved: int
) -> None:
    """The model is shown the real result; each thing that moved is told of by its line."""
    told = await imported(store, as_lines([*map(item, before.split())]), IN)
    view = await view_session(store, "s-1")
    back = lines(await exported(store, "s-1", OUT))
    notes = [note for note in told.notes if "now stands behind line" in note.what]

    expected = [*map(item, after.split())]
    if before == after:  # the first call has no result of its own, and gets one that says so
        assert [each for each in back if "No result" not in str(each)] == expected
    else:
        assert back == expected
        assert view.healed == ()
    assert len(notes) == moved


@pytest.mark.parametrize(
    ("before", "after"),
    [("user c1 user r1", "user c1 r1 user"), ("user c1 system r1 user", "user c1 r1 system user")],
)
async def test_langchain_messages_are_brought_together_likewise(
    store: SessionStore, before: str, after: str
) -> None:
    """A tool message stands right behind the call that it answers."""
    options = ImportOptions("s-1", Format.LANGCHAIN)
    told = await imported(store, as_lines([*map(langchain, before.split())]), options)
    view = await view_session(store, "s-1")
    roles = {"user": "user", "c1": "assistant", "r1": "tool", "system": "system"}

    assert view.healed == ()
    assert [message.role for message in view.messages] == [roles[word] for word in after.split()]
    assert [note.line for note in told.notes] == [3]


async def test_a_result_is_waited_for_within_bounds(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then all stays where it was, and a note names the call's line."""
    monkeypatch.setattr(pairing, "HELD_ITEMS", 3)
    words = ["user", "c1", "user", "assistant", "user", "r1", "user", "c2", "user", "r2"]
    told = await imported(store, as_lines([*map(item, words)]), IN)
    view = await view_session(store, "s-1")

    assert [(note.line, "no result near" in note.what) for note in told.notes] == [
        (2, True),
        (9, False),
    ]
    assert len(view.healed) == 2


async def test_large_messages_are_not_kept_waiting(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for a result is bounded in bytes too."""
    monkeypatch.setattr(pairing, "HELD_BYTES", 10)
    told = await imported(store, as_lines([*map(item, ["user", "c1", "user", "r1"])]), IN)

    assert [note.line for note in told.notes] == [2]


def test_no_order_of_items_loses_any() -> None:
    """And calls and results that stand together already stay where they are."""
    for words in itertools.permutations(["user", "system", "c1", "c2", "r1", "r2", "search"]):
        said = list(heard(enumerate(map(item, words), 1)))
        after = list(together(said))
        assert _facts(after) == _facts(said)
        assert [*map(repr, together(_kept(after)))] == [*map(repr, _kept(after))]


def _kept(told: list[Heard]) -> list[Heard]:
    return [each for each in told if not isinstance(each, Note)]


def _facts(told: list[Heard]) -> list[str]:
    return sorted(map(repr, _kept(told)))
