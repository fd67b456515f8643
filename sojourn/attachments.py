"""A session's attachments: the row before the bytes, and nobody else's bytes by guessing."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import BinaryIO

from sojourn.attachment import Attachment, AttachmentIntent
from sojourn.attachment_ports import AttachmentManifest, BlobStore
from sojourn.backoff import growing
from sojourn.blob_key import fresh_key
from sojourn.errors import (
    BlobDamaged,
    BlobStoreRequired,
    InvalidInput,
    StoreError,
    UnknownAttachment,
)
from sojourn.spool import Data, chunks_of, measured, spooled

ATTEMPTS = 4
PAUSE = timedelta(milliseconds=50)
LONGEST_PAUSE = timedelta(seconds=1)
_MEDIA_TYPE = re.compile(r"[\w.+!#$&^-]+/[\w.+!#$&^-]+( ?; ?[!-~]+)*", re.ASCII)
MAX_MEDIA_TYPE_CHARS = 200


class AttachmentReader:
    """Reads the attachments of one session, and of those that it was forked from.

    Args:
        store: has the rows.
        blobs: has the bytes; None if the app keeps no attachments.
        session_id: the session.
    """

    def __init__(
        self, store: AttachmentManifest | None, blobs: BlobStore | None, session_id: str
    ) -> None:
        self.session_id = session_id
        self._store = store
        self._blobs = blobs

    async def read(self, attachment_id: str) -> AsyncGenerator[bytes, None]:
        """Yield an attachment's bytes in pieces; the last one only if all are what was kept.

        Raises:
            UnknownAttachment: the session has none of that id; no blob was looked for.
            BlobMissing: its bytes are gone.
            BlobDamaged: its bytes are others.
            BlobStoreUnavailable: try again.
            BlobStoreRequired: the app keeps no attachments.
        """
        store, blobs = self._places()
        row = await store.attachment(self.session_id, attachment_id)
        if row is None:
            raise UnknownAttachment(session_id=self.session_id, attachment_id=attachment_id)
        hasher, last = hashlib.sha256(), b""
        async for chunk in blobs.read(row.blob_key):
            hasher.update(chunk)
            if last:
                yield last
            last = chunk
        if hasher.hexdigest() != attachment_id:
            raise BlobDamaged(blob_key=row.blob_key)
        if last:
            yield last

    async def get(self, attachment_id: str) -> bytes:
        """Return an attachment's bytes at once.

        Raises:
            SojournError: as `read`.
        """
        return b"".join([chunk async for chunk in self.read(attachment_id)])

    def _places(self) -> tuple[AttachmentManifest, BlobStore]:
        if self._store is None or self._blobs is None:
            raise BlobStoreRequired
        return self._store, self._blobs


class SessionAttachments(AttachmentReader):
    """Keeps attachments for one turn of a session: pending until the turn is committed.

    A crash between any two steps leaves a pending row and bytes that no commit names; upkeep
    takes both away. Doing it again is harmless, and gives the same attachment.

    Args:
        store: has the rows.
        blobs: has the bytes; None if the app keeps no attachments.
        session_id: the session.
        turn_id: the turn.
        fencing_token: of the lease that the turn runs under.
    """

    def __init__(
        self,
        store: AttachmentManifest | None = None,
        blobs: BlobStore | None = None,
        session_id: str = "",
        turn_id: str = "",
        fencing_token: int = 0,
    ) -> None:
        super().__init__(store, blobs, session_id)
        self._turn_id = turn_id
        self._token = fencing_token

    async def put(self, data: Data, media_type: str) -> Attachment:
        """Keep bytes, a file or a stream, in constant memory: first the row, then the bytes.

        Bytes that the session has already are not written again, and keep their media type.

        Raises:
            InvalidInput: `media_type` is none, or the file was changed meanwhile.
            LeaseLost: a newer owner has the session.
            EffectSettled: the turn was committed, or never begun.
            BlobStoreUnavailable: try again.
            BlobStoreRequired: the app keeps no attachments.
        """
        self._places()
        if len(media_type) > MAX_MEDIA_TYPE_CHARS or not _MEDIA_TYPE.fullmatch(media_type):
            raise InvalidInput(reason="a media type looks like image/png")
        async with spooled(data) as file:
            attachment = await measured(file, media_type)
            for attempt in range(1, ATTEMPTS):
                try:
                    return await self._keep(file, attachment)
                except StoreError as error:
                    if not error.retryable:
                        raise
                await asyncio.sleep(growing(PAUSE, attempt, LONGEST_PAUSE).total_seconds())
            return await self._keep(file, attachment)

    async def drop(self, attachment_id: str) -> bool:
        """Give up the session's own claim to an attachment, and tell whether there was one.

        The bytes go with the last claim. What the conversation says of it stays, and then names
        nothing.

        Raises:
            LeaseLost: a newer owner has the session.
            BlobStoreRequired: the app keeps no attachments.
        """
        store, _ = self._places()
        return await store.drop_attachment(self.session_id, attachment_id, self._token)

    async def _keep(self, file: BinaryIO, attachment: Attachment) -> Attachment:
        store, blobs = self._places()
        key = fresh_key(attachment.attachment_id)
        intent = AttachmentIntent(self.session_id, self._turn_id, self._token, attachment, key)
        row = await store.begin_attachment(intent)
        if row.blob_key == key or not await blobs.exists(row.blob_key):
            await blobs.put(row.blob_key, chunks_of(file, attachment))
        return row.attachment
