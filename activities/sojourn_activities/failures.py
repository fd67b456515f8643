"""Errors cross to Temporal here, once, and back again in the client."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar, cast

from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError

from sojourn import errors
from sojourn.errors import SojournError, StoreError

S = TypeVar("S")
A = TypeVar("A")
T = TypeVar("T")


def translated(
    run: Callable[[S, A], Awaitable[T]],
) -> Callable[[S, A], Coroutine[Any, Any, T]]:
    """Make an activity raise what Temporal understands, and nothing that quotes content.

    A `SojournError` keeps its class name as the failure's type. Of any other exception only the
    type is told: its text may hold what users wrote.
    """

    @functools.wraps(run)
    async def guarded(self: S, request: A) -> T:
        with translating():
            return await run(self, request)

    return guarded


@contextmanager
def translating(*, is_last: bool = False, pause: timedelta | None = None) -> Iterator[None]:
    """Do to a block what `translated` does; of the last attempt no failure is retried.

    The store's failures are: they say nothing of the work itself. What failed by itself is tried
    again after `pause`, unless it says when; what failed with its worker needs no pause.
    """
    try:
        yield
    except SojournError as error:
        is_final = is_last and not isinstance(error, StoreError)
        raise to_failure(error, is_final=is_final, pause=pause) from None
    except (ApplicationError, CancelledError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, its text must not pass
        name, place = type(error).__name__, _place(error)
        activity.logger.error("unexpected %s at %s", name, place)
        line = f"unexpected {name} at {place}"
        raise ApplicationError(
            line, type=name, non_retryable=is_last, next_retry_delay=pause
        ) from None


def to_failure(
    error: SojournError,
    *,
    is_final: bool = False,
    nonce: str = "",
    pause: timedelta | None = None,
) -> ApplicationError:
    """Return the failure that stands for `error` in Temporal.

    Args:
        error: what happened.
        is_final: it is not to be tried again, whatever its class says.
        nonce: names the call that the failure answers.
        pause: how long to wait before the next attempt, unless the error says it itself.
    """
    return ApplicationError(
        str(error),
        _plain(error.facts | ({"nonce": nonce} if nonce else {})),
        type=type(error).__name__,
        non_retryable=is_final or not error.retryable,
        next_retry_delay=_delay(error) or pause,
    )


def from_failure(failure: ApplicationError) -> SojournError:
    """Return the typed error that `failure` stands for; an unknown type is a `SojournError`."""
    kind = getattr(errors, failure.type or "", None)
    if not (isinstance(kind, type) and issubclass(kind, SojournError)):
        kind = SojournError
    facts: Any = failure.details[0] if failure.details else {}
    error = kind(**cast("dict[str, Any]", facts)) if isinstance(facts, dict) else kind()
    error.args = (failure.message,)
    return error


def _delay(error: SojournError) -> timedelta | None:
    seconds = error.facts.get("retry_after_seconds") or error.facts.get("after_seconds")
    return timedelta(seconds=float(seconds)) if seconds else None


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int | float | None) else str(value)
        for name, value in facts.items()
    }


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "?"
    code = trace.tb_frame.f_code
    return f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno} ({code.co_name})"
