"""Chores: what there is to do to keep a store small, from which age on, and what was done."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from sojourn.compact import Compact

MAX_DAYS = 36_500.0
MAX_FAULTS = 10

Days = Annotated[float, Field(ge=0, le=MAX_DAYS)]
Rows = Annotated[int, Field(ge=1)]


class Chore(StrEnum):
    """What there is to do, in the order in which one thing makes room for the next.

    A journal that is gone lets intents be forgotten; a tombstoned orphan is vacuumed; a forgotten
    intent leaves a blob to sweep.
    """

    JOURNALS = "journals"
    INTENTS = "intents"
    RECEIPTS = "receipts"
    ORPHANS = "orphans"
    VACUUM = "vacuum"
    BLOBS = "blobs"


class UpkeepPolicy(Compact):
    """How old a thing must be before it goes; what has no age (None) stays for ever.

    Attributes:
        journals_days: journals of turns that were given up. A turn id that is sent again later
            runs anew: choose it longer than anybody waits.
        intents_days: rows of attachments that no commit made permanent.
        receipts_days: receipts, which keep a turn id from running twice.
        orphans_days: nodes that no live session holds; as long as they stay, `checkout` finds them.
        blobs_days: blobs that no row names.
        allow_empty: whether a store without any attachment may empty the blob store.
        rows_a_piece: how many rows one piece of work removes at most.
        blobs_a_piece: how many blobs, about.
    """

    journals_days: Days | None = 7.0
    intents_days: Days | None = 1.0
    receipts_days: Days | None = None
    orphans_days: Days | None = None
    blobs_days: Days | None = 1.0
    allow_empty: bool = False
    rows_a_piece: Rows = 1_000
    blobs_a_piece: Rows = 10_000

    def chores(self) -> tuple[Chore, ...]:
        """Return what this policy asks to be done, in order."""
        return tuple(chore for chore in Chore if self.age(chore) is not None)

    def age(self, chore: Chore) -> timedelta | None:
        """Return how old what a chore removes must be; None if the policy keeps it for ever."""
        days: float | None = getattr(self, f"{chore.value}_days", 0.0)  # vacuum has no age
        return None if days is None else timedelta(days=days)


class Piece(Compact):
    """What one piece of a chore did, or several pieces of it together.

    Attributes:
        removed: rows or blobs removed, or nodes marked.
        freed_bytes: given back to the file system.
        cursor: where the next piece goes on; empty begins anew.
        is_done: whether nothing is left that could be done now.
        faults: what could not be done, and why; it is tried again the next time.
    """

    removed: int = 0
    freed_bytes: int = 0
    cursor: str = ""
    is_done: bool = True
    faults: tuple[str, ...] = ()

    def after(self, earlier: Piece) -> Piece:
        """Return what this piece and an earlier one did together."""
        faults = tuple(dict.fromkeys((*earlier.faults, *self.faults)))
        return self.model_copy(
            update={
                "removed": earlier.removed + self.removed,
                "freed_bytes": earlier.freed_bytes + self.freed_bytes,
                "faults": faults[:MAX_FAULTS],
            }
        )
