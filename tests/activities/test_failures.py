"""Errors that cross to Temporal and back: the same error, and no content on the way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import ActivityEnvironment

from sojourn import errors
from sojourn.errors import (
    Contended,
    LeaseHeld,
    LeaseLost,
    ModelGarbage,
    ModelUnavailable,
    SojournError,
    ToolRaised,
    ToolRetry,
)
from sojourn_activities.failures import from_failure, to_failure, translated, translating

MARK = "MARK-1"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FACTS: dict[str, Any] = {
    "actual": 2,
    "after_seconds": 1.5,
    "expires_at": AT,
    "limit": 3,
    "retry_after_seconds": 2.5,
    "seconds": 4.0,
    "size_bytes": 5,
    "waited_seconds": 6.5,
}


def tree(kind: type[SojournError]) -> Iterator[type[SojournError]]:
    """Yield a class and all that are derived from it."""
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


KINDS = [kind for kind in tree(SojournError) if kind.__module__ == errors.__name__]


def facts_of(kind: type[SojournError]) -> dict[str, Any]:
    """Return a value for everything that a class says of itself."""
    names = {name for base in kind.__mro__ for name in getattr(base, "__annotations__", {})}
    return {name: FACTS.get(name, f"a {name}") for name in names - {"retryable", "detail"}}


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_comes_back_as_it_went(kind: type[SojournError]) -> None:
    """Its class, its line, and its facts; a moment comes back as text."""
    error = kind(**facts_of(kind))
    back = from_failure(to_failure(error))

    assert type(back) is kind
    assert str(back) == str(error)
    assert back.facts.keys() == error.facts.keys()
    assert back.retryable == error.retryable


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_tried_again_only_if_that_can_help(kind: type[SojournError]) -> None:
    """Each class says so itself."""
    assert to_failure(kind(**facts_of(kind))).non_retryable is not kind.retryable


def test_facts_are_plain() -> None:
    """Payloads hold text and numbers alone."""
    failure = to_failure(LeaseHeld(session_id="chat-1", holder="somebody", expires_at=AT))

    assert failure.type == "LeaseHeld"
    assert failure.details[0] == {
        "session_id": "chat-1",
        "holder": "somebody",
        "expires_at": str(AT),
    }


@pytest.mark.parametrize(
    ("error", "delay"),
    [
        (ModelUnavailable(model="m", reason="r", retry_after_seconds=7), timedelta(seconds=7)),
        (ToolRetry(reason="r", after_seconds=0.5), timedelta(seconds=0.5)),
        (ModelUnavailable(model="m", reason="r"), None),
        (LeaseLost(session_id="s", presented=1, actual=2), None),
    ],
)
def test_an_error_may_say_when_to_try_again(error: SojournError, delay: timedelta | None) -> None:
    """What a provider or a tool asks for goes before every other pause."""
    pause = timedelta(seconds=99)

    assert to_failure(error).next_retry_delay == delay
    assert to_failure(error, pause=pause).next_retry_delay == (delay or pause)


def test_a_refusal_may_name_the_call_that_it_answers() -> None:
    """The caller finds its nonce among the facts."""
    failure = to_failure(LeaseLost(session_id="s", presented=1, actual=2), nonce="abc")

    assert from_failure(failure).facts["nonce"] == "abc"


@pytest.mark.parametrize("kind", ["KeyError", "Message", "datetime", "NoSuchClass", "", None])
def test_a_failure_of_no_known_kind_is_still_an_error_of_ours(kind: str | None) -> None:
    """Its line stays; nothing of our module but errors is ever made of a type's name."""
    error = from_failure(ApplicationError("what happened", type=kind))

    assert type(error) is SojournError
    assert str(error) == "what happened"


@pytest.mark.parametrize("details", [(), (None,), ("text",), (["list"],), ({"odd": 1},)])
def test_strange_details_do_no_harm(details: tuple[Any, ...]) -> None:
    """A failure that somebody else made may hold anything."""
    error = from_failure(ApplicationError("what happened", *details, type="LeaseLost"))

    assert isinstance(error, errors.LeaseLost)
    assert str(error) == "what happened"


class Parts:
    """Activities that fail."""

    @translated
    async def fail(self, error: BaseException) -> None:
        """Raise what is given."""
        raise error


async def failed(error: BaseException) -> ApplicationError:
    """Return what an activity makes of an error."""
    with pytest.raises(ApplicationError) as raised:
        await ActivityEnvironment().run(Parts().fail, error)
    return raised.value


async def test_an_activity_translates_our_errors() -> None:
    """The type is the class's name; no cause comes with it."""
    failure = await failed(LeaseLost(session_id="s", presented=1, actual=2))

    assert (failure.type, failure.non_retryable) == ("LeaseLost", True)
    assert failure.__cause__ is None


async def test_an_unexpected_error_is_told_by_type_and_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its text may hold what users wrote: it is neither in the failure nor in the log."""
    with caplog.at_level(logging.DEBUG):
        failure = await failed(KeyError(MARK))

    assert (failure.type, failure.non_retryable) == ("KeyError", False)
    assert failure.message.startswith("unexpected KeyError at test_failures.py:")
    assert failure.__cause__ is None
    assert MARK not in repr(failure) + caplog.text
    assert "unexpected KeyError" in caplog.text


async def test_what_a_tool_told_the_model_is_not_told_to_temporal() -> None:
    """The detail of a tool's failure is content."""
    raised = ToolRaised(tool="charge", reason="KeyError")
    raised.detail = MARK
    failure = await failed(raised)

    assert MARK not in repr((failure, failure.details))


@pytest.mark.parametrize(
    "error", [ApplicationError("as it is", type="Own"), CancelledError("cancelled")]
)
async def test_what_is_temporals_already_passes(error: Exception) -> None:
    """Neither a failure nor a cancel is wrapped."""
    with pytest.raises(type(error)) as raised:
        await ActivityEnvironment().run(Parts().fail, error)

    assert raised.value is error


@pytest.mark.parametrize("error", [ModelGarbage(model="m", reason="r"), KeyError("x")])
def test_the_last_attempt_is_the_last(error: Exception) -> None:
    """Whatever the error's class would allow."""
    with pytest.raises(ApplicationError) as raised, translating(is_last=True):
        raise error
    assert raised.value.non_retryable

    with pytest.raises(ApplicationError) as raised, translating():
        raise error
    assert not raised.value.non_retryable


def test_a_busy_store_costs_no_last_attempt() -> None:
    """It says nothing of the work: the attempt does not count."""
    with pytest.raises(ApplicationError) as raised, translating(is_last=True):
        raise Contended(reason="busy")

    assert not raised.value.non_retryable
