"""Two opens of one session exclude each other, until the holder lets go or is missed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from typing_extensions import override

from sojourn import App
from sojourn.adapters.memory import MemoryStore
from sojourn.clock import ManualClock
from sojourn.errors import LeaseHeld, LeaseLost
from sojourn.lease import Lease, LeaseTimings
from tests.embedded.making import SESSION, GateAt, Slow, app_of, user_texts
from tests.support.polling import until
from tests.support.scene import Script, echo

TTL = LeaseTimings().ttl
SHORT = LeaseTimings(ttl=timedelta(milliseconds=150), renew_interval=timedelta(milliseconds=50))


async def test_a_second_open_is_refused_and_told_who_holds_the_session(store_url: str) -> None:
    """The refusal names the holder, and nothing is written."""
    app = app_of(store_url)
    async with app.open(SESSION) as first, app.open(SESSION) as second:
        await first.send("mine")
        with pytest.raises(LeaseHeld) as held:
            await second.send("yours")
        view = await second.show()

    assert view.lease is not None
    assert view.lease.owner_id in held.value.holder
    assert view.lease.owner_id.startswith("embedded-")
    assert held.value.expires_at == view.lease.expires_at
    assert user_texts(view) == ["mine"]


async def test_whoever_only_opens_a_session_holds_nothing(store_url: str) -> None:
    """The lease is taken by the first turn."""
    app = app_of(store_url)
    async with app.open(SESSION), app.open(SESSION) as second:
        assert (await second.send("hello")).head_revision == 1


async def test_what_was_refused_may_be_sent_again(store_url: str) -> None:
    """A turn that did not begin has used up nothing, its id neither."""
    app = app_of(store_url)
    async with app.open(SESSION) as second:
        async with app.open(SESSION) as first:
            await first.send("mine")
            with pytest.raises(LeaseHeld):
                await second.send("yours", "t-2")
        result = await second.send("yours", "t-2")

    assert (result.text, result.head_revision) == ("you said yours", 2)


async def test_a_parked_session_may_be_taken_and_given_back(store_url: str) -> None:
    """Each sees what the other has said, and each claim has a newer token."""
    app = app_of(store_url)
    tokens: list[int] = []
    async with app.open(SESSION) as first, app.open(SESSION) as second:
        for number, session in enumerate([first, second, first, second]):
            result = await session.send(f"message {number}")
            assert result.head_revision == number + 1
            lease = (await session.show()).lease
            assert lease is not None
            tokens.append(lease.fencing_token)
            await session.park()
        texts = user_texts(await first.show())

    assert texts == [f"message {number}" for number in range(4)]
    assert tokens == [1, 2, 3, 4]


async def test_an_expired_lease_may_be_taken(store_url: str) -> None:
    """By the real clock: the holder neither works nor renews."""
    app = app_of(store_url, timings=SHORT)

    async def taken() -> bool:
        try:
            await second.send("yours", "t-2")
        except LeaseHeld:
            return False
        return True

    async with app.open(SESSION) as first, app.open(SESSION) as second:
        await first.send("mine")
        await until(taken)
        assert user_texts(await first.show()) == ["mine", "yours"]


def timed(clock: ManualClock, script: Script = echo, **options: Any) -> App:
    """Return an app whose time is the clock's."""
    return app_of(MemoryStore(clock), script, clock=clock, **options)


async def test_a_lease_lives_to_its_last_instant() -> None:
    """It is held until it expires, and free from then on."""
    clock = ManualClock()
    app = timed(clock)
    async with app.open(SESSION) as first, app.open(SESSION) as second:
        await first.send("mine")
        clock.advance(TTL - timedelta(microseconds=1))
        with pytest.raises(LeaseHeld):
            await second.send("yours")
        clock.advance(timedelta(microseconds=1))
        assert (await second.send("yours")).head_revision == 2


async def test_each_turn_prolongs_the_lease() -> None:
    """A session that is used is not taken."""
    clock = ManualClock()
    app = timed(clock)
    async with app.open(SESSION) as first, app.open(SESSION) as second:
        for _ in range(3):
            clock.advance(TTL - timedelta(seconds=1))
            await first.send("mine")
        clock.advance(TTL - timedelta(seconds=1))
        with pytest.raises(LeaseHeld):
            await second.send("yours")


async def test_an_expired_lease_that_nobody_took_goes_on() -> None:
    """The holder's next turn re-enters it, whatever time has passed."""
    clock = ManualClock()
    async with timed(clock).open(SESSION) as session:
        await session.send("one")
        clock.advance(10 * TTL)
        await session.send("two")
        lease = (await session.show()).lease

    assert lease is not None
    assert lease.fencing_token == 1


async def test_a_turn_that_was_overtaken_writes_nothing() -> None:
    """Its model's late answer is refused, and the error says so."""
    clock, slow = ManualClock(), Slow()
    app = timed(clock, slow)
    async with app.open(SESSION) as first, app.open(SESSION) as second:
        turn = await first.submit("wait")
        await slow.gate.reached()
        clock.advance(TTL)
        await second.send("mine now")
        slow.gate.open()
        with pytest.raises(LeaseLost):
            await turn.result()
        assert user_texts(await second.show()) == ["mine now"]


async def test_a_commit_that_was_overtaken_writes_nothing() -> None:
    """The fence is checked with the commit, not before it."""
    clock, probe = ManualClock(), GateAt("commit.before")
    store = MemoryStore(clock)
    slow_app = app_of(store, clock=clock, probe=probe)
    async with slow_app.open(SESSION) as first, app_of(store, clock=clock).open(SESSION) as second:
        turn = await first.submit("late")
        await probe.gate.reached()
        clock.advance(TTL)
        await second.send("mine now")
        probe.gate.open()
        with pytest.raises(LeaseLost):
            await turn.result()
        assert user_texts(await second.show()) == ["mine now"]


async def test_an_overtaken_session_works_again_when_the_other_lets_go() -> None:
    """It goes on from what the other has left."""
    clock, slow = ManualClock(), Slow()
    app = timed(clock, slow)
    async with app.open(SESSION) as first:
        turn = await first.submit("wait")
        await slow.gate.reached()
        clock.advance(TTL)
        async with app.open(SESSION) as second:
            await second.send("mine now")
        slow.gate.open()
        with pytest.raises(LeaseLost):
            await turn.result()
        await first.send("mine again")
        assert user_texts(await first.show()) == ["mine now", "mine again"]


class Renewing(MemoryStore):
    """A store that counts renewals."""

    def __init__(self) -> None:
        super().__init__()
        self.renewals = asyncio.Semaphore(0)

    @override
    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        renewed = await super().renew(lease, ttl)
        self.renewals.release()
        return renewed


async def test_a_long_turn_keeps_its_lease() -> None:
    """It is renewed while a model is asked, so that nobody takes it for dead."""
    store, slow = Renewing(), Slow()
    app = app_of(store, slow, timings=SHORT)
    async with app.open(SESSION) as first, app.open(SESSION) as second:
        turn = await first.submit("wait")
        await slow.gate.reached()
        for _ in range(8):
            await store.renewals.acquire()
        with pytest.raises(LeaseHeld):
            await second.send("yours")
        slow.gate.open()
        assert (await turn.result()).text == "you said wait"
