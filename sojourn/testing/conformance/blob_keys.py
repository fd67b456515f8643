"""Blob keys: the same bytes stand in one place, and a key is used once."""

from __future__ import annotations

from sojourn.clock import ManualClock
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import (
    DAY,
    PICTURE,
    attachment,
    begun,
    chain,
    commit_of,
    grown,
    intent,
    vacuumed,
    wish,
)

ID = attachment().attachment_id
OTHER = attachment(b"other")


async def test_an_attachment_that_is_announced_again_keeps_its_key(store: SessionStore) -> None:
    """A retry writes the same bytes to the same place."""
    lease = await begun(store)
    first = await store.begin_attachment(intent(lease, "k1"))

    assert await store.begin_attachment(intent(lease, "k2")) == first
    assert await store.keys_in_use(["k1", "k2"]) == {"k1"}


async def test_the_same_bytes_stand_in_one_place(store: SessionStore) -> None:
    """A row takes the key of another session's row of them, pending or permanent."""
    first = await begun(store)
    await store.begin_attachment(intent(first, "k1"))
    second = await store.begin_attachment(intent(await begun(store, session="b"), "k2"))
    await store.commit(commit_of(first, 0))
    third = await store.begin_attachment(intent(await begun(store, session="c"), "k3"))

    assert (second.blob_key, third.blob_key) == ("k1", "k1")
    assert (second.is_committed, third.is_committed) == (False, False)


async def test_other_bytes_have_their_own_key(store: SessionStore) -> None:
    """Content alone makes attachments the same."""
    lease = await begun(store)
    await store.begin_attachment(intent(lease, "k1"))
    row = await store.begin_attachment(intent(lease, "k2", b"other"))

    assert row.blob_key == "k2"
    assert [row.attachment for row in await store.attachments("s")] == sorted(
        [attachment(), OTHER], key=lambda each: each.attachment_id
    )


async def committed(store: SessionStore) -> None:
    """Make a session whose node a was committed with a picture."""
    lease = await begun(store)
    await store.begin_attachment(intent(lease))
    await store.commit(commit_of(lease, 0, *chain(None, "a"), release=True))


async def test_a_forks_own_row_comes_first(store: SessionStore) -> None:
    """The same bytes again have a row of the fork's, under the key that they have."""
    await committed(store)
    await store.fork("s", "a", "f")
    row = await store.begin_attachment(intent(await begun(store, "t2", session="f"), "k2"))

    assert (row.blob_key, row.turn_id, row.is_committed) == ("k1", "t2", False)
    assert await store.attachment("f", ID) == row


async def test_a_fork_sees_the_attachments_of_a_deleted_origin(
    store: SessionStore, clock: ManualClock
) -> None:
    """Its messages name them still: they stay as long as it lives, and go after it."""
    await committed(store)
    await store.fork("s", "a", "f")
    row = await store.attachment("s", ID)
    await store.delete("s")
    clock.advance(DAY)

    assert await store.forget_intents(clock.now(), 100) == 0
    assert await store.attachment("f", ID) == row
    assert await store.keys_in_use(["k1"]) == {"k1"}
    await store.delete("f")
    await store.forget_intents(clock.now(), 100)
    assert not await store.has_attachments()


async def test_attachments_are_seen_through_a_deleted_middle(store: SessionStore) -> None:
    """A fork's fork sees its first origin's, whoever in between is gone."""
    await committed(store)
    await store.fork("s", "a", "f")
    await grown(store, "b", session="f")
    await store.fork("f", "b", "g")
    await store.delete("f")
    await vacuumed(store)

    assert await store.attachment("g", ID) == await store.attachment("s", ID)
    assert await store.attachment("f", ID) is None


async def test_a_dropped_attachment_is_gone(store: SessionStore) -> None:
    """Once: dropping it again tells that there was nothing."""
    lease = await begun(store)
    await store.begin_attachment(intent(lease))

    assert await store.drop_attachment("s", ID, lease.fencing_token)
    assert await store.attachment("s", ID) is None
    assert not await store.drop_attachment("s", ID, lease.fencing_token)


async def test_a_fork_drops_nothing_of_its_origins(store: SessionStore) -> None:
    """It has no row of its own."""
    await committed(store)
    await store.fork("s", "a", "f")
    lease = await store.claim(wish(session="f"))

    assert not await store.drop_attachment("f", ID, lease.fencing_token)
    assert await store.attachment("s", ID) is not None


async def test_bytes_stay_until_their_last_row_goes(store: SessionStore) -> None:
    """A drop in one session leaves the other one's row."""
    lease = await begun(store)
    other = await begun(store, session="other")
    await store.begin_attachment(intent(lease, "k1"))
    await store.begin_attachment(intent(other, "k2"))
    await store.drop_attachment("s", ID, lease.fencing_token)
    assert await store.keys_in_use(["k1"]) == {"k1"}
    await store.drop_attachment("other", ID, other.fencing_token)

    assert await store.keys_in_use(["k1"]) == set()


async def test_a_key_that_has_no_row_never_gets_one_again(store: SessionStore) -> None:
    """Bytes that come back come under a fresh key: the old ones may be swept at any time."""
    lease = await begun(store)
    await store.begin_attachment(intent(lease, "k1"))
    await store.drop_attachment("s", ID, lease.fencing_token)
    row = await store.begin_attachment(intent(lease, "k2"))

    assert row.blob_key == "k2"
    assert await store.keys_in_use(["k1", "k2"]) == {"k2"}


async def test_of_many_keys_those_in_use_are_told(store: SessionStore) -> None:
    """However many are asked for at once; of none, none."""
    lease = await begun(store)
    await store.begin_attachment(intent(lease, "k/1"))
    asked = [f"k/{number}" for number in range(5_000)]

    assert await store.keys_in_use(asked) == {"k/1"}
    assert await store.keys_in_use([]) == set()


async def test_a_store_tells_whether_it_names_any_attachment(store: SessionStore) -> None:
    """Of whatever session, pending or permanent."""
    assert not await store.has_attachments()
    lease = await begun(store)
    await store.begin_attachment(intent(lease, body=PICTURE))

    assert await store.has_attachments()
    await store.commit(commit_of(lease, 0))
    assert await store.has_attachments()
