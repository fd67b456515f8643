"""Attachments are kept so that a crash anywhere costs nothing, and read by whoever may."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from sojourn.attachment_ports import BlobStore
from sojourn.attachments import AttachmentReader, SessionAttachments
from sojourn.clock import ManualClock
from sojourn.errors import (
    BlobDamaged,
    BlobMissing,
    BlobStoreRequired,
    BlobStoreUnavailable,
    EffectSettled,
    InvalidInput,
    LeaseLost,
    UnknownAttachment,
)
from sojourn.ports import SessionStore
from sojourn.spool import Data
from sojourn.testing.conformance.making import BOB, PICTURE, attachment, begun
from tests.attachments.making import TEXT, Watched, committed, keeper, keys_of, parts, unavailable

LARGE = b"0123456789abcdef" * 512 * 1024
Call = Callable[[SessionAttachments], Awaitable[object]]

NOBODYS = attachment(b"nobody's").attachment_id


@pytest.fixture
def blobs() -> Watched:
    """A blob store that tells."""
    return Watched()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try what failed again at once."""
    monkeypatch.setattr("sojourn.attachments.PAUSE", timedelta(0))


async def test_the_row_is_there_before_the_bytes(store: SessionStore) -> None:
    """When the first byte is written, the row says where, and that it is pending."""
    rows: list[object] = []

    class Asking(Watched):
        @override
        async def put(self, blob_key: str, chunks: AsyncIterator[bytes]) -> None:
            row = await store.attachment("s", attachment().attachment_id)
            rows.append(row and (row.blob_key == blob_key, row.is_committed))
            await super().put(blob_key, chunks)

    await keeper(store, Asking(), await begun(store)).put(PICTURE, "image/png")

    assert rows == [(True, False)]


@pytest.mark.parametrize("body", [b"", b"a", PICTURE, LARGE], ids=len)
@pytest.mark.parametrize("form", ["bytes", "file", "stream"])
async def test_an_attachment_is_its_bytes_whatever_they_come_in(
    store: SessionStore, blobs: Watched, tmp_path: Path, form: str, body: bytes
) -> None:
    """The id is their digest, and what is read is what was kept."""
    path = tmp_path / "file"
    path.write_bytes(body)
    half = len(body) // 2
    forms: dict[str, Data] = {
        "bytes": body,
        "file": path,
        "stream": parts(body[:half], body[half:]),
    }
    attachments = keeper(store, blobs, await begun(store))
    made = await attachments.put(forms[form], "image/png")

    assert made == attachment(body)
    assert await attachments.get(made.attachment_id) == body


async def test_keeping_it_again_is_harmless(store: SessionStore, blobs: Watched) -> None:
    """The same attachment comes back, nothing is written twice, and the media type stands."""
    attachments = keeper(store, blobs, await begun(store))
    first = await attachments.put(PICTURE, "image/png")
    again = await attachments.put(parts(PICTURE), TEXT)

    assert first == again
    assert blobs.asked == ["put", "exists"]
    assert len(await store.attachments("s")) == 1


async def test_two_calls_of_one_turn_may_keep_the_same(store: SessionStore, blobs: Watched) -> None:
    """At once: one blob, one row."""
    attachments = keeper(store, blobs, await begun(store))
    made = await asyncio.gather(*(attachments.put(PICTURE, TEXT) for _ in range(8)))

    assert len(set(made)) == 1
    assert len(await keys_of(blobs)) == 1


async def test_sessions_share_bytes_and_not_rows(store: SessionStore, blobs: Watched) -> None:
    """The second one writes none, and has its own media type."""
    mine, yours = await begun(store), await begun(store, session="r")
    await keeper(store, blobs, mine).put(PICTURE, "image/png")
    blobs.asked.clear()
    made = await keeper(store, blobs, yours).put(PICTURE, TEXT)

    assert (blobs.asked, len(await keys_of(blobs))) == (["exists"], 1)
    assert made.media_type == TEXT
    assert await AttachmentReader(store, blobs, "r").get(made.attachment_id) == PICTURE


@pytest.mark.parametrize("failures", [1, 3])
async def test_a_blob_store_that_comes_back_is_waited_for(
    store: SessionStore, blobs: Watched, failures: int
) -> None:
    """A few times; nobody notices."""
    blobs.failures = [unavailable() for _ in range(failures)]
    attachments = keeper(store, blobs, await begun(store))
    made = await attachments.put(parts(PICTURE), "image/png")

    assert await attachments.get(made.attachment_id) == PICTURE
    assert len(await keys_of(blobs)) == 1


async def test_a_blob_store_that_stays_away_leaves_a_pending_row(
    store: SessionStore, blobs: Watched
) -> None:
    """The caller is told, and keeping it later goes on under the same key."""
    blobs.failures = [unavailable() for _ in range(4)]
    attachments = keeper(store, blobs, await begun(store))
    with pytest.raises(BlobStoreUnavailable):
        await attachments.put(PICTURE, "image/png")
    (row,) = await store.attachments("s")
    await attachments.put(PICTURE, "image/png")

    assert not row.is_committed
    assert await keys_of(blobs) == {row.blob_key}


async def test_a_cancelled_caller_leaves_nothing_half_known(
    store: SessionStore, blobs: Watched
) -> None:
    """Between row and bytes: the row is pending, and keeping it again completes it."""
    blobs.failures = [asyncio.CancelledError()]
    attachments = keeper(store, blobs, await begun(store))
    with pytest.raises(asyncio.CancelledError):
        await attachments.put(PICTURE, "image/png")
    with pytest.raises(BlobMissing):
        await attachments.get(attachment().attachment_id)
    made = await attachments.put(PICTURE, "image/png")

    assert await attachments.get(made.attachment_id) == PICTURE


async def test_a_zombie_keeps_nothing(store: SessionStore, blobs: Watched) -> None:
    """Its token is refused before a byte is written."""
    old = await begun(store)
    await store.release(old)
    await begun(store, "t2", owner=BOB)
    with pytest.raises(LeaseLost):
        await keeper(store, blobs, old).put(PICTURE, TEXT)

    assert (blobs.asked, list(await store.attachments("s"))) == ([], [])


async def test_a_turn_that_has_ended_keeps_nothing(store: SessionStore, blobs: Watched) -> None:
    """What a tool left running comes too late."""
    lease = await begun(store)
    await committed(store, lease)
    with pytest.raises(EffectSettled):
        await keeper(store, blobs, lease).put(PICTURE, TEXT)

    assert blobs.asked == []


@pytest.mark.parametrize("others", [NOBODYS, attachment().attachment_id, "", "../../etc/passwd"])
async def test_whose_bytes_they_are_is_asked_first(
    store: SessionStore, blobs: Watched, others: str
) -> None:
    """A session that guesses an id learns nothing, not even whether there are such bytes."""
    await keeper(store, blobs, await begun(store)).put(PICTURE, TEXT)
    await begun(store, session="r")
    blobs.asked.clear()
    with pytest.raises(UnknownAttachment):
        await AttachmentReader(store, blobs, "r").get(others)

    assert blobs.asked == []


@pytest.mark.parametrize("damaged", [b"a picture!", b"a pictur", b"b picture", b""])
async def test_damaged_bytes_are_never_given_whole(
    store: SessionStore, blobs: Watched, damaged: bytes
) -> None:
    """The last piece comes only when all of them are what was kept."""
    attachments = keeper(store, blobs, await begun(store))
    made = await attachments.put(PICTURE, "image/png")
    (blob_key,) = await keys_of(blobs)
    await blobs.put(blob_key, parts(damaged))
    given = bytearray()

    async def take() -> None:
        async for chunk in attachments.read(made.attachment_id):
            given.extend(chunk)

    with pytest.raises(BlobDamaged) as found:
        await take()
    assert given == damaged[:-1]
    assert found.value.blob_key == blob_key


async def test_a_fork_reads_what_its_origin_kept(store: SessionStore, blobs: Watched) -> None:
    """Also when the origin is deleted."""
    lease = await begun(store)
    made = await keeper(store, blobs, lease).put(PICTURE, TEXT)
    await committed(store, lease, made)
    await store.fork("s", "s-t1", "fork")
    await store.delete("s")

    assert await AttachmentReader(store, blobs, "fork").get(made.attachment_id) == PICTURE


async def test_what_was_dropped_is_unknown(store: SessionStore, blobs: Watched) -> None:
    """To this session; another one's claim stands."""
    lease, other = await begun(store), await begun(store, session="r")
    attachments = keeper(store, blobs, lease)
    made = await attachments.put(PICTURE, TEXT)
    await keeper(store, blobs, other).put(PICTURE, TEXT)

    assert await attachments.drop(made.attachment_id)
    assert not await attachments.drop(made.attachment_id)
    with pytest.raises(UnknownAttachment):
        await attachments.get(made.attachment_id)
    assert await AttachmentReader(store, blobs, "r").get(made.attachment_id) == PICTURE


async def test_a_zombie_drops_nothing(store: SessionStore, blobs: Watched) -> None:
    """Its token is refused."""
    old = await begun(store)
    made = await keeper(store, blobs, old).put(PICTURE, TEXT)
    await store.release(old)
    await begun(store, "t2", owner=BOB)
    with pytest.raises(LeaseLost):
        await keeper(store, blobs, old).drop(made.attachment_id)

    assert len(await store.attachments("s")) == 1


@pytest.mark.parametrize(
    "media_type", ["", "png", "image/", "/png", "image/png\n", "a b/c", "image/png; " + "x" * 200]
)
async def test_what_is_no_media_type_is_refused(
    store: SessionStore, blobs: Watched, media_type: str
) -> None:
    """Before anything is done."""
    with pytest.raises(InvalidInput):
        await keeper(store, blobs, await begun(store)).put(PICTURE, media_type)

    assert list(await store.attachments("s")) == []


@pytest.mark.parametrize("media_type", ["image/svg+xml", "text/plain; charset=utf-8", "x-a/b.c-d"])
async def test_media_types_are_kept_as_given(
    store: SessionStore, blobs: Watched, media_type: str
) -> None:
    """With suffixes and parameters."""
    made = await keeper(store, blobs, await begun(store)).put(PICTURE, media_type)

    assert made.media_type == media_type


async def test_a_file_that_changes_meanwhile_is_not_kept(
    store: SessionStore, tmp_path: Path
) -> None:
    """What is written under a digest has that digest."""
    path = tmp_path / "file"
    path.write_bytes(b"before")

    class Meddling(Watched):
        @override
        async def put(self, blob_key: str, chunks: AsyncIterator[bytes]) -> None:
            path.write_bytes(b"behind")
            await super().put(blob_key, chunks)

    blobs = Meddling()
    with pytest.raises(InvalidInput, match="changed"):
        await keeper(store, blobs, await begun(store)).put(path, TEXT)

    assert await keys_of(blobs) == set()


async def test_a_stream_leaves_no_temporary_file(
    store: SessionStore, blobs: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it ends; and one that breaks off has no row either."""

    async def breaking() -> AsyncGenerator[bytes, None]:
        yield LARGE
        raise ZeroDivisionError

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    attachments = keeper(store, blobs, await begun(store))
    with pytest.raises(ZeroDivisionError):
        await attachments.put(breaking(), TEXT)
    assert list(await store.attachments("s")) == []
    await attachments.put(parts(LARGE), TEXT)

    assert list((tmp_path / "tmp").iterdir()) == []


CALLS: dict[str, Call] = {
    "put": lambda attachments: attachments.put(PICTURE, TEXT),
    "get": lambda attachments: attachments.get(NOBODYS),
    "drop": lambda attachments: attachments.drop(NOBODYS),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("blobs", [None])
async def test_without_a_blob_store_every_call_says_what_is_missing(
    store: SessionStore, blobs: BlobStore | None, call: Call
) -> None:
    """And nothing was recorded."""
    lease = await begun(store)
    attachments = SessionAttachments(store, blobs, "s", "t1", lease.fencing_token)
    for each in (attachments, SessionAttachments()):
        with pytest.raises(BlobStoreRequired, match="App"):
            await call(each)

    assert list(await store.attachments("s")) == []


async def test_an_older_turn_that_comes_back_finds_what_it_kept(
    store: SessionStore, blobs: Watched, clock: ManualClock
) -> None:
    """Though another turn kept the same bytes after it, and was given up."""
    named = await keeper(store, blobs, await begun(store, "t1")).put(PICTURE, TEXT)
    await keeper(store, blobs, await begun(store, "t2")).put(PICTURE, TEXT)
    await committed(store, await begun(store, "t3"))
    clock.advance(timedelta(days=30))
    back = await begun(store, "t1")
    await store.reclaim_journals(clock.now(), 100)
    await store.forget_intents(clock.now(), 100)
    await committed(store, back, named)

    assert await AttachmentReader(store, blobs, "s").get(named.attachment_id) == PICTURE
