"""Attachments: a row before the bytes, permanent by the commit of its turn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sojourn.attachment import Attachment, StoredAttachment
from sojourn.errors import EffectSettled, HeadConflict, UnknownSession
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import (
    attachment,
    begun,
    chain,
    commit_of,
    grown,
    intent,
    wish,
)

ID = attachment().attachment_id
OTHER = attachment(b"other")


async def test_the_intent_comes_before_the_bytes(store: SessionStore) -> None:
    """The row is there at once, pending, under the fresh key, and names its turn."""
    row = await store.begin_attachment(intent(await begun(store)))
    stats = await store.stats()

    assert row == StoredAttachment(attachment(), "k1", "t1", is_committed=False)
    assert await store.attachment("s", ID) == row
    assert (stats["attachments"], stats["intents"]) == (1, 1)


async def test_a_pending_row_belongs_to_the_turn_that_wrote_it_last(store: SessionStore) -> None:
    """The next turn that has the same bytes takes it over, and commits it."""
    await store.begin_attachment(intent(await begun(store)))
    second = await begun(store, "t2")
    row = await store.begin_attachment(intent(second, "k2"))
    assert (row.turn_id, row.blob_key, row.is_committed) == ("t2", "k1", False)
    await store.commit(commit_of(second, 0))

    found = await store.attachment("s", ID)
    assert found is not None
    assert found.is_committed


async def test_a_turns_commit_makes_its_rows_permanent(store: SessionStore) -> None:
    """All that it announced, named by the commit or not."""
    lease = await begun(store)
    await store.begin_attachment(intent(lease, "k1"))
    await store.begin_attachment(intent(lease, "k2", b"other"))
    await store.commit(commit_of(lease, 0, attachment_ids=(ID,)))
    stats = await store.stats()

    assert all(row.is_committed for row in await store.attachments("s"))
    assert (stats["attachments"], stats["intents"]) == (2, 0)


async def test_a_commit_makes_the_rows_permanent_that_it_names(store: SessionStore) -> None:
    """Also those that an earlier turn had announced and never committed."""
    await store.begin_attachment(intent(await begun(store)))
    second = await begun(store, "t2")
    await store.commit(commit_of(second, 0, attachment_ids=(ID,)))
    found = await store.attachment("s", ID)

    assert found is not None
    assert (found.is_committed, found.blob_key, found.turn_id) == (True, "k1", "t2")


async def test_a_commit_makes_no_rows(store: SessionStore) -> None:
    """What was never announced has no bytes: naming it adds nothing."""
    lease = await begun(store)
    await store.commit(commit_of(lease, 0, attachment_ids=(ID, OTHER.attachment_id)))

    assert list(await store.attachments("s")) == []
    assert not await store.has_attachments()


async def test_a_commit_leaves_other_turns_rows_pending(store: SessionStore) -> None:
    """They wait for their own commit."""
    await store.begin_attachment(intent(await begun(store)))
    await store.commit(commit_of(await begun(store, "t2"), 0))
    found = await store.attachment("s", ID)

    assert found is not None
    assert (found.turn_id, found.is_committed) == ("t1", False)


async def test_a_commit_leaves_other_sessions_rows_pending(store: SessionStore) -> None:
    """Though their turn has the same name, and their bytes are the same."""
    await store.begin_attachment(intent(await begun(store, session="other")))
    lease = await begun(store)
    await store.begin_attachment(intent(lease))
    await store.commit(commit_of(lease, 0, attachment_ids=(ID,)))

    assert [row.is_committed for row in await store.attachments("s")] == [True]
    assert [row.is_committed for row in await store.attachments("other")] == [False]


async def test_a_refused_commit_makes_nothing_permanent(store: SessionStore) -> None:
    """The rows wait for the retry."""
    lease = await begun(store)
    row = await store.begin_attachment(intent(lease))
    with pytest.raises(HeadConflict):
        await store.commit(commit_of(lease, 7))

    assert list(await store.attachments("s")) == [row]


async def test_a_permanent_row_stays_as_it_is(store: SessionStore) -> None:
    """A later turn with the same bytes finds it, and its failure takes nothing away."""
    first = await begun(store)
    await store.begin_attachment(intent(first))
    await store.commit(commit_of(first, 0))
    row = await store.attachment("s", ID)

    assert row is not None
    assert (row.turn_id, row.is_committed) == ("t1", True)
    assert await store.begin_attachment(intent(await begun(store, "t2"), "k2")) == row
    assert list(await store.attachments("s")) == [row]
    assert (await store.stats())["intents"] == 0


async def test_an_attachment_needs_an_open_turn(store: SessionStore) -> None:
    """A turn that never began, or was committed, announces nothing."""
    with pytest.raises(UnknownSession):
        await store.begin_attachment(replace(intent(await store.claim(wish())), session_id="x"))
    with pytest.raises(EffectSettled):
        await store.begin_attachment(intent(await store.claim(wish())))
    lease = await begun(store)
    await store.commit(commit_of(lease, 0))
    with pytest.raises(EffectSettled):
        await store.begin_attachment(intent(lease))
    assert not await store.has_attachments()


async def test_another_sessions_attachments_are_not_visible(store: SessionStore) -> None:
    """Knowing the digest of some bytes gives nobody the bytes."""
    await store.begin_attachment(intent(await begun(store)))
    await store.claim(wish(session="other"))

    for session in ("other", "unknown"):
        assert await store.attachment(session, ID) is None
        assert list(await store.attachments(session)) == []


async def test_an_unknown_attachment_is_none(store: SessionStore) -> None:
    """Of a session that has others."""
    await store.begin_attachment(intent(await begun(store)))

    assert await store.attachment("s", OTHER.attachment_id) is None


async def test_attachments_come_in_the_order_of_their_ids(store: SessionStore) -> None:
    """Whatever the order that they were announced in."""
    lease = await begun(store)
    for number in range(20):
        await store.begin_attachment(intent(lease, f"k{number}", b"%d" % number))
    found = [row.attachment.attachment_id for row in await store.attachments("s")]

    assert len(found) == 20
    assert found == sorted(found)


async def test_an_attachment_is_described_as_it_was_announced(store: SessionStore) -> None:
    """Its media type and its size, however large."""
    described = Attachment(ID, "image/svg+xml; charset=utf-8", 2**42)
    lease = await begun(store)
    await store.begin_attachment(replace(intent(lease), attachment=described))
    found = await store.attachment("s", ID)

    assert found is not None
    assert found.attachment == described


async def committed(store: SessionStore) -> None:
    """Make a session whose node a was committed with a picture."""
    lease = await begun(store)
    await store.begin_attachment(intent(lease))
    await store.commit(commit_of(lease, 0, *chain(None, "a"), release=True))


async def test_a_fork_sees_its_origins_attachments(store: SessionStore) -> None:
    """And those of its origin's origin; they are not its own rows."""
    await committed(store)
    await store.fork("s", "a", "f")
    await store.fork("f", "a", "g")
    row = await store.attachment("s", ID)

    assert row is not None
    assert await store.attachment("f", ID) == row
    assert await store.attachment("g", ID) == row
    assert list(await store.attachments("f")) == []


async def test_an_origin_does_not_see_its_forks_attachments(store: SessionStore) -> None:
    """What a fork was given after it went its own way is its own."""
    await grown(store, "a")
    await store.fork("s", "a", "f")
    await store.begin_attachment(intent(await begun(store, session="f")))

    assert await store.attachment("s", ID) is None
