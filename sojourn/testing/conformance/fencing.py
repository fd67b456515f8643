"""Fencing: every write carries a token, and only the newest one writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from sojourn.clock import ManualClock
from sojourn.errors import LeaseLost
from sojourn.journal import model_key, tool_key
from sojourn.lease import Lease
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import (
    ALICE,
    BOB,
    TTL,
    answer,
    attachment,
    begun,
    chain,
    commit_of,
    contents,
    grown,
    intent,
    path_ids,
    ref,
    wish,
)

Write = Callable[[SessionStore, Lease], Awaitable[object]]

WRITES: dict[str, Write] = {
    "commit": lambda store, lease: store.commit(commit_of(lease, 0, *chain(None, "z"))),
    "start_effect": lambda store, lease: store.start_effect(ref(lease, tool_key(1, "c")), "a1"),
    "record_effect": lambda store, lease: store.record_effect(ref(lease, model_key(1)), answer()),
    "begin_attachment": lambda store, lease: store.begin_attachment(intent(lease, "k2")),
    "drop_attachment": lambda store, lease: store.drop_attachment(
        lease.session_id, attachment().attachment_id, lease.fencing_token
    ),
    "renew": lambda store, lease: store.renew(lease, TTL),
}
EVERY_WRITE = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)


async def at_work(store: SessionStore) -> Lease:
    """Open a turn with an attachment, so that every write has something to write."""
    lease = await begun(store)
    await store.begin_attachment(intent(lease))
    return lease


async def refused(store: SessionStore, write: Write, lease: Lease) -> LeaseLost:
    """Try a write that must be refused and must change nothing; return the refusal."""
    before = await contents(store)
    with pytest.raises(LeaseLost) as lost:
        await write(store, lease)
    assert await contents(store) == before
    return lost.value


@EVERY_WRITE
async def test_the_holder_writes(store: SessionStore, write: Write) -> None:
    """The current token opens every method."""
    await write(store, await at_work(store))


@EVERY_WRITE
async def test_an_expired_lease_that_nobody_took_may_write(
    store: SessionStore, clock: ManualClock, write: Write
) -> None:
    """Its token is still the current one."""
    lease = await at_work(store)
    clock.advance(2 * TTL)

    await write(store, lease)


@EVERY_WRITE
async def test_a_superseded_lease_writes_nothing(
    store: SessionStore, clock: ManualClock, write: Write
) -> None:
    """The zombie is told both tokens, and leaves everything as it was."""
    zombie = await at_work(store)
    clock.advance(TTL)
    await store.claim(wish(BOB))
    lost = await refused(store, write, zombie)

    assert (lost.presented, lost.actual) == (1, 2)


@EVERY_WRITE
async def test_the_owners_own_older_executor_writes_nothing(
    store: SessionStore, write: Write
) -> None:
    """A turn that its owner has gone on from is a zombie as any other."""
    zombie = await at_work(store)
    await store.claim(wish(ALICE, "t2"))

    await refused(store, write, zombie)


@EVERY_WRITE
async def test_a_token_that_was_never_given_writes_nothing(
    store: SessionStore, write: Write
) -> None:
    """Neither none, nor one from the future."""
    lease = await at_work(store)

    for token in (0, -1, 2, 2**40):
        await refused(store, write, replace(lease, fencing_token=token))


@EVERY_WRITE
async def test_a_token_counts_in_its_own_session_alone(store: SessionStore, write: Write) -> None:
    """The same number means nothing next door."""
    await at_work(store)
    second = await store.claim(wish(ALICE, "t2"))
    await store.claim(wish(ALICE, "t1", "other"))

    await refused(store, write, replace(second, session_id="other"))


async def test_a_superseded_lease_never_writes_again(
    store: SessionStore, clock: ManualClock
) -> None:
    """Neither while the newer one is live, nor after it was released or has expired."""
    zombie = await store.claim(wish())
    clock.advance(TTL)
    newer = await store.claim(wish(BOB))
    commit = commit_of(zombie, 0, *chain(None, "a"))

    with pytest.raises(LeaseLost):
        await store.commit(commit)
    await store.release(newer)
    with pytest.raises(LeaseLost):
        await store.commit(commit)
    clock.advance(2 * TTL)
    with pytest.raises(LeaseLost):
        await store.commit(commit)


async def test_a_fork_that_nobody_claimed_is_written_by_nobody(store: SessionStore) -> None:
    """It has no token yet: neither its source's nor zero."""
    await grown(store, "a")
    fork = await store.fork("s", "a", "f")
    lease = await store.claim(wish())

    for token in (0, lease.fencing_token):
        stranger = replace(lease, session_id="f", fencing_token=token)
        with pytest.raises(LeaseLost):
            await store.commit(commit_of(stranger, fork.head_revision, *chain("a", "z")))


async def test_the_fence_stands_before_the_journal(store: SessionStore, clock: ManualClock) -> None:
    """A zombie is told that it is one, not that its turn is settled."""
    zombie = await begun(store)
    await store.commit(commit_of(zombie, 0, *chain(None, "a")))
    clock.advance(TTL)
    await store.claim(wish(BOB))

    for write in (WRITES["start_effect"], WRITES["record_effect"], WRITES["begin_attachment"]):
        await refused(store, write, zombie)


async def test_a_refused_commit_keeps_the_lease(store: SessionStore) -> None:
    """Whoever is refused has released nothing."""
    lease = await store.claim(wish())
    with pytest.raises(LeaseLost):
        await store.commit(commit_of(replace(lease, fencing_token=7), 0, release=True))

    assert await store.lease("s") == lease


async def test_the_next_holder_goes_on_where_the_last_one_stopped(
    store: SessionStore, clock: ManualClock
) -> None:
    """A lost lease costs its holder the session, and the session nothing."""
    first = await store.claim(wish())
    await store.commit(commit_of(first, 0, *chain(None, "a")))
    clock.advance(TTL)
    second = await store.claim(wish(BOB, "t2"))
    await store.commit(commit_of(second, 1, *chain("a", "b")))

    assert await path_ids(store) == ["a", "b"]
