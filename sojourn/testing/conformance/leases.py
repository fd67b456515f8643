"""Leases: who may write a session, and until when."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sojourn.clock import ManualClock
from sojourn.errors import InvalidId, LeaseHeld, LeaseLost, UnknownSession
from sojourn.lease import LeaseOwner
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import ALICE, ALICE_REBORN, BOB, TTL, wish


async def test_the_first_claim_makes_the_session(store: SessionStore, clock: ManualClock) -> None:
    """A claim makes the session's row, with token 1 and revision 0."""
    lease = await store.claim(wish())
    head = await store.head("s")

    assert lease.fencing_token == 1
    assert lease.expires_at == clock.now() + TTL
    assert head is not None
    assert (head.head_revision, head.leaf, head.created_at) == (0, None, clock.now())
    assert await store.lease("s") == lease


async def test_a_session_that_was_never_claimed_has_no_lease(store: SessionStore) -> None:
    """An unknown session has neither a lease nor a head."""
    assert await store.lease("s") is None
    assert await store.head("s") is None


async def test_the_same_executor_reenters(store: SessionStore, clock: ManualClock) -> None:
    """Owner, incarnation and executor alike: the token stays and the expiry moves on."""
    first = await store.claim(wish())
    clock.advance(timedelta(seconds=5))
    again = await store.claim(wish())

    assert again.fencing_token == first.fencing_token
    assert again.expires_at == clock.now() + TTL
    assert again.claimed_at == first.claimed_at


async def test_reentering_never_shortens_a_lease(store: SessionStore, clock: ManualClock) -> None:
    """A claim for a shorter time, or after the clock went back, keeps the later expiry."""
    first = await store.claim(wish())
    clock.advance(-timedelta(seconds=20))
    again = await store.claim(wish())

    assert again.expires_at == first.expires_at
    assert await store.lease("s") == first


async def test_another_executor_of_the_owner_takes_over(store: SessionStore) -> None:
    """The owner has serialised its executors: the newer one gets the next token at once."""
    await store.claim(wish(executor="t1"))

    assert (await store.claim(wish(executor="t2"))).fencing_token == 2


@pytest.mark.parametrize("other", [BOB, ALICE_REBORN])
async def test_anybody_else_is_refused(store: SessionStore, other: LeaseOwner) -> None:
    """Another owner, or another life of the same one, is told who holds it, and until when."""
    held = await store.claim(wish())

    with pytest.raises(LeaseHeld) as refused:
        await store.claim(wish(other, "t2"))

    assert refused.value.holder == str(ALICE)
    assert refused.value.expires_at == held.expires_at
    assert await store.lease("s") == held


async def test_a_lease_expires_at_its_very_expiry(store: SessionStore, clock: ManualClock) -> None:
    """Live means that the expiry is after now: at `now` another owner may claim, not before."""
    await store.claim(wish())
    clock.advance(TTL - timedelta(microseconds=1))
    with pytest.raises(LeaseHeld):
        await store.claim(wish(BOB))
    clock.advance(timedelta(microseconds=1))

    assert (await store.claim(wish(BOB))).fencing_token == 2


async def test_the_old_holder_is_refused_by_the_new_one(
    store: SessionStore, clock: ManualClock
) -> None:
    """Who lost the lease by its expiry waits for it as anybody does."""
    await store.claim(wish())
    clock.advance(TTL)
    await store.claim(wish(BOB))

    with pytest.raises(LeaseHeld) as refused:
        await store.claim(wish())

    assert refused.value.holder == str(BOB)


async def test_an_expired_lease_is_reentered_by_its_own_executor(
    store: SessionStore, clock: ManualClock
) -> None:
    """Nobody took it meanwhile: the token stays, and so do the effects that it fenced."""
    first = await store.claim(wish())
    clock.advance(2 * TTL)
    again = await store.claim(wish())

    assert again.fencing_token == first.fencing_token
    assert again.expires_at == clock.now() + TTL


async def test_tokens_grow_over_release(store: SessionStore) -> None:
    """A token is never used again, not even by the same executor after a release."""
    tokens: list[int] = []
    for owner in (ALICE, BOB, BOB, ALICE):
        lease = await store.claim(wish(owner))
        tokens.append(lease.fencing_token)
        await store.release(lease)

    assert tokens == [1, 2, 3, 4]


async def test_tokens_grow_over_expiry(store: SessionStore, clock: ManualClock) -> None:
    """Whoever takes over from an expired holder has the next token."""
    tokens: list[int] = []
    for owner in (ALICE, BOB, ALICE, ALICE_REBORN):
        tokens.append((await store.claim(wish(owner))).fencing_token)
        clock.advance(TTL)

    assert tokens == [1, 2, 3, 4]


async def test_a_released_lease_keeps_its_owner(store: SessionStore) -> None:
    """After release the row still tells who held it last."""
    lease = await store.claim(wish())
    await store.release(lease)
    stored = await store.lease("s")

    assert stored is not None
    assert (stored.owner, stored.fencing_token, stored.released) == (ALICE, 1, True)


async def test_a_stale_release_changes_nothing(store: SessionStore) -> None:
    """Whoever was superseded cannot take the lease from its holder, and is not told off."""
    stale = await store.claim(wish(executor="t1"))
    held = await store.claim(wish(executor="t2"))
    await store.release(stale)

    assert await store.lease("s") == held


async def test_releasing_twice_or_nothing_is_harmless(store: SessionStore) -> None:
    """A release that has nothing to do is no error."""
    lease = await store.claim(wish())
    await store.release(lease)
    await store.release(lease)
    await store.release(await store.claim(wish(session="other")))

    stored = await store.lease("s")
    assert stored is not None
    assert stored.fencing_token == 1


async def test_renewal_keeps_the_token(store: SessionStore, clock: ManualClock) -> None:
    """A renewal moves the expiry, and nothing else."""
    lease = await store.claim(wish())
    clock.advance(timedelta(seconds=20))
    renewed = await store.renew(lease, TTL)

    assert renewed.fencing_token == lease.fencing_token
    assert renewed.expires_at == clock.now() + TTL
    assert await store.lease("s") == renewed


async def test_renewal_never_shortens_a_lease(store: SessionStore, clock: ManualClock) -> None:
    """The clock may go back: what others were told of the expiry still holds."""
    lease = await store.claim(wish())
    clock.advance(-timedelta(seconds=20))

    assert (await store.renew(lease, TTL)).expires_at == lease.expires_at


async def test_a_renewed_lease_is_held_until_its_new_expiry(
    store: SessionStore, clock: ManualClock
) -> None:
    """Others are refused past the first expiry."""
    lease = await store.claim(wish())
    clock.advance(TTL - timedelta(seconds=1))
    await store.renew(lease, TTL)
    clock.advance(TTL - timedelta(seconds=1))

    with pytest.raises(LeaseHeld):
        await store.claim(wish(BOB))


async def test_an_expired_lease_that_nobody_took_is_renewed(
    store: SessionStore, clock: ManualClock
) -> None:
    """Expiry alone loses nothing: only the answer "superseded" does."""
    lease = await store.claim(wish())
    clock.advance(2 * TTL)

    assert (await store.renew(lease, TTL)).is_live(clock.now())


async def test_a_superseded_lease_is_not_renewed(store: SessionStore, clock: ManualClock) -> None:
    """The store tells the zombie both tokens."""
    lease = await store.claim(wish())
    clock.advance(TTL)
    await store.claim(wish(BOB))

    with pytest.raises(LeaseLost) as lost:
        await store.renew(lease, TTL)

    assert (lost.value.presented, lost.value.actual) == (1, 2)


async def test_a_released_lease_is_not_renewed(store: SessionStore) -> None:
    """What was given back is lost."""
    lease = await store.claim(wish())
    await store.release(lease)

    with pytest.raises(LeaseLost):
        await store.renew(lease, TTL)


async def test_renewing_needs_a_session(store: SessionStore) -> None:
    """There is nothing to renew of a session that does not exist."""
    lease = await store.claim(wish())
    stranger = type(lease)("x", ALICE, "t1", 1, lease.claimed_at, lease.expires_at)

    await store.release(stranger)
    with pytest.raises(UnknownSession):
        await store.renew(stranger, TTL)


async def test_sessions_do_not_share_tokens(store: SessionStore) -> None:
    """Each session counts for itself."""
    await store.claim(wish(executor="t1"))
    await store.claim(wish(executor="t2"))

    assert (await store.claim(wish(BOB, session="other"))).fencing_token == 1


async def test_an_id_that_cannot_be_one_is_refused(store: SessionStore) -> None:
    """A session is never made under an id that could not be typed."""
    with pytest.raises(InvalidId):
        await store.claim(wish(session="two words"))

    assert await store.heads() == []
