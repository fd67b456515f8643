"""How the memory store gives sessions away in pages, and takes them in with their past."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace

from typing_extensions import override

from sojourn.adapters.memory_rows import Rows
from sojourn.adapters.memory_session import Session, copied
from sojourn.commit import Commit, CommitReceipt
from sojourn.errors import OperationConflict, UnsupportedReadScope
from sojourn.graph import Node
from sojourn.reads import ReadScope
from sojourn.transfer_ports import (
    Filling,
    Past,
    PastReceipt,
    SessionPage,
    SessionTransfer,
    sealed,
)


class MemoryTransfer(SessionTransfer):
    """`transfer_ports.SessionTransfer` says what each method keeps."""

    _rows: Rows

    @abstractmethod
    async def commit(self, commit: Commit) -> CommitReceipt:
        """Apply a commit."""

    @override
    async def load_pages(self, session_id: str, scope: ReadScope) -> AsyncIterator[SessionPage]:
        if scope is ReadScope.FRAME:
            raise UnsupportedReadScope(scope=f"the {scope} in pages")
        session = self._rows.readable(session_id)
        if session is None:
            return
        nodes = self._rows.read(session, scope, session.leaf)
        page = self._page(session)
        yield page
        for piece in _pieces(nodes):
            yield replace(page, nodes=tuple(piece))

    @override
    async def adopt(self, commit: Commit, past: Past) -> CommitReceipt:
        session = self._rows.existing(commit.session_id)
        is_new = commit.operation_id not in session.receipts
        told = [(once, copied(once.result)) for once in past.receipts]
        for once in past.receipts if is_new else ():
            if once.operation_id in {*session.receipts, commit.operation_id}:
                raise OperationConflict(
                    session_id=commit.session_id, operation_id=once.operation_id
                )
        receipt = await self.commit(sealed(commit, past))
        if receipt.replayed:
            return receipt
        for node in past.nodes:
            stored = self._rows.nodes[node.node_id]
            at = node.created_at or stored.node.created_at
            stored.node = replace(stored.node, turn_id=node.turn_id, created_at=at)
        for number, (once, result) in enumerate(told):
            _keep(session, once, result or {}, receipt.head_revision + number)
        session.head_revision += past.revisions
        session.turn_count += past.turns
        session.created_at = past.created_at or session.created_at
        own = replace(session.receipts[commit.operation_id], head_revision=session.head_revision)
        session.receipts[commit.operation_id] = own
        return replace(own, result=copied(own.result) or {})

    def _page(self, session: Session) -> SessionPage:
        head = session.head()
        return SessionPage(
            head=head,
            nodes=(),
            is_fork=session.origin is not None,
            tool_state=self._rows.body_of(head.tool_state),
            plugin_state=self._rows.body_of(head.plugin_state),
        )


def _keep(session: Session, once: PastReceipt, result: dict[str, object], revision: int) -> None:
    session.receipts[once.operation_id] = CommitReceipt(
        session.session_id, once.operation_id, revision, once.leaf, result
    )
    session.contents[once.operation_id] = ""
    session.committed_at[once.operation_id] = once.committed_at


def _pieces(nodes: Sequence[Node]) -> Iterator[list[Node]]:
    piece, filling = list[Node](), Filling()
    for node in nodes:
        if not filling.takes(len(node.body)):
            yield piece
            piece, filling = [], Filling()
            filling.takes(len(node.body))
        piece.append(node)
    if piece:
        yield piece
