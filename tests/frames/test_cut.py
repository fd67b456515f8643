"""Where a frame is cut in two: whole turns, and nothing lost or doubled."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.compaction import KEPT_SHARE, READ_SHARE, Cut, cut, frame_nodes
from sojourn.errors import GraphCorrupt
from sojourn.frames import Frame, FramePolicy
from sojourn.graph import Node, NodeKind, SessionGraph
from sojourn.messages import user
from sojourn.models import ModelSpec
from sojourn.window import estimated

AT = datetime(2026, 1, 1, tzinfo=UTC)
TURNS = st.lists(st.lists(st.integers(0, 400), min_size=1, max_size=4), max_size=8)


def graph_of(turns: list[list[int]], *, in_frame: bool = False) -> SessionGraph:
    """Return a graph of turns of messages that are so long, maybe after a frame and its seed."""
    kinds = [("frame", NodeKind.FRAME, b""), ("frame", NodeKind.MESSAGE, user("s").encode())]
    rows = kinds if in_frame else []
    for number, sizes in enumerate(turns):
        rows += [(f"t{number}", NodeKind.MESSAGE, user("x" * size).encode()) for size in sizes]
    ids = [f"n{number}" for number in range(len(rows))]
    parents = [None, *ids[:-1]] if ids else []
    nodes = [
        Node(node_id, parent, kind, body, turn, AT)
        for node_id, parent, (turn, kind, body) in zip(ids, parents, rows, strict=True)
    ]
    return SessionGraph(nodes, ids[-1] if ids else None, "s")


def tokens(nodes: tuple[Node, ...] | list[Node]) -> int:
    """Return about how many tokens nodes take."""
    return estimated(len(node.body) for node in nodes)


@given(TURNS, st.booleans(), st.integers(0, 3), st.none() | st.integers(10, 2_000))
def test_a_cut_keeps_whole_turns_and_loses_nothing(
    turns: list[list[int]], in_frame: bool, keep: int, room: int | None
) -> None:
    """What is replaced and what is kept are the frame, in order; something is replaced."""
    graph = graph_of(turns, in_frame=in_frame)
    part = cut(graph, keep, room)
    if not turns:
        assert part is None
        return
    assert part is not None
    spoken = [node for node in graph.current_frame() if node.kind == NodeKind.MESSAGE]
    kept = {node.turn_id for node in part.kept}

    assert [*part.replaced, *part.kept] == spoken
    assert part.replaced
    assert not kept & {node.turn_id for node in part.replaced}
    assert len(kept) <= keep
    assert room is None or tokens(part.kept) <= room * KEPT_SHARE


@given(TURNS.filter(bool), st.none() | st.integers(10, 2_000))
def test_pieces_are_whole_turns_that_can_be_read_at_once(
    turns: list[list[int]], room: int | None
) -> None:
    """Joined they are what is summarised; none could take the next one's first turn too."""
    part = Cut(tuple(graph_of(turns).active_path()), ())
    pieces = part.pieces(room)

    assert [node for piece in pieces for node in piece] == list(part.replaced)
    assert all(pieces)
    for piece, following in pairwise(pieces):
        assert piece[-1].turn_id != following[0].turn_id
    if room is None:
        assert len(pieces) == 1
    else:
        for piece in pieces:
            several = len(list(groupby(piece, key=lambda node: node.turn_id))) > 1
            assert not several or tokens(piece) <= room * READ_SHARE


def test_the_nodes_of_a_frame_are_a_chain_and_the_same_for_every_retry() -> None:
    """Their ids follow from the session, the operation and their place."""
    seeds = [user("one").encode(), user("two").encode()]
    nodes = frame_nodes("s", "compact/4", "leaf", Frame(reason="automatic"), seeds)

    assert [node.kind for node in nodes] == ["frame", "message", "message"]
    assert [node.parent_id for node in nodes] == ["leaf", nodes[0].node_id, nodes[1].node_id]
    assert nodes == frame_nodes("s", "compact/4", "leaf", Frame(reason="automatic"), seeds)
    assert {node.node_id for node in nodes}.isdisjoint(
        node.node_id for node in frame_nodes("s", "compact/5", "leaf", Frame(), seeds)
    )


POLICIES = st.builds(
    FramePolicy,
    model=st.none() | st.sampled_from([ModelSpec("a:b"), ModelSpec("c:d", 10, 5)]),
    instructions=st.none() | st.text(max_size=20),
)


@given(POLICIES, st.text(max_size=10))
def test_a_frame_is_read_as_it_was_written(policy: FramePolicy, reason: str) -> None:
    """With what it sets, and only that."""
    frame = Frame(reason=reason, policy=policy)
    node = Node("n", None, NodeKind.FRAME, frame.encode(), "t", AT)

    assert Frame.of(node) == frame


@given(POLICIES, POLICIES)
def test_a_frame_within_another_carries_on_what_it_does_not_set(
    outer: FramePolicy, inner: FramePolicy
) -> None:
    """So that the current frame alone says what is in force."""
    both = inner.within(outer)

    assert both.model == (inner.model or outer.model)
    assert both.instructions == (
        outer.instructions if inner.instructions is None else inner.instructions
    )


def test_a_frame_of_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    """What cannot be decoded at all is damage, and says where."""
    newer = b'{"v":2,"reason":"dreamt","policy":{"mood":"good"},"more":1}'
    assert Frame.of(Node("n", None, NodeKind.FRAME, newer, "t", AT)).reason == "dreamt"
    with pytest.raises(GraphCorrupt, match="'n'"):
        Frame.of(Node("n", None, NodeKind.FRAME, b"{", "t", AT), "s")
