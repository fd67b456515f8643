"""A disk under SQLite that remembers every write, can lose power at any of them, and can fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import apsw
from typing_extensions import override

SECTOR = 512
LOGS = ("-wal", "-journal")


class Event(NamedTuple):
    """Something that a file went through; `kind` is the name of the VFS method, or `mark`.

    Attributes:
        file: its name, without the folder.
        at: the offset of a write, or the size that is left.
        data: the bytes of a write, or what is marked.
    """

    kind: str
    file: str = ""
    at: int = 0
    data: Any = b""
    failed: bool = False


# Says with which result code of SQLite an event fails; 0 lets it pass.
Fate = Callable[[Event], int]


def passes(_event: Event) -> int:
    """Let everything pass."""
    return 0


class Disk(apsw.VFS):
    """Real files, and the log of what became of them, in order."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "unix")
        self.name = name
        self.log: list[Event] = []
        self.fate: Fate = passes

    def mark(self, fact: object) -> None:
        """Remember that something happened in the world, after all that is in the log."""
        self.log.append(Event("mark", data=fact))

    def happens(self, event: Event) -> None:
        """Write an event down, unless it fails.

        Raises:
            apsw.Error: as `fate` says.
        """
        code = self.fate(event)
        self.log.append(event._replace(failed=bool(code)))
        if code:
            raise apsw.exception_for(code)

    @override
    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return File(self, name, flags)

    @override
    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.happens(Event("delete", Path(filename).name, at=int(syncdir)))
        super().xDelete(filename, syncdir)


class File(apsw.VFSFile):
    """A file of the disk. Nothing is flushed: only the log decides what a loss of power leaves."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        self._name = Path(path).name
        self._disk = disk

    @override
    def xWrite(self, data: bytes, offset: int) -> None:
        try:
            self._disk.happens(Event("write", self._name, offset, bytes(data)))
        except apsw.Error:
            # A disk that becomes full takes the beginning.
            super().xWrite(data[: len(data) // 2], offset)
            raise
        super().xWrite(data, offset)

    @override
    def xTruncate(self, newsize: int) -> None:
        self._disk.happens(Event("truncate", self._name, newsize))
        super().xTruncate(newsize)

    @override
    def xSync(self, flags: int) -> None:
        self._disk.happens(Event("sync", self._name))


class Platter:
    """What is on the disk for certain, and what is on its way there.

    Writes that were not synced are kept, dropped or torn, each on its own. A sync that fails
    settles them likewise, and no later one brings back what it lost. A deletion that was not
    synced may be undone, until a new log is synced: SQLite syncs the folder with it.
    """

    def __init__(self) -> None:
        self._certain: dict[str, bytearray | None] = {}
        self._pending: dict[str, list[Event]] = {}
        self._entered: set[str] = set()  # the logs that were synced since they were made

    def take(self, event: Event, luck: Random) -> None:
        """Go through an event."""
        if event.kind == "mark":
            return
        self._pending.setdefault(event.file, [])
        if event.kind == "sync":
            self._sync(event, luck)
        else:
            self._pending[event.file].append(event)
        if event.kind == "delete":
            self._entered.discard(event.file)
            if event.at:
                self._forget(event.file)

    def _sync(self, event: Event, luck: Random) -> None:
        odds = luck.choice([0.0, 0.5, 1.0]) if event.failed else 1.0
        self._certain[event.file] = self._settled(event.file, luck, odds)
        self._pending[event.file].clear()
        is_new_log = event.file.endswith(LOGS) and event.file not in self._entered
        if is_new_log and not event.failed:
            self._entered.add(event.file)
            for name in self._pending:
                self._forget(name)

    def _forget(self, name: str) -> None:
        """Make a file's last deletion certain, if it has one pending."""
        kinds = [event.kind for event in self._pending[name]]
        if "delete" in kinds:
            self._certain[name] = None
            del self._pending[name][: len(kinds) - kinds[::-1].index("delete")]

    def after_power_loss(self, folder: Path, luck: Random) -> None:
        """Write the files as they may be found afterwards, into a folder."""
        odds = luck.choice([0.0, 0.5, 0.9, 1.0])
        for name in self._pending:
            content = self._settled(name, luck, odds)
            if content is not None:
                (folder / name).write_bytes(content)

    def _settled(self, name: str, luck: Random, odds: float) -> bytearray | None:
        stood = self._certain.get(name)
        content = None if stood is None else bytearray(stood)
        for event in self._pending[name]:
            if event.kind == "write":
                content = content if content is not None else bytearray()
                _write(content, event, luck, odds)
            elif luck.random() < odds and not event.failed:
                content = None if event.kind == "delete" else (content or bytearray())[: event.at]
            elif event.kind == "delete":
                break  # what was written later went into a file that nobody finds
        return content


def _write(content: bytearray, event: Event, luck: Random, odds: float) -> None:
    """Write those sectors of a write that luck keeps: all, none, or some."""
    data = event.data[: len(event.data) // 2] if event.failed else event.data
    is_torn = 0.0 < odds < 1.0 and luck.random() < 0.5
    keeps = luck.random() < odds
    for start in range(0, len(data), SECTOR):
        if is_torn:
            keeps = luck.random() < odds
        if keeps:
            piece = data[start : start + SECTOR]
            at = event.at + start
            content.extend(bytes(max(0, at - len(content))))
            content[at : at + len(piece)] = piece


def replayed(log: Iterable[Event], luck: Random) -> Platter:
    """Return what a log leaves."""
    platter = Platter()
    for event in log:
        platter.take(event, luck)
    return platter
