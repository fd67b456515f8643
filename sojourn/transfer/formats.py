"""The formats of files, and telling which one a file has."""

from __future__ import annotations

from enum import StrEnum

from sojourn.errors import InvalidInput
from sojourn.transfer.lines import LineReader
from sojourn.transfer.records import Records
from sojourn.transfer.source import Source


class Format(StrEnum):
    """How a session is written down in a file."""

    SOJOURN = "sojourn"
    OPENAI_AGENTS = "openai-agents"
    LANGCHAIN = "langchain"


def records_of(
    source: Source, wanted: Format | None, session_id: str | None
) -> tuple[Format, Records]:
    """Return a file's format, and what the file says.

    Raises:
        InvalidInput: the format is not clear, or needs an id for the session.
    """
    found = wanted or guessed(source)
    if found is Format.SOJOURN:
        return found, LineReader(source).records()
    raise InvalidInput(reason=f"{session_id!r} cannot be read as {found}")


def guessed(source: Source) -> Format:
    """Tell a file's format by its beginning.

    Raises:
        InvalidInput: it looks like none, or like several.
    """
    if source.peek().startswith(b'{"sojourn":'):
        return Format.SOJOURN
    raise InvalidInput(reason="the file's format is not clear: say --format")
