"""What is wrong with a session's row or a node, and what to do about it: without any SQL.

A store reads the facts of its rows, in order, and asks here. What has lost its session is named
by the session's number: `#7`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import ValidationError

from sojourn.graph import NodeKind
from sojourn.messages import Message
from sojourn.reads import Problem

RESTORE = "restore the store from a backup"
REOPEN = "send it a message: it goes on from its newest one; or check out another node"
CHECK_OUT = "check out the node that the session should stand on"
GO_BACK = f"check out or fork a node before it, or {RESTORE}"
HARMLESS = "none is needed: the model is told that the outcome is unknown, or is not told of it"

OpenCall = tuple[str, str, str, str]


class HeadFacts(NamedTuple):
    """A live session's row, and what is stored of what it names.

    Attributes:
        leaf_place: where the leaf stands, as the row says.
        found_leaf: the id of the node that stands there.
        leaf_family: the family of whoever owns that node.
        has_founder: whether the first session of its family has its row.
        origin: where the session was forked, or None.
        origin_family: the family of whoever owns the live node there.
        found_tools: the digest of the tool state's body, if it is there.
        found_plugins: likewise.
    """

    session_id: str
    head_revision: int
    turn_count: int
    leaf: str | None
    leaf_place: int | str | None
    found_leaf: str | None
    is_leaf_tombstoned: bool | None
    leaf_family: int | str | None
    family: int | str
    has_founder: bool
    origin: int | str | None
    origin_family: int | str | None
    config: str | None
    tool_digest: str | None
    found_tools: str | None
    plugin_digest: str | None
    found_plugins: str | None


class NodeFacts(NamedTuple):
    """A node, and what is stored of its parent and its session.

    Attributes:
        frame: the nearest frame on the way to the root, or the node itself, as its row says.
        found_parent: the parent's place, if it is stored.
        parent_family: the family of whoever owns the parent.
        family: the family of whoever owns the node; None if its session has no row.
        is_deleted: whether its session was deleted: then forks hold what is left of it.
        has_twin: whether an older node has the same id.
    """

    seq: int
    session_id: str
    node_id: str
    kind: str
    body: bytes
    turn_id: str
    is_tombstoned: bool
    parent: int | None
    frame: int | None
    found_parent: int | None
    is_parent_tombstoned: bool | None
    parent_frame: int | None
    parent_family: int | str | None
    family: int | str | None
    is_deleted: bool
    has_twin: bool


def of_head(head: HeadFacts) -> Iterator[Problem]:
    """Yield what is wrong with a session's row."""
    for problem, remedy in _of_leaf(head):
        yield Problem(head.session_id, head.leaf, problem, remedy)
    for problem, remedy in (*_of_family(head), *_of_states(head)):
        yield Problem(head.session_id, None, problem, remedy)


def of_node(node: NodeFacts) -> Iterator[Problem]:
    """Yield what is wrong with a node, but for what its message says: `Calls` looks at that."""
    for problem, remedy in (*_of_owner(node), *_of_parent(node)):
        yield Problem(node.session_id, node.node_id, problem, remedy)


class Calls:
    """Finds tool calls without a result, and results without a call, turn by turn.

    The nodes of a turn stand one after the other, since one commit has written them. Of a deleted
    session that was forked in the middle of a turn, the rest of the turn may be gone: no harm.
    """

    def __init__(self, still_open: tuple[OpenCall, ...] = ()) -> None:
        self._open = {call[3]: call for call in still_open}

    @property
    def still_open(self) -> tuple[OpenCall, ...]:
        """Session, turn, node and id of the calls that wait for their results: to go on with."""
        return tuple(self._open.values())

    def of_node(self, node: NodeFacts) -> Iterator[Problem]:
        """Yield what is wrong with a node's message, and with the turn that ended before it."""
        if any(call[:2] != (node.session_id, node.turn_id) for call in self._open.values()):
            yield from self.end()
        if node.kind != NodeKind.MESSAGE:
            return
        message = decoded(node.body)
        if message is None:
            yield Problem(*_name(node), "its message cannot be decoded", GO_BACK)
        elif not (node.is_tombstoned or node.is_deleted):
            yield from self._of_message(node, message)

    def end(self) -> Iterator[Problem]:
        """Yield the calls that got no result: their turn has no more nodes."""
        for session_id, _, node_id, call_id in self._open.values():
            yield Problem(session_id, node_id, f"its tool call {call_id} has no result", HARMLESS)
        self._open.clear()

    def _of_message(self, node: NodeFacts, message: Message) -> Iterator[Problem]:
        for response in message.tool_responses:
            if self._open.pop(response.id, None) is None:
                problem = f"its tool result {response.id} answers no call"
                yield Problem(*_name(node), problem, HARMLESS)
        for call in message.tool_calls:
            self._open[call.id] = (node.session_id, node.turn_id, node.node_id, call.id)


def decoded(body: bytes) -> Message | None:
    """Return a stored message, or None if it cannot be read."""
    try:
        return Message.decode(body)
    except ValidationError:
        return None


def is_object(text: str | None) -> bool:
    """Tell whether a text is a JSON object."""
    try:
        return isinstance(json.loads(text or ""), dict)
    except ValueError:
        return False


def _name(node: NodeFacts) -> tuple[str, str]:
    return node.session_id, node.node_id


def _of_leaf(head: HeadFacts) -> Iterator[tuple[str, str]]:
    if head.leaf is not None and head.found_leaf is None:
        yield "the leaf is not stored", REOPEN
    elif head.found_leaf != head.leaf:
        yield f"another node stands at the leaf's place, {head.leaf_place}", CHECK_OUT
    elif head.leaf is not None and head.leaf_family != head.family:
        yield "the leaf is another family's", CHECK_OUT
    if head.is_leaf_tombstoned:
        yield "tombstoned, but reachable", REOPEN


def _of_family(head: HeadFacts) -> Iterator[tuple[str, str]]:
    if not head.has_founder:
        yield f"its family {head.family} has no first session", RESTORE
    if head.origin not in (None, head.leaf_place) and head.origin_family is None:
        yield f"the node that it was forked at is gone: {head.origin}", RESTORE
    elif head.origin_family not in (None, head.family):
        yield f"the node that it was forked at is another family's: {head.origin}", RESTORE
    if not 0 <= head.turn_count <= head.head_revision:
        counted = f"{head.turn_count} turns in {head.head_revision} commits"
        yield f"its counts cannot be: {counted}", RESTORE


def _of_states(head: HeadFacts) -> Iterator[tuple[str, str]]:
    if head.config is None:
        yield "its configuration is not stored", RESTORE
    elif not is_object(head.config):
        yield "its configuration cannot be decoded", RESTORE
    if head.tool_digest != head.found_tools:
        yield "the tool state has no body", RESTORE
    if head.plugin_digest != head.found_plugins:
        yield "the plugin state has no body", RESTORE


def _of_owner(node: NodeFacts) -> Iterator[tuple[str, str]]:
    if node.family is None:
        yield "its session is not stored", RESTORE
    if node.has_twin:
        yield "its id is stored twice", RESTORE


def _of_parent(node: NodeFacts) -> Iterator[tuple[str, str]]:
    if node.parent is not None and node.parent >= node.seq:
        yield "its parents form a cycle", GO_BACK
        return
    if node.parent is not None and node.found_parent is None:
        yield "its parent is missing", GO_BACK
        return
    if node.parent is not None and node.family not in (None, node.parent_family):
        yield "its parent is another family's", GO_BACK
    if node.is_parent_tombstoned and not node.is_tombstoned:
        yield "its parent is tombstoned, but reachable", GO_BACK
    if node.frame != (node.seq if node.kind == NodeKind.FRAME else node.parent_frame):
        yield "its frame pointer is wrong", GO_BACK
