"""Blobs in object storage (S3, GCS, Azure), over obstore."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url
from typing_extensions import override

from sojourn.attachment_ports import BlobInfo, BlobStore
from sojourn.blob_key import FOLDER
from sojourn.errors import BlobMissing, BlobStoreUnavailable, InvalidBlobsUrl

PIECE_BYTES = 8 * 1024 * 1024
PIECES_AT_ONCE = 3
PAGE = 1_000
RETRIES = 4
RETRY_TIMEOUT = timedelta(seconds=30)
_STATUS = re.compile(r"\b[45]\d\d [A-Z][A-Za-z ]*")


class BucketBlobs(BlobStore):
    """Blobs as objects under a prefix; the service makes each whole, or not at all.

    A blob of more than one piece goes up as a multipart upload. One that a crash cut off stays
    invisible and is billed: let the bucket's lifecycle rules end such uploads.
    """

    def __init__(self, store: ObjectStore, url: str) -> None:
        self._store = store
        self._url = url

    @classmethod
    def open(cls, url: str) -> BucketBlobs:
        """Open the bucket at `url`, configured by the vendor's environment variables.

        Raises:
            InvalidBlobsUrl: the URL or the environment does not name one.
        """
        try:
            store = from_url(
                url, retry_config={"max_retries": RETRIES, "retry_timeout": RETRY_TIMEOUT}
            )
        except (BaseError, ValueError):
            raise InvalidBlobsUrl(url=url) from None
        return cls(store, url)

    @override
    async def put(self, blob_key: str, chunks: AsyncIterator[bytes]) -> None:
        first = await _piece(chunks)
        with self._speaking():
            if len(first) < PIECE_BYTES:
                await obstore.put_async(self._store, blob_key, first, use_multipart=False)
                return
            await self._upload(blob_key, first, chunks)

    @override
    async def read(self, blob_key: str) -> AsyncGenerator[bytes, None]:
        with self._speaking(blob_key):
            size = (await obstore.head_async(self._store, blob_key))["size"]
        # Piece by piece: a slow reader must not keep one long request open.
        for start in range(0, size, PIECE_BYTES):
            end = min(start + PIECE_BYTES, size)
            with self._speaking(blob_key):
                piece = await obstore.get_range_async(self._store, blob_key, start=start, end=end)
            yield bytes(piece)

    @override
    async def exists(self, blob_key: str) -> bool:
        try:
            with self._speaking(blob_key):
                await obstore.head_async(self._store, blob_key)
        except BlobMissing:
            return False
        return True

    @override
    async def delete(self, blob_keys: Sequence[str]) -> None:
        if not blob_keys:
            return
        try:
            with self._speaking(blob_keys[0]):
                await obstore.delete_async(self._store, blob_keys)
        except BlobMissing:
            # GCS and Azure complain of the first that is gone, and leave the rest.
            if len(blob_keys) > 1:
                for blob_key in blob_keys:
                    await self.delete([blob_key])

    @override
    async def list(self) -> AsyncGenerator[Sequence[BlobInfo], None]:
        pages = aiter(obstore.list(self._store, FOLDER, chunk_size=PAGE))
        while True:
            with self._speaking():
                page = await anext(pages, None)
            if page is None:
                return
            yield [BlobInfo(meta["path"], meta["size"], meta["last_modified"]) for meta in page]

    @override
    async def close(self) -> None:
        return

    async def _upload(self, blob_key: str, first: bytes, chunks: AsyncIterator[bytes]) -> None:
        async def pieces() -> AsyncGenerator[bytes, None]:
            piece = first
            while piece:
                yield piece
                piece = await _piece(chunks)

        await obstore.put_async(
            self._store,
            blob_key,
            pieces(),
            chunk_size=PIECE_BYTES,
            max_concurrency=PIECES_AT_ONCE,
        )

    @contextmanager
    def _speaking(self, blob_key: str = "") -> Iterator[None]:
        """Say what the service said in our words, which quote neither addresses nor answers."""
        try:
            yield
        except FileNotFoundError as error:
            if blob_key:
                raise BlobMissing(blob_key=blob_key) from None
            raise self._unavailable(error) from None
        except BaseError as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: Exception) -> BlobStoreUnavailable:
        status = _STATUS.search(str(error))
        reason = f"{type(error).__name__}: {status[0]}" if status else type(error).__name__
        return BlobStoreUnavailable(url=self._url, reason=reason)


async def _piece(chunks: AsyncIterator[bytes]) -> bytes:
    """Take chunks until they are one piece; a short or empty one is the last."""
    piece = bytearray()
    async for chunk in chunks:
        piece += chunk
        if len(piece) >= PIECE_BYTES:
            break
    return bytes(piece)
