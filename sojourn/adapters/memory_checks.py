"""Counting what the memory store keeps, and looking for what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sojourn.adapters import checking
from sojourn.adapters.checking import Calls, HeadFacts, NodeFacts
from sojourn.adapters.memory_rows import Rows, Stored
from sojourn.adapters.memory_session import Session
from sojourn.graph import NodeKind
from sojourn.reads import Problem


def stats(rows: Rows) -> dict[str, int]:
    """Return how much there is."""
    live, nodes = rows.sessions.values(), rows.nodes.values()
    attachments = [kept for row in rows.everyone() for kept in row.attachments.values()]
    tombstoned = sum(stored.is_tombstoned for stored in nodes)
    bodies = [*(stored.node.body for stored in nodes), *rows.snapshots.values()]
    return {
        "sessions": len(live),
        "nodes": len(nodes) - tombstoned,
        "tombstoned": tombstoned,
        "effects": sum(len(each.effects) for row in live for each in row.journals.values()),
        "receipts": sum(len(row.receipts) for row in live),
        "snapshots": len(rows.snapshots),
        "attachments": len(attachments),
        "intents": sum(kept.committed_at is None for kept in attachments),
        "size_bytes": sum(map(len, bodies)),
    }


def problems(rows: Rows) -> Iterator[Problem]:
    """Yield what is wrong, of heads first, then of nodes that vacuum does not remove."""
    for session in rows.sessions.values():
        yield from checking.of_head(_head(rows, session))
    places = {node_id: place for place, node_id in enumerate(rows.nodes)}
    dead = {node_id for node_id in rows.dead() if not rows.nodes[node_id].is_tombstoned}
    calls = Calls()
    for node_id, stored in rows.nodes.items():
        if node_id not in dead:
            facts = _node(rows, stored, places)
            yield from calls.of_node(facts)
            yield from checking.of_node(facts)
    yield from calls.end()


def _head(rows: Rows, session: Session) -> HeadFacts:
    found, origin = rows.nodes.get(session.leaf or ""), rows.live(session.origin)
    tools, plugins = session.tool_state, session.plugin_state
    return HeadFacts(
        session_id=session.session_id,
        head_revision=session.head_revision,
        turn_count=session.turn_count,
        leaf=session.leaf,
        leaf_place=session.leaf,
        found_leaf=found.node.node_id if found else None,
        is_leaf_tombstoned=found.is_tombstoned if found else None,
        leaf_family=_family(rows, found),
        family=session.family,
        has_founder=any(row.session_id == session.family for row in rows.everyone()),
        origin=session.origin,
        origin_family=_family(rows, origin),
        config=json.dumps(session.config),
        tool_digest=tools.digest if tools else None,
        found_tools=tools.digest if tools and tools.digest in rows.snapshots else None,
        plugin_digest=plugins.digest if plugins else None,
        found_plugins=plugins.digest if plugins and plugins.digest in rows.snapshots else None,
    )


def _node(rows: Rows, stored: Stored, places: dict[str, int]) -> NodeFacts:
    """Return what there is to know; nothing points to frames, they are looked for on the way."""
    node, place = stored.node, places[stored.node.node_id]
    parent = rows.nodes.get(node.parent_id or "")
    return NodeFacts(
        seq=place,
        session_id=stored.session_id,
        node_id=node.node_id,
        kind=node.kind,
        body=node.body,
        turn_id=node.turn_id,
        is_tombstoned=stored.is_tombstoned,
        parent=None if node.parent_id is None else places.get(node.parent_id, -1),
        frame=place if node.kind == NodeKind.FRAME else None,
        found_parent=places[parent.node.node_id] if parent else None,
        is_parent_tombstoned=parent.is_tombstoned if parent else None,
        parent_frame=None,
        parent_family=_family(rows, parent),
        family=_family(rows, stored),
        is_deleted=stored.session_id in rows.deleted,
        has_twin=False,
    )


def _family(rows: Rows, stored: Stored | None) -> str | None:
    if stored is None:
        return None
    owner = rows.sessions.get(stored.session_id) or rows.deleted.get(stored.session_id)
    return owner.family if owner else None
