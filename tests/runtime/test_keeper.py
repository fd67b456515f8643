"""Keeping a lease alive while work goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from sojourn.clock import ManualClock
from sojourn.errors import Contended, LeaseLost, StoreError, StoreUnavailable
from sojourn.keeper import LeaseKeeper
from sojourn.lease import Claim, Lease, LeaseOwner, LeaseTimings
from sojourn.ports import SessionStore
from tests.runtime.making import SESSION, FaultyStore, stranger_holds
from tests.support.polling import until

QUICK = LeaseTimings(ttl=timedelta(seconds=30), renew_interval=timedelta(milliseconds=5))


class Kept:
    """A claimed lease, its keeper, and the store that it renews in."""

    def __init__(self, store: SessionStore, lease: Lease) -> None:
        self.faulty, watched = FaultyStore.around(store)
        self.lease = lease
        self.keeper = LeaseKeeper(watched, SESSION, lease.fencing_token, QUICK)
        self.began = asyncio.Event()
        self.ended = asyncio.Event()

    async def renewals(self, count: int) -> bool:
        """Wait until the lease was renewed so often."""

        async def enough() -> bool:
            return self.faulty.calls["renew"] >= count

        return await until(enough)

    async def endless(self) -> None:
        """Work without end, and take a while to stop."""
        try:
            self.began.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.ended.set()


@pytest.fixture
async def kept(store: SessionStore) -> AsyncIterator[Kept]:
    """A session that is held; no task is left when the test ends."""
    owner = LeaseOwner("temporal/default/session/chat-1", "run-1")
    yield Kept(store, await store.claim(Claim(SESSION, owner, "turn-1", QUICK.ttl)))
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_lease_is_renewed_as_long_as_the_work_takes(
    store: SessionStore, clock: ManualClock, kept: Kept
) -> None:
    """However long that is, nobody else can come between; the token stays."""

    async def work() -> str:
        for _ in range(3):
            clock.advance(QUICK.ttl - timedelta(seconds=1))
            await kept.renewals(kept.faulty.calls["renew"] + 1)
        return "done"

    assert await kept.keeper.run(work()) == "done"
    lease = await store.lease(SESSION)
    assert lease is not None
    assert lease.is_live(clock.now())
    assert lease.fencing_token == kept.lease.fencing_token


async def test_what_the_work_raises_is_raised(kept: Kept) -> None:
    """The keeper adds nothing."""

    async def work() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await kept.keeper.run(work())


@pytest.mark.parametrize("method", ["lease", "renew"])
@pytest.mark.parametrize(
    "error", [StoreUnavailable(url="x", reason="away"), Contended(reason="busy")]
)
async def test_a_renewal_that_fails_is_tried_again(
    kept: Kept, caplog: pytest.LogCaptureFixture, method: str, error: StoreError
) -> None:
    """It is no lost lease: the work goes on to its end."""
    kept.faulty.before[method] = [error, error]

    with caplog.at_level(logging.WARNING):
        assert await kept.keeper.run(kept.renewals(3))

    assert caplog.text.count("will retry") == 2


async def test_a_lost_lease_ends_the_work(
    store: SessionStore, clock: ManualClock, kept: Kept
) -> None:
    """It is cancelled and has ended before anybody is told."""
    running = asyncio.create_task(kept.keeper.run(kept.endless()))
    await kept.began.wait()
    clock.advance(QUICK.ttl)
    taken = await stranger_holds(store)
    with pytest.raises(LeaseLost) as lost:
        await running

    assert (lost.value.presented, lost.value.actual) == (1, taken.fencing_token)
    assert kept.ended.is_set()


async def test_a_lease_that_was_given_back_is_lost(store: SessionStore, kept: Kept) -> None:
    """Whoever gave it back has said that no more will be written."""
    running = asyncio.create_task(kept.keeper.run(kept.endless()))
    await kept.began.wait()
    await store.release(kept.lease)

    with pytest.raises(LeaseLost):
        await running

    assert kept.ended.is_set()


async def test_work_that_ends_as_the_lease_is_lost_has_its_result(
    store: SessionStore, clock: ManualClock, kept: Kept
) -> None:
    """What was done is done: the store refuses what may not be written."""

    async def work() -> str:
        clock.advance(QUICK.ttl)
        await stranger_holds(store)
        return "done"

    assert await kept.keeper.run(work()) == "done"


async def test_a_cancel_from_outside_ends_work_and_renewals(kept: Kept) -> None:
    """Nothing runs on when the caller goes on."""
    running = asyncio.create_task(kept.keeper.run(kept.endless()))
    await kept.began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert kept.ended.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_impatient_second_cancel_leaves_nothing_running(kept: Kept) -> None:
    """Work and renewals were told by the first one already."""
    running = asyncio.create_task(kept.keeper.run(kept.endless()))
    await kept.began.wait()
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    await kept.ended.wait()
