from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.errors import GraphCorrupt
from sojourn.graph import Node, SessionGraph
from sojourn.messages import user

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def node(node_id: str, parent_id: str | None = None) -> Node:
    """Return a message node."""
    return Node(node_id, parent_id, "message", user(node_id).encode(), "t1", NOW)


def chain(*node_ids: str) -> list[Node]:
    """Return nodes that hang on each other."""
    parents = (None, *node_ids)
    return [node(child, parent) for child, parent in zip(node_ids, parents, strict=False)]


def ids(nodes: list[Node]) -> list[str]:
    """Return the ids of nodes."""
    return [each.node_id for each in nodes]


LONG = chain("a", "f1", "b", "f2", "c", "d")


@st.composite
def trees(draw: st.DrawFn) -> list[Node]:
    """Return a forest in append order: parents come before their children."""
    nodes: list[Node] = []
    for number in range(draw(st.integers(1, 25))):
        above = draw(st.one_of(st.none(), st.integers(0, number - 1))) if number else None
        nodes.append(node(str(number), None if above is None else str(above)))
    return nodes


def test_an_empty_graph_stands_on_nothing() -> None:
    """It has no path and no orphans."""
    graph = SessionGraph()

    assert (len(graph), graph.leaf, graph.active_path(), graph.orphan_ids()) == (0, None, [], [])


@given(trees(), st.data())
def test_the_path_leads_from_a_root_to_the_leaf(nodes: list[Node], data: st.DataObject) -> None:
    """Each node's parent is the one before it."""
    leaf = data.draw(st.sampled_from(nodes)).node_id
    path = SessionGraph(nodes, leaf).active_path()

    assert path[-1].node_id == leaf
    assert [each.parent_id for each in path] == [None, *ids(path)[:-1]]


@given(trees(), st.data())
def test_orphans_and_path_are_the_whole_graph(nodes: list[Node], data: st.DataObject) -> None:
    """Each node is one or the other, and orphans keep the storage order."""
    graph = SessionGraph(nodes, data.draw(st.sampled_from(nodes)).node_id)
    orphans = graph.orphan_ids()
    path = ids(graph.active_path())

    assert sorted([*orphans, *path]) == sorted(ids(nodes))
    assert orphans == [node_id for node_id in ids(nodes) if node_id in set(orphans)]


@given(trees(), st.data(), st.integers(0, 5))
def test_appending_is_as_good_as_loading_anew(
    nodes: list[Node], data: st.DataObject, count: int
) -> None:
    """The kept path is the one that a walk would find."""
    leaf = data.draw(st.sampled_from(nodes)).node_id
    graph = SessionGraph(nodes, leaf)
    graph.active_path()
    more = [node(f"new{n}", leaf if n == 0 else f"new{n - 1}") for n in range(count)]
    graph.append(more)
    anew = SessionGraph([*nodes, *more], more[-1].node_id if more else leaf)

    assert graph.leaf == anew.leaf
    assert graph.active_path() == anew.active_path()
    assert list(graph) == list(anew)


@given(trees(), st.data())
def test_trimming_keeps_the_path(nodes: list[Node], data: st.DataObject) -> None:
    """And nothing else."""
    graph = SessionGraph(nodes, data.draw(st.sampled_from(nodes)).node_id)
    trimmed = graph.trimmed()

    assert (trimmed.leaf, list(trimmed)) == (graph.leaf, graph.active_path())
    assert trimmed.active_path() == graph.active_path()


def test_only_the_leaf_is_continued() -> None:
    """What hangs elsewhere is refused by name."""
    graph = SessionGraph(chain("a", "b"), "b")

    with pytest.raises(GraphCorrupt) as corrupt:
        graph.append([node("c", "a")])

    assert corrupt.value.node_id == "c"
    assert "c" not in graph


def test_the_leaf_can_be_moved() -> None:
    """The path follows; nothing is lost."""
    graph = SessionGraph(chain("a", "b", "c"), "c")
    graph.active_path()
    graph.stand_on("a")

    assert ids(graph.active_path()) == ["a"]
    assert graph.orphan_ids() == ["b", "c"]
    graph.stand_on(None)
    assert graph.active_path() == []


def test_a_cycle_ends_in_an_error() -> None:
    """And not in a walk without end."""
    graph = SessionGraph([node("a", "b"), node("b", "a")], "a")

    with pytest.raises(GraphCorrupt):
        graph.active_path()


def test_a_path_may_begin_at_a_node_whose_parent_is_elsewhere() -> None:
    """A trimmed graph has the first resident node first."""
    assert ids(SessionGraph([node("b", "a"), node("c", "b")], "c").active_path()) == ["b", "c"]


def test_the_current_frame_is_what_follows_the_newest_frame_node() -> None:
    """Without a frame node it is the whole path."""
    frames = [replace(each, kind="frame") if "f" in each.node_id else each for each in LONG]

    assert ids(SessionGraph(frames, "d").current_frame()) == ["c", "d"]
    assert ids(SessionGraph(frames, "b").current_frame()) == ["b"]
    assert SessionGraph(frames, "f2").current_frame() == []
    assert SessionGraph(LONG, "b").current_frame() == LONG[:3]


def test_nodes_are_found_by_id() -> None:
    """What is not resident is not found."""
    (only,) = chain("a")
    graph = SessionGraph([only], "a")

    assert graph.find("a") is only
    assert graph.find("b") is None
    assert ("a" in graph, "b" in graph) == (True, False)
    assert only.message is only.message
    assert only.message.text == "a"
