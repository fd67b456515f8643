"""Healing: what a crash or a bad leaf left behind, put right in what is read, never in the store.

Nodes are only ever appended, so nothing here deletes or alters one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from pydantic import ValidationError

from sojourn.commit import Commit
from sojourn.errors import GraphCorrupt
from sojourn.graph import Node, NodeKind, SessionGraph
from sojourn.messages import (
    CallStatus,
    Message,
    Part,
    Role,
    ToolCallPart,
    ToolResponsePart,
    tool_response,
)

# Where a session's configuration keeps what was healed, and how much of it.
RECORD = "healed"
MAX_RECORD = 20

NOTHING_LEFT = "the leaf is lost, and there is no message that could stand in for it"
GAP = "its parent is missing"
KNOWN_KINDS = frozenset(NodeKind)

_UNKNOWN_OUTCOME = "No result was recorded: the call may or may not have had its effect."


class HealedKind(StrEnum):
    """What was wrong."""

    DANGLING_LEAF = "dangling leaf"
    UNANSWERED_CALL = "tool call without response"
    UNCALLED_RESPONSE = "tool response without call"
    UNKNOWN_NODE = "node of an unknown kind"


@dataclass(frozen=True, slots=True)
class Healed:
    """One thing that was put right, at which node, and how; never what the node says."""

    kind: HealedKind
    node_id: str
    detail: str


def dangling_leaf(leaf: str, stand_in: str) -> Healed:
    """Return the record of a leaf that is not stored, or tombstoned, and what stands in for it."""
    return Healed(HealedKind.DANGLING_LEAF, leaf, f"the session now stands on {stand_in}")


def recorded(earlier: Iterable[dict[str, str]], healed: Iterable[Healed]) -> list[dict[str, str]]:
    """Return what a session's configuration tells of healing, with what was healed since.

    Only what a commit makes invisible is added: a lost leaf. The rest shows in every reading.
    """
    lost = [asdict(each) for each in healed if each.kind is HealedKind.DANGLING_LEAF]
    return [*earlier, *lost][-MAX_RECORD:]


def with_record(commit: Commit, record: list[dict[str, str]]) -> Commit:
    """Return a commit that keeps the record of what was healed, if it keeps the configuration."""
    if commit.config is None or not record:
        return commit
    return replace(commit, config={**commit.config, RECORD: record})


def heal(graph: SessionGraph) -> tuple[SessionGraph, tuple[Healed, ...]]:
    """Return a graph that stands on a resident node; a healthy graph is returned as it is.

    A leaf that is not there gives way to the last message whose ancestry is whole. A path begins
    at a root; one that was loaded alone (nothing else is resident) may begin at a frame.

    Raises:
        GraphCorrupt: the active path has a cycle or a gap, or no message can stand in.
    """
    if graph.leaf is None or graph.leaf in graph:
        _check_path(graph)
        return graph, ()
    leaf = _last_whole_message(graph)
    if leaf is None:
        raise graph.corrupt(graph.leaf, NOTHING_LEFT)
    return SessionGraph(graph, leaf, graph.session_id), (dangling_leaf(graph.leaf, leaf),)


def healed_messages(
    path: Sequence[Node], session_id: str = ""
) -> tuple[list[Message], tuple[Healed, ...]]:
    """Return the messages of a path as a provider takes them: each call answered, right after.

    A call without response gets one of status UNKNOWN; a response without call is left out, and
    so is a node of a kind that a newer version wrote.

    Raises:
        GraphCorrupt: a message cannot be decoded.
    """
    projection = _Projection()
    for node in path:
        if node.kind == NodeKind.MESSAGE:
            projection.add(node.node_id, decoded(node, session_id))
        elif node.kind not in KNOWN_KINDS:
            detail = f"kind {node.kind!r}, of a newer version: passed over"
            projection.healed.append(Healed(HealedKind.UNKNOWN_NODE, node.node_id, detail))
    projection.answer_open_calls()
    return projection.messages, tuple(projection.healed)


def decoded(node: Node, session_id: str = "") -> Message:
    """Return what a message node says.

    Raises:
        GraphCorrupt: it cannot be decoded.
    """
    try:
        return node.message
    except ValidationError:
        # The validator's words would show the content.
        raise GraphCorrupt(
            session_id=session_id, node_id=node.node_id, reason="its message cannot be decoded"
        ) from None


class _Projection:
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.healed: list[Healed] = []
        self._open: dict[str, tuple[str, ToolCallPart]] = {}

    def add(self, node_id: str, message: Message) -> None:
        if message.role is not Role.TOOL:
            self.answer_open_calls()
        kept = tuple(self._answering(node_id, message.parts))
        if len(kept) == len(message.parts):
            self.messages.append(message)
        elif kept:
            self.messages.append(message.model_copy(update={"parts": kept}))
        self._open.update((call.id, (node_id, call)) for call in message.tool_calls)

    def answer_open_calls(self) -> None:
        for node_id, call in self._open.values():
            self.messages.append(
                tool_response(call.id, call.name, _UNKNOWN_OUTCOME, CallStatus.UNKNOWN)
            )
            self.healed.append(Healed(HealedKind.UNANSWERED_CALL, node_id, f"call {call.id}"))
        self._open.clear()

    def _answering(self, node_id: str, parts: Iterable[Part]) -> Iterator[Part]:
        for part in parts:
            if isinstance(part, ToolResponsePart) and self._open.pop(part.id, None) is None:
                self.healed.append(Healed(HealedKind.UNCALLED_RESPONSE, node_id, f"call {part.id}"))
            else:
                yield part


def _check_path(graph: SessionGraph) -> None:
    path = graph.active_path()
    if not path or path[0].parent_id is None:
        return
    first, is_alone = path[0], len(path) == len(graph)
    if is_alone and first.kind == NodeKind.FRAME:
        return
    reason = "the path begins neither at a root nor at a frame" if is_alone else GAP
    raise graph.corrupt(first.node_id, reason)


def _last_whole_message(graph: SessionGraph) -> str | None:
    whole: set[str | None] = {None}
    last: str | None = None
    for node in graph:  # in storage order a parent comes before its children
        if node.parent_id in whole:
            whole.add(node.node_id)
            last = node.node_id if node.kind == NodeKind.MESSAGE else last
    return last
