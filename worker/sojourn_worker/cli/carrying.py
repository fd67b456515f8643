"""Carrying sessions between stores and files, told as it goes."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from sojourn import ids
from sojourn.errors import InvalidInput
from sojourn.transfer import (
    ExportOptions,
    Format,
    Imported,
    ImportOptions,
    Note,
    export_session,
    import_session,
)
from sojourn.transfer.importing import MAX_NOTES
from sojourn_worker.cli.output import Answer, console
from sojourn_worker.cli.stdout import output
from sojourn_worker.cli.stores import opened, opened_blobs_of
from sojourn_worker.settings import Settings

STANDARD = "-"

Tell = Callable[[int], None]


@dataclass(frozen=True)
class Wish:
    """What an import is asked for; None leaves it to the file."""

    session_id: str | None
    form: str | None
    agent: str | None


@dataclass(frozen=True)
class Exported:
    """What an export is asked for."""

    session_id: str
    form: str
    target: str
    is_active_path: bool
    has_bytes: bool


async def bring(settings: Settings, file: str, wish: Wish, *, is_watched: bool) -> Answer:
    """Make a session of a file.

    Raises:
        BadParameter: there is no such format.
        InvalidInput: the file cannot be read.
        SojournError: as `import_session`.
    """
    form = _format(wish.form) if wish.form is not None else None
    last: Imported | None = None
    with _read(file) as stream, _told("importing", _size(stream), is_watched=is_watched) as tell:
        async with opened(settings, make=True) as store, opened_blobs_of(settings) as blobs:
            options = ImportOptions(wish.session_id, form, wish.agent, blobs)
            async for last in import_session(store, stream, options):
                tell(last.read_bytes)
    assert last is not None  # noqa: S101 - an import ends with a word
    return _brought(last)


async def take(settings: Settings, wish: Exported, *, is_watched: bool) -> Answer | None:
    """Write a session into a file.

    Raises:
        BadParameter: there is no such format, or no blob store is named for the bytes.
        InvalidInput: the file cannot be written.
        SojournError: as `export_session`.
    """
    form = _format(wish.form)
    ids.checked("session", wish.session_id)
    with _told("exporting", None, is_watched=is_watched and wish.target != STANDARD) as tell:
        async with opened(settings) as store, opened_blobs_of(settings) as blobs:
            if wish.has_bytes and blobs is None:
                raise typer.BadParameter("name a blob store: --blobs", param_hint="--attachments")
            lost = _Lost()
            bytes_of = blobs if wish.has_bytes else None
            options = ExportOptions(form, wish.is_active_path, bytes_of, lost.add)
            async with aclosing(export_session(store, wish.session_id, options)) as lines:
                if wish.target == STANDARD:
                    await _print(lines)
                    lost.tell()
                    return None
                size_bytes, count = await _write(Path(wish.target), lines, tell)
    data = {
        "session_id": wish.session_id,
        "format": form.value,
        "file": wish.target,
        "lines": count,
        "bytes": size_bytes,
        "not_kept": lost.data(),
    }
    said = f"{wish.session_id} is in {wish.target}: {count} lines, {size_bytes} bytes"
    return Answer(data, "\n".join([said, *lost.lines()]))


class _Lost:
    """What a file cannot say of a session: how many things, and the first of them."""

    def __init__(self, count: int = 0, notes: Sequence[Note] = ()) -> None:
        self._count = count
        self._notes = list(notes)

    def add(self, note: Note) -> None:
        self._count += 1
        if len(self._notes) < MAX_NOTES:
            self._notes.append(note)

    def data(self) -> dict[str, Any]:
        first = [{"line": note.line, "what": note.what} for note in self._notes]
        return {"count": self._count, "first": first}

    def lines(self) -> list[str]:
        told = [f"not kept as it was, line {note.line}: {note.what}" for note in self._notes]
        more = self._count - len(self._notes)
        return [*told, f"and {more} more"] if more else told

    def tell(self) -> None:
        """Tell it beside the file, on standard error."""
        for line in self.lines():
            typer.echo(line, err=True)


def _format(name: str) -> Format:
    try:
        return Format(name)
    except ValueError:
        known = ", ".join(Format)
        raise typer.BadParameter(f"{name!r} is none of {known}", param_hint="--format") from None


def _brought(told: Imported) -> Answer:
    lost = _Lost(told.noted, told.notes)
    data: dict[str, Any] = {
        "session_id": told.session_id,
        "format": told.format.value,
        "created": told.is_new,
        "nodes": told.nodes,
        "turns": told.turns,
        "head_revision": told.head_revision,
        "attachments": told.attachments,
        "not_kept": lost.data(),
    }
    done = "imported" if told.is_new else "was imported already"
    said = f"{told.session_id} {done}: {told.turns} turns, {told.nodes} nodes"
    return Answer(data, "\n".join([said, *lost.lines()]))


@contextmanager
def _read(file: str) -> Iterator[BinaryIO]:
    if file == STANDARD:
        yield sys.stdin.buffer
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InvalidInput(reason=f"{file} cannot be read: {error.strerror}") from error
    with stream:
        yield stream


def _size(stream: BinaryIO) -> int | None:
    return os.fstat(stream.fileno()).st_size or None if stream is not sys.stdin.buffer else None


async def _print(lines: AsyncGenerator[bytes, None]) -> None:
    stream = output()
    async for line in lines:
        stream.write(line.decode())
    stream.flush()


async def _write(path: Path, lines: AsyncGenerator[bytes, None], tell: Tell) -> tuple[int, int]:
    """Write a file beside its place, and put it there when it is whole; return bytes and lines."""
    partial = path.with_name(f"{path.name}.part")
    size_bytes = count = 0
    try:
        with partial.open("wb") as file:
            async for line in lines:
                file.write(line)
                size_bytes, count = size_bytes + len(line), count + 1
                tell(size_bytes)
        partial.replace(path)
    except OSError as error:
        raise InvalidInput(reason=f"{path} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return size_bytes, count


@contextmanager
def _told(what: str, total: int | None, *, is_watched: bool) -> Iterator[Tell]:
    """Show a person at a terminal how far it has come, on standard error."""
    screen = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    is_shown = is_watched and screen.is_terminal
    with Progress(*columns, console=screen, transient=True, disable=not is_shown) as progress:
        task = progress.add_task(what, total=total)

        def tell(done: int) -> None:
            progress.update(task, completed=done)

        yield tell
