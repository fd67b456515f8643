"""A statement that is sent too often to go through a cursor: its values are encoded here.

Values are sent in the protocol's binary form: so a NUL or half a character reaches the server,
which refuses it, and bodies are sent as they are.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from sojourn.adapters.postgres.sql import SQL

Encode = Callable[[Any], bytes]
Values = list[bytes | None]

_TEXT, _BIGINT, _BYTEA = 25, 20, 17  # what the server calls the types of an array's elements
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NULL = b"\xff\xff\xff\xff"
_NAMED = re.compile(r"%\((\w+)\)s")
_LENGTH, _NUMBER, _NONE, _ARRAY = (struct.Struct(each) for each in ("!i", "!q", "!iii", "!iiiii"))


class Statement:
    """A named query whose values are encoded by their kinds, in the order in which it names them.

    Attributes:
        name: what it is called where it is prepared.
        command: the query.
        formats: of its values: all are binary.
    """

    def __init__(self, name: str, kinds: Mapping[str, Encode]) -> None:
        query = SQL[name]
        names = _NAMED.findall(query)
        numbered = {each: f"${number}" for number, each in enumerate(names, 1)}
        self.name = f"sojourn_{name}".encode()
        self.command = _NAMED.sub(lambda found: numbered[found[1]], query).encode()
        self.formats = [1] * len(names)
        self._columns = [(each, kinds[each]) for each in names]

    def encoded(self, facts: Mapping[str, Any]) -> Values:
        """Return the values of the statement.

        Raises:
            UnicodeEncodeError: a text is not Unicode.
            psycopg.DataError: a number is too large.
        """
        try:
            return [
                None if (value := facts[name]) is None else encode(value)
                for name, encode in self._columns
            ]
        except struct.error as error:
            raise psycopg.DataError("out of range") from error


def text(value: str) -> bytes:
    """Encode a text."""
    return value.encode()


def number(value: int) -> bytes:
    """Encode a bigint."""
    return _NUMBER.pack(value)


def flag(value: object) -> bytes:
    """Encode a boolean."""
    return b"\x01" if value else b"\x00"


def instant(value: datetime) -> bytes:
    """Encode a time."""
    return _NUMBER.pack((value - _EPOCH) // _MICROSECOND)


def texts(values: Sequence[str]) -> bytes:
    """Encode an array of texts."""
    return _array(_TEXT, [value.encode() for value in values])


def numbers(values: Sequence[int | None]) -> bytes:
    """Encode an array of bigints."""
    return _array(_BIGINT, [None if value is None else _NUMBER.pack(value) for value in values])


def blobs(values: Sequence[bytes]) -> bytes:
    """Encode an array of bytes."""
    return _array(_BYTEA, values)


def integer(value: bytes | None) -> int | None:
    """Decode a bigint."""
    return None if value is None else int.from_bytes(value, "big", signed=True)


def _array(kind: int, items: Sequence[bytes | None]) -> bytes:
    """Encode an array of one dimension, counted from 1."""
    if not items:
        return _NONE.pack(0, 0, kind)
    parts = [_ARRAY.pack(1, None in items, kind, len(items), 1)]
    for item in items:
        if item is None:
            parts.append(_NULL)
        else:
            parts += (_LENGTH.pack(len(item)), item)
    return b"".join(parts)
