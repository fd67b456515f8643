"""Every blob store passes the conformance tests."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from sojourn.adapters.blobs import open_blobs, opened_blobs
from sojourn.attachment_ports import BlobStore
from sojourn.errors import BlobStoreUnavailable, InvalidBlobsUrl
from sojourn.testing.blob_conformance import *  # noqa: F403 - the laws are what is run here
from sojourn.testing.blob_conformance import chunks, kept, key_of, listed
from tests.support.moto import make_bucket, s3_server

SECRET = "test-secret"  # noqa: S105 - it is what must not leak


@pytest.fixture(scope="module")
def s3() -> Iterator[Mapping[str, str]]:
    """One S3 for the module."""
    with s3_server() as environment:
        yield environment


@pytest.fixture
def bucket(s3: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of the test's own, which the environment leads to."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4()}"
    make_bucket(s3, name)
    return f"s3://{name}"


@pytest.fixture(params=["memory", "folder", "s3"])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BlobStore]:
    """A fresh blob store."""
    if request.param == "s3":
        url = f"{request.getfixturevalue('bucket')}/some/prefix"
    else:
        url = "memory://" if request.param == "memory" else (tmp_path / "a folder").as_uri()
    async with opened_blobs(url) as opened:
        assert opened is not None
        yield opened


async def test_prefixes_of_a_bucket_are_stores_of_their_own(bucket: str) -> None:
    """Several deployments may share a bucket, each under its prefix."""
    one, other = open_blobs(f"{bucket}/one"), open_blobs(f"{bucket}/other")
    await kept(one, b"a")

    assert await listed(other) == []
    assert len(await listed(one)) == 1


async def test_more_blobs_than_a_page_are_listed_and_deleted(bucket: str) -> None:
    """S3 gives and takes a thousand at once."""
    blobs = open_blobs(bucket)
    bodies = [b"%d" % number for number in range(1_005)]
    keys = await asyncio.gather(*(kept(blobs, body) for body in bodies))
    pages = [len(page) async for page in blobs.list()]
    await blobs.delete(keys)

    assert sum(pages) == 1_005
    assert len(pages) > 1
    assert await listed(blobs) == []


@pytest.mark.parametrize("size", [1, 9 * 1024 * 1024])
async def test_a_bucket_that_is_not_there_is_unavailable(bucket: str, size: int) -> None:
    """The error names the place and what the service said, and may be retried."""
    blobs = open_blobs(f"{bucket}-missing")
    with pytest.raises(BlobStoreUnavailable) as unavailable:
        await blobs.put(key_of(b"a"), chunks(b"a" * size))

    assert unavailable.value.retryable
    assert "404 Not Found" in str(unavailable.value)
    assert f"{bucket}-missing" in str(unavailable.value)


async def test_a_service_that_does_not_answer_is_unavailable(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call says so, and none quotes a credential."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    blobs, key = open_blobs(bucket), key_of(b"a")
    for call in (blobs.exists(key), blobs.delete([key]), listed(blobs), kept(blobs, b"a")):
        with pytest.raises(BlobStoreUnavailable) as unavailable:
            await call
        assert SECRET not in repr(unavailable.value)
        assert unavailable.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "blobs",
        "/var/blobs",
        "ftp://host/blobs",
        "file://",
        "file:///",
        "file://host/blobs",
        "memory://x",
        "s3://",
        "s3:///prefix",
        "s3://key:hidden@bucket/prefix",
        "s3://bucket?secret_access_key=hidden",
        "s3://bucket#hidden",
    ],
)
def test_what_names_no_blob_store_is_refused(url: str) -> None:
    """At once, and without what may be a secret in it."""
    with pytest.raises(InvalidBlobsUrl) as refused:
        open_blobs(url)

    assert "hidden" not in str(refused.value)


async def test_a_store_that_is_open_already_stays_open() -> None:
    """Whoever opened it closes it; none at all is none."""
    mine = open_blobs("memory://")
    async with opened_blobs(mine) as opened, opened_blobs(None) as nothing:
        assert opened is mine
        assert nothing is None
