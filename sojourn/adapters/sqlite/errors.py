"""What SQLite says, in the words of `sojourn.errors`: no other module shows a raw error."""

from __future__ import annotations

import json
import sqlite3

from sojourn.errors import (
    Contended,
    InvalidInput,
    SojournError,
    StoreUnavailable,
    StoreUnusable,
)

_PRIMARY = 0xFF
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_PASSING = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "its file cannot be read or written (an I/O error)",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
    sqlite3.SQLITE_INTERRUPT: "the statement was interrupted",
    sqlite3.SQLITE_CANTOPEN: "a file beside it cannot be opened",
}
_LASTING = {
    sqlite3.SQLITE_NOTADB: "the file is not a database",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_READONLY: "it is read-only: make the file and its folder writable",
    sqlite3.SQLITE_PERM: "access is refused: make the file and its folder writable",
    sqlite3.SQLITE_AUTH: "access is refused: make the file and its folder writable",
}

# What comes of reading a damaged file: of SQLite, of its driver, and of what rows hold.
RAW = (sqlite3.Error, UnicodeDecodeError, json.JSONDecodeError)
# What comes of writing or asking for what SQLite cannot hold.
UNFIT = (UnicodeEncodeError, OverflowError)


def translated(error: BaseException, url: str) -> SojournError:
    """Return the error that tells the caller whether trying again can help."""
    if isinstance(error, UNFIT):
        return InvalidInput(reason="SQLite keeps no half characters, no numbers beyond 64 bits")
    if not isinstance(error, sqlite3.Error):
        return StoreUnusable(url=url, reason=_LASTING[sqlite3.SQLITE_CORRUPT])
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    if code in _BUSY:
        return Contended(reason="another process holds the write lock")
    if code in _PASSING:
        return StoreUnavailable(url=url, reason=_PASSING[code])
    if not code and not isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
        code = sqlite3.SQLITE_CORRUPT  # the driver could not read what SQLite gave it
    reason = _LASTING.get(code, getattr(error, "sqlite_errorname", type(error).__name__))
    return StoreUnusable(url=url, reason=reason)


def closed(url: str) -> StoreUnavailable:
    """Return the error of a store that was closed already."""
    return StoreUnavailable(url=url, reason="it is closed")
