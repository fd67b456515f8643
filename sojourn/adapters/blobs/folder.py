"""Blobs in a local folder: each whole and flushed, or not there at all."""

from __future__ import annotations

import asyncio
import builtins
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from typing_extensions import override

from sojourn.adapters.blobs.flushed import PartialFile, flush_folder, make_folder
from sojourn.attachment_ports import BlobInfo, BlobStore
from sojourn.blob_key import FOLDER, is_blob_key
from sojourn.errors import BlobMissing, BlobStoreUnavailable, InvalidId
from sojourn.spool import CHUNK_BYTES

P = ParamSpec("P")
R = TypeVar("R")

PAGE = 1_000


class FolderBlobs(BlobStore):
    """Blobs as files under `folder`, which may be shared by the processes of one machine.

    What a crash leaves of a file that was being written is listed like a blob; it never has a
    row, so that a sweep takes it away.
    """

    def __init__(self, folder: Path, page: int = PAGE) -> None:
        self._folder = folder.absolute()
        self._page = page
        self._made: set[Path] = set()

    @override
    async def put(self, blob_key: str, chunks: AsyncIterator[bytes]) -> None:
        partial = await self._do(self._begun, self._path(blob_key))
        try:
            async for chunk in chunks:
                await self._do(partial.write, chunk)
            await self._do(partial.publish)
        except BaseException:
            partial.discard()
            raise

    @override
    async def read(self, blob_key: str) -> AsyncGenerator[bytes, None]:
        path = self._path(blob_key)
        try:
            file = await asyncio.to_thread(path.open, "rb")
        except FileNotFoundError:
            raise BlobMissing(blob_key=blob_key) from None
        except OSError as error:
            raise self._unavailable(error) from None
        with file:
            while chunk := await self._do(file.read, CHUNK_BYTES):
                yield chunk

    @override
    async def exists(self, blob_key: str) -> bool:
        return await self._do(_is_durable, self._path(blob_key))

    @override
    async def delete(self, blob_keys: Sequence[str]) -> None:
        await self._do(_remove, [self._path(blob_key) for blob_key in blob_keys])

    @override
    async def list(self) -> AsyncGenerator[Sequence[BlobInfo], None]:
        page: builtins.list[BlobInfo] = []
        for folder in await self._do(_folders, self._folder / FOLDER):
            page.extend(await self._do(_infos, folder))
            while len(page) >= self._page:
                yield page[: self._page]
                page = page[self._page :]
        if page:
            yield page

    @override
    async def close(self) -> None:
        return

    def _path(self, blob_key: str) -> Path:
        """Return where a blob stands; what is no key could stand anywhere."""
        if not is_blob_key(blob_key):
            raise InvalidId(kind="blob", value=blob_key[:40])
        return self._folder / blob_key

    def _begun(self, path: Path) -> PartialFile:
        if path.parent not in self._made:
            make_folder(path.parent)
            self._made.add(path.parent)
        return PartialFile(path)

    async def _do(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run what touches the disk in a thread."""
        try:
            return await asyncio.to_thread(work, *args, **kwargs)
        except OSError as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: OSError) -> BlobStoreUnavailable:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        return BlobStoreUnavailable(url=self._folder.as_uri(), reason=reason)


def _is_durable(path: Path) -> bool:
    if not path.exists():
        return False
    # Whoever wrote it may not have flushed its name yet, and the caller will rely on it.
    flush_folder(path.parent)
    return True


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _folders(parent: Path) -> builtins.list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir())
    except FileNotFoundError:
        return []


def _infos(folder: Path) -> builtins.list[BlobInfo]:
    return sorted(_found(folder), key=lambda info: info.blob_key)


def _found(folder: Path) -> Iterator[BlobInfo]:
    with os.scandir(folder) as entries:
        for entry in entries:
            key = f"{FOLDER}/{folder.name}/{entry.name}"
            with suppress(FileNotFoundError):  # deleted meanwhile, or published under its key
                if is_blob_key(key) and entry.is_file(follow_symlinks=False):
                    stat = entry.stat(follow_symlinks=False)
                    at = datetime.fromtimestamp(stat.st_mtime, UTC)
                    yield BlobInfo(key, stat.st_size, at)
