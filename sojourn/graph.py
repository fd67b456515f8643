"""The session graph: immutable nodes, each with one parent, and the leaf the session stands on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from sojourn.errors import GraphCorrupt
from sojourn.messages import Message


class NodeKind(StrEnum):
    """What a node holds; nodes of kinds that a newer writer added are kept and passed over."""

    MESSAGE = "message"
    FRAME = "frame"
    # An item of another library's format that no message can say: kept for its way back.
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Node:
    """One immutable record of a session graph.

    Attributes:
        node_id: unique in the store.
        parent_id: the node before it, or None at a root.
        kind: `message`, `frame`, or a kind that a newer version wrote.
        body: the stored bytes; of a message, `Message.encode()`.
        turn_id: the turn (operation) that wrote it.
        created_at: when it was committed, by the store's clock.
    """

    node_id: str
    parent_id: str | None
    kind: str
    body: bytes
    turn_id: str
    created_at: datetime

    @cached_property
    def message(self) -> Message:
        """The message of a message node, decoded once."""
        return Message.decode(self.body)


class SessionGraph:
    """The resident nodes of one session, and its leaf.

    Appending costs what is appended: the active path is kept, not walked anew.

    Attributes:
        session_id: whose, for whoever reads of damage; empty if it is nobody's.
    """

    def __init__(
        self, nodes: Iterable[Node] = (), leaf: str | None = None, session_id: str = ""
    ) -> None:
        self.session_id = session_id
        self._nodes: dict[str, Node] = {}
        for node in nodes:
            if self._nodes.setdefault(node.node_id, node) is not node:
                raise self.corrupt(node.node_id, "its id is stored twice")
        self._leaf = leaf
        self._path: list[Node] | None = None

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._nodes

    @property
    def leaf(self) -> str | None:
        """The id of the node that the session stands on; None before the first commit."""
        return self._leaf

    def find(self, node_id: str) -> Node | None:
        """Return a resident node, or None."""
        return self._nodes.get(node_id)

    def active_path(self) -> list[Node]:
        """Return the nodes from the root (or the first resident one) to the leaf.

        Raises:
            GraphCorrupt: the parents form a cycle.
        """
        if self._path is None:
            self._path = self._walk(self._leaf)
        return self._path

    def orphan_ids(self) -> list[str]:
        """Return the ids of resident nodes off the active path, in storage order."""
        active = {node.node_id for node in self.active_path()}
        return [node_id for node_id in self._nodes if node_id not in active]

    def current_frame(self) -> list[Node]:
        """Return the part of the active path that follows its newest frame node."""
        return self.active_path()[self._frame_index() + 1 :]

    def frame_node(self) -> Node | None:
        """Return the newest frame node of the active path, or None before the first."""
        index = self._frame_index()
        return self.active_path()[index] if index >= 0 else None

    def append(self, nodes: Iterable[Node]) -> None:
        """Add a chain that continues the leaf, and stand on its last node."""
        path = self.active_path()
        for node in nodes:
            if node.parent_id != self._leaf:
                raise self.corrupt(node.node_id, "it does not continue the leaf")
            self._nodes[node.node_id] = node
            path.append(node)
            self._leaf = node.node_id

    def stand_on(self, leaf: str | None) -> None:
        """Move the leaf to a resident node, or to none."""
        self._leaf = leaf
        self._path = None

    def trimmed(self) -> SessionGraph:
        """Return a graph of the active path alone, back to the node of its current frame."""
        path = self.active_path()[max(0, self._frame_index()) :]
        return SessionGraph(path, self._leaf, self.session_id)

    def corrupt(self, node_id: str, reason: str) -> GraphCorrupt:
        """Return the error that names this session and one of its nodes."""
        return GraphCorrupt(session_id=self.session_id, node_id=node_id, reason=reason)

    def _frame_index(self) -> int:
        path = self.active_path()
        for index in range(len(path) - 1, -1, -1):
            if path[index].kind == NodeKind.FRAME:
                return index
        return -1

    def _walk(self, leaf: str | None) -> list[Node]:
        path: list[Node] = []
        seen: set[str] = set()
        node = self._nodes.get(leaf) if leaf is not None else None
        while node is not None:
            if node.node_id in seen:
                raise self.corrupt(node.node_id, "its parents form a cycle")
            seen.add(node.node_id)
            path.append(node)
            node = self._nodes.get(node.parent_id) if node.parent_id is not None else None
        path.reverse()
        return path
