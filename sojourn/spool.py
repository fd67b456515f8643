"""Bytes from wherever they come, as a file that can be read twice: once to name, once to keep."""

from __future__ import annotations

import asyncio
import hashlib
import io
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, cast

from sojourn.attachment import Attachment
from sojourn.errors import InvalidInput

Data = bytes | Path | AsyncIterator[bytes]

CHUNK_BYTES = 1024 * 1024
IN_MEMORY_BYTES = 4 * 1024 * 1024


@asynccontextmanager
async def spooled(data: Data) -> AsyncGenerator[BinaryIO, None]:
    """Yield `data` as a file; a stream goes to a temporary one that nobody else can see."""
    file = await _opened(data)
    try:
        yield file
    finally:
        file.close()


async def measured(file: BinaryIO, media_type: str) -> Attachment:
    """Return what a file's bytes are, in constant memory."""
    digest, size = await asyncio.to_thread(_measure, file)
    return Attachment(attachment_id=digest, media_type=media_type, size_bytes=size)


async def chunks_of(file: BinaryIO, attachment: Attachment) -> AsyncGenerator[bytes, None]:
    """Yield a file's bytes, and fail at their end unless they are what was measured.

    Raises:
        InvalidInput: somebody changed the file in between.
    """
    hasher = hashlib.sha256()
    await asyncio.to_thread(file.seek, 0)
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        hasher.update(chunk)
        yield chunk
    if hasher.hexdigest() != attachment.attachment_id:
        raise InvalidInput(reason="the file was changed while it was being kept")


async def _opened(data: Data) -> BinaryIO:
    if isinstance(data, bytes):
        return io.BytesIO(data)
    if isinstance(data, Path):
        return await asyncio.to_thread(data.open, "rb")
    return await _spool(data)


async def _spool(chunks: AsyncIterator[bytes]) -> BinaryIO:
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 - the caller's
    try:
        async for chunk in chunks:
            await asyncio.to_thread(file.write, chunk)
    except BaseException:
        file.close()
        raise
    return cast("BinaryIO", file)


def _measure(file: BinaryIO) -> tuple[str, int]:
    hasher = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        hasher.update(chunk)
    return hasher.hexdigest(), file.tell()
