"""Healing: what a crash or a bad leaf left behind, put right in what is read, never in the store.

Nodes are only ever appended, so nothing here deletes or alters one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import ValidationError

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

_UNKNOWN_OUTCOME = "No result was recorded: the call may or may not have had its effect."


class HealedKind(StrEnum):
    """What was wrong."""

    DANGLING_LEAF = "dangling leaf"
    UNANSWERED_CALL = "tool call without response"
    UNCALLED_RESPONSE = "tool response without call"


@dataclass(frozen=True, slots=True)
class Healed:
    """One thing that was put right, at which node, and how; never what the node says."""

    kind: HealedKind
    node_id: str
    detail: str


def heal(graph: SessionGraph) -> tuple[SessionGraph, tuple[Healed, ...]]:
    """Return a graph that stands on a resident node; a healthy graph is returned as it is.

    A leaf that is not there gives way to the last message whose ancestry is whole. A path that
    was loaded alone (nothing else is resident) may begin anywhere; in a full graph it must begin
    at a root.

    Raises:
        GraphCorrupt: the active path has a cycle, or a gap in a full graph.
    """
    if graph.leaf is None or graph.leaf in graph:
        _check_path(graph)
        return graph, ()
    leaf = _last_whole_message(graph)
    detail = f"the session now stands on {leaf or 'no node'}"
    healed = Healed(HealedKind.DANGLING_LEAF, graph.leaf, detail)
    return SessionGraph(graph, leaf), (healed,)


def healed_messages(path: Sequence[Node]) -> tuple[list[Message], tuple[Healed, ...]]:
    """Return the messages of a path as a provider takes them: each call answered, right after.

    A call without response gets one of status UNKNOWN; a response without call is left out.

    Raises:
        GraphCorrupt: a message cannot be decoded.
    """
    projection = _Projection()
    for node in path:
        if node.kind == NodeKind.MESSAGE:
            projection.add(node.node_id, _decoded(node))
    projection.answer_open_calls()
    return projection.messages, tuple(projection.healed)


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
    is_alone = len(path) == len(graph)
    if path and path[0].parent_id is not None and not is_alone:
        raise GraphCorrupt(session_id="", node_id=path[0].node_id, reason="its parent is missing")


def _last_whole_message(graph: SessionGraph) -> str | None:
    whole: set[str | None] = {None}
    last: str | None = None
    for node in graph:  # in storage order a parent comes before its children
        if node.parent_id in whole:
            whole.add(node.node_id)
            last = node.node_id if node.kind == NodeKind.MESSAGE else last
    return last


def _decoded(node: Node) -> Message:
    try:
        return node.message
    except ValidationError:
        # The validator's words would show the content.
        raise GraphCorrupt(
            session_id="", node_id=node.node_id, reason="its message cannot be decoded"
        ) from None
