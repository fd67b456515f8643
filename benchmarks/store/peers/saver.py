"""What a library that keeps a conversation is asked to do here."""

from __future__ import annotations

import random
import sqlite3
import string
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol

import psycopg

from benchmarks.store.places import Place

VARIETY = 64
MESSAGES = 4  # a turn


class Saver(Protocol):
    """Keeps conversations, one after another."""

    async def begin(self, turns: int) -> None:
        """Begin another conversation, which has so many turns, as cheaply as can be."""
        ...

    async def save(self) -> None:
        """Save the next turn, durably."""
        ...

    async def load(self) -> None:
        """Load the whole conversation as messages; none may be missing."""
        ...


@dataclass(frozen=True)
class Library:
    """A library that keeps conversations.

    Attributes:
        name: how people know it.
        module: what is imported for it.
        make: makes the place where it keeps them: a file, or a database.
        opened: opens it.
    """

    name: str
    module: str
    make: Callable[[], AbstractContextManager[Place]]
    opened: Callable[[Place], AbstractAsyncContextManager[Saver]]

    def is_installed(self) -> bool:
        """Tell whether its module can be imported."""
        try:
            import_module(self.module)
        except ImportError:
            return False
        return True


class Texts(NamedTuple):
    """The texts of a turn's four messages: what is asked, the call, its result, the answer."""

    asked: str
    argument: str
    result: str
    answer: str


def _letters(draw: random.Random, length: int) -> str:
    return "".join(draw.choices(string.ascii_letters, k=length))


def _texts() -> list[Texts]:
    """Return turns of the sizes of `benchmarks.commit`, of letters that cannot be compressed."""
    draw = random.Random(VARIETY)  # noqa: S311 - nothing secret
    sizes = (900, 60, 1_200, 700)
    return [Texts(*(_letters(draw, size) for size in sizes)) for _ in range(VARIETY)]


TEXTS = _texts()


def texts(number: int) -> Texts:
    """Return the texts of a turn."""
    return TEXTS[number % VARIETY]


def size_bytes(place: Place) -> int:
    """Return how much of a disk a place takes, whatever is in it."""
    if place.is_file:
        return _file_bytes(place.path)
    with psycopg.connect(place.url) as connection:
        found = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert found is not None
    return int(found[0])


def _file_bytes(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size
