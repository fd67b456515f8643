"""Writing a file's commits, under the lease of the session that they make."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from sojourn import ids
from sojourn.commit import Commit, NewNode
from sojourn.embedded.retrying import stored
from sojourn.errors import OperationConflict, Untransferable
from sojourn.graph import NodeKind
from sojourn.half_imported import MARK
from sojourn.journal import INPUT_KEY
from sojourn.lease import Claim, Lease, LeaseOwner
from sojourn.messages import Message, user
from sojourn.ports import SessionStore
from sojourn.reads import TurnOpening
from sojourn.transfer.batches import Batch
from sojourn.transfer.records import Header, NodeRecord, TurnRecord
from sojourn.transfer_ports import Past, PastNode, PastReceipt

RENEW_EVERY = 8
TWICE = "a receipt of that id stands before it"


class Adopter:
    """Writes the batches of one import, each as an operation that is the same when it is repeated.

    Args:
        store: the store.
        session_id: the session that is made.
        name: names the import: the same file under the same id has the same name.
        header: what the file says of the session.
    """

    def __init__(self, store: SessionStore, session_id: str, name: str, header: Header) -> None:
        self.store = store
        self.session_id = session_id
        self.last_operation = f"import/{name}/end"
        self.head_revision = 0
        self._name = name
        self._header = header
        self._keeps_ids = header.session_id == session_id and not header.is_fork
        self._lease: Lease | None = None
        self._has_journal = False
        self._turns = 0

    async def adopt(self, batch: Batch) -> None:
        """Write a batch; the last one makes the session whole, and gives its lease back.

        Raises:
            Untransferable: a message cannot be read.
            StoreError: as `SessionTransfer.adopt`.
        """
        for node in batch.nodes:
            _check(node)
        _check_receipts(batch)
        lease = await self.lease()
        commit, past = self._commit(batch, lease), self._past(batch)
        try:
            receipt = await stored(lambda: self.store.adopt(commit, past))
        except OperationConflict as conflict:
            for turn in batch.turns:
                if turn.operation_id == conflict.operation_id:
                    raise Untransferable(line=turn.line, reason=TWICE) from None
            raise
        self.head_revision = receipt.head_revision
        if batch.end is not None:
            self._lease = None
        elif batch.number % RENEW_EVERY == 0:
            await stored(lambda: self.store.renew(lease, self._claim().ttl))

    async def lease(self) -> Lease:
        """Claim the session, once: whoever imports the same takes it over."""
        if self._lease is None:
            self._lease = await stored(lambda: self.store.claim(self._claim()))
            await self._look()
        return self._lease

    async def journal(self) -> Lease:
        """Claim the session, and open a journal under which attachments can be kept."""
        if self._lease is None or not self._has_journal:
            opening = TurnOpening(
                claim=self._claim(),
                turn_id=self.last_operation,
                input_payload=user(INPUT_KEY).encode(),
                input_digest=ids.digest(self._name.encode()),
                config=self._marked(0, ""),
            )
            opened = await stored(lambda: self.store.open_turn(opening))
            self._lease, self._has_journal = opened.lease, True
            await self._look()
        assert self._lease is not None  # noqa: S101 - the last operation has no receipt yet
        return self._lease

    async def release(self) -> None:
        """Give the lease back, if it is held."""
        if self._lease is not None:
            await self.store.release(self._lease)

    def turns_of(self, batch: Batch, before: int) -> int:
        """Return how many turns the session has with a batch, if it has so many without it."""
        if batch.end is not None:
            return self._header.turns if self._header.turns is not None else before + _ended(batch)
        count = before + _ended(batch)
        return count if self._header.turns is None else min(count, self._header.turns)

    async def _look(self) -> None:
        head = await stored(lambda: self.store.head(self.session_id))
        self.head_revision = head.head_revision if head else 0
        self._turns = head.turn_count if head else 0

    def _claim(self) -> Claim:
        owner = LeaseOwner(f"import/{self._name}", self._name)
        return Claim(self.session_id, owner, self.last_operation)

    def _commit(self, batch: Batch, lease: Lease) -> Commit:
        end = batch.end
        nodes = tuple(
            NewNode(self._id(node.node_id), self._parent(node), node.kind, node.body)
            for node in batch.nodes
        )
        number = batch.number + 1
        is_last = end is not None
        leaf = self._of(end.leaf) if end else nodes[-1].node_id
        return Commit(
            session_id=self.session_id,
            operation_id=self.last_operation if is_last else f"import/{self._name}/{number}",
            expected_head_revision=self.head_revision,
            fencing_token=lease.fencing_token,
            nodes=nodes,
            leaf=leaf,
            config=self._header.config if is_last else self._marked(number, batch.chain),
            tool_state=end.tool_state if end else None,
            plugin_state=end.plugin_state if end else None,
            usage=end.usage if end else (),
            result={"batches": number, "chain": batch.chain},
            is_turn=is_last and self._has_journal,
            release=is_last,
        )

    def _past(self, batch: Batch) -> Past:
        turns = self.turns_of(batch, self._turns) - self._turns
        self._turns += turns
        is_turn = batch.end is not None and self._has_journal
        return Past(
            nodes=tuple(
                PastNode(self._id(node.node_id), node.turn_id, node.created_at)
                for node in batch.nodes
            ),
            receipts=tuple(
                PastReceipt(
                    turn.operation_id, self._of(turn.leaf), self._result(turn), turn.committed_at
                )
                for turn in batch.turns
                if turn.result is not None and turn.committed_at is not None
            ),
            turns=turns - is_turn,
            created_at=self._header.created_at,
        )

    def _marked(self, number: int, chain: str) -> dict[str, Any]:
        mark = {"name": self._name, "batches": number, "chain": chain}
        return {**self._header.config, MARK: mark}

    def _id(self, node_id: str) -> str:
        return node_id if self._keeps_ids else ids.node_id(self.session_id, node_id, 0)

    def _of(self, node_id: str | None) -> str | None:
        return self._id(node_id) if node_id is not None else None

    def _parent(self, node: NodeRecord) -> str | None:
        return self._of(node.parent_id)

    def _result(self, turn: TurnRecord) -> dict[str, Any]:
        """Return a receipt's result, in which the answer's node has the id that it has here."""
        result = turn.result or {}
        answer = result.get("answer_node")
        return {**result, "answer_node": self._of(answer)} if answer else result


def _ended(batch: Batch) -> int:
    return len(batch.turns)


def _check_receipts(batch: Batch) -> None:
    """Let receipts pass only if each id stands once; the store knows those of other batches."""
    seen = set[str]()
    for turn in batch.turns:
        if turn.result is not None and turn.operation_id in seen:
            raise Untransferable(line=turn.line, reason=TWICE)
        seen.add(turn.operation_id)


def _check(node: NodeRecord) -> None:
    """Let a node pass only if its readers will be able to read it.

    Raises:
        Untransferable: they will not.
    """
    ids.checked("node", node.node_id)
    try:
        if node.kind == NodeKind.MESSAGE:
            Message.decode(node.body)
        elif node.kind == NodeKind.FOREIGN:
            from_json(node.body)
    except ValueError:
        # The validator's words would show the content.
        raise Untransferable(line=node.line, reason=f"its {node.kind} cannot be decoded") from None
