"""What the laws of attachments are told with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from typing_extensions import override

from sojourn.adapters.blobs.memory import MemoryBlobs
from sojourn.attachment import Attachment
from sojourn.attachment_ports import BlobStore
from sojourn.attachments import SessionAttachments
from sojourn.clock import Clock
from sojourn.errors import BlobStoreUnavailable
from sojourn.lease import Lease
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import chain, commit_of, head_of

TEXT = "text/plain"


class Watched(MemoryBlobs):
    """Blobs that tell what was asked of them, and fail as often as they are told to."""

    def __init__(self, clock: Clock | None = None, page: int = 1_000) -> None:
        super().__init__(clock, page)
        self.asked: list[str] = []
        self.failures: list[BaseException] = []

    @override
    async def put(self, blob_key: str, chunks: AsyncIterator[bytes]) -> None:
        """Tell, maybe fail, and put."""
        self._tell("put")
        await super().put(blob_key, chunks)

    @override
    async def read(self, blob_key: str) -> AsyncGenerator[bytes, None]:
        """Tell, maybe fail, and read in pieces of one byte."""
        self._tell("read")
        async for chunk in super().read(blob_key):
            for byte in chunk:
                yield bytes([byte])

    @override
    async def exists(self, blob_key: str) -> bool:
        """Tell, maybe fail, and answer."""
        self._tell("exists")
        return await super().exists(blob_key)

    @override
    async def delete(self, blob_keys: Sequence[str]) -> None:
        """Tell, maybe fail, and delete."""
        self._tell("delete")
        await super().delete(blob_keys)

    def _tell(self, what: str) -> None:
        self.asked.append(what)
        if self.failures:
            raise self.failures.pop(0)


def unavailable() -> BlobStoreUnavailable:
    """Return what a blob store says when it is down."""
    return BlobStoreUnavailable(url="memory://", reason="down")


def keeper(store: SessionStore, blobs: BlobStore, lease: Lease) -> SessionAttachments:
    """Return what keeps attachments for the turn that a lease was opened for."""
    return SessionAttachments(
        store, blobs, lease.session_id, lease.executor_id, lease.fencing_token
    )


async def committed(store: SessionStore, lease: Lease, *named: Attachment) -> None:
    """Commit a turn of one node that names some attachments, and give the lease back."""
    head = await head_of(store, lease.session_id)
    nodes = chain(head.leaf, f"{lease.session_id}-{lease.executor_id}")
    ids = tuple(attachment.attachment_id for attachment in named)
    made = commit_of(lease, head.head_revision, *nodes, attachment_ids=ids, release=True)
    await store.commit(made)


async def keys_of(blobs: BlobStore) -> set[str]:
    """Return the keys of all blobs."""
    return {info.blob_key async for page in blobs.list() for info in page}


async def parts(*chunks: bytes) -> AsyncGenerator[bytes, None]:
    """Yield some bytes."""
    for chunk in chunks:
        yield chunk
