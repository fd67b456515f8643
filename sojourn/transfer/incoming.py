"""Attachments' bytes that come with a file: kept under the import's own journal."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Iterator
from typing import IO

from sojourn.attachment import Attachment
from sojourn.attachment_ports import BlobStore
from sojourn.attachments import SessionAttachments
from sojourn.errors import Untransferable
from sojourn.spool import CHUNK_BYTES, IN_MEMORY_BYTES
from sojourn.transfer.adopting import Adopter
from sojourn.transfer.records import BytesRecord, Note


class Incoming:
    """Puts the pieces of attachments together, and keeps each when it is whole.

    Args:
        adopter: writes the session.
        blobs: where the bytes go; None if they are passed over.
    """

    def __init__(self, adopter: Adopter, blobs: BlobStore | None) -> None:
        self.kept = 0
        self._adopter = adopter
        self._blobs = blobs
        self._file: IO[bytes] | None = None

    async def take(self, piece: BytesRecord) -> None:
        """Take in a piece of an attachment; the empty one at its end keeps it.

        Raises:
            Untransferable: its bytes are not those that its name says.
        """
        if self._blobs is None:
            return
        if self._file is None:
            self._file = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - see below
        if piece.data:
            self._file.write(piece.data)
            return
        with self._file as file:
            self._file = None
            await self._keep(self._blobs, file, piece.attachment)

    def notes(self, named: int) -> Iterator[Note]:
        """Yield that some of the attachments that the file names have no bytes here."""
        lost = named - self.kept
        if lost > 0:
            yield Note(0, f"{lost} attachments: their bytes are not in the file, or have no place")

    async def _keep(self, blobs: BlobStore, file: IO[bytes], attachment: Attachment) -> None:
        lease = await self._adopter.journal()
        keeper = SessionAttachments(
            self._adopter.store,
            blobs,
            self._adopter.session_id,
            self._adopter.last_operation,
            lease.fencing_token,
        )
        file.seek(0)
        kept = await keeper.put(_chunks(file), attachment.media_type)
        if kept.attachment_id != attachment.attachment_id:
            reason = f"the bytes of attachment {attachment.attachment_id} are others"
            raise Untransferable(line=0, reason=reason)
        self.kept += 1


async def _chunks(file: IO[bytes]) -> AsyncGenerator[bytes, None]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
