"""Reopening: everything is there again, for whoever opens the same data, later or meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sojourn.clock import ManualClock
from sojourn.errors import (
    EffectSettled,
    HeadConflict,
    LeaseHeld,
    LeaseLost,
    OperationConflict,
    SessionDeleted,
)
from sojourn.journal import model_key
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    BOB,
    DAY,
    TICK,
    TTL,
    OpenAgain,
    answer,
    begun,
    branched,
    chain,
    commit_of,
    contents,
    grown,
    intent,
    opening,
    path_ids,
    problems,
    readable,
    ref,
    spent,
    state,
    vacuumed,
    wish,
)


async def lived(store: SessionStore) -> None:
    """Fill a store with some of everything."""
    await branched(store)
    lease = await begun(store)
    await store.begin_attachment(intent(lease))
    states = {"tool_state": state(b"tools"), "plugin_state": state(b"plugins", 2)}
    await store.commit(commit_of(lease, 3, *chain("d", "e"), usage=(spent(3),), **states))
    await store.fork("s", "b", "f")
    await grown(store, "x", session="f")
    second = await begun(store, "t2", session="f")
    await store.record_effect(ref(second, model_key(1), "t2"), answer())
    await store.begin_attachment(intent(second, "k2", b"other"))
    await store.tombstone_nodes("s", ["c"])


async def test_everything_is_there_again(store: SessionStore, open_again: OpenAgain) -> None:
    """Every read and every count is as it was before the store was closed."""
    await lived(store)
    before = await contents(store)
    await store.close()

    async with open_again() as again:
        assert await contents(again) == before
        assert await problems(again) == []


async def test_nothing_is_there_twice(store: SessionStore, open_again: OpenAgain) -> None:
    """Opening and closing writes nothing, however often."""
    await lived(store)
    before = await contents(store)
    await store.close()
    for _ in range(3):
        async with open_again():
            pass

    async with open_again() as again:
        assert await contents(again) == before


async def test_tokens_grow_over_a_restart(store: SessionStore, open_again: OpenAgain) -> None:
    """Of a lease that was released, and of one that its holder died with."""
    await store.release(await store.claim(wish()))
    await store.claim(wish(session="other"))
    await store.close()

    async with open_again() as again:
        assert (await again.claim(wish(BOB))).fencing_token == 2
        assert (await again.claim(wish(executor="t2", session="other"))).fencing_token == 2


async def test_a_lease_is_held_over_a_restart(
    store: SessionStore, open_again: OpenAgain, clock: ManualClock
) -> None:
    """Until its expiry, for its holder, who re-enters."""
    held = await store.claim(wish())
    await store.close()

    async with open_again() as again:
        with pytest.raises(LeaseHeld):
            await again.claim(wish(BOB))
        assert (await again.claim(wish())).fencing_token == held.fencing_token
        clock.advance(TTL)
        assert (await again.claim(wish(BOB))).fencing_token == 2


async def test_a_turn_goes_on_after_a_restart(store: SessionStore, open_again: OpenAgain) -> None:
    """With all that it had recorded; new positions come after the old ones."""
    lease = await begun(store)
    done = await store.record_effect(ref(lease, model_key(1)), answer())
    await store.close()

    async with open_again() as again:
        opened = await again.open_turn(opening())
        assert opened.effects[-1] == done
        more = await again.record_effect(ref(lease, model_key(2)), answer("more"))
        assert more.position > done.position
        await again.commit(commit_of(lease, 0, *chain(None, "a")))
        with pytest.raises(EffectSettled):
            await again.record_effect(ref(lease, model_key(3)), answer())


async def test_a_receipt_answers_after_a_restart(
    store: SessionStore, open_again: OpenAgain
) -> None:
    """A commit whose answer was lost with its process is not done twice."""
    lease = await store.claim(wish())
    commit = commit_of(lease, 0, *chain(None, "a"), usage=(spent(3),))
    first = await store.commit(commit)
    await store.close()

    async with open_again() as again:
        assert await again.commit(commit) == replace(first, replayed=True)
        with pytest.raises(OperationConflict):
            await again.commit(replace(commit, result={}))
        assert list(await again.usage("s")) == [spent(3)]


async def test_a_deleted_id_is_refused_after_a_restart(
    store: SessionStore, open_again: OpenAgain
) -> None:
    """For ever means for ever."""
    await grown(store, "a")
    await store.delete("s")
    await store.close()

    async with open_again() as again:
        await vacuumed(again)
        with pytest.raises(SessionDeleted):
            await again.claim(wish())


async def test_vacuum_goes_on_after_a_restart(store: SessionStore, open_again: OpenAgain) -> None:
    """What one process began another one ends."""
    await grown(store, *"abcdefgh")
    await store.fork("s", "b", "f")
    await store.delete("s")
    first = await store.vacuum(limit=2)
    await store.close()

    async with open_again() as again:
        assert first.nodes + (await vacuumed(again, limit=2)).nodes == 6
        assert await path_ids(again, session="f") == ["a", "b"]


async def test_ages_are_known_after_a_restart(
    store: SessionStore, open_again: OpenAgain, clock: ManualClock
) -> None:
    """Of journals, intents, receipts and orphans: upkeep needs no memory of its own."""
    await store.begin_attachment(intent(await begun(store)))
    await branched(store)
    bound = clock.now() + TICK
    clock.advance(DAY)
    await store.close()

    async with open_again() as again:
        assert await again.forget_receipts(bound - TICK, 100) == 0
        assert await again.forget_receipts(bound, 100) == 2
        assert await again.reclaim_journals(bound, 100) == 1
        assert await again.forget_intents(bound, 100) == 1
        assert await again.tombstone_orphans("s", bound, 100) == 2


async def test_two_that_opened_the_same_data_exclude_each_other(
    store: SessionStore, open_again: OpenAgain
) -> None:
    """A lease that one gave the other honours."""
    async with open_again() as other:
        held = await store.claim(wish())
        with pytest.raises(LeaseHeld):
            await other.claim(wish(BOB))
        await other.release(held)
        assert (await store.claim(wish(BOB))).fencing_token == 2
        with pytest.raises(LeaseLost):
            await other.renew(held, TTL)


async def test_two_that_opened_the_same_data_share_one_head(
    store: SessionStore, open_again: OpenAgain
) -> None:
    """What one commits the other reads, and builds on, and answers for."""
    async with open_again() as other:
        lease = await store.claim(wish())
        commit = commit_of(lease, 0, *chain(None, "a"))
        await store.commit(commit)
        with pytest.raises(HeadConflict):
            await other.commit(commit_of(lease, 0, *chain(None, "b"), operation_id="t2"))
        assert (await other.commit(commit)).replayed
        await other.commit(commit_of(lease, 1, *chain("a", "b"), operation_id="t2"))
        assert await path_ids(store, ReadScope.FULL_GRAPH) == ["a", "b"]
        assert await readable(store) == await readable(other)


async def test_closing_one_leaves_the_other(store: SessionStore, open_again: OpenAgain) -> None:
    """Each has its own connections."""
    async with open_again() as other:
        await grown(other, "a")

    await grown(store, "b")
    assert await path_ids(store) == ["a", "b"]
