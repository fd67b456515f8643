"""Two live attempts of one activity: both go on to their end, and it is as if there were one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import pytest

from sojourn import tool
from sojourn.adapters.open import opened_store
from sojourn.errors import HeadConflict, LeaseLost, SojournError, StoreError, UnknownTurn
from sojourn.journal import EffectStatus, tool_key
from sojourn.messages import Message, Role, assistant
from sojourn.models import FinishReason, ModelAnswer
from sojourn.ports import Probe, SessionStore
from sojourn.requests import ParkSession
from sojourn.tools import AnyTool
from sojourn.turns import park_session
from tests.runtime.hosts import SESSION, Gate, Meeting, Script, Worker
from tests.runtime.making import FaultyStore

CALL = "call-1-0"
NewWorker = Callable[..., Awaitable[Worker]]


class Till:
    """Counts what is charged, and holds the charges up until it is opened."""

    def __init__(self) -> None:
        self.charges = 0
        self.busy = asyncio.Event()
        self.opened = asyncio.Event()

        @tool
        async def charge() -> str:
            """Charge."""
            self.charges += 1
            self.busy.set()
            await self.opened.wait()
            return "charged"

        self.charge = charge


def calling(*names: str) -> Script:
    """Return a script that calls these tools, and then says how they ended."""

    def script(messages: Sequence[Message]) -> object:
        last = messages[-1]
        if last.role is Role.TOOL:
            return ", ".join(part.status for part in last.tool_responses)
        return [(name, {}) for name in names]

    return script


@pytest.fixture
async def new_worker(store_url: str) -> AsyncIterator[NewWorker]:
    """Make workers, each of which has opened the file for itself."""
    async with AsyncExitStack() as stack:

        async def make(script: Script, *tools: AnyTool, probe: Probe | None = None) -> Worker:
            running = Worker.running(store_url, script, *tools, probe=probe)
            return await stack.enter_async_context(running)

        yield make


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[SessionStore]:
    """The file, seen by a third process."""
    async with opened_store(store_url) as store:
        yield store


def greeting(messages: Sequence[Message]) -> str:
    """Say hi."""
    return "hi"


def unasked(messages: Sequence[Message]) -> str:
    """Fail the test."""
    raise AssertionError(messages)


async def journal_of(store: SessionStore) -> dict[str, EffectStatus]:
    """Return the journal of turn 1."""
    effects = await store.effects(SESSION, "turn-1")
    return {effect.effect_key: effect.status for effect in effects}


async def test_one_turn_begun_twice_is_one_turn(new_worker: NewWorker, store: SessionStore) -> None:
    """The executor is the turn: both hold the same token."""
    first = await new_worker(calling("charge"))
    second = await new_worker(calling("charge"))

    begun, again = await asyncio.gather(first.begin(), second.begin())

    assert begun == again
    assert begun.fencing_token == 1
    assert await journal_of(store) == {"input": EffectStatus.DONE}


async def test_two_answers_to_one_step_are_one_recorded_answer(
    new_worker: NewWorker, store: SessionStore
) -> None:
    """Both were bought; the first one recorded stands, and both attempts return it."""
    asked = asyncio.Barrier(2)

    def answering(text: str) -> Script:
        async def answer(messages: Sequence[Message]) -> str:
            await asked.wait()
            return text

        return answer

    one = await new_worker(answering("one"))
    two = await new_worker(answering("two"))
    turn = await one.begin()
    first, second = await asyncio.gather(one.step(turn), two.step(turn))
    outcomes = await asyncio.gather(one.commit(turn), two.commit(turn))

    assert first == second
    assert outcomes[0] == outcomes[1]
    said = await one.transcript()
    assert said in (["user: hello", "assistant: one"], ["user: hello", "assistant: two"])
    assert await two.transcript() == said
    assert (await store.stats())["receipts"] == 1


async def test_a_late_answer_refuses_nothing_of_the_recorded_one(
    new_worker: NewWorker, store: SessionStore
) -> None:
    """Models may use one call id twice: what the late answer asked for in vain is not told."""
    till, gate = Till(), Gate("model.calling")
    till.opened.set()
    late = await new_worker(calling("nonsense"), till.charge, probe=gate)
    prompt = await new_worker(calling("charge"), till.charge)
    turn = await prompt.begin()
    first, second = await gate.passed_after(late.step(turn), prompt.step(turn))

    assert first == second
    assert [call.name for call in first.calls] == ["charge"]
    assert await late.call(turn, CALL) == "done"
    assert await prompt.step(turn, 2) == await late.step(turn, 2)
    assert (await late.commit(turn)).tool_calls[0].status == "done"
    assert till.charges == 1


async def test_a_refused_call_stands_with_its_answer(
    new_worker: NewWorker, store: SessionStore
) -> None:
    """One row says what was answered and what of it cannot be run: a crash cannot part them."""
    till = Till()
    till.opened.set()
    one = await new_worker(calling("nonsense", "charge"), till.charge)
    turn = await one.begin()
    answer = await one.step(turn)
    assert answer.finish is FinishReason.TOOL_CALLS
    assert [call.call_id for call in answer.calls] == ["call-1-1"]
    assert list(await journal_of(store)) == ["input", "model/1"]

    other = await new_worker(calling("unasked"), till.charge)
    assert await other.step(turn) == answer
    await other.call(turn, "call-1-1")
    await other.step(turn, 2)
    outcome = await other.commit(turn)

    assert [call.status for call in outcome.tool_calls] == ["failed", "done"]
    assert await other.transcript() == [
        "user: hello",
        "assistant: nonsense, charge",
        "tool: nonsense failed",
        "tool: charge done",
        "assistant: done",
    ]


async def test_a_tool_that_is_not_idempotent_runs_once_for_two_attempts(
    new_worker: NewWorker, store: SessionStore
) -> None:
    """The second attempt finds it begun: the outcome is unknown, for both."""
    till = Till()
    one = await new_worker(calling("charge"), till.charge)
    two = await new_worker(calling("charge"), till.charge)
    turn = await one.begin()
    await one.step(turn)
    first = asyncio.create_task(one.call(turn, CALL))
    await till.busy.wait()
    second = await two.call(turn, CALL)
    till.opened.set()

    assert (await first, second) == ("unknown", "unknown")
    assert till.charges == 1
    assert await journal_of(store) == {
        "input": EffectStatus.DONE,
        "model/1": EffectStatus.DONE,
        tool_key(1, CALL): EffectStatus.UNKNOWN,
    }
    assert (await two.commit(turn)) == (await one.commit(turn))
    assert await one.transcript() == [
        "user: hello",
        "assistant: charge",
        "tool: charge unknown",
    ]


async def test_an_ended_tool_call_is_not_run_again(new_worker: NewWorker) -> None:
    """Whoever asks again gets what was recorded."""
    till = Till()
    till.opened.set()
    one = await new_worker(calling("charge"), till.charge)
    two = await new_worker(calling("charge"), till.charge)
    turn = await one.begin()
    await one.step(turn)

    assert [await one.call(turn, CALL), await two.call(turn, CALL)] == ["done", "done"]
    assert till.charges == 1


async def test_a_call_whose_tool_is_gone_is_answered(new_worker: NewWorker) -> None:
    """The next worker has fewer tools: the model is told, and the turn goes on."""
    till = Till()
    one = await new_worker(calling("charge"), till.charge)
    poor = await new_worker(calling("charge"))
    turn = await one.begin()
    await one.step(turn)

    assert await poor.call(turn, CALL) == "failed"
    await poor.step(turn, 2)
    assert (await poor.commit(turn)).tool_calls[0].status == "failed"
    assert till.charges == 0


async def test_a_call_that_began_before_its_tool_was_gone_is_unknown(new_worker: NewWorker) -> None:
    """It may have had its effect."""
    till = Till()
    one = await new_worker(calling("charge"), till.charge)
    poor = await new_worker(calling("charge"))
    turn = await one.begin()
    await one.step(turn)
    running = asyncio.create_task(one.call(turn, CALL))
    await till.busy.wait()

    assert await poor.call(turn, CALL) == "unknown"
    till.opened.set()
    assert await running == "unknown"


async def test_two_commits_at_once_are_one(new_worker: NewWorker, store: SessionStore) -> None:
    """Both have seen that there is no receipt; one writes, and both return the same."""
    meeting = Meeting("commit.before")
    one, two = [await new_worker(greeting, probe=meeting) for _ in range(2)]
    turn = await one.begin()
    await one.step(turn)
    first, second = await asyncio.gather(one.commit(turn), two.commit(turn))

    assert first == second
    assert (first.head_revision, (await store.stats())["receipts"]) == (1, 1)
    assert await journal_of(store) == {}
    assert [problem async for problem in store.check()] == []


async def test_two_commits_at_once_in_one_process_are_one(new_worker: NewWorker) -> None:
    """They share the live session, which takes the turn in once."""
    meeting = Meeting("commit.before")
    one = await new_worker(greeting, probe=meeting)
    turn = await one.begin()
    await one.step(turn)
    first, second = await asyncio.gather(one.commit(turn), one.commit(turn))

    assert first == second
    resident = one.host.residents.peek(SESSION)
    assert resident is not None
    assert resident.runtime.head_revision == 1
    assert [message.text for message in resident.runtime.messages()] == ["hello", "hi"]


@pytest.mark.parametrize("seen_by_late", ["nothing", "a step", "everything"])
async def test_a_commit_that_comes_late_returns_the_first_one(
    new_worker: NewWorker, seen_by_late: str
) -> None:
    """However much of the turn it has seen: the journal is gone, and the head has moved."""
    till, gate = Till(), Gate("commit.before")
    till.opened.set()
    one = await new_worker(calling("charge"), till.charge)
    late = await new_worker(calling("charge"), till.charge, probe=gate)
    turn = await one.begin()
    await (late if seen_by_late == "a step" else one).step(turn)
    everything = late if seen_by_late == "everything" else one
    await everything.call(turn, CALL)
    await everything.step(turn, 2)
    first, second = await gate.passed_after(late.commit(turn), one.commit(turn))

    assert first == second
    assert first.status == "completed"
    assert first.head_revision == 1


@pytest.mark.parametrize("was_live", [False, True], ids=["elsewhere", "where it was live"])
async def test_a_last_step_that_has_committed_returns_its_outcome(
    new_worker: NewWorker, store: SessionStore, was_live: bool
) -> None:
    """Its worker was lost before it could say so: nothing is asked, and nothing is written."""
    one, other = await new_worker(greeting), await new_worker(unasked)
    turn = await one.begin()
    if was_live:
        await other.host.resident(SESSION, "clerk", 0)
    answer = await one.last_step(turn)
    assert answer.outcome is not None
    before = await store.stats()

    again = await other.last_step(turn, attempt=2)

    assert again.outcome == answer.outcome
    assert await one.commit(turn) == await other.commit(turn) == answer.outcome
    assert await store.stats() == before


async def test_a_last_answer_that_comes_late_returns_the_first_outcome(
    new_worker: NewWorker, store: SessionStore
) -> None:
    """Both have asked; what the late one has bought is not kept."""
    gate = Gate("model.calling")
    late, prompt = await new_worker(calling("charge"), probe=gate), await new_worker(greeting)
    turn = await prompt.begin()
    first, second = await gate.passed_after(late.last_step(turn), prompt.last_step(turn, 2))

    assert first.outcome == second.outcome
    assert await late.transcript() == ["user: hello", "assistant: hi"]
    assert (await store.stats())["receipts"] == 1


async def test_a_model_that_stops_for_tools_without_a_call_has_stopped(
    new_worker: NewWorker,
) -> None:
    """There is nothing to run, so the turn has ended."""
    answer = ModelAnswer(assistant("hi"), FinishReason.TOOL_CALLS)
    one = await new_worker(lambda _: answer)
    turn = await one.begin()
    last = await one.last_step(turn)

    assert last.finish is FinishReason.STOP
    assert last.outcome is not None
    assert last.outcome.status == "completed"


async def test_a_commit_that_nobody_has_made_still_fails(new_worker: NewWorker) -> None:
    """Its error is told, not hidden behind a receipt that is not there."""
    one = await new_worker(greeting)
    turn = await one.begin()

    with pytest.raises(HeadConflict):
        await one.commit(turn.model_copy(update={"head_revision": 7}))
    with pytest.raises(UnknownTurn):
        await one.commit(turn.model_copy(update={"turn_id": "turn-9"}))


async def test_whoever_was_superseded_writes_nothing(
    new_worker: NewWorker, store: SessionStore
) -> None:
    """An older token neither records nor runs nor commits nor gives anything back."""
    till = Till()
    till.opened.set()
    one = await new_worker(calling("charge"), till.charge)
    old = await one.begin()
    await one.step(old)
    new = await one.begin("turn-2")
    before = (await store.stats(), await journal_of(store), await store.lease(SESSION))
    assert new.fencing_token == old.fencing_token + 1

    for attempt in (one.step(old, 2), one.call(old, CALL), one.commit(old)):
        with pytest.raises(LeaseLost):
            await attempt
    await park_session(one.host, ParkSession(session_id=SESSION, fencing_token=old.fencing_token))

    after = (await store.stats(), await journal_of(store), await store.lease(SESSION))
    assert after == before
    assert till.charges == 0


async def test_a_superseded_turn_disturbs_no_other_on_the_same_live_session(
    store: SessionStore,
) -> None:
    """They share what is resident; each model is asked with its own turn's words."""
    asked: list[list[str]] = []

    def script(messages: Sequence[Message]) -> str:
        asked.append([message.text for message in messages])
        return "hi"

    faulty, watched = FaultyStore.around(store)
    async with Worker.running(watched, script) as one:
        old = await one.begin("turn-1", "old words")
        await one.step(old)
        new = await one.begin("turn-2", "new words")
        faulty.held["effects"] = asyncio.Event()
        asking = asyncio.create_task(one.step(new))
        while not faulty.calls["effects"]:
            await asyncio.sleep(0)  # lets the task run
        late = asyncio.create_task(one.call(old, "unknown"))
        await asyncio.sleep(0)  # the late call looks at its own turn's words meanwhile
        faulty.held.pop("effects").set()
        await asking
        with pytest.raises(SojournError):
            await late

        assert (await one.commit(new)).head_revision == 1
        assert await one.transcript() == ["user: new words", "assistant: hi"]
    assert asked == [["old words"], ["new words"]]


async def test_a_late_attempt_of_a_committed_turn_is_refused(
    new_worker: NewWorker, store: SessionStore
) -> None:
    """Its journal is settled: nothing is written, and the next turn is not disturbed."""
    till = Till()
    till.opened.set()
    one = await new_worker(calling("charge"), till.charge)
    turn = await one.begin()
    await one.step(turn)
    await one.commit(turn)
    late = await new_worker(calling("charge"), till.charge)
    before = await store.stats()

    for worker in (one, late):
        with pytest.raises(StoreError):
            await worker.call(turn, CALL)
        with pytest.raises(StoreError):
            await worker.step(turn, 2)

    assert await store.stats() == before
    assert till.charges == 0
