"""What needs rows and what removes them meet: nothing needed is lost, and no key comes back."""

from __future__ import annotations

from sojourn.adapters.postgres import PostgresStore
from sojourn.attachment import StoredAttachment
from sojourn.clock import ManualClock
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import (
    BOB,
    DAY,
    begun,
    chain,
    commit_of,
    grown,
    intent,
    opening,
)
from tests.support.rivals import held_up, in_flight


async def test_a_key_that_is_being_copied_outlives_its_source(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """The row that it is copied from cannot go before the copy is there."""
    first, second = await begun(store), await begun(store, owner=BOB, session="f")
    picture = (await store.begin_attachment(intent(first, "k1"))).attachment.attachment_id
    async with in_flight(postgres_url, clock) as rival:
        copied = await rival.begin_attachment(intent(second, "k2"))
        drop = await held_up(postgres_url, store.drop_attachment("s", picture, first.fencing_token))
        assert await store.keys_in_use(["k1", "k2"]) == {"k1"}

    assert await drop
    assert copied.blob_key == "k1"
    assert await store.keys_in_use(["k1", "k2"]) == {"k1"}


async def test_a_key_that_is_going_away_is_not_copied(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """Nobody waits for it either: the fresh key is as good."""
    first, second = await begun(store), await begun(store, owner=BOB, session="f")
    picture = (await store.begin_attachment(intent(first, "k1"))).attachment.attachment_id
    async with in_flight(postgres_url, clock) as rival:
        assert await rival.drop_attachment("s", picture, first.fencing_token)
        stored = await store.begin_attachment(intent(second, "k2"))

    assert stored.blob_key == "k2"
    assert await store.keys_in_use(["k1", "k2"]) == {"k2"}


async def test_a_key_that_went_away_meanwhile_is_not_copied(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """Whoever waits for the session looks at what is there after that."""
    lease = await begun(store)
    picture = (await store.begin_attachment(intent(lease, "k1"))).attachment.attachment_id
    async with in_flight(postgres_url, clock) as rival:
        assert await rival.drop_attachment("s", picture, lease.fencing_token)
        again = await held_up(postgres_url, store.begin_attachment(intent(lease, "k2")))

    assert (await again).blob_key == "k2"
    assert await store.keys_in_use(["k1", "k2"]) == {"k2"}


async def test_two_writers_of_the_same_bytes_need_not_meet(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """Each has a key of its own, and both keys are in use."""
    first, second = await begun(store), await begun(store, owner=BOB, session="f")
    async with in_flight(postgres_url, clock) as rival:
        await rival.begin_attachment(intent(first, "k1"))
        assert (await store.begin_attachment(intent(second, "k2"))).blob_key == "k2"

    assert await store.keys_in_use(["k1", "k2"]) == {"k1", "k2"}


async def abandoned(store: SessionStore, clock: ManualClock) -> None:
    """Leave an old intent of a turn whose journal is gone, and open another turn."""
    lease = await begun(store)
    await store.begin_attachment(intent(lease, "k1"))
    await store.release(lease)
    await grown(store, "a")
    clock.advance(DAY)
    assert await store.reclaim_journals(clock.now(), 10) == 1


async def test_an_intent_that_is_being_taken_over_stays(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """The session is at work: its rows are left for the next time."""
    await abandoned(store, clock)
    lease = await begun(store, "t2")
    async with in_flight(postgres_url, clock) as rival:
        taken = await rival.begin_attachment(intent(lease, "k2"))
        assert await store.forget_intents(clock.now() + DAY, 10) == 0

    assert (taken.turn_id, taken.blob_key) == ("t2", "k1")
    assert await store.forget_intents(clock.now() + DAY, 10) == 0


async def test_an_intent_that_is_being_forgotten_is_begun_anew(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """Its key does not come back."""

    async def begin_anew() -> StoredAttachment:
        return await store.begin_attachment(intent(await begun(store, "t2"), "k2"))

    await abandoned(store, clock)
    async with in_flight(postgres_url, clock) as rival:
        assert await rival.forget_intents(clock.now() + DAY, 10) == 1
        anew = await held_up(postgres_url, begin_anew())

    assert (await anew).blob_key == "k2"
    assert await store.keys_in_use(["k1", "k2"]) == {"k2"}


async def test_an_intent_that_is_being_committed_stays(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """Whether the commit marks it because it names it, or because it is its turn's."""
    await abandoned(store, clock)
    lease = await begun(store, "t2")
    other = await store.begin_attachment(intent(lease, "k2", b"another picture"))
    (named,) = [row for row in await store.attachments("s") if row.blob_key == "k1"]
    ids = (named.attachment.attachment_id,)
    clock.advance(2 * DAY)
    async with in_flight(postgres_url, clock) as rival:
        await rival.commit(commit_of(lease, 1, *chain("a", "b"), attachment_ids=ids))
        assert await store.forget_intents(clock.now(), 10) == 0

    assert await store.forget_intents(clock.now(), 10) == 0
    rows = await store.attachments("s")
    assert {row.blob_key for row in rows if row.is_committed} == {named.blob_key, other.blob_key}


async def test_a_dead_familys_key_that_is_being_copied_lives_on(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """Its old row goes the next time."""
    first, second = await begun(store), await begun(store, owner=BOB, session="f")
    await store.begin_attachment(intent(first, "k1"))
    await store.release(first)
    await store.delete("s")
    async with in_flight(postgres_url, clock) as rival:
        await rival.begin_attachment(intent(second, "k2"))
        assert await store.forget_intents(clock.now(), 10) == 0

    assert await store.forget_intents(clock.now(), 10) == 1
    assert await store.keys_in_use(["k1", "k2"]) == {"k1"}


async def test_a_fork_in_flight_keeps_its_familys_rows(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """The family dies only if it has no session when its last one is deleted."""
    lease = await begun(store)
    picture = (await store.begin_attachment(intent(lease, "k1"))).attachment.attachment_id
    await store.commit(commit_of(lease, 0, *chain(None, "a"), release=True))
    async with in_flight(postgres_url, clock) as rival:
        await rival.fork("s", "a", "f")
        deletion = await held_up(postgres_url, store.delete("s"))
        assert await store.forget_intents(clock.now(), 10) == 0
    await deletion

    assert await store.forget_intents(clock.now(), 10) == 0
    found = await store.attachment("f", picture)
    assert found is not None
    assert found.blob_key == "k1"


async def given_up(store: SessionStore, clock: ManualClock) -> None:
    """Leave a turn behind that was given up."""
    await store.release(await begun(store))
    await grown(store, "a")
    clock.advance(DAY)


async def test_a_turn_that_is_being_entered_again_is_not_given_up(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """The session is at work; afterwards the turn holds its lease."""
    await given_up(store, clock)
    async with in_flight(postgres_url, clock) as rival:
        entered = await rival.open_turn(opening())
        assert await store.reclaim_journals(clock.now(), 10) == 0

    assert await store.reclaim_journals(clock.now(), 10) == 0
    assert len(await store.effects("s", "t1")) == len(entered.effects) == 1


async def test_a_turn_that_is_being_given_up_begins_anew(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """Whoever enters it again waits, and finds no journal."""
    await given_up(store, clock)
    before = await store.effects("s", "t1")
    async with in_flight(postgres_url, clock) as rival:
        assert await rival.reclaim_journals(clock.now(), 10) == 1
        entry = await held_up(postgres_url, store.open_turn(opening()))

    (effect,) = (await entry).effects
    assert effect.position > before[0].position


async def test_a_receipt_that_is_the_newest_stays_until_the_next_is_durable(
    store: PostgresStore, postgres_url: str, clock: ManualClock
) -> None:
    """A commit in flight makes no other receipt an older one."""
    await grown(store, "a")
    clock.advance(DAY)
    async with in_flight(postgres_url, clock) as rival:
        await grown(rival, "b")
        assert await store.forget_receipts(clock.now() + DAY, 10) == 0

    assert await store.forget_receipts(clock.now() + DAY, 10) == 1
    assert await store.receipt("s", "turn-a") is None
    assert await store.receipt("s", "turn-b") is not None
