"""Looking at a whole store, a page at a time, for what is wrong; at one row of a page at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from sojourn.adapters import checking
from sojourn.adapters import checking_rows as beside
from sojourn.adapters.checking import RESTORE, Calls, HeadFacts, NodeFacts
from sojourn.adapters.checking_rows import AttachmentFacts, JournalFacts, LedgerFacts, ReceiptFacts
from sojourn.adapters.postgres.database import Connection
from sojourn.adapters.postgres.rows import Row
from sojourn.adapters.postgres.sql import SQL
from sojourn.reads import CheckedPage, Problem

PAGE = 500

_BEFORE_ALL = -1 << 63
_STATS = (
    *("sessions", "nodes", "tombstoned", "effects", "receipts", "snapshots", "attachments"),
    *("intents", "size_bytes"),
)

# Where a page starts: after the row with this key, and with what is still open there.
Place = tuple[Any, ...]
Page = tuple[CheckedPage, Place | None]


class Pager(Protocol):
    """Looks at one page of a store."""

    async def __call__(self, connection: Connection, after: Place) -> Page:
        """Return what came of the page after `after`, and where the next one starts, if any."""
        ...


@dataclass(frozen=True)
class Table:
    """Looks at a page of rows, each by itself.

    Attributes:
        query: gives a page: the key of each row, then its facts.
        key: how many columns the key has.
        of_row: what is wrong with the facts.
        given: what the query is given before the key.
        is_counted: whether the rows are counted as looked at.
    """

    query: str
    key: int
    of_row: Callable[[Row], Iterator[Problem]]
    given: tuple[list[str], ...] = ()
    is_counted: bool = False

    async def __call__(self, connection: Connection, after: Place) -> Page:
        """Look at a page."""
        problems: list[Problem] = []
        looked, last = 0, None
        async with aclosing(_rows(connection, self.query, *self.given, *after)) as page:
            async for row in page:
                problems += self.of_row(row[self.key :])
                looked, last = looked + self.is_counted, row[: self.key]
        return CheckedPage(tuple(problems), looked), last


async def nodes(connection: Connection, after: Place) -> Page:
    """Look at a page of nodes; what is wrong with those that `vacuum` will remove is no matter."""
    calls = Calls(after[1:])
    found: list[tuple[Problem, dict[str, Any] | None]] = []
    looked, last = 0, None
    async with aclosing(_rows(connection, "check_nodes", after[0])) as page:
        async for *facts, grave in page:
            node = NodeFacts._make(facts)
            for problem in (*calls.of_node(node), *checking.of_node(node)):
                is_sure = grave is None or problem.node_id != node.node_id
                found.append((problem, None if is_sure else _place(node)))
            looked, last = looked + (not node.is_tombstoned), node.seq
    if last is None:
        return CheckedPage(tuple(calls.end())), None
    problems = [each for each, held in found if held is None or await _is_held(connection, held)]
    return CheckedPage(tuple(problems), looked), (last, *calls.still_open)


async def snapshots(connection: Connection, after: Place) -> Page:
    """Look at a page of state bodies; what is wrong is said of each session that stands on it."""
    wrong: dict[str, str] = {}
    last: Place | None = None
    async with aclosing(_rows(connection, "check_snapshots", *after)) as page:
        async for digest, body in page:
            last = (digest,)
            if problem := beside.of_snapshot(digest, body):
                wrong[digest] = problem
    named = await _users(connection, list(wrong)) if wrong else {}
    problems = [
        Problem(user, None, problem, RESTORE)
        for digest, problem in wrong.items()
        for user in named.get(digest, [""])
    ]
    return CheckedPage(tuple(problems)), last


async def stats(connection: Connection) -> dict[str, int]:
    """Return how much the store holds."""
    found = await connection.execute(SQL["stats"], binary=True)
    (counts,) = await found.fetchall()
    return dict(zip(_STATS, counts, strict=True))


async def _rows(connection: Connection, query: str, *values: Any) -> AsyncGenerator[Row, None]:
    """Yield a page's rows as they come, so that only one is in memory, however large."""
    async with connection.cursor() as cursor:
        async for row in cursor.stream(SQL[query], (*values, PAGE), binary=True):
            yield row


def _place(node: NodeFacts) -> dict[str, Any]:
    return {"seq": node.seq, "family": node.family}


async def _is_held(connection: Connection, place: dict[str, Any]) -> bool:
    found = await connection.execute(SQL["is_held"], place)
    return await found.fetchone() is not None


async def _users(connection: Connection, digests: list[str]) -> dict[str, list[str]]:
    """Return the sessions that stand on some state bodies."""
    found: dict[str, list[str]] = {}
    cursor = await connection.execute(SQL["check_users"], (digests, digests, PAGE))
    for user, digest in await cursor.fetchall():
        if user not in found.setdefault(digest, []):
            found[digest].append(user)
    return found


_HEADS = Table(
    "check_heads", 1, lambda row: checking.of_head(HeadFacts._make(row)), is_counted=True
)
_JOURNALS = Table(
    "check_journals",
    2,
    lambda row: beside.of_journal(JournalFacts._make(row)),
    (list(beside.KINDS), list(beside.STATUSES)),
)
_RECEIPTS = Table("check_receipts", 2, lambda row: beside.of_receipt(ReceiptFacts._make(row)))
_LEDGERS = Table("check_ledgers", 3, lambda row: beside.of_ledger(LedgerFacts._make(row)))
_ATTACHMENTS = Table(
    "check_attachments", 2, lambda row: beside.of_attachment(AttachmentFacts._make(row))
)

PAGERS: tuple[tuple[Pager, Place], ...] = (
    (_HEADS, ("",)),
    (nodes, (_BEFORE_ALL,)),
    (_JOURNALS, (_BEFORE_ALL, "")),
    (_RECEIPTS, (_BEFORE_ALL, "")),
    (_LEDGERS, (_BEFORE_ALL, "", "")),
    (snapshots, ("",)),
    (_ATTACHMENTS, (_BEFORE_ALL, "")),
)
