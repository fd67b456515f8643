from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from sojourn import ids
from sojourn.commit import (
    Commit,
    NewNode,
    Snapshot,
    check_head,
    check_nodes,
    check_size,
    content_hash,
)
from sojourn.errors import CommitTooLarge, GraphCorrupt, HeadConflict
from sojourn.usage import Usage, UsageEntry

NODE = NewNode("a", None, "message", b"hello")
STATE = Snapshot(ids.digest(b"state"), b"state", 3)
COMMIT = Commit("s", "t1", 4, 2, (NODE,), "a", result={"status": "completed"})

SAME: dict[str, Any] = {
    "expected_head_revision": 9,
    "fencing_token": 9,
    "is_turn": False,
    "release": True,
}
OTHER: dict[str, Any] = {
    "session_id": "other",
    "operation_id": "t2",
    "nodes": (NODE, NewNode("b", "a", "message", b"")),
    "leaf": "b",
    "config": {"agent": "clerk"},
    "tool_state": STATE,
    "plugin_state": STATE,
    "usage": (UsageEntry(source="agent", model="m", usage=Usage(input_tokens=1)),),
    "attachment_ids": ("f1",),
    "result": {"status": "failed"},
}


def test_every_field_of_a_commit_means_something_or_not() -> None:
    """A new field must be put on one of the two lists."""
    assert {field.name for field in fields(Commit)} == set(SAME) | set(OTHER)


@pytest.mark.parametrize("name", SAME)
def test_the_hash_ignores_how_a_commit_is_tried(name: str) -> None:
    """Revision, token and release may differ from try to try."""
    assert content_hash(replace(COMMIT, **{name: SAME[name]})) == content_hash(COMMIT)


@pytest.mark.parametrize("name", OTHER)
def test_the_hash_covers_what_a_commit_means(name: str) -> None:
    """Anything else makes another operation."""
    assert content_hash(replace(COMMIT, **{name: OTHER[name]})) != content_hash(COMMIT)


@pytest.mark.parametrize(
    "node",
    [
        NewNode("b", None, "message", b"hello"),
        NewNode("a", "b", "message", b"hello"),
        NewNode("a", None, "frame", b"hello"),
        NewNode("a", None, "message", b"hullo"),
    ],
)
def test_the_hash_covers_every_part_of_a_node(node: NewNode) -> None:
    """Id, parent, kind and body."""
    assert content_hash(replace(COMMIT, nodes=(node,))) != content_hash(COMMIT)


def test_the_hash_knows_where_one_node_ends() -> None:
    """Bytes cannot wander from one body into the next."""
    first = (replace(NODE, body=b"ab"), NewNode("b", "a", "message", b"c"))
    second = (replace(NODE, body=b"a"), NewNode("b", "a", "message", b"bc"))

    assert content_hash(replace(COMMIT, nodes=first)) != content_hash(replace(COMMIT, nodes=second))


def test_the_order_of_keys_means_nothing() -> None:
    """JSON objects have none."""
    one = replace(COMMIT, result={"a": 1, "b": 2})
    other = replace(COMMIT, result={"b": 2, "a": 1})

    assert content_hash(one) == content_hash(other)


def test_a_commit_builds_on_the_head_it_names() -> None:
    """Exactly; a head that is behind conflicts as much as one that is ahead."""
    check_head(COMMIT, 4)
    for actual in (0, 3, 5):
        with pytest.raises(HeadConflict):
            check_head(COMMIT, actual)


def test_the_size_budget_counts_all_bodies() -> None:
    """Nodes and states; the limit itself is allowed; a body that is stored already is free."""
    commit = replace(COMMIT, tool_state=STATE, plugin_state=replace(STATE, body=None))
    check_size(commit, 10)

    with pytest.raises(CommitTooLarge) as refused:
        check_size(commit, 9)
    assert (refused.value.size_bytes, refused.value.limit_bytes) == (10, 9)


def test_nodes_may_hang_on_each_other_and_on_stored_ones() -> None:
    """As long as parents come first."""
    nodes = (NewNode("b", "a", "message", b""), NewNode("c", "b", "message", b""))
    check_nodes(replace(COMMIT, nodes=nodes, leaf="c"), {"a"})
    check_nodes(replace(COMMIT, nodes=(), leaf="a"), {"a"})
    check_nodes(replace(COMMIT, nodes=(), leaf=None), set[str]())


@pytest.mark.parametrize(
    ("nodes", "leaf", "node_id"),
    [
        ((NewNode("b", "x", "message", b""),), "b", "b"),
        ((NewNode("a", None, "message", b""),), "a", "a"),
        ((NewNode("b", "b", "message", b""),), "b", "b"),
        ((NewNode("b", "c", "message", b""), NewNode("c", "b", "message", b"")), "c", "b"),
        ((NewNode("b", None, "message", b""),), "x", "x"),
        ((), "x", "x"),
        ((NewNode("b", None, "message", b""),), None, ""),
    ],
)
def test_what_hangs_nowhere_is_refused(
    nodes: tuple[NewNode, ...], leaf: str | None, node_id: str
) -> None:
    """The error names the node."""
    with pytest.raises(GraphCorrupt) as corrupt:
        check_nodes(replace(COMMIT, nodes=nodes, leaf=leaf), {"a"})

    assert corrupt.value.node_id == node_id
