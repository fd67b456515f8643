from __future__ import annotations

import asyncio
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest
from pydantic_ai.exceptions import UserError

from sojourn.adapters.models.failures import failure as failure_of
from sojourn.errors import ModelError, ModelGarbage, ModelRefused, ModelUnavailable
from sojourn.messages import assistant
from tests.models.asking import KEY, PROMPT, asked, failing, question, serving
from tests.models.http_server import Reply, answer, cut, events, failure, hang

ways = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
QUOTING = f"You said '{PROMPT}' with the key {KEY}"


@ways
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_passing_statuses_are_unavailable_and_asked_once(status: int, streamed: bool) -> None:
    """What may pass is retryable, and the provider itself does not retry."""
    error, server = await failing(failure(status), streamed=streamed)
    assert isinstance(error, ModelUnavailable)
    assert error.retryable
    assert len(server.asked) == 1


@ways
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_lasting_statuses_are_refusals(status: int, streamed: bool) -> None:
    """What cannot pass by trying again is not retryable."""
    error, server = await failing(failure(status, "invalid_request"), streamed=streamed)
    assert isinstance(error, ModelRefused)
    assert not error.retryable
    assert f"HTTP {status} (invalid_request)" in str(error)
    assert len(server.asked) == 1


@ways
async def test_retry_after_in_seconds_is_passed_on(streamed: bool) -> None:
    """The provider's own wait becomes the error's."""
    reply = failure(429, "rate_limit_exceeded", headers={"Retry-After": "7"})
    error, _ = await failing(reply, streamed=streamed)
    assert error.retry_after_seconds == 7.0


@ways
async def test_retry_after_as_a_date_is_passed_on(streamed: bool) -> None:
    """An HTTP date is a wait from now."""
    later = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251 - the parser reads that clock
    reply = failure(503, headers={"Retry-After": format_datetime(later, usegmt=True)})
    error, _ = await failing(reply, streamed=streamed)
    assert error.retry_after_seconds == pytest.approx(3600, abs=300)


@ways
async def test_no_retry_after_is_none(streamed: bool) -> None:
    """Without a wished wait the caller chooses its own."""
    error, _ = await failing(failure(500), streamed=streamed)
    assert error.retry_after_seconds is None


@ways
async def test_a_spent_quota_is_a_refusal(streamed: bool) -> None:
    """A 429 that says the account is out of money does not pass by waiting."""
    error, _ = await failing(failure(429, "insufficient_quota"), streamed=streamed)
    assert isinstance(error, ModelRefused)
    assert "insufficient_quota" in str(error)


@ways
async def test_a_full_context_is_a_refusal_that_says_so(streamed: bool) -> None:
    """The code of a context overflow reaches whoever may shorten the conversation."""
    error, _ = await failing(failure(400, "context_length_exceeded"), streamed=streamed)
    assert isinstance(error, ModelRefused)
    assert "context_length_exceeded" in str(error)


@ways
@pytest.mark.parametrize(
    "reply",
    [
        failure(400, QUOTING, QUOTING),
        failure(401, "invalid_api_key", QUOTING),
        failure(429, "rate_limit_exceeded", QUOTING),
        failure(500, "server_error", QUOTING),
        answer(QUOTING, ("weather", QUOTING)),
    ],
    ids=["400", "401", "429", "500", "arguments"],
)
async def test_no_error_holds_a_prompt_or_a_key(reply: Reply, streamed: bool) -> None:
    """Not the message, not the facts, not a chained error: histories and logs keep all of them."""
    error, _ = await failing(reply, streamed=streamed)
    assert error.__cause__ is None
    assert error.__context__ is None
    whole = "".join(traceback.format_exception(error)) + repr(error.facts)
    assert PROMPT not in whole
    assert KEY not in whole


@ways
async def test_a_hung_connection_ends_at_the_timeout(streamed: bool) -> None:
    """A server that never answers is unavailable, and its connection is closed."""
    async with serving([hang()], timedelta(milliseconds=200)) as (server, model):
        with pytest.raises(ModelUnavailable, match=r"no answer within 0\.2 s"):
            await asked(model, question(), streamed=streamed)
        await server.left.wait()


async def test_a_stream_that_stops_flowing_ends_at_the_timeout() -> None:
    """The timeout spans the whole stream, not only its beginning."""
    async with serving([hang("one ")], timedelta(milliseconds=500)) as (server, model):
        with pytest.raises(ModelUnavailable, match=r"no answer within 0\.5 s"):
            await asked(model, question(), streamed=True)
        await server.left.wait()


@ways
async def test_a_connection_cut_in_mid_body_is_unavailable(streamed: bool) -> None:
    """Half an answer is no answer."""
    error, _ = await failing(cut(PROMPT), streamed=streamed)
    assert isinstance(error, ModelUnavailable)


@ways
async def test_an_address_where_nobody_listens_is_unavailable(streamed: bool) -> None:
    """A refused connection may pass."""
    async with serving([]) as (server, model):
        await server.__aexit__()
        with pytest.raises(ModelUnavailable, match="the connection failed"):
            await asked(model, question(), streamed=streamed)


@pytest.mark.parametrize("code", ["server_error", "strange", "429"])
async def test_an_error_in_mid_stream_ends_the_answer(code: str) -> None:
    """A provider that gives up after the first words is unavailable, and is not quoted."""
    body = f'{{"error": {{"message": "{QUOTING}", "code": "{code}"}}}}'.encode()
    error, _ = await failing(events(body), streamed=True)
    assert isinstance(error, ModelUnavailable)
    assert PROMPT not in str(error)


@ways
async def test_an_answer_that_ends_in_error_is_unavailable(streamed: bool) -> None:
    """What a server cannot finish is not stored as if it were whole."""
    error, _ = await failing(answer("half", finish_reason="error"), streamed=streamed)
    assert isinstance(error, ModelUnavailable)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (httpx2.ReadError(QUOTING), ModelUnavailable),
        (ConnectionResetError(QUOTING), ModelUnavailable),
        (TimeoutError(QUOTING), ModelUnavailable),
        (UserError(QUOTING), ModelRefused),
        (KeyError(QUOTING), ModelGarbage),
    ],
)
def test_what_a_library_lets_through_is_translated_too(
    raised: Exception, kind: type[ModelError]
) -> None:
    """Transport errors that no vendor's adapter wrapped may pass; the rest is not quoted either."""
    error = failure_of("m", raised)
    assert type(error) is kind
    assert PROMPT not in str(error)


async def test_cancelling_a_call_closes_its_connection() -> None:
    """The server sees the client go at once: nobody pays for an answer that nobody reads."""
    async with serving([hang()]) as (server, model):
        call = asyncio.create_task(model.complete(question()))
        await server.received.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await server.left.wait()


async def test_cancelling_a_stream_closes_its_connection() -> None:
    """The same in mid-stream, whoever waits for the next piece."""
    async with serving([hang("one ")]) as (server, model):
        stream = model.stream(question())
        await anext(stream)
        call = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)  # one step, so that the cancellation meets a pending read
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await server.left.wait()


async def test_a_provider_works_again_after_a_failure() -> None:
    """A failed call leaves nothing behind."""
    async with serving([cut(), failure(500), answer("fine")]) as (_, model):
        for _attempt in range(2):
            with pytest.raises(ModelUnavailable):
                await model.complete(question())
        got = await model.complete(question())
    assert got.message == assistant("fine")


async def test_closing_twice_is_harmless() -> None:
    """A provider that was closed may be closed again."""
    async with serving([answer("x")]) as (_, model):
        await model.complete(question())
        await model.aclose()
