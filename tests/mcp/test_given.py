"""What a server is made with: what is refused, which names come of it, and what is hidden."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn import ids
from sojourn.adapters.mcp.remote import RemoteTool, digest_of, shown_names, tool_id
from sojourn.adapters.mcp.secrets import Redactor
from sojourn.adapters.mcp.target import Target
from sojourn.errors import InvalidInput
from sojourn.mcp import McpServer
from sojourn.tool_function import Tool, ToolSpec

NAMES = st.sets(st.text(max_size=80), max_size=8)
PREFIXES = st.text("abc_-", max_size=10)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"name": "a b", "url": "http://h"}, "cannot name an MCP server"),
        ({"name": "a"}, "needs a command or a url"),
        ({"name": "a", "url": "http://h", "command": ["x"]}, "needs a command or a url"),
        ({"name": "a", "url": "ftp://h"}, "needs a url such as https://host/mcp"),
        ({"name": "a", "url": "http://h", "env": {"A": "b"}}, "env and cwd go with a command"),
        ({"name": "a", "command": ["x"], "headers": {"A": "b"}}, "headers go with a url"),
        ({"name": "a", "command": ["x"], "prefix": "a."}, "cannot be a prefix"),
        ({"name": "a", "command": ["x"], "timeout": 0}, "timeout must be above zero"),
        ({"name": "a", "command": ["x"], "attempts": 0}, "at least one attempt"),
        ({"name": "a", "command": ["x"], "open_timeout": -1}, "open_timeout must be above zero"),
        ({"name": "a", "command": ["x"], "keepalive": timedelta(0)}, "keepalive must be above"),
    ],
)
def test_what_makes_no_server_is_refused_at_once(options: dict[str, Any], reason: str) -> None:
    """The line says what is wrong, and quotes no value that may be a secret."""
    with pytest.raises(InvalidInput, match=reason):
        McpServer(**options)


@given(NAMES, PREFIXES)
def test_names_are_fit_for_models_and_each_is_one_tool(names: set[str], prefix: str) -> None:
    """Whatever a server calls its tools, a model can; and no two of them by one name."""
    shown = shown_names(prefix, names)

    assert set(shown) == names
    assert len(set(shown.values())) == len(names)
    for name, said in shown.items():
        Tool(print, tool_id=tool_id("server", name), spec=ToolSpec(said, "", {}))


@given(NAMES)
def test_ids_are_valid_and_never_shared(names: set[str]) -> None:
    """An id is one tool's for ever, however odd its name."""
    made = {name: ids.checked("tool", tool_id("server", name)) for name in names}

    assert len(set(made.values())) == len(names)


def test_a_name_that_is_fit_as_it_is_stays() -> None:
    """The odd one out is told by its digest, whatever the order that they come in."""
    odd, fit = shown_names("", ["a.b", "a_b"])["a.b"], shown_names("", ["a_b", "a.b"])["a_b"]

    assert fit == "a_b"
    assert odd.startswith("a_b_")
    assert shown_names("", ["a.b"]) == {"a.b": "a_b"}
    assert tool_id("s", "a.b") == "s/a.b"
    assert tool_id("s", "a b") == "s/a%20b"


def test_a_digest_is_that_of_the_list_and_not_of_its_order() -> None:
    """Any other word of any tool makes another one."""
    one, two = RemoteTool("a", "x"), RemoteTool("b")

    assert digest_of([one, two]) == digest_of([two, one])
    assert digest_of([one]) != digest_of([RemoteTool("a", "y")])


@given(st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=5), st.text())
def test_what_is_redacted_has_no_secret_in_it(value: Any, around: str) -> None:
    """Not in any depth, nor in keys; what is short or has none stays as it is."""
    redactor = Redactor(["hunter2!", "hunter2! and more", "abc"])
    held = {f"{around}hunter2! and more": [value, f"hunter2!{around}", "abc"]}

    assert "hunter2" not in json.dumps(redactor.json(held))
    assert redactor.json("abc") == "abc"
    assert Redactor([]).json(held) is held


def test_a_program_is_found_beside_this_python(tmp_path: Path) -> None:
    """As pip installs it, though the environment is not on the path."""
    assert Path(Target(command=("mcp-server-time",)).program).is_absolute()
    assert Target(command=("there is none",)).program == "there is none"
