"""Blobs in a dictionary: the readable reference. Nothing in it outlives the object."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import datetime

from typing_extensions import override

from sojourn.attachment_ports import BlobInfo, BlobStore
from sojourn.clock import Clock, SystemClock
from sojourn.errors import BlobMissing

PAGE = 1_000


class MemoryBlobs(BlobStore):
    """Blobs, and when each was written; `attachment_ports.BlobStore` says what is kept."""

    def __init__(self, clock: Clock | None = None, page: int = PAGE) -> None:
        self._clock = clock or SystemClock()
        self._page = page
        self._kept: dict[str, tuple[bytes, datetime]] = {}

    @override
    async def put(self, blob_key: str, chunks: AsyncIterator[bytes]) -> None:
        body = b"".join([chunk async for chunk in chunks])
        self._kept[blob_key] = body, self._clock.now()

    @override
    async def read(self, blob_key: str) -> AsyncGenerator[bytes, None]:
        if blob_key not in self._kept:
            raise BlobMissing(blob_key=blob_key)
        yield self._kept[blob_key][0]

    @override
    async def exists(self, blob_key: str) -> bool:
        return blob_key in self._kept

    @override
    async def delete(self, blob_keys: Sequence[str]) -> None:
        for blob_key in blob_keys:
            self._kept.pop(blob_key, None)

    @override
    async def list(self) -> AsyncGenerator[Sequence[BlobInfo], None]:
        infos = [BlobInfo(key, len(body), at) for key, (body, at) in sorted(self._kept.items())]
        for start in range(0, len(infos), self._page):
            yield infos[start : start + self._page]

    @override
    async def close(self) -> None:
        return
