"""Each kind of damage to a row: the check names it, and a load heals it or says what is wrong."""

# ruff: noqa: S608 - the statements are these tests' own

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sojourn import ids
from sojourn.errors import GraphCorrupt
from sojourn.heal import heal, healed_messages
from sojourn.reads import Problem
from sojourn.residency import Residency
from sojourn.state import SessionState, load_state
from sojourn.testing.conformance.making import PICTURE, attachment, problems
from tests.store.damaging import Broken, broken, filled, framed, url
from tests.support.postgres import migrated, postgres_url

__all__ = ["broken", "migrated", "postgres_url", "url"]

CORRUPT, UNSAID = "GraphCorrupt", "?"
STATE = ids.digest(b"state")
KEPT = attachment(PICTURE).attachment_id
OTHER = "(SELECT sid FROM sessions WHERE session_id = 'other')"
C_CALLS = '{"v":1,"role":"assistant","parts":[{"type":"tool_call","id":"c1","name":"add"}]}'
C_ANSWERS = '{"v":1,"role":"tool","parts":[{"type":"tool_call_response","id":"c1"}]}'


def at(node_id: str) -> str:
    """Return what stands for the place of a node in a statement."""
    return f"(SELECT seq FROM nodes WHERE node_id = '{node_id}')"


@dataclass(frozen=True)
class Damage:
    """What is broken, what the check says, and what a load of the session does.

    Attributes:
        statement: breaks it.
        problem: session, node, and how what is said begins.
        load: the leaf that session s stands on then, CORRUPT, or UNSAID.
        healed: at which nodes something was healed.
    """

    statement: str
    problem: tuple[str, str | None, str]
    load: str = "c"
    healed: tuple[str, ...] = ()


OF_SESSIONS = [
    Damage(
        "DELETE FROM nodes WHERE node_id = 'c'", ("s", "c", "the leaf is not stored"), "b", ("c",)
    ),
    Damage(
        "UPDATE nodes SET tombstoned = TRUE WHERE node_id = 'c'",
        ("s", "c", "tombstoned, but reachable"),
        "b",
        ("c",),
    ),
    Damage(
        "UPDATE sessions SET leaf = 'a' WHERE session_id = 's'",
        ("s", "a", "another node stands at the leaf's place"),
        "a",
    ),
    Damage(
        f"UPDATE sessions SET leaf = 'y', leaf_seq = {at('y')} WHERE session_id = 's'",
        ("s", "y", "the leaf is another family's"),
        UNSAID,
    ),
    Damage(
        "UPDATE sessions SET family = 99 WHERE session_id = 'other'",
        ("other", None, "its family 99 has no first session"),
    ),
    Damage(
        "UPDATE sessions SET origin = 99 WHERE session_id = 'f'",
        ("f", None, "the node that it was forked at is gone: 99"),
    ),
    Damage(
        f"UPDATE sessions SET origin = {at('y')} WHERE session_id = 'f'",
        ("f", None, "the node that it was forked at is another family's"),
    ),
    Damage(
        "UPDATE sessions SET turn_count = 7 WHERE session_id = 's'",
        ("s", None, "its counts cannot be: 7 turns in 1 commits"),
    ),
    Damage(
        "UPDATE configs SET body = '{' WHERE sid = " + OTHER,
        ("other", None, "its configuration cannot be decoded"),
    ),
    Damage(
        f"DELETE FROM configs WHERE sid = {OTHER}",
        ("other", None, "its configuration is not stored"),
    ),
    Damage(
        "UPDATE sessions SET tool_digest = 'gone' WHERE session_id = 's'",
        ("s", None, "the tool state has no body"),
        CORRUPT,
    ),
    Damage(
        "UPDATE sessions SET plugin_digest = 'gone' WHERE session_id = 's'",
        ("s", None, "the plugin state has no body"),
        CORRUPT,
    ),
]

OF_NODES = [
    Damage("DELETE FROM nodes WHERE node_id = 'a'", ("s", "b", "its parent is missing"), CORRUPT),
    Damage(
        f"UPDATE nodes SET parent = {at('c')} WHERE node_id = 'a'",
        ("s", "a", "its parents form a cycle"),
        CORRUPT,
    ),
    Damage(
        "UPDATE nodes SET tombstoned = TRUE WHERE node_id = 'a'",
        ("s", "b", "its parent is tombstoned, but reachable"),
        CORRUPT,
    ),
    Damage(
        f"UPDATE nodes SET parent = {at('c')} WHERE node_id = 'y'",
        ("other", "y", "its parent is another family's"),
    ),
    Damage(
        "UPDATE nodes SET body = 'secret?' WHERE node_id = 'b'",
        ("s", "b", "its message cannot be decoded"),
        CORRUPT,
    ),
    Damage(
        f"UPDATE nodes SET body = '{C_CALLS}' WHERE node_id = 'b'",
        ("s", "b", "its tool call c1 has no result"),
        healed=("b",),
    ),
    Damage(
        f"UPDATE nodes SET body = '{C_ANSWERS}' WHERE node_id = 'b'",
        ("s", "b", "its tool result c1 answers no call"),
        healed=("b",),
    ),
]

BESIDE = [
    Damage(
        f"UPDATE effects SET sid = 99 WHERE sid = {OTHER}",
        ("#99", None, "journal of turn t9 in no live session"),
    ),
    Damage(
        "UPDATE sessions SET deleted_at = created_at WHERE session_id = 'other'",
        ("other", None, "journal of turn t9 in no live session"),
    ),
    Damage(
        "UPDATE effects SET turn_id = 'turn-y'",
        ("other", None, "journal of turn turn-y outlived its commit"),
    ),
    Damage(
        "UPDATE effects SET effect_key = 'model/1'",
        ("other", None, "journal of turn t9 has no input"),
    ),
    Damage(
        "UPDATE effects SET position = 7", ("other", None, "journal of turn t9 is ahead of its")
    ),
    Damage(
        "UPDATE effects SET status = 'odd'",
        ("other", None, "journal of turn t9 has 1 rows of unknown kind or status"),
    ),
    Damage(
        "UPDATE effects SET facts = '{'",
        ("other", None, "journal of turn t9 has facts that cannot be decoded"),
    ),
    Damage(
        "UPDATE receipts SET head_revision = 7 WHERE operation_id = 'turn-y'",
        ("other", None, "receipt of turn-y is of revision 7, beyond the head 1"),
    ),
    Damage(
        "UPDATE receipts SET leaf = 'b' WHERE operation_id = 't1'",
        ("s", None, "receipt of t1 stands on another leaf than the head"),
    ),
    Damage(
        "UPDATE receipts SET result = '{' WHERE operation_id = 't1'",
        ("s", None, "receipt of t1 has a result that cannot be decoded"),
    ),
    Damage(
        "UPDATE receipts SET sid = 99 WHERE operation_id = 'turn-y'",
        ("#99", None, "receipt of turn-y in no live session"),
    ),
    Damage(
        "UPDATE usage SET output_tokens = -1",
        ("s", None, "usage of scripted by agent is negative"),
    ),
    Damage(
        "UPDATE usage SET sid = 99", ("#99", None, "usage of scripted by agent in no live session")
    ),
    Damage("UPDATE snapshots SET body = 'other'", ("f", None, f"state {STATE} has another body")),
    Damage("UPDATE attachments SET sid = 99", ("#99", None, f"attachment {KEPT} in no session")),
    Damage(
        "UPDATE attachments SET size_bytes = -1",
        ("s", None, f"attachment {KEPT} has a negative size"),
    ),
    Damage(
        "UPDATE attachments SET turn_id = 't7'",
        ("s", None, f"attachment {KEPT} was committed without a receipt of turn t7"),
    ),
    Damage(
        f"UPDATE attachments SET sid = {OTHER}, turn_id = 't9'",
        ("other", None, f"attachment {KEPT} was committed by turn t9, which is still open"),
    ),
]


LOADED = [damage for damage in (*OF_SESSIONS, *OF_NODES) if damage.load != UNSAID]


async def brought(broken: Broken, residency: Residency) -> tuple[SessionState, tuple[str, ...]]:
    """Load session s and heal it, as a runtime does; return where something was healed."""
    state = await load_state(broken.store, "s", residency)
    graph, mended = heal(state.graph)
    _, answered = healed_messages(graph.current_frame(), "s")
    healed = (*state.healed, *mended, *answered)
    return state, tuple(each.node_id for each in healed)


@pytest.mark.parametrize(
    "damage", [*OF_SESSIONS, *OF_NODES, *BESIDE], ids=lambda damage: damage.problem[2]
)
async def test_the_check_names_the_damage_and_what_to_do(broken: Broken, damage: Damage) -> None:
    """Session and row are named, and nothing that a message says; the rows stay as they were."""
    await filled(broken.store)
    assert await problems(broken.store) == []
    broken.breaks(damage.statement)
    before = broken.rows()
    found = await problems(broken.store)

    session, node_id, said = damage.problem
    [named] = [each for each in found if each.problem.startswith(said)][:1]
    assert (named.session_id, named.node_id) == (session, node_id)
    assert all(each.remedy for each in found)
    assert "secret" not in repr(found)
    assert broken.rows() == before


@pytest.mark.parametrize("residency", Residency)
@pytest.mark.parametrize("damage", LOADED, ids=lambda damage: damage.problem[2])
async def test_a_load_heals_the_damage_or_names_it(
    broken: Broken, damage: Damage, residency: Residency
) -> None:
    """Whatever the residency, and without a write."""
    await filled(broken.store)
    broken.breaks(damage.statement)
    before = broken.rows()
    if damage.load == CORRUPT:
        with pytest.raises(GraphCorrupt, match="Session 's'") as corrupt:
            await brought(broken, residency)
        assert corrupt.value.node_id in {"a", "b", "c"}
        assert "secret" not in str(corrupt.value)
    else:
        state, healed = await brought(broken, residency)
        assert (state.graph.leaf, healed) == (damage.load, damage.healed)

    assert broken.rows() == before


@pytest.mark.parametrize("residency", Residency)
async def test_a_wrong_frame_pointer_makes_no_shorter_conversation(
    broken: Broken, residency: Residency
) -> None:
    """Who reads no further than the frame is told; who reads it all needs no pointer."""
    await framed(broken.store)
    broken.breaks(f"UPDATE nodes SET frame = {at('b')} WHERE node_id = 'c'")

    assert await problems(broken.store) == [Problem("s", "c", "its frame pointer is wrong")]
    if residency is Residency.KEEP_ALL:
        state, healed = await brought(broken, residency)
        assert ([node.node_id for node in state.graph.current_frame()], healed) == (["c"], ())
    else:
        with pytest.raises(GraphCorrupt, match="neither at a root nor at a frame"):
            await brought(broken, residency)
