"""Where attachments are kept: rows in the session store, bytes in a blob store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sojourn.attachment import AttachmentIntent, StoredAttachment


class AttachmentManifest(Protocol):
    """The rows of attachments; they say which blobs are needed.

    A blob key that has no row never gets one again: rows come with a fresh key, or take the key
    of another row of the same bytes. So a sweep may delete what has no row, whoever else works.
    """

    async def begin_attachment(self, intent: AttachmentIntent) -> StoredAttachment:
        """Record, before the bytes are written, that a turn writes an attachment.

        The session's own row of these bytes stands, and a pending one now belongs to this turn;
        else the row takes the key of another session's row of these bytes; else the fresh key.

        Raises:
            LeaseLost: the fence is not current.
            EffectSettled: the turn has no journal: it was committed or never begun.
        """
        ...

    async def attachment(self, session_id: str, attachment_id: str) -> StoredAttachment | None:
        """Return the row of an attachment of the session or of one that it was forked from."""
        ...

    async def attachments(self, session_id: str) -> Sequence[StoredAttachment]:
        """Return the session's own rows, in order of their ids."""
        ...

    async def drop_attachment(
        self, session_id: str, attachment_id: str, fencing_token: int
    ) -> bool:
        """Remove the session's own row; the bytes go with the last row. Tell if there was one.

        Raises:
            LeaseLost: the fence is not current.
        """
        ...

    async def keys_in_use(self, blob_keys: Sequence[str]) -> set[str]:
        """Return those of some blob keys that have a row, whatever session's."""
        ...

    async def has_attachments(self) -> bool:
        """Tell whether there is any row at all: a sweep of an empty store is refused."""
        ...

    async def forget_intents(self, before: datetime, limit: int) -> int:
        """Remove rows that nobody can need; return how many, at most `limit`.

        Pending rows that are older than `before` and whose session has no journal any more: another
        turn of it that kept the same bytes may come back. And all rows of families without a live
        session.
        """
        ...


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A blob as a listing shows it; `modified_at` by the blob store's clock."""

    blob_key: str
    size_bytes: int
    modified_at: datetime


class BlobStore(Protocol):
    """Bytes under keys, for one deployment alone; knows nothing of sessions.

    Any method may raise `BlobStoreUnavailable` (try again).
    """

    async def put(self, blob_key: str, chunks: AsyncIterator[bytes]) -> None:
        """Write a blob whole, or not at all, in constant memory; writing it again is harmless."""
        ...

    def read(self, blob_key: str) -> AsyncIterator[bytes]:
        """Read a blob in pieces.

        Raises:
            BlobMissing: there is none.
        """
        ...

    async def exists(self, blob_key: str) -> bool:
        """Tell whether a blob is there, whole."""
        ...

    async def delete(self, blob_keys: Sequence[str]) -> None:
        """Delete blobs; those that are gone already are passed over."""
        ...

    def list(self) -> AsyncIterator[Sequence[BlobInfo]]:
        """List all blobs, a page at a time."""
        ...

    async def close(self) -> None:
        """Let go of connections; closing twice is harmless."""
        ...
