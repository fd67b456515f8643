"""Sweeping a blob store: bytes that no row names any more are deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sojourn.attachment_ports import AttachmentManifest, BlobInfo, BlobStore
from sojourn.blob_key import is_blob_key
from sojourn.clock import Clock, SystemClock
from sojourn.errors import EmptyRootSet, StoreError

GRACE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep has done so far.

    Attributes:
        scanned: blobs that were looked at.
        kept: those that a row names, and files that are not ours.
        too_young: those that no row names, but which are younger than the grace.
        deleted: those that are gone.
        failed: those of pages that could not be settled: the next sweep has them again.
        faults: why, each reason once.
        is_done: whether the whole listing was seen.
    """

    scanned: int = 0
    kept: int = 0
    too_young: int = 0
    deleted: int = 0
    failed: int = 0
    faults: tuple[str, ...] = ()
    is_done: bool = False

    def __add__(self, other: Swept) -> Swept:
        """Return the sum of two parts of one sweep."""
        return Swept(
            scanned=self.scanned + other.scanned,
            kept=self.kept + other.kept,
            too_young=self.too_young + other.too_young,
            deleted=self.deleted + other.deleted,
            failed=self.failed + other.failed,
            faults=tuple(dict.fromkeys((*self.faults, *other.faults))),
            is_done=other.is_done,
        )


def _unheard(_: Swept) -> None:
    return


async def sweep(  # noqa: PLR0913 - its options are its interface
    store: AttachmentManifest,
    blobs: BlobStore,
    *,
    grace: timedelta = GRACE,
    limit: int | None = None,
    allow_empty: bool = False,
    clock: Clock | None = None,
    progress: Callable[[Swept], None] = _unheard,
) -> Swept:
    """Delete the blobs that no row names, page by page; safe beside writers and other sweeps.

    A key without a row never gets one again, so that asking before deleting is enough. The grace
    is for people: it leaves time to restore a store from its backup.

    Args:
        store: has the rows.
        blobs: has the bytes, for this store alone.
        grace: how old a blob must be to go.
        limit: end after the page in which this many were deleted, or None for all.
        allow_empty: let a store without a single attachment empty the blob store.
        clock: tells how old blobs are.
        progress: is told after each page.

    Raises:
        EmptyRootSet: the store has no attachments, and blobs would go: is it the right store?
        StoreError: whether it has any could not be found out. Nothing was deleted.
    """
    may_delete = allow_empty or await store.has_attachments()
    now = (clock or SystemClock()).now()
    swept, doomed_in_vain = Swept(), 0
    try:
        async for page in blobs.list():
            if may_delete:
                swept += await _settled(store, blobs, page, now - grace)
            else:
                doomed_in_vain += sum(_may_go(info, now - grace) for info in page)
            progress(swept)
            if limit is not None and swept.deleted >= limit:
                return swept
    except StoreError as error:
        # The listing broke off. What was not seen, the next sweep sees.
        return swept + Swept(faults=(str(error),))
    if doomed_in_vain:
        raise EmptyRootSet(blobs=doomed_in_vain)
    return replace(swept, is_done=True)


async def _settled(
    store: AttachmentManifest, blobs: BlobStore, page: Sequence[BlobInfo], before: datetime
) -> Swept:
    ours = [info for info in page if is_blob_key(info.blob_key)]
    try:
        used = await store.keys_in_use([info.blob_key for info in ours])
        idle = [info for info in ours if info.blob_key not in used]
        doomed = [info.blob_key for info in idle if info.modified_at <= before]
        await blobs.delete(doomed)
    except StoreError as error:
        return Swept(scanned=len(page), failed=len(page), faults=(str(error),))
    return Swept(
        scanned=len(page),
        kept=len(page) - len(idle),
        too_young=len(idle) - len(doomed),
        deleted=len(doomed),
    )


def _may_go(info: BlobInfo, before: datetime) -> bool:
    return is_blob_key(info.blob_key) and info.modified_at <= before
