"""Looking at a whole store, a page at a time, for what is wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Protocol

from sojourn.adapters import rules
from sojourn.adapters.sqlite.rows import Row
from sojourn.adapters.sqlite.sql import SQL
from sojourn.graph import NodeKind
from sojourn.reads import Problem

PAGE = 500

Page = tuple[list[Problem], object]


class Pager(Protocol):
    """Looks at one page of a store."""

    def __call__(self, db: sqlite3.Connection, after: object) -> Page:
        """Return what is wrong with the page after `after`, and where the next one starts."""
        ...


def heads(db: sqlite3.Connection, after: object) -> Page:
    """Return what is wrong with a page of heads, and the next start (None: the end)."""
    page = db.execute(SQL["check_heads"], (after, PAGE)).fetchall()
    problems = [problem for row in page for problem in _of_head(row)]
    return problems, page[-1][0] if page else None


def nodes(db: sqlite3.Connection, after: object) -> Page:
    """Return what is wrong with a page of nodes, and the next start."""
    page = db.execute(SQL["check_nodes"], (after, PAGE)).fetchall()
    problems = [problem for row in page for problem in _of_node(row)]
    return problems, page[-1][0] if page else None


def journals(db: sqlite3.Connection, after: object) -> Page:  # noqa: ARG001 - one page is all
    """Return the journals that belong to nobody."""
    found = db.execute(SQL["check_journals"])
    return [
        Problem(session_id, None, f"journal of turn {turn_id} in no live session")
        for session_id, turn_id in found
    ], None


def stats(db: sqlite3.Connection) -> dict[str, int]:
    """Return how much the store holds."""
    names = ("sessions", "nodes", "effects", "receipts", "size_bytes")
    return dict(zip(names, db.execute(SQL["stats"]).fetchone(), strict=True))


PAGERS: tuple[tuple[Pager, object], ...] = ((heads, ""), (nodes, 0), (journals, 0))


def _of_head(row: Row) -> Iterator[Problem]:
    session_id, leaf, seq, is_tombstoned, tools, stored_tools, plugins, stored_plugins = row
    if leaf is not None and seq is None:
        yield Problem(session_id, leaf, "the leaf is not stored")
    if is_tombstoned:
        yield Problem(session_id, leaf, "tombstoned, but reachable")
    if tools != stored_tools:
        yield Problem(session_id, None, "the tool state has no body")
    if plugins != stored_plugins:
        yield Problem(session_id, None, "the plugin state has no body")


def _of_node(row: Row) -> Iterator[Problem]:
    seq, session_id, node_id, kind, body, parent, is_tombstoned, stored_parent, is_parent_gone = row
    if parent is not None and parent >= seq:
        yield Problem(session_id, node_id, "its parents form a cycle")
    elif parent is not None and stored_parent is None:
        yield Problem(session_id, node_id, "its parent is missing")
    if is_parent_gone and not is_tombstoned:
        yield Problem(session_id, node_id, "its parent is tombstoned, but reachable")
    if kind == NodeKind.MESSAGE and not rules.is_message(body):
        yield Problem(session_id, node_id, "its message cannot be decoded")
