"""Tools: typed Python functions made callable by models, and the sources that they come from."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ParamSpec, Protocol, TypeVar, overload, runtime_checkable

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
from sojourn.tool_spec import ToolSpec, digest_of

__all__ = [
    "AnyTool",
    "FunctionSource",
    "RevisedSource",
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
        """The source's identity within a catalogue; `session` is a session's own."""
        ...

    def tools(self) -> Sequence[AnyTool]:
        """Return the tools that the source advertises now."""
        ...

    def resolve(self, tool_id: str) -> AnyTool | None:
        """Return the tool of this id, which may be one that is not advertised."""
        ...


@runtime_checkable
class RevisedSource(ToolSource, Protocol):
    """A source whose tools change while it is in use; any other is taken never to change."""

    @property
    def revision(self) -> int:
        """A number that moves whenever `tools` or `resolve` may answer otherwise than before."""
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

    @property
    def revision(self) -> int:
        """Always the same: the tools are fixed."""
        return 0

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

    `id` is what stored sessions know it by and `name` what a model calls it, both the function's
    name by default; `description` is the docstring's first paragraph by default. A number means
    seconds as `timeout`, and attempts in all as `retry`. The rest is as in `ToolOptions`.

    Raises:
        InvalidInput: the function cannot be a tool, or an option is out of range.
    """
    policy = retry if isinstance(retry, ToolRetryPolicy) else _attempts(retry)
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
    make = _Maker(id, name, description, options)
    return make if fn is None else make(fn)


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes tools of functions, with the options of one `@tool(...)`."""

    tool_id: str | None
    name: str | None
    description: str | None
    options: ToolOptions

    def __call__(self, fn: Callable[P, R]) -> Tool[P, R]:
        own_name: str = getattr(fn, "__name__", "")
        name = self.name or own_name
        signature = ToolSignature(fn, name)
        told = _description(fn) if self.description is None else self.description
        schema = signature.input_schema
        return Tool(
            fn,
            tool_id=self.tool_id or own_name,
            spec=ToolSpec(name, told, schema, digest=digest_of(schema)),
            options=self.options,
            binder=signature.bind,
        )


def _attempts(retry: int | None) -> ToolRetryPolicy:
    return ToolRetryPolicy(max_attempts=1 if retry is None else retry)


def _description(fn: Callable[..., Any]) -> str:
    return summary(inspect.getdoc(fn) or "") if inspect.isroutine(fn) else ""
