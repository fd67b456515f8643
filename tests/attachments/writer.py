"""A process of its own that keeps one attachment, and kills itself on the way.

Usage: python -m tests.attachments.writer STORE FOLDER POINT, where POINT is one of `POINTS`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from typing_extensions import override

from sojourn.adapters.blobs import folder as folders
from sojourn.adapters.blobs.flushed import PartialFile
from sojourn.adapters.open import opened_store
from sojourn.attachment import AttachmentIntent, StoredAttachment
from sojourn.attachments import SessionAttachments
from sojourn.spool import CHUNK_BYTES
from sojourn.testing.conformance.making import begun

BODY = bytes(range(256)) * (CHUNK_BYTES // 256) * 3
# Before the row and after it, amid the bytes, and before and after they have their name.
POINTS = ("row", "intent", "half", "bytes", "named")


def pass_by(point: str) -> None:
    """End at once at the point that was asked for, without any cleaning up."""
    if sys.argv[3:] == [point]:
        os.kill(os.getpid(), signal.SIGKILL)


class MortalFile(PartialFile):
    """A file whose writer may die."""

    @override
    def write(self, chunk: bytes) -> None:
        super().write(chunk)
        pass_by("half")

    @override
    def publish(self) -> None:
        pass_by("bytes")
        super().publish()
        pass_by("named")


async def main(store_url: str, folder: str) -> None:
    """Open a turn and keep the attachment."""
    vars(folders)["PartialFile"] = MortalFile
    blobs = folders.FolderBlobs(Path(folder))
    async with opened_store(store_url) as store:
        lease, begin = await begun(store), store.begin_attachment

        async def begin_attachment(intent: AttachmentIntent) -> StoredAttachment:
            pass_by("row")
            row = await begin(intent)
            pass_by("intent")
            return row

        vars(store)["begin_attachment"] = begin_attachment
        attachments = SessionAttachments(store, blobs, "s", "t1", lease.fencing_token)
        await attachments.put(BODY, "application/octet-stream")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
