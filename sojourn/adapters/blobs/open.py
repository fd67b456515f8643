"""Opening a blob store by its URL."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sojourn.attachment_ports import BlobStore
from sojourn.errors import InvalidBlobsUrl, MissingExtra

EXTRA = "sojourn[attachments]"


def open_blobs(url: str) -> BlobStore:
    """Open the blob store at `url`; its library is imported only now, and nothing is contacted.

    `file:///folder` is made when the first blob is written. `s3://bucket/prefix`, `gs://` and
    `az://` take keys, region and endpoint from the vendor's own environment variables (`AWS_*`,
    `GOOGLE_*`, `AZURE_*`). `memory://` is fresh, and lives as long as the object.

    Raises:
        InvalidBlobsUrl: it is no such URL; one with credentials or options is refused too.
        MissingExtra: the library for object storage is not installed.
    """
    parts = urlsplit(url)
    opener = _OPENERS.get(parts.scheme)
    is_plain = "@" not in parts.netloc and not parts.query and not parts.fragment
    if opener is None or not is_plain:
        raise InvalidBlobsUrl(url=_without_secrets(url))
    return opener(url)


@asynccontextmanager
async def opened_blobs(blobs: str | BlobStore | None) -> AsyncGenerator[BlobStore | None, None]:
    """Yield the blob store at a URL and close it afterwards; one that is open already stays so.

    Raises:
        InvalidBlobsUrl, MissingExtra: as `open_blobs`.
    """
    if not isinstance(blobs, str):
        yield blobs
        return
    opened = open_blobs(blobs)
    try:
        yield opened
    finally:
        await opened.close()


def _open_memory(url: str) -> BlobStore:
    from sojourn.adapters.blobs.memory import MemoryBlobs  # noqa: PLC0415 - adapters load lazily

    if url != "memory://":
        raise InvalidBlobsUrl(url=url)
    return MemoryBlobs()


def _open_folder(url: str) -> BlobStore:
    from sojourn.adapters.blobs.folder import FolderBlobs  # noqa: PLC0415 - as above

    parts = urlsplit(url)
    if parts.netloc or parts.path in {"", "/"}:
        raise InvalidBlobsUrl(url=url)
    return FolderBlobs(Path(unquote(parts.path)))


def _open_bucket(url: str) -> BlobStore:
    if not urlsplit(url).netloc:
        raise InvalidBlobsUrl(url=url)
    try:
        from sojourn.adapters.blobs.bucket import BucketBlobs  # noqa: PLC0415 - optional
    except ImportError:
        raise MissingExtra(model=url, package=EXTRA) from None
    return BucketBlobs.open(url)


def _without_secrets(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2].partition('?')[0].partition('#')[0]}"


_OPENERS: dict[str, Callable[[str], BlobStore]] = {
    "memory": _open_memory,
    "file": _open_folder,
    "s3": _open_bucket,
    "gs": _open_bucket,
    "az": _open_bucket,
}
