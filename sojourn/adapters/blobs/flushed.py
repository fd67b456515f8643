"""Files that survive a power cut: flushed under another name first, then renamed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sojourn.blob_key import partial_name


class PartialFile:
    """A file under a name of its own until it is whole."""

    def __init__(self, path: Path) -> None:
        self._target = path
        self._path = path.with_name(partial_name(path.name))
        self._file = self._path.open("xb")

    def write(self, chunk: bytes) -> None:
        """Append to it."""
        self._file.write(chunk)

    def publish(self) -> None:
        """Give it its name, for good: the bytes are flushed before, the name after."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.replace(self._target)
        flush_folder(self._target.parent)

    def discard(self) -> None:
        """Remove it, unless it has its name already."""
        with suppress(OSError):  # of what is being thrown away nothing needs to reach the disk
            self._file.close()
        self._path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, and flush their names.

    That of the lowest one that stands already is flushed too: its maker may not have come to it.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    standing = missing[-1].parent if missing else folder
    with suppress(PermissionError):  # somebody else's folder, where we make nothing
        flush_folder(standing.parent)
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        flush_folder(each.parent)


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
