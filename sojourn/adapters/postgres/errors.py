"""What PostgreSQL says, in the words of `sojourn.errors`: no other module shows a raw error.

A server's own words can quote what was to be stored, so they are not passed on; those about a
connection that cannot be made are.
"""

from __future__ import annotations

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout

from sojourn.errors import (
    Contended,
    InvalidInput,
    SojournError,
    StoreError,
    StoreUnavailable,
    StoreUnusable,
)

_BUSY = {
    "23505": "another transaction wrote the same first",
    "40001": "another transaction came between",
    "40P01": "two transactions waited for each other",
    "55P03": "another transaction holds the lock",
}
_PASSING = {
    "08": "the connection was lost",
    "25006": "the server is read-only: is it a standby?",
    "53": "the server has not enough memory",
    "53100": "the server's disk is full",
    "53300": "the server has too many connections",
    "57": "the server ended the connection",
    "57014": "the server cancelled the statement",
    "57P03": "the server is starting or stopping",
    "58": "the server cannot read or write its files",
}
_LASTING = {
    "28": "the server refuses this user",
    "3D": "there is no such database",
    "3F": "its schema is gone",
    "42501": "this user may not read and write it",
    "42": "its schema is not the expected one",
    "XX": "its data is damaged",
}


def translated(error: psycopg.Error | UnicodeEncodeError, url: str) -> SojournError:
    """Return the error that tells the caller whether trying again can help."""
    if isinstance(error, psycopg.DataError | UnicodeEncodeError):
        return InvalidInput(reason="PostgreSQL keeps no NUL, no half characters, no such numbers")
    if error.sqlstate is None:
        return _on_this_side(error, url)
    return _by_code(error.sqlstate, url) or StoreUnusable(
        url=url, reason=f"{type(error).__name__} ({error.sqlstate})"
    )


def unreachable(error: psycopg.Error, url: str) -> StoreUnavailable:
    """Return the error of a connection that cannot be made, in the first words of the last try."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return StoreUnavailable(url=url, reason=lines[0] if lines else "no answer")


def closed(url: str) -> StoreUnavailable:
    """Return the error of a store that was closed already."""
    return StoreUnavailable(url=url, reason="it is closed")


def _by_code(code: str, url: str) -> StoreError | None:
    if code in _BUSY:
        return Contended(reason=_BUSY[code])
    if passing := _PASSING.get(code, _PASSING.get(code[:2])):
        return StoreUnavailable(url=url, reason=passing)
    if lasting := _LASTING.get(code, _LASTING.get(code[:2])):
        return StoreUnusable(url=url, reason=lasting)
    return None


def _on_this_side(error: psycopg.Error, url: str) -> StoreError:
    if isinstance(error, PoolClosed):
        return closed(url)
    if isinstance(error, PoolTimeout):
        return StoreUnavailable(url=url, reason="all of its connections are busy")
    if isinstance(error, psycopg.OperationalError):
        return StoreUnavailable(url=url, reason=_PASSING["08"])
    return StoreUnusable(url=url, reason=type(error).__name__)
