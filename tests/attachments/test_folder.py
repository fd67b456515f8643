"""A folder of blobs survives a power cut, and what a crash leaves in it is swept."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from sojourn.adapters.blobs.flushed import PartialFile, make_folder
from sojourn.adapters.blobs.folder import FolderBlobs
from sojourn.blob_key import is_blob_key, partial_name
from sojourn.errors import BlobStoreUnavailable, InvalidId
from sojourn.testing.blob_conformance import chunks, kept, key_of, listed, read

Done = list[tuple[str, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the blobs are; it is not there yet."""
    return tmp_path / "deep" / "blobs"


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Done:
    """What is done to the disk, in order: flushes and renames, by the name of what they reach."""
    happened: Done = []
    fsync: Callable[[int], None] = os.fsync
    replace = Path.replace

    def flushing(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        happened.append(("flush", _kind(path)))
        fsync(descriptor)

    def renaming(path: Path, target: Path) -> Any:
        happened.append(("rename", _kind(path)))
        return replace(path, target)

    def _kind(path: Path) -> str:
        return "bytes" if path.is_file() else Path(os.path.relpath(path, tmp_path)).as_posix()

    monkeypatch.setattr(os, "fsync", flushing)
    monkeypatch.setattr(Path, "replace", renaming)
    return happened


async def test_bytes_are_flushed_before_the_name_and_names_after(folder: Path, done: Done) -> None:
    """Whoever is told that a blob is there finds it after a power cut, whole."""
    blob_key = key_of(b"a")
    leaf = f"deep/blobs/sha256/{blob_key.split('/')[1]}"
    await FolderBlobs(folder).put(blob_key, chunks(b"a"))

    made = [".", "deep", "deep/blobs", "deep/blobs/sha256"]
    assert done == [
        *[("flush", place) for place in ("..", *made)],  # the first one stood there already
        ("flush", "bytes"),
        ("rename", "bytes"),
        ("flush", leaf),
    ]


async def test_what_another_process_wrote_is_flushed_before_it_is_relied_on(
    folder: Path, done: Done
) -> None:
    """Its writer may not have come to that yet."""
    blob_key = await kept(FolderBlobs(folder), b"a")
    done.clear()
    assert await FolderBlobs(folder).exists(blob_key)

    assert done == [("flush", f"deep/blobs/sha256/{blob_key.split('/')[1]}")]


async def test_folders_that_others_have_made_are_flushed_once(folder: Path, done: Done) -> None:
    """By each process, since their maker may not have come to it."""
    make_folder(folder / "sha256")
    done.clear()
    make_folder(folder / "sha256")

    assert done == [("flush", "deep/blobs")]


async def test_a_file_that_was_being_written_is_no_blob(folder: Path) -> None:
    """It is listed under a name that no row has, so that a sweep takes it away."""
    blobs, blob_key = FolderBlobs(folder), key_of(b"abc")
    make_folder((folder / blob_key).parent)
    left = PartialFile(folder / blob_key)
    left.write(b"ab")
    (info,) = await listed(blobs)

    assert not await blobs.exists(blob_key)
    assert info.blob_key.startswith(blob_key)
    assert info.blob_key != blob_key
    assert is_blob_key(info.blob_key)
    await blobs.delete([info.blob_key])
    assert await listed(blobs) == []
    left.discard()


async def test_a_writer_whose_file_was_swept_is_told_to_try_again(folder: Path) -> None:
    """A sweep without grace may come in between."""
    blobs, blob_key = FolderBlobs(folder), key_of(b"a")

    async def swept() -> AsyncGenerator[bytes, None]:
        yield b"a"
        await blobs.delete([info.blob_key for info in await listed(blobs)])

    with pytest.raises(BlobStoreUnavailable):
        await blobs.put(blob_key, swept())
    await blobs.put(blob_key, chunks(b"a"))

    assert await read(blobs, blob_key) == b"a"


async def test_a_full_disk_leaves_nothing_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says so, and names the folder alone."""

    def full(self: PartialFile, chunk: bytes) -> None:
        raise OSError(errno.ENOSPC, "no space", f"/secret/{len(chunk)}")

    monkeypatch.setattr(PartialFile, "write", full)
    blobs = FolderBlobs(folder)
    with pytest.raises(BlobStoreUnavailable) as unavailable:
        await kept(blobs, b"a")

    assert "No space left on device" in str(unavailable.value)
    assert "secret" not in str(unavailable.value)
    assert await listed(blobs) == []


async def test_a_place_that_is_no_folder_is_unavailable(tmp_path: Path) -> None:
    """Nothing that stands there is touched."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BlobStoreUnavailable):
        await kept(FolderBlobs(tmp_path / "file"), b"a")

    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "blob_key", ["", ".", "../passwd", "/etc/passwd", "sha256/../../x", key_of(b"a").upper()]
)
async def test_what_is_no_key_names_no_file(folder: Path, blob_key: str) -> None:
    """Nothing outside the folder can be reached."""
    blobs = FolderBlobs(folder)
    for call in (
        blobs.put(blob_key, chunks(b"a")),
        blobs.exists(blob_key),
        blobs.delete([blob_key]),
        read(blobs, blob_key),
    ):
        with pytest.raises(InvalidId):
            await call


async def test_files_of_others_are_not_listed(folder: Path) -> None:
    """Whatever else stands in the folder stays there."""
    blobs = FolderBlobs(folder)
    blob_key = await kept(blobs, b"a")
    (folder / "notes.txt").write_text("mine")
    (folder / blob_key).with_name("notes.txt").write_text("mine")
    (folder / "sha256" / "notes.txt").write_text("mine")

    assert [info.blob_key for info in await listed(blobs)] == [blob_key]


async def test_pages_have_the_size_that_was_asked_for(folder: Path) -> None:
    """Whatever number of blobs a sub-folder has."""
    blobs = FolderBlobs(folder, page=3)
    for number in range(8):
        await kept(blobs, b"%d" % number)

    assert [len(page) async for page in blobs.list()] == [3, 3, 2]


def test_a_name_of_a_file_being_written_is_fresh_each_time() -> None:
    """Two writers of one blob never meet in one file."""
    blob_key = key_of(b"a")

    assert partial_name(blob_key) != partial_name(blob_key)
