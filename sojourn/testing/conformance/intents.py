"""Attachments that nobody will commit: they go, and those of turns at work never do."""

from __future__ import annotations

from sojourn.attachment import StoredAttachment
from sojourn.clock import ManualClock
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import (
    DAY,
    TICK,
    attachment,
    begun,
    chain,
    commit_of,
    grown,
    head_of,
    intent,
    readable,
)

ID = attachment().attachment_id


async def given_up(store: SessionStore, clock: ManualClock, count: int = 1) -> None:
    """Make turns that announced an attachment each, and whose journals were reclaimed."""
    for number in range(1, count + 1):
        lease = await begun(store, f"t{number}")
        body = b"%d" % number if number > 1 else None
        made = intent(lease, f"k{number}", body) if body else intent(lease, "k1")
        await store.begin_attachment(made)
    await grown(store, "a")
    assert await store.reclaim_journals(clock.now() + TICK, 100) == count


async def test_an_intent_of_a_dead_turn_is_forgotten(
    store: SessionStore, clock: ManualClock
) -> None:
    """Older than the bound, and no turn of its session is open: nobody will commit it."""
    await given_up(store, clock)

    assert await store.forget_intents(clock.now(), 100) == 0
    assert await store.forget_intents(clock.now() + TICK, 100) == 1
    assert await store.attachment("s", ID) is None
    assert await store.keys_in_use(["k1"]) == set()
    assert await store.forget_intents(clock.now() + TICK, 100) == 0


async def test_an_intent_of_a_live_turn_is_never_forgotten(
    store: SessionStore, clock: ManualClock
) -> None:
    """Whatever its age: elapsed time alone proves nothing."""
    lease = await begun(store)
    row = await store.begin_attachment(intent(lease))
    await store.release(lease)
    clock.advance(10_000 * DAY)

    assert await store.forget_intents(clock.now(), 100) == 0
    assert list(await store.attachments("s")) == [row]


async def test_an_intent_is_kept_for_any_open_turn_of_its_session(
    store: SessionStore, clock: ManualClock
) -> None:
    """Another turn may have kept the same bytes, and come back for them; a stranger's may not."""
    await given_up(store, clock)
    await begun(store, "t2")
    clock.advance(DAY)
    assert await store.forget_intents(clock.now(), 100) == 0
    assert await store.attachment("s", ID) is not None
    await store.commit(commit_of(await begun(store, "t2"), 1, leaf="a"))
    await begun(store, "t3", session="other")

    assert await store.forget_intents(clock.now(), 100) == 1


async def test_an_intent_that_a_live_turn_took_over_is_kept(
    store: SessionStore, clock: ManualClock
) -> None:
    """The row belongs to the turn that wrote it last, not to the dead one."""
    await given_up(store, clock)
    await store.begin_attachment(intent(await begun(store, "t2"), "k2"))
    clock.advance(DAY)

    assert await store.forget_intents(clock.now(), 100) == 0
    assert await store.attachments("s") == [
        StoredAttachment(attachment(), "k1", "t2", is_committed=False)
    ]


async def test_a_permanent_attachment_is_never_forgotten(
    store: SessionStore, clock: ManualClock
) -> None:
    """Its turn has no journal either: it was committed."""
    lease = await begun(store)
    await store.begin_attachment(intent(lease))
    await store.commit(commit_of(lease, 0, *chain(None, "a"), release=True))
    clock.advance(10_000 * DAY)

    assert await store.forget_intents(clock.now(), 100) == 0
    assert await store.attachment("s", ID) is not None


async def test_intents_are_forgotten_up_to_the_limit(
    store: SessionStore, clock: ManualClock
) -> None:
    """Call by call, until there is nothing to forget."""
    await given_up(store, clock, count=5)
    counts = [await store.forget_intents(clock.now() + TICK, 2) for _ in range(4)]

    assert counts == [2, 2, 1, 0]
    assert not await store.has_attachments()


async def test_a_family_without_a_live_session_loses_its_rows(
    store: SessionStore, clock: ManualClock
) -> None:
    """Permanent or pending, young or old; a stranger's with the same bytes stays."""
    lease = await begun(store)
    await store.begin_attachment(intent(lease, "k1"))
    await store.begin_attachment(intent(lease, "k2", b"more"))
    await store.commit(commit_of(lease, 0, *chain(None, "a"), release=True))
    await store.begin_attachment(intent(await begun(store, session="other"), "k3"))
    await store.delete("s")
    await store.forget_intents(clock.now(), 100)

    assert await store.keys_in_use(["k1", "k2", "k3"]) == {"k1"}
    assert await store.attachment("other", ID) is not None


async def test_upkeep_leaves_a_session_at_work_alone(
    store: SessionStore, clock: ManualClock
) -> None:
    """All of it, at any bound, beside an open turn: nothing that it stands on is touched."""
    await grown(store, "a")
    lease = await begun(store)
    await store.begin_attachment(intent(lease))
    before = await readable(store)
    later = clock.now() + DAY
    for task in (store.reclaim_journals, store.forget_receipts, store.forget_intents):
        await task(later, 100)
    await store.tombstone_orphans("s", later, 100)
    await store.vacuum()

    assert await readable(store) == before
    await store.commit(commit_of(lease, 1, *chain("a", "b")))
    assert (await head_of(store)).leaf == "b"
