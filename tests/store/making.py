"""What the tests of stores are told with: what the laws are told with."""

from __future__ import annotations

from sojourn.testing.conformance.making import (
    ALICE,
    ALICE_REBORN,
    BOB,
    BODY,
    TTL,
    answer,
    chain,
    checked_out,
    commit_of,
    contents,
    grown,
    opening,
    path_ids,
    ref,
    result,
    spent,
    wish,
)

__all__ = [
    "ALICE",
    "ALICE_REBORN",
    "BOB",
    "BODY",
    "TTL",
    "answer",
    "chain",
    "checked_out",
    "commit_of",
    "contents",
    "grown",
    "opening",
    "path_ids",
    "ref",
    "result",
    "spent",
    "wish",
]
