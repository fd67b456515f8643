from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.errors import InvalidInput, LeaseHeld, LeaseLost
from sojourn.lease import (
    Claim,
    Lease,
    LeaseOwner,
    LeaseTimings,
    check_fence,
    claim,
    release,
    renew,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TTL = timedelta(seconds=30)
ALICE, BOB = LeaseOwner("alice", "life-1"), LeaseOwner("bob", "life-1")
ALICE_REBORN = LeaseOwner("alice", "life-2")
TICK = timedelta(microseconds=1)


def wish(owner: LeaseOwner = ALICE, executor: str = "t1", ttl: timedelta = TTL) -> Claim:
    """Return a claim of the session."""
    return Claim("s", owner, executor, ttl)


def held(owner: LeaseOwner = ALICE, executor: str = "t1") -> Lease:
    """Return a lease that was just given."""
    return claim(None, wish(owner, executor), NOW)


def test_the_first_token_is_one() -> None:
    """A fresh lease says who, with what, since when and until when."""
    lease = held()

    assert lease == Lease("s", ALICE, "t1", 1, NOW, NOW + TTL)
    assert lease.is_live(NOW)


def test_the_same_executor_reenters_even_after_expiry() -> None:
    """The token stays as long as nobody came between."""
    later = NOW + 2 * TTL
    again = claim(held(), wish(), later)

    assert again == replace(held(), expires_at=later + TTL)


def test_reentry_never_shortens_a_lease() -> None:
    """A retry with a shorter ttl, or after the clock went back, keeps the later expiry."""
    assert claim(held(), wish(ttl=TTL / 2), NOW).expires_at == NOW + TTL
    assert claim(held(), wish(), NOW - TTL).expires_at == NOW + TTL


def test_the_owners_next_executor_takes_over_at_once() -> None:
    """With the next token and the time of the take-over."""
    taken = claim(held(), wish(executor="t2"), NOW + TICK)

    assert (taken.fencing_token, taken.executor_id, taken.claimed_at) == (2, "t2", NOW + TICK)


@pytest.mark.parametrize("other", [BOB, ALICE_REBORN])
def test_a_live_lease_excludes_every_other_owner(other: LeaseOwner) -> None:
    """The refusal names the holder and the expiry, to the last microsecond."""
    with pytest.raises(LeaseHeld) as refused:
        claim(held(), wish(other), NOW + TTL - TICK)

    assert (refused.value.holder, refused.value.expires_at) == ("alice (life-1)", NOW + TTL)


def test_at_its_expiry_a_lease_is_anybodys() -> None:
    """An expiry of now is past."""
    assert not held().is_live(NOW + TTL)
    assert claim(held(), wish(BOB), NOW + TTL).fencing_token == 2


def test_a_released_lease_is_anybodys_at_once() -> None:
    """Even the same executor gets a new token then."""
    given_back = release(held(), held())
    assert given_back is not None

    assert not given_back.is_live(NOW)
    assert claim(given_back, wish(BOB), NOW).fencing_token == 2
    assert claim(given_back, wish(), NOW).fencing_token == 2


def test_a_stale_release_has_no_effect() -> None:
    """Only the current token can be given back; of nothing, nothing is."""
    newer = claim(held(), wish(executor="t2"), NOW)

    assert release(newer, held()) == newer
    assert release(None, held()) is None


def test_renewal_moves_the_expiry_alone() -> None:
    """Never back."""
    assert renew(held(), held(), TTL, NOW + TTL) == replace(held(), expires_at=NOW + 2 * TTL)
    assert renew(held(), held(), TTL, NOW - TTL) == held()


def test_only_the_current_lease_is_renewed() -> None:
    """Superseded, released or never given: lost."""
    newer = claim(held(), wish(executor="t2"), NOW)
    for current in (newer, release(held(), held()), None):
        with pytest.raises(LeaseLost):
            renew(current, held(), TTL, NOW)


def test_the_fence_asks_for_the_token_alone() -> None:
    """Expired and released leases pass, superseded ones never."""
    assert check_fence(held(), "s", 1) == held()
    with pytest.raises(LeaseLost) as lost:
        check_fence(held(), "s", 2)
    assert (lost.value.presented, lost.value.actual) == (2, 1)
    with pytest.raises(LeaseLost) as never:
        check_fence(None, "s", 1)
    assert never.value.actual == 0


def test_a_holder_may_miss_two_renewals() -> None:
    """The ttl is at least three intervals, and intervals are positive."""
    assert LeaseTimings(timedelta(seconds=3), timedelta(seconds=1)).ttl == timedelta(seconds=3)
    with pytest.raises(InvalidInput):
        LeaseTimings(timedelta(seconds=3) - TICK, timedelta(seconds=1))
    with pytest.raises(InvalidInput):
        LeaseTimings(TTL, timedelta(0))


def test_fresh_owners_exclude_each_other() -> None:
    """Two embedded opens of one session are two owners."""
    first, second = LeaseOwner.fresh(), LeaseOwner.fresh()

    with pytest.raises(LeaseHeld):
        claim(claim(None, wish(first), NOW), wish(second), NOW)


STEPS = st.lists(
    st.tuples(
        st.sampled_from([ALICE, ALICE_REBORN, BOB]),
        st.sampled_from(["t1", "t2"]),
        st.integers(-40, 40),
        st.booleans(),
    ),
    max_size=20,
)


@given(STEPS)
def test_tokens_only_grow_and_never_have_two_holders(
    steps: list[tuple[LeaseOwner, str, int, bool]],
) -> None:
    """Whatever the clock does, a token means one owner and executor for ever."""
    now, current = NOW, None
    holders: dict[int, tuple[LeaseOwner, str]] = {}
    for owner, executor, seconds, lets_go in steps:
        now += timedelta(seconds=seconds)
        before = current.fencing_token if current else 0
        try:
            current = claim(current, wish(owner, executor), now)
        except LeaseHeld:
            assert current is not None
            assert current.owner != owner
            continue
        assert current.fencing_token in {before, before + 1}
        assert holders.setdefault(current.fencing_token, (owner, executor)) == (owner, executor)
        current = release(current, current) if lets_go else current
