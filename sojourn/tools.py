"""Tools: typed Python functions made callable by models, and the sources that they come from."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from sojourn.models import ToolSpec
from sojourn.tool_call import (
    DEFAULT_TIMEOUT,
    MAX_RESULT_BYTES,
    ToolContext,
    ToolOptions,
    ToolResult,
    ToolRetryPolicy,
)
from sojourn.tool_function import AnyTool, Tool
from sojourn.tool_schema import ToolSignature, summary

__all__ = [
    "AnyTool",
    "FunctionSource",
    "Tool",
    "ToolContext",
    "ToolOptions",
    "ToolResult",
    "ToolRetryPolicy",
    "ToolSource",
    "tool",
]

P = ParamSpec("P")
R = TypeVar("R")


class ToolSource(Protocol):
    """Where tools come from; both methods answer from memory."""

    @property
    def source_id(self) -> str:
        """The source's identity within a catalogue."""
        ...

    def tools(self) -> Sequence[AnyTool]:
        """Return the tools that the source advertises now."""
        ...

    def resolve(self, tool_id: str) -> AnyTool | None:
        """Return the tool of this id, which may be one that is not advertised."""
        ...


class FunctionSource:
    """A fixed set of tools."""

    def __init__(self, source_id: str, tools: Sequence[AnyTool]) -> None:
        self._source_id = source_id
        self._tools = tuple(tools)
        self._by_id = {each.tool_id: each for each in self._tools}

    @property
    def source_id(self) -> str:
        """The source's identity within a catalogue."""
        return self._source_id

    def tools(self) -> Sequence[AnyTool]:
        """Return all the tools, in the order given."""
        return self._tools

    def resolve(self, tool_id: str) -> AnyTool | None:
        """Return the tool of this id."""
        return self._by_id.get(tool_id)


@overload
def tool(fn: Callable[P, R]) -> Tool[P, R]: ...
@overload
def tool(
    fn: None = None,
    *,
    id: str | None = None,
    name: str | None = None,
    description: str | None = None,
    idempotent: bool = False,
    timeout: timedelta | float = DEFAULT_TIMEOUT,
    retry: ToolRetryPolicy | int | None = None,
    approval: bool = False,
    queue: str | None = None,
    hidden: bool = False,
    max_result_bytes: int = MAX_RESULT_BYTES,
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(  # noqa: PLR0913 - a decorator's options are its interface
    fn: Callable[P, R] | None = None,
    *,
    id: str | None = None,  # noqa: A002 - it reads `@tool(id="crm.search")`
    name: str | None = None,
    description: str | None = None,
    idempotent: bool = False,
    timeout: timedelta | float = DEFAULT_TIMEOUT,
    retry: ToolRetryPolicy | int | None = None,
    approval: bool = False,
    queue: str | None = None,
    hidden: bool = False,
    max_result_bytes: int = MAX_RESULT_BYTES,
) -> Tool[P, R] | Callable[[Callable[P, R]], Tool[P, R]]:
    """Make a typed function a tool: `@tool`, or `@tool(idempotent=True, ...)`.

    Args:
        fn: the function, synchronous or not.
        id: the tool's identity; the function's name by default. Stored sessions refer to it.
        name: what the model calls it by; the function's name by default.
        description: what the model is told; the docstring's first paragraph by default.
        idempotent: running it twice does what running it once does, so it may be run again when
            nobody knows whether it ran.
        timeout: of one attempt, as seconds if a number.
        retry: how often it is tried; a number means attempts in all.
        approval: a person has to approve each call.
        queue: the task queue that runs it.
        hidden: keep it from models.
        max_result_bytes: the largest result, as JSON, that is kept.

    Raises:
        InvalidInput: the function cannot be a tool, or an option is out of range.
    """
    policy = _policy(retry)
    options = ToolOptions(
        idempotent=idempotent,
        timeout=timeout if isinstance(timeout, timedelta) else timedelta(seconds=timeout),
        max_attempts=policy.max_attempts,
        approval=approval,
        queue=queue,
        max_result_bytes=max_result_bytes,
        retry_initial=policy.initial,
        retry_max=policy.maximum,
        hidden=hidden,
    )

    def decorate(fn: Callable[P, R]) -> Tool[P, R]:
        own_name: str = getattr(fn, "__name__", "")
        signature = ToolSignature(fn, name or own_name)
        spec = ToolSpec(
            name=name or own_name,
            description=_description(fn) if description is None else description,
            input_schema=signature.input_schema,
        )
        return Tool(fn, tool_id=id or own_name, spec=spec, options=options, binder=signature.bind)

    return decorate if fn is None else decorate(fn)


def _policy(retry: ToolRetryPolicy | int | None) -> ToolRetryPolicy:
    if isinstance(retry, ToolRetryPolicy):
        return retry
    return ToolRetryPolicy(max_attempts=1 if retry is None else retry)


def _description(fn: Callable[..., Any]) -> str:
    return summary(inspect.getdoc(fn) or "") if inspect.isroutine(fn) else ""
