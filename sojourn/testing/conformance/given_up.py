"""Journals of turns that were given up: they go, and those of turns at work never do."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sojourn.clock import ManualClock
from sojourn.errors import EffectSettled
from sojourn.journal import model_key
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import (
    BOB,
    DAY,
    TICK,
    TTL,
    answer,
    begun,
    chain,
    commit_of,
    grown,
    opening,
    problems,
    readable,
    ref,
    wish,
)

MINUTE = timedelta(minutes=1)


async def reclaimed(store: SessionStore, clock: ManualClock, limit: int = 100) -> int:
    """Reclaim every journal that may be, whatever its age."""
    return await store.reclaim_journals(clock.now() + TICK, limit)


async def test_a_turn_that_was_given_up_leaves_no_journal(
    store: SessionStore, clock: ManualClock
) -> None:
    """Old, overtaken by another commit, and not at work: its effects go, all of them."""
    lease = await begun(store)
    await store.record_effect(ref(lease, model_key(1)), answer())
    await grown(store, "a")
    clock.advance(DAY)

    assert await store.reclaim_journals(clock.now(), 100) == 1
    assert list(await store.effects("s", "t1")) == []
    assert (await store.stats())["effects"] == 0


async def test_reclaiming_again_finds_nothing(store: SessionStore, clock: ManualClock) -> None:
    """A retried call of upkeep is harmless, and so is one on an empty store."""
    assert await reclaimed(store, clock) == 0
    await begun(store)
    await grown(store, "a")

    assert await reclaimed(store, clock) == 1
    assert await reclaimed(store, clock) == 0


async def test_a_young_journal_is_kept(store: SessionStore, clock: ManualClock) -> None:
    """Older means before the bound, not at it."""
    await begun(store)
    await grown(store, "a")

    assert await store.reclaim_journals(clock.now() - MINUTE, 100) == 0
    assert await store.reclaim_journals(clock.now(), 100) == 0
    assert await store.reclaim_journals(clock.now() + TICK, 100) == 1


async def test_the_newest_effect_tells_a_journals_age(
    store: SessionStore, clock: ManualClock
) -> None:
    """A turn that recorded something just now is at work, however long ago it began."""
    await begun(store)
    await grown(store, "a")
    bound = clock.now() + MINUTE
    clock.advance(DAY)
    await store.record_effect(ref(await begun(store), model_key(1)), answer())
    await store.release(await begun(store))

    assert await store.reclaim_journals(bound, 100) == 0
    assert len(await store.effects("s", "t1")) == 2


async def test_an_effect_that_was_settled_late_is_young(
    store: SessionStore, clock: ManualClock
) -> None:
    """The outcome counts, not the start."""
    lease = await begun(store)
    await store.start_effect(ref(lease, "tool/1/c"), "a1")
    await grown(store, "a")
    bound = clock.now() + MINUTE
    clock.advance(DAY)
    lease = await begun(store)
    await store.record_effect(ref(lease, "tool/1/c"), answer())
    await store.release(lease)

    assert await store.reclaim_journals(bound, 100) == 0


async def test_a_turn_that_nothing_overtook_is_kept(
    store: SessionStore, clock: ManualClock
) -> None:
    """It may wait for an approval for years: only another commit shows that it was given up."""
    await grown(store, "a")
    await grown(store, "b")
    lease = await begun(store)
    await store.release(lease)
    clock.advance(1_000 * DAY)

    assert await reclaimed(store, clock) == 0
    again = await store.open_turn(opening())
    assert len(again.effects) == 1


async def test_the_head_at_the_opening_counts(store: SessionStore, clock: ManualClock) -> None:
    """A later effect of the turn does not make it younger than the commit that overtook it."""
    await begun(store)
    await grown(store, "a")
    lease = await begun(store)
    await store.record_effect(ref(lease, model_key(1)), answer())
    await store.release(lease)

    assert await reclaimed(store, clock) == 1


async def test_a_turn_that_holds_the_lease_is_kept(store: SessionStore, clock: ManualClock) -> None:
    """As long as the lease is live, whatever was committed beside it."""
    lease = await begun(store)
    await store.commit(commit_of(lease, 0, *chain(None, "a"), operation_id="o1", is_turn=False))
    assert await reclaimed(store, clock) == 0
    clock.advance(TTL)

    assert await reclaimed(store, clock) == 1


async def test_a_turn_that_released_the_lease_holds_it_no_more(
    store: SessionStore, clock: ManualClock
) -> None:
    """The row of a lease outlives its release, and protects nothing."""
    lease = await begun(store)
    made = commit_of(lease, 0, *chain(None, "a"), operation_id="o1", is_turn=False, release=True)
    await store.commit(made)

    assert await reclaimed(store, clock) == 1


async def test_another_turn_at_work_protects_none_but_itself(
    store: SessionStore, clock: ManualClock
) -> None:
    """The lease names its executor."""
    await begun(store, "t1")
    await grown(store, "a")
    lease = await begun(store, "t2")
    made = commit_of(lease, 1, *chain("a", "b"), operation_id="o1", is_turn=False)
    await store.commit(made)

    assert await reclaimed(store, clock) == 1
    assert [len(await store.effects("s", turn)) for turn in ("t1", "t2")] == [0, 1]


async def test_a_stranger_at_work_protects_no_turn_of_another(
    store: SessionStore, clock: ManualClock
) -> None:
    """Nor does an executor of the same name in another session."""
    await begun(store)
    await grown(store, "a")
    await store.claim(wish(BOB, "t2"))
    await store.claim(wish(BOB, "t1", "other"))

    assert await reclaimed(store, clock) == 1


async def test_journals_are_reclaimed_turn_by_turn_up_to_the_limit(
    store: SessionStore, clock: ManualClock
) -> None:
    """Turns are counted, not effects; a turn goes whole."""
    for turn in ("t1", "t2", "t3"):
        lease = await begun(store, turn)
        await store.record_effect(ref(lease, model_key(1), turn), answer())
    await begun(store, "t1", session="other")
    await grown(store, "a")
    await grown(store, "b", session="other")

    assert await reclaimed(store, clock, limit=3) == 3
    assert await reclaimed(store, clock, limit=3) == 1
    assert (await store.stats())["effects"] == 0


async def test_a_reclaimed_turn_is_settled(store: SessionStore, clock: ManualClock) -> None:
    """Its zombie records nothing more."""
    await begun(store)
    await grown(store, "a")
    lease = await store.claim(wish())
    await store.release(lease)
    await reclaimed(store, clock)

    with pytest.raises(EffectSettled):
        await store.record_effect(ref(lease, model_key(1)), answer())


async def test_a_reclaimed_turn_can_be_opened_anew(store: SessionStore, clock: ManualClock) -> None:
    """It was never committed: sent again it begins with its input alone, after all positions."""
    lease = await begun(store)
    last = await store.record_effect(ref(lease, model_key(1)), answer())
    await grown(store, "a")
    await reclaimed(store, clock)
    (effect,) = (await store.open_turn(opening())).effects

    assert effect.position > last.position


async def test_reclaiming_changes_nothing_else(store: SessionStore, clock: ManualClock) -> None:
    """Heads, graphs, receipts, leases and other journals are as before."""
    await grown(store, "x", session="other")
    await begun(store, "t3", session="other")
    await begun(store)
    await grown(store, "a")
    other = (await readable(store))["other"]
    head, lease = await store.head("s"), await store.lease("s")
    await reclaimed(store, clock)

    assert (await readable(store))["other"] == other
    assert (await store.head("s"), await store.lease("s")) == (head, lease)
    assert await store.receipt("s", "turn-a") is not None
    assert await problems(store) == []
