from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.errors import GraphCorrupt
from sojourn.graph import Node, SessionGraph
from sojourn.heal import Healed, HealedKind, heal, healed_messages
from sojourn.messages import (
    CallStatus,
    Message,
    Role,
    ToolCallPart,
    ToolResponsePart,
    assistant,
    tool_response,
    user,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE, TWO = ToolCallPart(id="c1", name="add"), ToolCallPart(id="c2", name="add")


def node(
    node_id: str,
    parent_id: str | None = None,
    message: Message | None = None,
    kind: str = "message",
) -> Node:
    """Return a node."""
    body = (message or user(node_id)).encode()
    return Node(node_id, parent_id, kind, body, "t1", NOW)


def path(*messages: Message) -> list[Node]:
    """Return a path of messages, its nodes counted from 0."""
    return [
        node(str(number), str(number - 1) if number else None, message)
        for number, message in enumerate(messages)
    ]


def done(call: ToolCallPart) -> Message:
    """Return the response to a call."""
    return tool_response(call.id, call.name, 3, CallStatus.DONE)


HEALTHY = [user("hi"), assistant("", ONE, TWO), done(ONE), done(TWO), assistant("6")]


def test_a_healthy_graph_is_returned_as_it_is() -> None:
    """The same object, and nothing to tell."""
    graph = SessionGraph(path(*HEALTHY), "4")

    assert heal(graph) == (graph, ())
    assert heal(SessionGraph())[1] == ()


def test_orphans_are_no_illness() -> None:
    """Branches off the active path stay as they are."""
    graph = SessionGraph([*path(*HEALTHY), node("branch", "0")], "4")

    assert heal(graph) == (graph, ())


def test_a_graph_that_stands_on_nothing_is_healthy() -> None:
    """A leaf of None was chosen, and does not dangle."""
    graph = SessionGraph(path(*HEALTHY), None)

    assert heal(graph) == (graph, ())


def test_a_dangling_leaf_gives_way_to_the_last_whole_message() -> None:
    """In storage order; frames and what hangs in the air are passed over."""
    nodes = [
        node("a"),
        node("b", "a"),
        node("f", "b", kind="frame"),
        node("lost", "nowhere"),
        node("lost-too", "lost"),
    ]
    graph, healed = heal(SessionGraph(nodes, "gone"))

    assert graph.leaf == "b"
    assert list(graph) == nodes
    assert healed == (Healed(HealedKind.DANGLING_LEAF, "gone", "the session now stands on b"),)


def test_a_dangling_leaf_without_a_whole_message_is_damage() -> None:
    """An empty session would hide what is left."""
    with pytest.raises(GraphCorrupt) as corrupt:
        heal(SessionGraph([node("lost", "nowhere")], "gone", "chat-1"))

    assert corrupt.value.facts["session_id"] == "chat-1"
    assert corrupt.value.node_id == "gone"


def test_a_path_loaded_alone_may_begin_at_a_frame() -> None:
    """The frame has a parent that is not resident."""
    graph = SessionGraph([node("b", "a", kind="frame"), node("c", "b")], "c")

    assert heal(graph) == (graph, ())


def test_a_path_loaded_alone_never_begins_in_the_middle() -> None:
    """A wrong frame pointer must not make a shorter conversation."""
    with pytest.raises(GraphCorrupt, match="neither at a root nor at a frame") as corrupt:
        heal(SessionGraph([node("b", "a"), node("c", "b")], "c"))

    assert corrupt.value.node_id == "b"


def test_an_id_that_is_stored_twice_is_damage() -> None:
    """Nobody can tell which of the two a child hangs on."""
    with pytest.raises(GraphCorrupt, match="its id is stored twice") as corrupt:
        SessionGraph([node("a"), node("a", message=assistant("other"))], "a", "chat-1")

    assert (corrupt.value.facts["session_id"], corrupt.value.node_id) == ("chat-1", "a")


def test_a_node_of_an_unknown_kind_is_passed_over_and_told_of() -> None:
    """A newer version wrote it; what it holds is not looked at."""
    newer = Node("1", "0", "vision", b"\xff", "t1", NOW)
    nodes = [node("0", message=user("hi")), newer, node("2", "1", assistant("hello"))]
    graph, mended = heal(SessionGraph(nodes, "2"))
    messages, healed = healed_messages(graph.active_path())

    assert (list(graph), mended) == (nodes, ())
    assert messages == [user("hi"), assistant("hello")]
    detail = "kind 'vision', of a newer version: passed over"
    assert healed == (Healed(HealedKind.UNKNOWN_NODE, "1", detail),)


def test_a_gap_in_a_full_graph_is_damage() -> None:
    """What is lost must not look like the conversation's beginning."""
    graph = SessionGraph([node("root"), node("b", "a"), node("c", "b")], "c")

    with pytest.raises(GraphCorrupt) as corrupt:
        heal(graph)

    assert corrupt.value.node_id == "b"


def test_a_cycle_is_damage() -> None:
    """Named by a node on it."""
    with pytest.raises(GraphCorrupt) as corrupt:
        heal(SessionGraph([node("a", "b"), node("b", "a")], "b"))

    assert corrupt.value.node_id in {"a", "b"}


def test_nodes_in_a_cycle_are_no_place_to_stand_on() -> None:
    """A dangling leaf never moves into one."""
    graph, _ = heal(SessionGraph([node("ok"), node("a", "b"), node("b", "a")], "gone"))

    assert graph.leaf == "ok"


@st.composite
def graphs(draw: st.DrawFn) -> SessionGraph:
    """Return a graph whose nodes and leaf may hang in the air."""
    count = draw(st.integers(0, 12))
    nodes: list[Node] = []
    for number in range(count):
        parent = draw(st.sampled_from([None, "nowhere", *map(str, range(number))]))
        kind = draw(st.sampled_from(["message", "message", "frame"]))
        nodes.append(node(str(number), parent, kind=kind))
    return SessionGraph(nodes, draw(st.sampled_from([None, "gone", *map(str, range(count))])))


@given(graphs())
def test_healing_twice_heals_nothing_more(graph: SessionGraph) -> None:
    """And never touches a node; a healed leaf is resident, or there is none."""
    try:
        healed, _ = heal(graph)
    except GraphCorrupt:
        return
    again, more = heal(healed)

    assert again is healed
    assert more == ()
    assert list(healed) == list(graph)
    assert healed.leaf is None or healed.leaf in healed


def test_healthy_messages_are_projected_as_they_are() -> None:
    """In order, with nothing to tell."""
    assert healed_messages(path(*HEALTHY)) == (HEALTHY, ())
    assert healed_messages([]) == ([], ())


def test_frames_and_unknown_kinds_are_passed_over() -> None:
    """They are no messages."""
    nodes = [node("f", kind="frame"), node("a", "f", user("hi")), node("x", "a", kind="later")]

    assert healed_messages(nodes)[0] == [user("hi")]


@pytest.mark.parametrize("after", [[], [user("and?")], [assistant("well")]])
def test_a_call_without_response_is_answered_as_unknown(after: list[Message]) -> None:
    """Right after the ones that were answered, before anybody speaks again."""
    messages, healed = healed_messages(path(user("hi"), assistant("", ONE, TWO), done(ONE), *after))
    synthetic = messages[3]

    assert messages[:3] == [user("hi"), assistant("", ONE, TWO), done(ONE)]
    assert messages[4:] == after
    assert synthetic.role is Role.TOOL
    (part,) = synthetic.tool_responses
    assert (part.id, part.name, part.status) == ("c2", "add", CallStatus.UNKNOWN)
    assert healed == (Healed(HealedKind.UNANSWERED_CALL, "1", "call c2"),)


def test_a_response_without_its_call_is_left_out() -> None:
    """A provider would refuse the conversation for it."""
    messages, healed = healed_messages(path(done(ONE), user("hi"), assistant("hello")))

    assert messages == [user("hi"), assistant("hello")]
    assert healed == (Healed(HealedKind.UNCALLED_RESPONSE, "0", "call c1"),)


def test_a_call_is_answered_once() -> None:
    """The first response counts."""
    messages, healed = healed_messages(path(assistant("", ONE), done(ONE), done(ONE)))

    assert messages == [assistant("", ONE), done(ONE)]
    assert [each.node_id for each in healed] == ["2"]


def test_of_a_message_with_several_responses_the_called_ones_stay() -> None:
    """The rest of it is untouched."""
    parts = (ToolResponsePart(id="c1"), ToolResponsePart(id="c9"))
    both = Message(role=Role.TOOL, parts=parts)
    messages, healed = healed_messages(path(assistant("", ONE), both))

    assert messages == [assistant("", ONE), Message(role=Role.TOOL, parts=parts[:1])]
    assert healed == (Healed(HealedKind.UNCALLED_RESPONSE, "1", "call c9"),)


def test_the_stored_nodes_are_not_touched() -> None:
    """What is healed is healed in the reading."""
    nodes = path(assistant("", ONE), done(TWO))
    before = [each.body for each in nodes]
    healed_messages(nodes)

    assert [each.body for each in nodes] == before


def test_a_body_that_cannot_be_decoded_is_named_and_not_shown() -> None:
    """Content never goes to an error's text."""
    broken = Node("a", None, "message", b'{"role":"secret"}', "t1", NOW)

    with pytest.raises(GraphCorrupt) as corrupt:
        healed_messages([broken])

    assert corrupt.value.node_id == "a"
    assert "secret" not in str(corrupt.value)
    assert corrupt.value.__cause__ is None


CALLS = st.sampled_from([user("hi"), assistant("", ONE), assistant("", TWO, ONE), assistant("ok")])


@given(st.lists(st.one_of(CALLS, st.sampled_from([done(ONE), done(TWO)])), max_size=12))
def test_a_projection_needs_no_further_healing(messages: list[Message]) -> None:
    """Whatever was stored, each call is answered once, and right after."""
    projected, _ = healed_messages(path(*messages))

    assert healed_messages(path(*projected)) == (projected, ())
