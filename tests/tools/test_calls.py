"""One attempt of a tool call: what it is given, what stops it, and what is told of it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel
from typing_extensions import override

from sojourn.errors import (
    InvalidArguments,
    ResultTooLarge,
    ResultUnserialisable,
    ToolFailure,
    ToolRaised,
    ToolRetry,
    ToolTimedOut,
    ToolUnavailable,
)
from sojourn.messages import CallStatus
from sojourn.tool_spec import ToolSpec
from sojourn.tools import Tool, ToolContext, ToolResult, tool

CONTEXT = ToolContext("s-1", "t-1", "c-1", attempt=2)
CARD_NUMBER = "4111-1111"


class Address(BaseModel):
    """Where somebody lives."""

    street: str
    number: int = 1


@dataclass
class Room:
    """A result that is no JSON yet."""

    free_on: date
    seen_at: datetime


def refuse(value: str) -> str:
    """Refuse a value, quoting it."""
    raise ValueError(f"{value} is no card")


def explode(value: str) -> str:
    """Break."""
    raise KeyError(value)


async def failure_of(fn: Callable[..., Any], **arguments: Any) -> ToolFailure:
    """Return the failure that a call ends in."""
    with pytest.raises(ToolFailure) as caught:
        await tool(fn).run(arguments, CONTEXT)
    return caught.value


def test_the_idempotency_key_names_the_call_not_the_attempt() -> None:
    """Every attempt has the same key, unless the host gives another."""
    assert CONTEXT.idempotency_key == "s-1/t-1/c-1"
    assert ToolContext("s", "t", "c", 9).idempotency_key == "s/t/c"
    assert ToolContext("s", "t", "c", idempotency_key="mine").idempotency_key == "mine"


async def test_arguments_arrive_as_the_annotated_types() -> None:
    """The function gets what it declares, and defaults where nothing was given."""
    seen: list[Any] = []

    @tool
    async def book(on: date, at: Address, ways: tuple[int, ...] = (7,)) -> None:
        seen.extend((on, at, ways))

    await book.run({"on": "2026-05-04", "at": {"street": "Main"}}, CONTEXT)
    assert seen == [date(2026, 5, 4), Address(street="Main"), (7,)]


async def test_a_default_is_the_functions_own() -> None:
    """What the model leaves out is not passed, so that no copy of a default is either."""
    unset: list[int] = []

    def fill(values: list[int] = unset) -> bool:
        return values is unset

    assert await tool(fill).run({}, CONTEXT) is True


async def test_a_parameter_of_the_context_type_is_injected() -> None:
    """It need not be asked for by a certain name, and a model cannot fill it."""

    @tool
    async def where(about: ToolContext, also: ToolContext | None = None) -> list[str]:
        assert also is about
        return [about.idempotency_key, str(about.attempt)]

    assert await where.run({}, CONTEXT) == ["s-1/t-1/c-1", "2"]
    with pytest.raises(InvalidArguments):
        await where.run({"about": "mine"}, CONTEXT)


async def test_a_synchronous_tool_runs_in_a_thread() -> None:
    """The loop goes on while it runs."""
    released = threading.Event()

    @tool
    def wait() -> str:
        assert released.wait(timeout=30)
        return threading.current_thread().name

    async def release() -> None:
        released.set()

    name, _ = await asyncio.gather(wait.run({}, CONTEXT), release())
    assert name != threading.main_thread().name


async def test_a_wrapped_async_function_is_awaited() -> None:
    """A plain decorator around an async function does not hide its result."""

    async def inner(x: int) -> int:
        return x + 1

    @functools.wraps(inner)
    def outer(x: int) -> Awaitable[int]:
        return inner(x)

    assert await tool(outer).run({"x": 1}, CONTEXT) == 2


async def test_a_tool_of_a_given_schema_gets_arguments_and_context() -> None:
    """What another party checks is passed on as it came."""

    async def forward(arguments: dict[str, Any], context: ToolContext) -> Any:
        return [arguments, context.call_id]

    remote = Tool(forward, tool_id="far/x", spec=ToolSpec("x", "", {"type": "object"}))
    assert await remote.run({"a": [1]}, CONTEXT) == [{"a": [1]}, "c-1"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "card: missing; home: missing"),
        (
            {"card": [CARD_NUMBER], "home": {"street": 1}},
            "card: string_type; home.street: string_type",
        ),
        ({"card": "x", "home": {"street": "y"}, CARD_NUMBER: 1}, "*: extra_forbidden"),
        (
            {"card": "x", "home": {"street": "y"}, "tags": {CARD_NUMBER: "many"}},
            "tags.*: int_parsing",
        ),
    ],
)
async def test_invalid_arguments_name_fields_and_kinds_but_no_values(
    arguments: dict[str, Any], reason: str
) -> None:
    """Nothing that the model wrote, value or key, is in the error's message or its facts."""
    calls: list[str] = []

    def pay(card: str, home: Address, tags: dict[str, int] | None = None) -> None:
        calls.append(card)

    error = await failure_of(pay, **arguments)
    assert isinstance(error, InvalidArguments)
    assert error.reason == reason
    assert CARD_NUMBER not in f"{error} {error!r} {error.facts}"
    assert error.__cause__ is None
    assert not calls


async def test_the_model_is_told_what_is_wrong_with_its_arguments() -> None:
    """The detail has what a validator says, which the message must not."""

    def pay(card: Annotated[str, AfterValidator(refuse)]) -> None:
        raise AssertionError

    error = await failure_of(pay, card=CARD_NUMBER)
    assert error.detail == f"card: Value error, {CARD_NUMBER} is no card"
    assert CARD_NUMBER not in str(error)


async def test_many_wrong_arguments_make_a_short_reason() -> None:
    """A reason is bounded, however much is wrong."""

    def add(numbers: list[int]) -> None:
        raise AssertionError

    error = await failure_of(add, numbers=["x"] * 5_000)
    assert error.reason.count(";") == 9
    assert len(error.detail or "") == 2_000


async def test_a_broken_validator_is_the_tools_failure() -> None:
    """What a validator raises by mistake does not escape."""

    def pay(card: Annotated[str, AfterValidator(explode)]) -> None:
        raise AssertionError

    error = await failure_of(pay, card=CARD_NUMBER)
    assert isinstance(error, ToolRaised)
    assert error.reason == "KeyError"


async def test_an_attempt_ends_at_its_timeout() -> None:
    """The function is cancelled, and the failure says how long it had."""
    cancelled = asyncio.Event()

    @tool(timeout=0.01)
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(ToolTimedOut, match=r"0\.01 s"):
        await hang.run({}, CONTEXT)
    assert cancelled.is_set()


async def test_a_synchronous_tool_is_given_up_at_its_timeout() -> None:
    """The call ends although the thread cannot be stopped."""
    released = threading.Event()

    @tool(timeout=0.01)
    def hang() -> None:
        assert released.wait(timeout=30)

    try:
        with pytest.raises(ToolTimedOut):
            await hang.run({}, CONTEXT)
    finally:
        released.set()


async def test_a_timeout_of_the_functions_own_is_no_timeout_of_the_call() -> None:
    """Only our own deadline is `ToolTimedOut`."""

    async def fetch() -> None:
        raise TimeoutError

    assert isinstance(await failure_of(fetch), ToolRaised)


async def test_what_a_tool_raises_is_named_but_not_quoted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The text of the exception is for the model, never for messages, causes or logs."""

    def pay() -> None:
        raise ValueError(f"card {CARD_NUMBER} refused" + "!" * 3_000)

    with caplog.at_level(logging.DEBUG):
        error = await failure_of(pay)
    assert str(error) == "The tool 'pay' raised ValueError."
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert CARD_NUMBER not in caplog.text
    assert "pay raised ValueError at" in caplog.text
    assert error.detail is not None
    assert error.detail.startswith(f"ValueError: card {CARD_NUMBER} refused")
    assert len(error.detail) == 2_000


class Mute(Exception):
    """An exception without a text."""

    @override
    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        KeyboardInterrupt(),
        StopIteration(),
        concurrent.futures.CancelledError(),
        RecursionError(),
        Mute(),
        BaseExceptionGroup("several", [SystemExit()]),
    ],
)
@pytest.mark.parametrize("is_async", [True, False])
async def test_nothing_that_a_tool_raises_ends_the_worker(
    error: BaseException, *, is_async: bool
) -> None:
    """Even an exit is a failure of the tool, in threads and on the loop."""

    def leave() -> None:
        raise error

    async def leave_async() -> None:
        raise error

    assert isinstance(await failure_of(leave_async if is_async else leave), ToolRaised)


async def test_cancellation_passes_through() -> None:
    """A cancelled call is cancelled, and its function is told."""
    started, told = asyncio.Event(), asyncio.Event()

    @tool
    async def hang() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.set()
            raise

    task = asyncio.create_task(hang.call({}, CONTEXT))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told.is_set()


async def test_a_call_that_is_closed_is_closed() -> None:
    """A coroutine that the loop drops does not come back with a failure."""

    @tool
    async def hang() -> None:
        await asyncio.Event().wait()

    call = hang.run({}, CONTEXT)
    call.send(None)
    call.close()


async def test_a_wish_to_retry_passes_through_call_and_run() -> None:
    """It is for whoever drives the attempts."""

    @tool
    def busy() -> None:
        raise ToolRetry(reason="busy", after_seconds=2.0)

    with pytest.raises(ToolRetry) as caught:
        await busy.call({}, CONTEXT)
    assert caught.value.after_seconds == 2.0


async def test_a_failure_of_our_own_kind_passes_as_it_is() -> None:
    """A source may say itself why its tool failed."""

    def gone() -> None:
        raise ToolUnavailable(tool="gone", reason="its server is down")

    assert isinstance(await failure_of(gone), ToolUnavailable)


async def test_results_become_json() -> None:
    """What comes back is what will be stored: plain JSON."""

    @tool
    def look() -> Any:
        return {
            1: Room(date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)),
            "at": Address(street="Main"),
            "set": {1},
            "inf": float("inf"),
        }

    assert await look.run({}, CONTEXT) == {
        "1": {"free_on": "2026-01-02", "seen_at": "2026-01-02T00:00:00Z"},
        "at": {"street": "Main", "number": 1},
        "set": [1],
        "inf": "Infinity",
    }


@pytest.mark.parametrize("value", [object(), b"\xff", "\ud800", [threading.Lock()]])
async def test_a_result_without_json_form_is_not_kept(value: Any) -> None:
    """The tool ran, and its result is refused by its type alone."""

    def look() -> Any:
        return value

    error = await failure_of(look)
    assert isinstance(error, ResultUnserialisable)
    assert type(value).__name__ in error.reason
    assert error.__cause__ is None


async def test_a_result_that_contains_itself_is_not_kept() -> None:
    """A cycle has no JSON form."""

    def look() -> Any:
        value: list[Any] = []
        value.append(value)
        return value

    assert isinstance(await failure_of(look), ResultUnserialisable)


async def test_the_limit_counts_bytes_of_json() -> None:
    """A result of exactly the limit is kept, one byte more is not."""

    @tool(max_result_bytes=6)
    def echo(text: str) -> str:
        return text

    assert await echo.run({"text": "abcd"}, CONTEXT) == "abcd"
    assert await echo.run({"text": "éé"}, CONTEXT) == "éé"
    with pytest.raises(ResultTooLarge) as caught:
        await echo.run({"text": "ééa"}, CONTEXT)
    assert (caught.value.size_bytes, caught.value.limit_bytes) == (7, 6)


async def test_a_call_returns_its_result() -> None:
    """What is DONE has a value and no error."""

    @tool
    def two() -> int:
        return 2

    result = await two.call({}, CONTEXT)
    assert result == ToolResult(2, CallStatus.DONE, None)
    assert result.response == 2
    assert not result.retryable


async def test_a_failure_is_a_result_with_words_for_the_model() -> None:
    """`call` tells the model by the detail, and keeps the failure for the rest."""

    @tool
    def pay() -> None:
        raise ValueError(CARD_NUMBER)

    result = await pay.call({}, CONTEXT)
    assert result.status is CallStatus.FAILED
    assert result.value is None
    assert result.response == {"error": f"ValueError: {CARD_NUMBER}"}
    assert isinstance(result.failure, ToolRaised)
    assert result.retryable


async def test_wrong_arguments_are_not_worth_another_attempt() -> None:
    """Only what may end better is retryable."""

    @tool
    def pay(card: str) -> None:
        raise AssertionError(card)

    result = await pay.call({}, CONTEXT)
    assert isinstance(result.failure, InvalidArguments)
    assert not result.retryable
    assert not ToolResult.failed(ResultTooLarge(tool="x", size_bytes=2, limit_bytes=1)).retryable
    assert ToolResult.failed(ToolTimedOut(tool="x", seconds=1)).retryable


def test_a_failure_without_detail_is_told_by_its_message() -> None:
    """Every failure has words."""
    result = ToolResult.failed(ToolTimedOut(tool="x", seconds=1))
    assert result.error == "The tool 'x' did not end within 1 s."
