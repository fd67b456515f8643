"""Large attachments are kept and read in constant memory."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from tests.support.moto import make_bucket, s3_server
from tests.support.worker_process import ROOT, SOURCES

MIB = 1024 * 1024


async def grown_by(store_url: str, blobs_url: str, size_bytes: int, **environment: str) -> int:
    """Keep and read so much in a process of its own; return what that grew by."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.attachments.big", store_url, blobs_url, str(size_bytes)),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, SOURCES))} | environment,
        stdout=PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    read, grown = map(int, out.split())
    assert read == size_bytes
    return grown


async def test_a_large_attachment_takes_little_memory(store_url: str, tmp_path: Path) -> None:
    """A quarter of a gibibyte through a stream, a temporary file and a folder, and back."""
    grown = await grown_by(store_url, (tmp_path / "blobs").as_uri(), 256 * MIB)

    assert grown < 32 * MIB


async def test_a_large_object_takes_little_memory(store_url: str) -> None:
    """The same through a bucket: some pieces at a time."""
    with s3_server() as environment:
        make_bucket(environment, "large")
        grown = await grown_by(store_url, "s3://large", 128 * MIB, **environment)

    assert grown < 96 * MIB
