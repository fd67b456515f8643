"""Cutting a file into commits: the same file is always cut at the same places."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from sojourn.commit import MAX_COMMIT_BYTES
from sojourn.errors import Untransferable
from sojourn.transfer.records import (
    BytesRecord,
    End,
    Header,
    NodeRecord,
    Note,
    Record,
    Records,
    TurnRecord,
)

BATCH_BYTES = 4 * 1024 * 1024
BATCH_NODES = 2_000


@dataclass(slots=True)
class Batch:
    """What one commit brings.

    Attributes:
        number: which one, from 0.
        chain: a digest of this batch and of all those before it.
        nodes: its nodes.
        turns: the operations that end in it.
        end: set in the last one.
    """

    number: int
    chain: str
    nodes: list[NodeRecord] = field(default_factory=list[NodeRecord])
    turns: list[TurnRecord] = field(default_factory=list[TurnRecord])
    size_bytes: int = 0
    end: End | None = None

    def is_full_with(self, node: NodeRecord) -> bool:
        """Tell whether a node belongs into the next batch."""
        is_over = self.size_bytes + len(node.body) > BATCH_BYTES
        return bool(self.nodes) and (is_over or len(self.nodes) == BATCH_NODES)

    def add(self, node: NodeRecord) -> None:
        """Take in a node.

        Raises:
            Untransferable: it alone is more than a commit may have.
        """
        if len(node.body) > MAX_COMMIT_BYTES:
            size = f"its {len(node.body)} bytes are over the {MAX_COMMIT_BYTES} of a commit"
            raise Untransferable(line=node.line, reason=size)
        self.nodes.append(node)
        self.size_bytes += len(node.body)

    def sealed(self) -> Batch:
        """Return the batch with its place in the chain, when nothing more comes into it."""
        hasher = hashlib.sha256(self.chain.encode())
        for node in self.nodes:
            facts = (node.node_id, node.parent_id, node.kind, node.turn_id, node.created_at)
            hasher.update(repr((*facts, len(node.body))).encode())
            hasher.update(node.body)
        hasher.update(repr((self.turns, self.end)).encode())
        self.chain = hasher.hexdigest()[:32]
        return self

    def following(self) -> Batch:
        """Return the next batch, empty still."""
        return Batch(self.number + 1, self.chain)


def batches(records: Records, chain: str) -> Iterator[Batch | BytesRecord | Note]:
    """Yield a file's commits, and what is no part of one as it comes.

    Args:
        records: what follows the header.
        chain: what the digests begin with.

    Raises:
        Untransferable: as the records; or a node is too large.
    """
    batch = Batch(0, chain)
    for record in records:
        if isinstance(record, NodeRecord):
            if batch.is_full_with(record):
                yield batch.sealed()
                batch = batch.following()
            batch.add(record)
        elif isinstance(record, TurnRecord):
            batch.turns.append(record)
        elif isinstance(record, End):
            batch.end = record
            yield batch.sealed()
        else:
            yield _other(record)


def _other(record: Record) -> BytesRecord | Note:
    if isinstance(record, BytesRecord | Note):
        return record
    assert isinstance(record, Header)  # noqa: S101 - the types say no more is left
    raise Untransferable(line=0, reason="a second session begins in it")
