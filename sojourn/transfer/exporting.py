"""Exporting: a session becomes a file, page by page."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sojourn import ids
from sojourn.attachment import StoredAttachment
from sojourn.attachment_ports import BlobStore
from sojourn.attachments import AttachmentReader
from sojourn.errors import GraphCorrupt, UnknownSession
from sojourn.graph import Node
from sojourn.half_imported import check_whole
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.transfer.formats import Format
from sojourn.transfer.line_kinds import (
    AttachmentLine,
    BytesLine,
    HeaderLine,
    TurnLine,
    UsageLine,
)
from sojourn.transfer.lines import VERSION, LineWriter
from sojourn.transfer.records import Note
from sojourn.transfer.speaking import Speaker
from sojourn.transfer_ports import SessionPage


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What of a session is written down, and how.

    Attributes:
        format: the file's format; those of other libraries hold the active path alone.
        is_active_path: whether other branches are left out of Sojourn's own format too.
        blobs: where attachments have their bytes; without it the file has their facts alone.
        note: is told of what the format cannot say.
    """

    format: Format = Format.SOJOURN
    is_active_path: bool = False
    blobs: BlobStore | None = None
    note: Callable[[Note], None] = lambda _: None


async def export_session(
    store: SessionStore, session_id: str, options: ExportOptions | None = None
) -> AsyncGenerator[bytes, None]:
    """Yield a session as the lines of a file, in constant memory.

    The session is what it was when the first line was made, whoever goes on with it meanwhile. A
    turn that is open is not in it.

    Args:
        store: where the session is.
        session_id: the session.
        options: see there.

    Raises:
        UnknownSession: there is no such session.
        HalfImported: it is being imported.
        GraphCorrupt: its leaf, or what leads there, is not stored.
        StoreError: the store cannot be read.
    """
    options = options or ExportOptions()
    is_path = options.is_active_path or options.format is not Format.SOJOURN
    scope = ReadScope.ACTIVE_PATH if is_path else ReadScope.FULL_GRAPH
    pages = store.load_pages(ids.checked("session", session_id), scope)
    first = await anext(pages, None)
    if first is None:
        raise UnknownSession(session_id=session_id)
    check_whole(session_id, first.head.config)
    if options.format is not Format.SOJOURN:
        speaker = Speaker(session_id, options.format, options.note)
        async for line in speaker.lines(first, pages):
            yield line
        return
    export = _LineExport(store, first, scope, options.blobs)
    async for line in export.lines(pages):
        yield line


class _LineExport:
    """Sojourn's own format."""

    def __init__(
        self, store: SessionStore, first: SessionPage, scope: ReadScope, blobs: BlobStore | None
    ) -> None:
        self._store = store
        self._first = first
        self._scope = scope
        self._blobs = blobs
        self._writer = LineWriter()
        self._last: Node | None = None
        self._has_leaf = first.head.leaf is None

    async def lines(self, pages: AsyncIterator[SessionPage]) -> AsyncGenerator[bytes, None]:
        """Yield the lines of the file."""
        yield self._header()
        async for line in self._beside():
            yield line
        for line in await self._nodes(self._first.nodes):
            yield line
        async for page in pages:
            for line in await self._nodes(page.nodes):
                yield line
        for line in await self._end():
            yield line

    async def _beside(self) -> AsyncGenerator[bytes, None]:
        """Yield what belongs to the session beside its graph."""
        session_id = self._first.head.session_id
        for line in self._states():
            yield line
        for entry in await self._store.usage(session_id):
            yield self._writer.line(UsageLine(usage=entry))
        for row in await self._store.attachments(session_id):
            async for line in self._attachment(row):
                yield line

    def _header(self) -> bytes:
        head = self._first.head
        return self._writer.line(
            HeaderLine(
                sojourn=VERSION,
                session=head.session_id,
                created_at=head.created_at,
                scope=self._scope,
                is_fork=self._first.is_fork,
                leaf=head.leaf,
                head_revision=head.head_revision,
                turns=head.turn_count,
                config=head.config,
            )
        )

    def _states(self) -> Iterable[bytes]:
        head = self._first.head
        for name, ref, body in (
            ("tools", head.tool_state, self._first.tool_state),
            ("plugins", head.plugin_state, self._first.plugin_state),
        ):
            if ref is not None and body is None:
                reason = f"its snapshot {ref.digest} is missing"
                raise GraphCorrupt(session_id=head.session_id, node_id=head.leaf, reason=reason)
            if ref is not None and body is not None:
                yield self._writer.state(name, ref.generation, body)

    async def _attachment(self, row: StoredAttachment) -> AsyncGenerator[bytes, None]:
        if not row.is_committed:
            return
        facts = row.attachment
        yield self._writer.line(
            AttachmentLine(
                attachment=facts.attachment_id,
                media_type=facts.media_type,
                size_bytes=facts.size_bytes,
            )
        )
        if self._blobs is None:
            return
        reader = AttachmentReader(self._store, self._blobs, self._first.head.session_id)
        async for chunk in reader.read(facts.attachment_id):
            yield self._writer.line(BytesLine(bytes=base64.b64encode(chunk).decode()))
        yield self._writer.line(BytesLine(bytes=""))

    async def _nodes(self, nodes: Sequence[Node]) -> list[bytes]:
        """Return the lines of a page: the receipt of a turn follows its last node."""
        chain = [*([self._last] if self._last else []), *nodes]
        ends = [node for node, after in pairwise(chain) if after.turn_id != node.turn_id]
        receipts = await self._receipts(ends)
        lines = list[bytes]()
        for node in chain:
            if node is not self._last:
                lines.append(self._writer.node(node))
                self._has_leaf = self._has_leaf or node.node_id == self._first.head.leaf
            if node.node_id in receipts:
                lines.append(self._writer.line(receipts[node.node_id]))
        self._last = chain[-1] if chain else None
        return lines

    async def _end(self) -> list[bytes]:
        """Return the last lines."""
        head = self._first.head
        if not self._has_leaf:
            reason = "the session stands on it, and it is not stored: check out another one"
            raise GraphCorrupt(session_id=head.session_id, node_id=head.leaf, reason=reason)
        receipts = await self._receipts([self._last] if self._last else [])
        return [*map(self._writer.line, receipts.values()), self._writer.end()]

    async def _receipts(self, ends: Sequence[Node]) -> dict[str, TurnLine]:
        """Return the receipts of the operations that wrote some last nodes, by these."""
        session_id = self._first.head.session_id
        found = await asyncio.gather(
            *(self._store.receipt(session_id, node.turn_id) for node in ends)
        )
        return {
            node.node_id: TurnLine(
                receipt=node.turn_id, leaf=receipt.leaf, at=node.created_at, result=receipt.result
            )
            for node, receipt in zip(ends, found, strict=True)
            if receipt is not None and receipt.leaf == node.node_id
        }
