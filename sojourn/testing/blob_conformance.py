"""What every blob store keeps, as tests: import them beside a fixture `blobs` that makes one.

from sojourn.testing.blob_conformance import *  # noqa: F403

@pytest.fixture
async def blobs() -> AsyncIterator[BlobStore]: ...
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from sojourn.attachment_ports import BlobInfo, BlobStore
from sojourn.blob_key import fresh_key
from sojourn.errors import BlobMissing

MIB = 1024 * 1024


async def chunks(*parts: bytes) -> AsyncGenerator[bytes, None]:
    """Yield these parts."""
    for part in parts:
        yield part


async def broken(*parts: bytes) -> AsyncGenerator[bytes, None]:
    """Yield these parts, and break off."""
    for part in parts:
        yield part
    raise ZeroDivisionError


def key_of(body: bytes) -> str:
    """Return a fresh key for these bytes."""
    return fresh_key(hashlib.sha256(body).hexdigest())


async def kept(blobs: BlobStore, *parts: bytes) -> str:
    """Keep a blob and return its key."""
    blob_key = key_of(b"".join(parts))
    await blobs.put(blob_key, chunks(*parts))
    return blob_key


async def read(blobs: BlobStore, blob_key: str) -> bytes:
    """Return a blob's bytes."""
    return b"".join([chunk async for chunk in blobs.read(blob_key)])


async def listed(blobs: BlobStore) -> list[BlobInfo]:
    """Return what a store lists."""
    return [info async for page in blobs.list() for info in page]


@pytest.mark.parametrize(
    "parts",
    [(), (b"",), (b"a",), (b"a" * 7, b"", b"b" * 5), (b"c" * MIB,) * 8, (b"d" * MIB,) * 20],
    ids=["nothing", "empty", "byte", "parts", "piece", "pieces"],
)
async def test_a_blob_is_read_as_it_was_written(blobs: BlobStore, parts: tuple[bytes, ...]) -> None:
    """Of any size, in whatever pieces it came."""
    blob_key = await kept(blobs, *parts)

    assert await blobs.exists(blob_key)
    assert await read(blobs, blob_key) == b"".join(parts)


async def test_a_blob_that_is_not_there_is_missing(blobs: BlobStore) -> None:
    """It is told by its key, before anything is read."""
    blob_key = key_of(b"never written")

    assert not await blobs.exists(blob_key)
    with pytest.raises(BlobMissing) as missing:
        await read(blobs, blob_key)
    assert missing.value.blob_key == blob_key


async def test_a_blob_may_be_written_again(blobs: BlobStore) -> None:
    """By one after the other or by two at once: it is there once, whole."""
    blob_key = await kept(blobs, b"again")
    await asyncio.gather(*(blobs.put(blob_key, chunks(b"aga", b"in")) for _ in range(2)))

    assert await read(blobs, blob_key) == b"again"
    assert [info.blob_key for info in await listed(blobs)] == [blob_key]


@pytest.mark.parametrize("parts", [(b"a",), (b"b" * MIB,) * 20], ids=["byte", "pieces"])
async def test_a_blob_whose_bytes_break_off_is_not_there(
    blobs: BlobStore, parts: tuple[bytes, ...]
) -> None:
    """Nothing of it is left, and the reason is told as it was."""
    blob_key = key_of(b"broken off")
    with pytest.raises(ZeroDivisionError):
        await blobs.put(blob_key, broken(*parts))

    assert not await blobs.exists(blob_key)
    assert await listed(blobs) == []


async def test_every_blob_is_listed_once(blobs: BlobStore) -> None:
    """With its size and its age, in pages."""
    bodies = [bytes([number]) * number for number in range(40)]
    keys = [await kept(blobs, body) for body in bodies]
    infos = await listed(blobs)

    assert {info.blob_key: info.size_bytes for info in infos} == dict(
        zip(keys, map(len, bodies), strict=True)
    )
    assert len(infos) == len(bodies)
    times = [info.modified_at for info in infos]
    assert {at.utcoffset() for at in times} == {timedelta(0)}
    assert max(times) - min(times) < timedelta(minutes=5)


async def test_deleted_blobs_are_gone_and_the_others_stay(blobs: BlobStore) -> None:
    """What was gone already does not keep the rest from going."""
    first, second, third = [await kept(blobs, body) for body in (b"1", b"2", b"3")]
    await blobs.delete([first])
    await blobs.delete([key_of(b"never written"), first, second])
    await blobs.delete([])

    assert [info.blob_key for info in await listed(blobs)] == [third]
    with pytest.raises(BlobMissing):
        await read(blobs, second)


async def test_closing_twice_is_harmless(blobs: BlobStore) -> None:
    """Whoever tidies up need not ask."""
    await blobs.close()
    await blobs.close()
