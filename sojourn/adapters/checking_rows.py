"""What is wrong with what stands beside the graph: journals, receipts, ledgers, attachments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sojourn import ids
from sojourn.adapters.checking import RESTORE, is_object
from sojourn.journal import EffectKind, EffectStatus
from sojourn.reads import Problem

VACUUM = "vacuum the store, and remove the row if it stays"
RECONCILE = "reconcile the store, and remove the row if it stays"
REMOVE = "remove the row"

KINDS = sorted(EffectKind)
STATUSES = sorted(EffectStatus)


class JournalFacts(NamedTuple):
    """The journal of one turn.

    Attributes:
        is_owned: whether its session is live, or was deleted and waits for `vacuum`.
        has_input: whether it has the row that every turn begins with.
        is_committed: whether the turn has its receipt.
        is_ahead: whether a position is beyond the session's last one, or not above 0.
        unknown_count: how many rows have a kind or a status that nobody writes.
        facts: the facts of its rows, a line each.
    """

    session_id: str
    turn_id: str
    is_owned: bool
    has_input: bool
    is_committed: bool
    is_ahead: bool
    unknown_count: int
    facts: str


class ReceiptFacts(NamedTuple):
    """A receipt, and where its session stands; `is_owned` as of `JournalFacts`."""

    session_id: str
    operation_id: str
    is_owned: bool
    head_revision: int
    leaf: str | None
    result: str
    session_revision: int | None
    session_leaf: str | None


class LedgerFacts(NamedTuple):
    """A row of a ledger: whose, of what, and the least of its counts."""

    session_id: str
    source: str
    model: str
    is_owned: bool
    least: int


class AttachmentFacts(NamedTuple):
    """An attachment's row.

    Attributes:
        has_session: whether its session has its row, deleted or not.
        is_open: whether its turn has a journal.
        needs_receipt: whether its turn would have a receipt by now, had it committed it, and no
            receipt like it can have been forgotten.
    """

    session_id: str
    attachment_id: str
    turn_id: str
    size_bytes: int
    is_committed: bool
    has_session: bool
    is_open: bool
    needs_receipt: bool


def of_journal(journal: JournalFacts) -> Iterator[Problem]:
    """Yield what is wrong with the journal of a turn."""
    for problem, remedy in _of_journal(journal):
        yield Problem(
            journal.session_id, None, f"journal of turn {journal.turn_id} {problem}", remedy
        )


def of_receipt(receipt: ReceiptFacts) -> Iterator[Problem]:
    """Yield what is wrong with a receipt."""
    for problem, remedy in _of_receipt(receipt):
        named = f"receipt of {receipt.operation_id} {problem}"
        yield Problem(receipt.session_id, None, named, remedy)


def of_ledger(row: LedgerFacts) -> Iterator[Problem]:
    """Yield what is wrong with a row of a ledger."""
    named = f"usage of {row.model or 'no model'} by {row.source}"
    if not row.is_owned:
        yield Problem(row.session_id, None, f"{named} in no live session", REMOVE)
    if row.least < 0:
        yield Problem(row.session_id, None, f"{named} is negative", "set it to what was spent")


def of_attachment(row: AttachmentFacts) -> Iterator[Problem]:
    """Yield what is wrong with an attachment's row."""
    for problem, remedy in _of_attachment(row):
        named = f"attachment {row.attachment_id} {problem}"
        yield Problem(row.session_id, None, named, remedy)


def of_snapshot(digest: str, body: bytes) -> str:
    """Return what is wrong with a state body; empty if nothing is."""
    return "" if ids.digest(body) == digest else f"state {digest} has another body"


def _of_journal(journal: JournalFacts) -> Iterator[tuple[str, str]]:
    if not journal.is_owned:
        yield "in no live session", VACUUM
        return
    if journal.is_committed:
        yield "outlived its commit", "remove its rows"
    elif not journal.has_input:
        yield "has no input", "remove its rows"
    if journal.is_ahead:
        yield "is ahead of its session", RESTORE
    if journal.unknown_count:
        rows = f"{journal.unknown_count} rows of unknown kind or status"
        yield f"has {rows}", "open the store with the version that wrote them"
    if not all(map(is_object, journal.facts.split("\n"))):
        yield "has facts that cannot be decoded", RESTORE


def _of_receipt(receipt: ReceiptFacts) -> Iterator[tuple[str, str]]:
    if not receipt.is_owned:
        yield "in no live session", VACUUM
        return
    if not is_object(receipt.result):
        yield "has a result that cannot be decoded", RESTORE
    if receipt.session_revision is None:
        return
    if receipt.head_revision > receipt.session_revision:
        beyond = f"{receipt.head_revision}, beyond the head {receipt.session_revision}"
        yield f"is of revision {beyond}", RESTORE
    elif receipt.head_revision == receipt.session_revision and receipt.leaf != receipt.session_leaf:
        yield "stands on another leaf than the head", RESTORE


def _of_attachment(row: AttachmentFacts) -> Iterator[tuple[str, str]]:
    if not row.has_session:
        yield "in no session", RECONCILE
        return
    if row.size_bytes < 0:
        yield "has a negative size", RESTORE
    if row.is_committed and row.is_open:
        yield f"was committed by turn {row.turn_id}, which is still open", RESTORE
    elif row.is_committed and row.needs_receipt:
        yield f"was committed without a receipt of turn {row.turn_id}", RESTORE
