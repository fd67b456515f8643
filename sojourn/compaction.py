"""Compaction: a frame that begins with a summary of what came before, and its last turns verbatim.

The pure part of it; `sojourn.turns.compacting` does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from sojourn import ids
from sojourn.commit import NewNode
from sojourn.errors import CompactionFailed
from sojourn.frames import Frame
from sojourn.graph import Node, NodeKind, SessionGraph
from sojourn.messages import Message, user
from sojourn.window import estimated

# What the model is asked for, as the user's last word after the conversation itself.
PROMPT = (
    "The conversation above is about to be replaced by a summary, because its context window fills"
    " up. Write that summary now, as plain text and without calling a tool. Whoever goes on has"
    " nothing but your summary: say what the user wants and has decided, what was done and found"
    " out with the exact names, numbers, paths and ids, which tool calls failed or have an unknown"
    " outcome, and what is still to be done. Leave out what nobody will need again. Do not answer"
    " the user, and do not mention this request."
)
SEED = "What was said before, summarised:"

# However short what it replaces is, a summary may have so many tokens.
MIN_SUMMARY_TOKENS = 2_000
# But only within this share of the room: else the next turn would need another one.
SUMMARY_SHARE = 0.25
# What stays verbatim takes at most this share of the room that a model has for input.
KEPT_SHARE = 0.25
# What is read at once takes at most this share of it: instructions and tools have the rest.
READ_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a frame is cut in two: what is summarised, and the last turns, which stay verbatim."""

    replaced: tuple[Node, ...]
    kept: tuple[Node, ...]

    @property
    def replaced_tokens(self) -> int:
        """About how many tokens are summarised."""
        return estimated(len(node.body) for node in self.replaced)

    def pieces(self, room: int | None) -> list[list[Node]]:
        """Return what is summarised in pieces of whole turns that a model can read at once.

        A turn that is longer than that is a piece of its own.

        Args:
            room: how many tokens the model has for input, or None if that is unknown.
        """
        pieces: list[list[Node]] = [[]]
        for _, nodes in groupby(self.replaced, key=lambda node: node.turn_id):
            turn = list(nodes)
            tokens = estimated(len(node.body) for node in (*pieces[-1], *turn))
            if pieces[-1] and room is not None and tokens > room * READ_SHARE:
                pieces.append([])
            pieces[-1].extend(turn)
        return pieces


def compaction_of(head_revision: int) -> str:
    """Return what the compaction of a turn is called that begins on this head."""
    return f"compact/{head_revision}"


def cut(graph: SessionGraph, keep_turns: int, room: int | None) -> Cut | None:
    """Cut the current frame so that its last `keep_turns` turns stay, if they are short enough.

    None if there is nothing to compact: nothing came since the frame was opened.

    Args:
        graph: the session's graph.
        keep_turns: how many turns to keep, fewer if nothing would be left to summarise.
        room: how many tokens the model has for input, or None if that is unknown.
    """
    opening, frame = graph.frame_node(), graph.current_frame()
    spoken = [node for node in frame if node.kind == NodeKind.MESSAGE]
    if all(opening is not None and node.turn_id == opening.turn_id for node in spoken):
        return None
    turns = [list(nodes) for _, nodes in groupby(spoken, key=lambda node: node.turn_id)]
    kept: list[Node] = []
    for turn in reversed(turns[1:][-keep_turns:] if keep_turns else []):
        longer = [*turn, *kept]
        tokens = estimated(len(node.body) for node in longer)
        if room is not None and tokens > room * KEPT_SHARE:
            break
        kept = longer
    return Cut(tuple(spoken[: len(spoken) - len(kept)]), tuple(kept))


def summary_of(text: str) -> Message:
    """Return the seed message that stands for what came before.

    Raises:
        CompactionFailed: there is no text.
    """
    if not text.strip():
        raise CompactionFailed(reason="the summary is empty")
    return user(f"{SEED}\n\n{text.strip()}").well_formed()


def check_length(seeds: Sequence[Message], part: Cut, room: int | None = None) -> None:
    """Let a summary pass only if it saves something.

    Args:
        seeds: the summary.
        part: what it stands for.
        room: how many tokens the model has for input, or None if that is unknown.

    Raises:
        CompactionFailed: it is too long for what it replaces, or for what the model can read.
    """
    tokens = estimated(len(message.encode()) for message in seeds)
    floor = MIN_SUMMARY_TOKENS
    if room is not None:
        floor = min(floor, int(room * SUMMARY_SHARE))
    limit = max(floor, part.replaced_tokens // 2)
    if tokens > limit:
        reason = f"the summary has about {tokens} tokens, and {limit} are allowed"
        raise CompactionFailed(reason=reason)


def frame_nodes(
    session_id: str,
    operation_id: str,
    parent: str | None,
    frame: Frame,
    seeds: Sequence[bytes],
) -> tuple[NewNode, ...]:
    """Return the nodes that open a frame: its own, and a chain of seed messages."""
    bodies = [(NodeKind.FRAME, frame.encode()), *((NodeKind.MESSAGE, seed) for seed in seeds)]
    nodes: list[NewNode] = []
    for ordinal, (kind, body) in enumerate(bodies):
        node_id = ids.node_id(session_id, operation_id, ordinal)
        nodes.append(NewNode(node_id, parent, kind, body))
        parent = node_id
    return tuple(nodes)
