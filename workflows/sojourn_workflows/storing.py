"""Short store operations of the workflow, as local activities, with their failures typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    TimeoutError,  # noqa: A004 - it is not Python's
    is_cancelled_exception,
)

from sojourn.errors import SojournError, StoreError
from sojourn_activities.failures import from_failure
from sojourn_workflows import options

A = TypeVar("A")
T = TypeVar("T")


async def stored(operation: Callable[[Any, A], Awaitable[T]], request: A) -> T:
    """Run a store operation; a cancel of the whole workflow passes through as it is.

    Raises:
        SojournError: the store or the app refuses.
    """
    try:
        reply: T = await workflow.execute_local_activity_method(operation, request, **options.STORE)
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        raise _typed(error) from error
    return reply


def _typed(error: FailureError) -> SojournError:
    """Return the domain error behind a failed local activity, the same when it is replayed.

    The SDK wraps a timeout when it happens, and not when it is replayed.
    """
    cause = error.cause if isinstance(error, ActivityError) else error
    if isinstance(cause, ApplicationError):
        return from_failure(cause)
    late = isinstance(cause, TimeoutError)
    return StoreError(reason="it did not answer in time" if late else type(cause).__name__)
