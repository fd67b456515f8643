"""Arguments are checked against a server's schema before it is asked, whoever gives them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from sojourn.adapters.mcp.remote import Called, RemoteTool
from sojourn.adapters.mcp.terms import Terms
from sojourn.errors import InvalidArguments
from sojourn.tool_call import ToolContext
from sojourn.tool_function import AnyTool
from tests.mcp.making import context

SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "depth": {"type": "integer"}},
    "required": ["path"],
}


def made(schema: dict[str, Any]) -> AnyTool:
    """Return a server's tool that says with what it was run."""

    async def run(called: Called, arguments: dict[str, Any], _: ToolContext) -> Any:
        return {called.remote: arguments}

    terms = Terms(
        server="files",
        allow=("*",),
        deny=(),
        prefix="",
        idempotent=(),
        approval=(),
        is_trusted=False,
        timeout=timedelta(seconds=5),
        attempts=1,
        max_result_bytes=1_000,
    )
    [tool] = terms.made([RemoteTool("list", input_schema=schema)], run)
    return tool


@pytest.mark.parametrize("arguments", [{}, {"path": 7}, {"path": "a", "depth": "deep"}])
async def test_arguments_that_do_not_fit_the_schema_are_refused(
    arguments: Mapping[str, Any],
) -> None:
    """A plugin's by `check`, and a model's by the call; no value stands in the error itself."""
    tool = made(SCHEMA)
    with pytest.raises(InvalidArguments) as refused:
        tool.check(arguments, context())
    result = await tool.call(arguments, context())

    assert isinstance(result.failure, InvalidArguments)
    assert str(result.failure) == str(refused.value)
    assert "deep" not in str(refused.value)


@pytest.mark.parametrize(
    "schema",
    [
        SCHEMA,
        {},
        {"type": 7},
        {"$ref": "http://127.0.0.1:9/elsewhere"},
        {"properties": {"path": {"pattern": "^b"}}},
        {"patternProperties": {"^b": {}}, "additionalProperties": False},
    ],
    ids=["it fits", "none", "malformed", "elsewhere", "expression", "expressions"],
)
async def test_arguments_that_nothing_speaks_against_are_passed_on(schema: dict[str, Any]) -> None:
    """Where the schema is none, the server alone can judge; nothing is fetched."""
    result = await made(schema).call({"path": "a"}, context())

    assert result.value == {"list": {"path": "a"}}
