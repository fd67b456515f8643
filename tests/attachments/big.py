"""A process of its own that keeps and reads a large attachment, and prints what it grew by.

Usage: python -m tests.attachments.big STORE BLOBS BYTES
"""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import AsyncGenerator

from sojourn.adapters.blobs import open_blobs
from sojourn.adapters.open import opened_store
from sojourn.attachments import SessionAttachments
from sojourn.spool import CHUNK_BYTES
from sojourn.testing.conformance.making import begun


async def made(size_bytes: int) -> AsyncGenerator[bytes, None]:
    """Yield so many bytes, no two chunks alike."""
    for start in range(0, size_bytes, CHUNK_BYTES):
        length = min(CHUNK_BYTES, size_bytes - start)
        yield (start.to_bytes(8, "big") * (CHUNK_BYTES // 8))[:length]


def peak_bytes() -> int:
    """Return the most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def main(store_url: str, blobs_url: str, size_bytes: int) -> None:
    """Keep it, read it, and tell how many bytes were read and grown by."""
    blobs = open_blobs(blobs_url)
    async with opened_store(store_url) as store:
        lease = await begun(store)
        attachments = SessionAttachments(store, blobs, "s", "t1", lease.fencing_token)
        await attachments.put(made(CHUNK_BYTES), "application/octet-stream")
        before = peak_bytes()
        kept = await attachments.put(made(size_bytes), "application/octet-stream")
        read = 0
        async for chunk in attachments.read(kept.attachment_id):
            read += len(chunk)
        print(read, peak_bytes() - before)  # noqa: T201 - to the parent


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
