"""How tools run under a turn, and what the model is told of them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from sojourn import ToolContext, TurnStatus, tool
from sojourn.errors import ToolRetry
from sojourn.testing import ScriptedModel
from sojourn.tools import ToolRetryPolicy
from tests.embedded.making import SESSION, Answers, app_of, seen, statuses, unanswered
from tests.support.scene import calling, responses

AT_ONCE = ToolRetryPolicy(
    max_attempts=3, initial=timedelta(milliseconds=1), maximum=timedelta(milliseconds=2)
)
SECRET = "the customer's password"  # noqa: S105 - it is what must not leak


async def test_the_calls_of_one_answer_overlap(store_url: str) -> None:
    """They meet; one after the other they never would."""
    both = asyncio.Barrier(2)

    @tool
    async def meet() -> str:
        """Meet the other."""
        async with asyncio.timeout(20):
            await both.wait()
        return "met"

    script = calling(("meet", {}), ("meet", {}))
    async with app_of(store_url, script, meet).open(SESSION) as session:
        result = await session.send("go")

    assert result.text == "['met', 'met']"


async def test_results_stand_in_the_order_of_the_calls(store_url: str) -> None:
    """Whatever order the tools end in."""
    last = asyncio.Event()

    @tool
    async def slow() -> str:
        """End last."""
        await last.wait()
        return "slow"

    @tool
    async def quick() -> str:
        """End first."""
        last.set()
        return "quick"

    script = calling(("slow", {}), ("quick", {}))
    async with app_of(store_url, script, slow, quick).open(SESSION) as session:
        result = await session.send("go")

    assert result.text == "['slow', 'quick']"
    assert [call.name for call in result.tool_calls] == ["slow", "quick"]


async def test_a_failure_is_told_to_the_model_and_to_nobody_else(
    store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The turn goes on; what the exception says is content, and stays out of the log."""

    @tool
    def fail() -> None:
        """Fail."""
        raise ValueError(SECRET)

    async with app_of(store_url, calling(("fail", {})), fail).open(SESSION) as session:
        result = await session.send("go")

    assert result.status is TurnStatus.COMPLETED
    assert SECRET in result.text
    assert [call.status.value for call in result.tool_calls] == ["failed"]
    assert "ValueError" in caplog.text
    assert SECRET not in caplog.text


async def test_a_failure_leaves_the_other_calls_alone(store_url: str) -> None:
    """Each call has an outcome of its own."""

    @tool
    async def fail() -> None:
        """Fail."""
        raise ValueError

    @tool
    async def work() -> str:
        """Work."""
        return "works"

    script = calling(("fail", {}), ("work", {}))
    async with app_of(store_url, script, fail, work).open(SESSION) as session:
        result = await session.send("go")

    assert [call.status.value for call in result.tool_calls] == ["failed", "done"]


async def test_a_failure_whose_text_is_no_unicode_is_told_nevertheless(store_url: str) -> None:
    """File names on Linux may be any bytes."""

    @tool
    def fail() -> None:
        """Fail."""
        raise ValueError("no such file: caf\udce9")

    async with app_of(store_url, calling(("fail", {})), fail).open(SESSION) as session:
        result = await session.send("go")

    assert [call.status.value for call in result.tool_calls] == ["failed"]
    assert "no such file: caf" in result.text


@pytest.mark.parametrize("value", [float("nan"), b"\xff", "caf\udce9", object()])
async def test_any_result_comes_to_an_outcome(store_url: str, value: object) -> None:
    """What JSON cannot say is told as it can be, or as a failure."""

    @tool
    def give() -> object:
        """Give something odd."""
        return value

    async with app_of(store_url, calling(("give", {})), give).open(SESSION) as session:
        result = await session.send("go")
        view = await session.show()

    assert result.status is TurnStatus.COMPLETED
    assert unanswered(view) == set()


async def test_a_call_of_an_unknown_tool_is_refused_to_the_model(store_url: str) -> None:
    """Other calls of the same answer run."""

    @tool
    def work() -> str:
        """Work."""
        return "works"

    model = Answers([("nothing", {}), ("work", {})], "sorry")
    async with app_of(store_url, model, work).open(SESSION) as session:
        result = await session.send("go")

    refused, worked = responses(model.asked[-1])
    assert (refused.status, worked.response) == ("failed", "works")
    assert "no tool of that name" in str(refused.response)
    assert result.text == "sorry"


async def test_arguments_that_do_not_fit_are_refused_to_the_model(store_url: str) -> None:
    """The tool is not run."""
    ran: list[int] = []

    @tool
    def count(number: int) -> None:
        """Count."""
        ran.append(number)

    async with app_of(store_url, calling(("count", {"number": "x"})), count).open(SESSION) as s:
        result = await s.send("go")

    assert [call.status.value for call in result.tool_calls] == ["failed"]
    assert ran == []


async def test_an_idempotent_tool_that_fails_is_tried_again(store_url: str) -> None:
    """The model sees the success alone, and each attempt has the same key."""
    contexts: list[ToolContext] = []

    @tool(idempotent=True, retry=AT_ONCE)
    def flaky(context: ToolContext) -> str:
        """Fail at first."""
        contexts.append(context)
        if len(contexts) < 3:
            raise OSError
        return "works"

    async with app_of(store_url, calling(("flaky", {})), flaky).open(SESSION) as session:
        result = await session.send("go", "t-1")

    assert result.text == "['works']"
    assert [context.attempt for context in contexts] == [1, 2, 3]
    assert len({context.idempotency_key for context in contexts}) == 1
    assert {(context.session_id, context.turn_id) for context in contexts} == {(SESSION, "t-1")}


@pytest.mark.parametrize(("idempotent", "attempts"), [(True, 3), (False, 1)])
async def test_a_tool_that_always_fails_is_given_up(
    store_url: str, attempts: int, *, idempotent: bool
) -> None:
    """After its last attempt; one that is not idempotent has one."""
    made: list[int] = []

    @tool(idempotent=idempotent, retry=AT_ONCE)
    def broken() -> None:
        """Fail."""
        made.append(1)
        raise OSError

    async with app_of(store_url, calling(("broken", {})), broken).open(SESSION) as session:
        result = await session.send("go")

    assert [call.status.value for call in result.tool_calls] == ["failed"]
    assert len(made) == attempts


@pytest.mark.parametrize("idempotent", [True, False])
async def test_a_tool_that_says_that_nothing_was_done_is_tried_again(
    store_url: str, *, idempotent: bool
) -> None:
    """Any tool, within its policy."""
    made: list[int] = []

    @tool(idempotent=idempotent, retry=AT_ONCE)
    def busy() -> str:
        """Ask for another attempt."""
        made.append(1)
        if len(made) < 3:
            raise ToolRetry(reason="busy")
        return "works"

    async with app_of(store_url, calling(("busy", {})), busy).open(SESSION) as session:
        result = await session.send("go")

    assert (result.text, len(made)) == ("['works']", 3)


@pytest.mark.parametrize(("idempotent", "status"), [(True, "failed"), (False, "unknown")])
async def test_a_tool_that_hangs_is_timed_out(
    store_url: str, status: str, *, idempotent: bool
) -> None:
    """Of one that is not idempotent nobody knows what it has done."""

    @tool(idempotent=idempotent, timeout=0.05)
    async def hang() -> None:
        """Never end."""
        await asyncio.Event().wait()

    async with app_of(store_url, calling(("hang", {})), hang).open(SESSION) as session:
        result = await session.send("go")

    assert result.status is TurnStatus.COMPLETED
    assert [call.status.value for call in result.tool_calls] == [status]


@pytest.mark.parametrize(("idempotent", "status"), [(True, "failed"), (False, "unknown")])
async def test_a_tool_that_cancels_itself_is_lost_and_the_turn_goes_on(
    store_url: str, status: str, *, idempotent: bool
) -> None:
    """Its cancellation is not taken for the turn's, and its call does not dangle."""

    @tool(idempotent=idempotent)
    async def waver() -> None:
        """Wait for something that somebody cancels."""
        waiting = asyncio.get_running_loop().create_future()
        waiting.cancel()
        await waiting

    model = Answers([("waver", {})], "done")
    async with app_of(store_url, model, waver).open(SESSION) as session:
        result = await session.send("go")

    assert (result.status, result.text) == (TurnStatus.COMPLETED, "done")
    assert statuses(model.asked[-1]) == [status]
    assert unanswered(await seen(store_url)) == set()


async def test_tools_of_the_app_and_of_the_agent_are_offered_together(store_url: str) -> None:
    """The app's come first."""

    @tool
    def shared() -> str:
        """Be shared."""
        return "shared"

    @tool
    def own() -> str:
        """Be the agent's own."""
        return "own"

    model = ScriptedModel(calling(("own", {}), ("shared", {})))
    async with app_of(store_url, model, shared, agent={"tools": [own]}).open(SESSION) as session:
        result = await session.send("go")

    assert result.text == "['own', 'shared']"
