"""Importing: a file becomes a session, commit by commit, and goes on where it was cut off."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from sojourn import ids
from sojourn.attachment_ports import BlobStore
from sojourn.errors import InvalidInput, SessionExists, Untransferable
from sojourn.half_imported import MARK
from sojourn.ports import SessionStore
from sojourn.reads import Head
from sojourn.transfer.adopting import Adopter
from sojourn.transfer.batches import Batch, batches
from sojourn.transfer.formats import Format, records_of
from sojourn.transfer.incoming import Incoming
from sojourn.transfer.records import BytesRecord, Header, Note
from sojourn.transfer.source import Source

MAX_NOTES = 20


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a file becomes a session.

    Attributes:
        session_id: its id; by default the one that it had. Needed if the format has none.
        format: the file's format; by default what its beginning looks like.
        agent: the agent that it goes on with; by default the one that it had.
        blobs: where attachments' bytes are kept; without it bytes in the file are passed over.
    """

    session_id: str | None = None
    format: Format | None = None
    agent: str | None = None
    blobs: BlobStore | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """How far an import has come.

    Attributes:
        session_id: the session.
        format: the file's format.
        nodes: nodes that are in the store.
        turns: turns, likewise.
        read_bytes: how much of the file was read.
        attachments: attachments whose bytes were kept.
        noted: how many things could not be kept as they are.
        notes: the first of them.
        head_revision: where the session stands.
        is_new: whether it is this import that made it whole; not if it was whole already.
        is_done: whether it is whole.
    """

    session_id: str
    format: Format
    nodes: int = 0
    turns: int = 0
    read_bytes: int = 0
    attachments: int = 0
    noted: int = 0
    notes: tuple[Note, ...] = ()
    head_revision: int = 0
    is_new: bool = True
    is_done: bool = False

    def with_note(self, note: Note) -> Imported:
        """Return it with one thing more that could not be kept."""
        notes = (*self.notes, note)[:MAX_NOTES]
        return replace(self, noted=self.noted + 1, notes=notes)


async def import_session(
    store: SessionStore, file: BinaryIO, options: ImportOptions | None = None
) -> AsyncGenerator[Imported, None]:
    """Make a session of a file, in constant memory; yield how far that has come, and the end.

    It is written in bounded commits under the session's lease. Cut off at any point, it goes on
    there when it is run again with the same file, and nothing stands twice; until it is whole,
    the session takes no turns. An import that is done already is left as it is.

    Args:
        store: where the session goes.
        file: what it is made of; read once, from its beginning to its end.
        options: see there.

    Raises:
        InvalidInput: the format is not clear, or the session has no id.
        Untransferable: a line cannot be imported; what stands before it is in the store, if it
            was not in the first commit.
        SessionExists: there is a session with that id, of something else.
        SessionDeleted: there was one.
        LeaseHeld: somebody works on it.
        StoreError: the store refuses.
    """
    options = options or ImportOptions()
    source = Source(file)
    kind, records = records_of(source, options.format, options.session_id)
    header = next(records, None)
    if not isinstance(header, Header):
        raise Untransferable(line=1, reason="the file is empty")
    session_id = ids.checked("session", options.session_id or header.session_id)
    header = _configured(header, options.agent)
    name = hashlib.sha256(repr((session_id, header)).encode()).hexdigest()[:16]
    done = await _Progress.of(store, session_id, name)
    adopter = Adopter(store, session_id, name, header)
    incoming = Incoming(adopter, options.blobs)
    told, named = Imported(session_id, kind, is_new=not done.is_whole), 0
    try:
        for each in batches(records, name):
            if isinstance(each, Batch):
                named = len(each.end.attachments) if each.end else 0
                done.check(each)
                if not done.has(each):
                    await adopter.adopt(each)
                told = _with_batch(told, each, adopter, source.bytes_read)
                yield replace(told, attachments=incoming.kept)
            elif isinstance(each, BytesRecord):
                if not done.is_whole:
                    await incoming.take(each)
            else:
                told = told.with_note(each)
    finally:
        await adopter.release()
    for note in incoming.notes(named) if not done.is_whole else ():
        told = told.with_note(note)
    yield replace(told, attachments=incoming.kept, is_done=True)


def _configured(header: Header, agent: str | None) -> Header:
    if agent is None:
        return header
    return replace(header, config={**header.config, "agent": agent})


def _with_batch(told: Imported, batch: Batch, adopter: Adopter, read_bytes: int) -> Imported:
    return replace(
        told,
        nodes=told.nodes + len(batch.nodes),
        turns=adopter.turns_of(batch, told.turns),
        read_bytes=read_bytes,
        head_revision=adopter.head_revision,
    )


@dataclass(frozen=True, slots=True)
class _Progress:
    """What of an import is in the store already.

    Attributes:
        batches: how many of its commits.
        chain: the digest of the last of them.
        is_whole: whether that was all.
    """

    session_id: str
    batches: int = 0
    chain: str = ""
    is_whole: bool = False

    @classmethod
    async def of(cls, store: SessionStore, session_id: str, name: str) -> _Progress:
        """Look at what there is.

        Raises:
            SessionExists: a session that this import did not make.
            InvalidInput: one that another import has half made.
        """
        head = await store.head(session_id)
        if head is None or _is_bare(head):
            return cls(session_id)
        mark: dict[str, Any] | None = head.config.get(MARK)
        if mark is not None:
            return cls._half(session_id, name, mark)
        last = await store.receipt(session_id, last_operation(name))
        if last is None:
            raise SessionExists(session_id=session_id)
        facts = last.result
        return cls(session_id, int(facts["batches"]), str(facts["chain"]), is_whole=True)

    @classmethod
    def _half(cls, session_id: str, name: str, mark: dict[str, Any]) -> _Progress:
        if mark.get("name") != name:
            reason = f"session {session_id!r} is half imported from another file, or otherwise"
            raise InvalidInput(reason=reason)
        return cls(session_id, int(mark["batches"]), str(mark["chain"]))

    def has(self, batch: Batch) -> bool:
        """Tell whether a batch is in the store."""
        return batch.number < self.batches

    def check(self, batch: Batch) -> None:
        """Let a batch pass only if all that is in the store is of the same file.

        Raises:
            SessionExists: it is not, and the session is whole.
            InvalidInput: it is not, and the session is half imported.
        """
        is_last = batch.number == self.batches - 1
        ends_early = batch.end is not None and batch.number < self.batches - 1
        if not ends_early and (not is_last or batch.chain == self.chain):
            return
        if self.is_whole:
            raise SessionExists(session_id=self.session_id)
        reason = f"session {self.session_id!r} is half imported from another file"
        raise InvalidInput(reason=reason)


def last_operation(name: str) -> str:
    """Return the id of the operation that makes an imported session whole."""
    return f"import/{name}/end"


def _is_bare(head: Head) -> bool:
    """Tell whether nothing but a claim has made a session."""
    return head.head_revision == 0 and (not head.config or MARK in head.config)
