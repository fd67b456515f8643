"""Parking, closing, and what is left of a session when it is not used."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from typing_extensions import override

from sojourn import Plugin, TurnStatus, tool
from sojourn.adapters.memory import MemoryStore
from sojourn.embedded.session import EmbeddedSession
from sojourn.errors import Contended, InvalidInput, UnknownSession
from sojourn.host import SessionHost
from sojourn.lease import Lease
from sojourn.models import ModelAnswer, ModelRequest
from sojourn.plugins import PluginContext, PluginSession
from sojourn.testing import ScriptedModel
from tests.embedded.making import (
    SESSION,
    Slow,
    app_of,
    problems,
    seen,
    unanswered,
    user_texts,
)
from tests.support.gate import Gate
from tests.support.scene import calling, echo

STORES = pytest.mark.parametrize("url", ["sqlite", "memory://"])


@pytest.fixture
def either_url(url: str, store_url: str) -> str:
    """The URL of a store of either kind."""
    return store_url if url == "sqlite" else url


def residents(session: EmbeddedSession) -> int:
    """Return how many sessions are live in the memory of a session's host."""
    host: SessionHost = vars(session)["_host"]
    return len(host.residents)


@STORES
async def test_a_parked_session_goes_on_with_its_next_message(either_url: str) -> None:
    """It holds no lease meanwhile, and the head does not move."""
    async with app_of(either_url).open(SESSION) as session:
        await session.send("one")
        await session.park()
        parked = await session.show()
        result = await session.send("two")

    assert parked.lease is not None
    assert parked.lease.released
    assert (parked.head_revision, result.head_revision) == (1, 2)


@STORES
async def test_parking_again_or_before_anything_was_said_is_harmless(either_url: str) -> None:
    """Nothing is written."""
    async with app_of(either_url).open(SESSION) as session:
        await session.park()
        with pytest.raises(UnknownSession):
            await session.show()
        await session.send("one")
        await session.park()
        await session.park()
        assert (await session.show()).head_revision == 1


async def test_parking_waits_for_the_turns_that_are_open(store_url: str) -> None:
    """The running one and the queued one, even one that was submitted in the same instant."""
    slow = Slow()
    async with app_of(store_url, slow).open(SESSION) as session:
        turns = [await session.submit("wait"), await session.submit("hello")]
        parking = asyncio.create_task(session.park())
        await slow.gate.reached()
        assert not parking.done()
        slow.gate.open()
        await parking
        results = [await turn.result() for turn in turns]
        view = await session.show()

    assert [result.status.value for result in results] == ["completed", "completed"]
    assert view.lease is not None
    assert view.lease.released


async def test_a_turn_submitted_in_the_instant_of_parking_is_run(store_url: str) -> None:
    """Before the lease is given back."""
    async with app_of(store_url).open(SESSION) as session:
        turn = await session.submit("hello")
        await session.park()
        assert turn.task.done()
        view = await session.show()

    assert view.head_revision == 1
    assert view.lease is not None
    assert view.lease.released


async def test_a_parked_session_is_not_in_memory(store_url: str) -> None:
    """A resident is dropped by a park, and its plugins leave the register."""
    async with app_of(store_url).open(SESSION) as session:
        await session.send("one")
        assert residents(session) == 1
        await session.park()
        assert residents(session) == 0


async def test_a_closed_session_is_not_in_memory(store_url: str) -> None:
    """Nothing of it stays resident."""
    async with app_of(store_url).open(SESSION) as session:
        await session.send("one")

    assert residents(session) == 0


async def test_closing_lets_go_of_the_lease(store_url: str) -> None:
    """Also when the block raises."""

    async def failing() -> None:
        async with app_of(store_url).open(SESSION) as session:
            await session.send("one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    view = await seen(store_url)

    assert view.lease is not None
    assert view.lease.released


async def test_closing_cancels_what_runs_and_what_is_queued(store_url: str) -> None:
    """Each turn commits what it has, in order; no call dangles, and the store is sound."""
    gate = Gate()

    @tool
    async def dig() -> None:
        """Dig for ever."""
        await gate.enter()

    model = ScriptedModel(calling(("dig", {})))
    async with app_of(store_url, model, dig).open(SESSION) as session:
        turns = [await session.submit(text) for text in ("one", "two", "three")]
        await gate.reached()
    results = [await turn.result() for turn in turns]
    view = await seen(store_url)

    assert [result.status for result in results] == [TurnStatus.CANCELLED] * 3
    assert [result.head_revision for result in results] == [1, 2, 3]
    assert model.calls == 1
    assert user_texts(view) == ["one", "two", "three"]
    assert unanswered(view) == set()
    assert view.lease is not None
    assert view.lease.released
    assert await problems(store_url) == []


async def test_closing_in_the_instant_of_a_submission_loses_nothing(store_url: str) -> None:
    """The message stands in the store, as a cancelled turn."""
    async with app_of(store_url).open(SESSION) as session:
        turn = await session.submit("hello")

    assert (await turn.result()).status is TurnStatus.CANCELLED
    assert user_texts(await seen(store_url)) == ["hello"]


async def test_a_closed_session_takes_no_message(store_url: str) -> None:
    """It says so, and writes nothing."""
    async with app_of(store_url).open(SESSION) as session:
        await session.send("one")
    with pytest.raises(InvalidInput, match="closed"):
        await session.send("two")

    assert user_texts(await seen(store_url)) == ["one"]


async def test_the_next_open_goes_on_after_a_close(store_url: str) -> None:
    """With the whole conversation."""
    app = app_of(store_url, Slow())
    async with app.open(SESSION) as session:
        await session.submit("wait")
    async with app.open(SESSION) as session:
        result = await session.send("next")

    assert (result.text, result.head_revision) == ("you said next", 2)


class Stuck(MemoryStore):
    """A store that lets nobody release a lease."""

    @override
    async def release(self, lease: Lease) -> None:
        raise Contended(reason="a test")


@pytest.mark.usefixtures("impatient")
async def test_a_store_that_fails_at_the_end_hides_nothing() -> None:
    """What the block raises comes out, and the lease runs out by itself."""

    async def failing() -> None:
        async with app_of(Stuck()).open(SESSION) as session:
            await session.send("hello")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()


class Tally(Plugin):
    """Counts commits, each of which changes its state after the commit that told of it."""

    @override
    def session(self, context: PluginContext) -> PluginSession:
        return TallySession()


class TallySession(PluginSession):
    """One session's tally, which the model is told."""

    count = 0

    @override
    def instructions(self) -> str:
        return f"{self.count} turns"

    @override
    def snapshot(self) -> int:
        return self.count

    @override
    def restore(self, state: Any) -> None:
        self.count = state or 0

    @override
    def on_event(self, event: str, facts: object) -> None:
        if event == "turn_committed":
            self.count += 1
            self.revision += 1


@STORES
async def test_what_a_plugin_learnt_after_the_last_commit_is_not_lost(either_url: str) -> None:
    """A park flushes it, under the session's own lease, and gives the lease back."""
    told: list[str] = []

    class Reading(ScriptedModel):
        """Notes its instructions."""

        @override
        async def complete(self, request: ModelRequest) -> ModelAnswer:
            told.append(request.instructions)
            return await super().complete(request)

    app = app_of(either_url, Reading(echo), plugins=[Tally()])
    for _ in range(3):
        async with app.open(SESSION) as session:
            await session.send("hello")
            await session.park()
            view = await session.show()
            assert view.lease is not None
            assert view.lease.released

    assert told == ["0 turns", "1 turns", "2 turns"]
