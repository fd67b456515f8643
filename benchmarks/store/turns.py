"""Sessions of many turns: grown turn by turn, or piled up where only their nodes matter."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.commit import BODIES, Writer
from sojourn import ids
from sojourn.commit import Commit, NewNode
from sojourn.graph import NodeKind
from sojourn.ports import SessionStore

TURNS_A_COMMIT = 100
FRAME_TURNS = 50


async def writer_of(store: SessionStore, session_id: str) -> Writer:
    """Return the writer of a session that it has claimed for a day."""
    writer = Writer(store, session_id)
    await writer.claim()
    return writer


async def grow(writer: Writer, turns: int) -> None:
    """Commit turn by turn until there are so many."""
    while writer.turns < turns:
        await writer.commit()


async def pile(writer: Writer, node_count: int) -> None:
    """Append nodes as of turns, those of many turns in one commit."""
    room = TURNS_A_COMMIT * len(BODIES)
    for start in range(0, node_count, room):
        await append(writer, _chain(writer, min(room, node_count - start)))


async def frame(writer: Writer) -> None:
    """Begin a frame."""
    node_id = ids.node_id(writer.session_id, f"frame-{writer.turns}", 0)
    await append(writer, [NewNode(node_id, writer.leaf, NodeKind.FRAME, b'{"v":1}')])


async def append(writer: Writer, nodes: Sequence[NewNode], leaf: str | None = None) -> None:
    """Commit some nodes, and stand on the last one unless another is named."""
    leaf = leaf or nodes[-1].node_id
    await writer.store.commit(
        Commit(
            session_id=writer.session_id,
            operation_id=f"append-{writer.turns}",
            expected_head_revision=writer.turns,
            fencing_token=writer.token,
            nodes=tuple(nodes),
            leaf=leaf,
            is_turn=False,
        )
    )
    writer.turns += 1
    writer.leaf = leaf


def _chain(writer: Writer, count: int) -> list[NewNode]:
    nodes: list[NewNode] = []
    parent, operation = writer.leaf, f"append-{writer.turns}"
    for ordinal in range(count):
        node_id = ids.node_id(writer.session_id, operation, ordinal)
        body = BODIES[ordinal % len(BODIES)]
        nodes.append(NewNode(node_id, parent, NodeKind.MESSAGE, body))
        parent = node_id
    return nodes
