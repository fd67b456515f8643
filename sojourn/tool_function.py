"""A tool: a function that a model may call, within its limits."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError as FutureCancelled
from functools import cached_property, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

from pydantic_core import from_json, to_json
from typing_extensions import override

from sojourn import ids
from sojourn.errors import (
    InvalidInput,
    ResultTooLarge,
    ResultUnserialisable,
    ToolFailure,
    ToolRaised,
    ToolRetry,
    ToolTimedOut,
)
from sojourn.raised import place_of, text_of
from sojourn.tool_call import MAX_DETAIL_CHARS, ToolContext, ToolOptions, ToolResult, attachments_in
from sojourn.tool_spec import ToolSpec
from sojourn.tool_state import ToolStateEntry

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
Binder = Callable[[Mapping[str, Any], ToolContext], Mapping[str, Any]]

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def as_given(arguments: Mapping[str, Any], context: ToolContext) -> Mapping[str, Any]:
    """Bind a function of `(arguments, context)`, such as one that passes a call on."""
    return {"arguments": dict(arguments), "context": context}


class Tool(Generic[P, R_co]):
    """A function that a model may call, still callable as itself.

    Its id is its identity for ever; its name is what the model calls it by.

    Attributes:
        tool_id: the identity.
        spec: the tool as a model sees it.
        options: the terms that it runs under.
    """

    __name__: str

    def __init__(
        self,
        fn: Callable[P, R_co],
        *,
        tool_id: str,
        spec: ToolSpec,
        options: ToolOptions | None = None,
        binder: Binder = as_given,
    ) -> None:
        """Make a tool of `fn`, called with what `binder` makes of a model's arguments.

        Raises:
            InvalidId: the id is none.
            InvalidInput: no model could use the name.
        """
        update_wrapper(self, fn)
        if not _NAME.fullmatch(spec.name):
            reason = f"{spec.name!r} cannot be a tool's name: use 1 to 64 letters, digits, _ or -"
            raise InvalidInput(reason=reason)
        self._fn = fn
        self._binder = binder
        self.tool_id = ids.checked("tool", tool_id)
        self.spec = spec
        self.options = options or ToolOptions()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function itself, without checks or limits."""
        return self._fn(*args, **kwargs)

    @override
    def __repr__(self) -> str:
        return f"<Tool {self.tool_id}>"

    @property
    def name(self) -> str:
        """What the model calls it by."""
        return self.spec.name

    @property
    def description(self) -> str:
        """What the model is told that it does."""
        return self.spec.description

    @cached_property
    def entry(self) -> ToolStateEntry:
        """What a catalogue stores of it as long as a session has no wish of its own."""
        return ToolStateEntry(
            name=self.spec.name,
            description=self.spec.description,
            digest=self.spec.digest,
            hidden=self.options.hidden,
        )

    def check(self, arguments: Mapping[str, Any], context: ToolContext) -> None:
        """Let arguments pass that fit the schema, as far as the tool's function can tell.

        Raises:
            InvalidArguments: they do not.
        """
        self._binder(arguments, context)

    async def call(self, arguments: Mapping[str, Any], context: ToolContext) -> ToolResult:
        """Make one attempt with a model's arguments; a failure is a result too.

        Cancellation passes through.

        Raises:
            ToolRetry: the function says that nothing was done.
        """
        try:
            value = await self._timed(arguments, context)
            kept = self._kept(value)  # before its parts: what goes round in circles ends here
            return ToolResult(kept, attachments=tuple(dict.fromkeys(attachments_in(value))))
        except ToolFailure as failure:
            return ToolResult.failed(failure)

    async def run(self, arguments: Mapping[str, Any], context: ToolContext) -> Any:
        """Make one attempt and return the function's result as JSON.

        A synchronous function runs in a thread, which goes on to its end when the call is
        cancelled or timed out.

        Raises:
            InvalidArguments: they do not fit the schema; nothing was run.
            ToolTimedOut: it did not end in time.
            ToolRaised: it raised anything else than a `ToolFailure` or `ToolRetry`, which pass.
            ResultUnserialisable: the result has no JSON form.
            ResultTooLarge: the result is over the limit.
            ToolRetry: the function says that nothing was done.
        """
        return self._kept(await self._timed(arguments, context))

    async def _timed(self, arguments: Mapping[str, Any], context: ToolContext) -> Any:
        seconds = self.options.timeout.total_seconds()
        scope = asyncio.timeout(seconds)
        try:
            async with scope:
                return await self._invoke(self._binder(arguments, context))
        except (asyncio.CancelledError, GeneratorExit, ToolFailure, ToolRetry):
            raise
        except BaseException as error:  # noqa: BLE001 - no tool may end the worker, not by exit()
            if isinstance(error, TimeoutError) and scope.expired():
                raise ToolTimedOut(tool=self.name, seconds=seconds) from None
            raise self._raised(error) from None

    async def _invoke(self, kwargs: Mapping[str, Any]) -> Any:
        fn: Callable[..., Any] = self._fn
        if inspect.iscoroutinefunction(fn):
            return await fn(**kwargs)
        value: Any = await asyncio.to_thread(_call_in_thread, fn, kwargs)
        # A plain wrapper around an async function returns its coroutine.
        return await value if inspect.isawaitable(value) else value

    def _raised(self, error: BaseException) -> ToolRaised:
        kind = type(error).__name__
        _log.warning("tool %s raised %s at %s", self.tool_id, kind, place_of(error))
        raised = ToolRaised(tool=self.name, reason=kind)
        raised.detail = f"{kind}: {text_of(error)}"[:MAX_DETAIL_CHARS]
        return raised

    def _kept(self, value: Any) -> Any:
        try:
            body = to_json(value, inf_nan_mode="strings")
            kept = from_json(body)
        except Exception as error:  # noqa: BLE001 - serialisers are the user's code too
            reason = f"{type(error).__name__} for a {type(value).__name__}"
            raise ResultUnserialisable(tool=self.name, reason=reason) from None
        limit = self.options.max_result_bytes
        if len(body) > limit:
            raise ResultTooLarge(tool=self.name, size_bytes=len(body), limit_bytes=limit)
        return kept


AnyTool = Tool[..., Any]


def _call_in_thread(fn: Callable[..., Any], kwargs: Mapping[str, Any]) -> Any:
    try:
        return fn(**kwargs)
    except (StopIteration, FutureCancelled) as error:
        # A future cannot carry the first, and takes the second for its own cancellation.
        raise RuntimeError(f"{type(error).__name__}: {error}") from error
