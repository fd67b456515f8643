"""The formats of files, and telling which one a file has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, cast

from sojourn.errors import InvalidInput
from sojourn.messages import Message
from sojourn.transfer import items_in, items_out, langchain_in, langchain_out
from sojourn.transfer.conversation import records
from sojourn.transfer.lines import LineReader
from sojourn.transfer.pairing import together
from sojourn.transfer.records import Records
from sojourn.transfer.source import Source

SESSION_ID_NEEDED = "the file names no session: give it an id (--session)"
UNCLEAR = "the file's format is not clear from its beginning: name it (--format)"


class Format(StrEnum):
    """How a session is written down in a file."""

    SOJOURN = "sojourn"
    OPENAI_AGENTS = "openai-agents"
    LANGCHAIN = "langchain"


_READERS = {
    Format.OPENAI_AGENTS: items_in.heard,
    Format.LANGCHAIN: langchain_in.heard,
}
_WRITERS = {
    Format.OPENAI_AGENTS: items_out.items,
    Format.LANGCHAIN: langchain_out.items,
}


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
    if session_id is None:
        raise InvalidInput(reason=SESSION_ID_NEEDED)
    heard = together(_READERS[found](source.items()))
    return found, records(heard, session_id, found)


def items_of(form: Format, message: Message) -> Iterator[dict[str, Any] | str]:
    """Yield a message as the items of another library's format, and what they cannot say."""
    return _WRITERS[form](message)


def guessed(source: Source) -> Format:
    """Tell a file's format by its beginning.

    Raises:
        InvalidInput: it looks like none, or like several.
    """
    start = source.peek()
    if start.startswith(b'{"sojourn":'):
        return Format.SOJOURN
    first = _first(start)
    fits = [
        form
        for form, looks in (
            (Format.LANGCHAIN, "lc" in first or ("data" in first and "type" in first)),
            (Format.OPENAI_AGENTS, "role" in first or ("type" in first and "data" not in first)),
        )
        if looks
    ]
    if "lc" in first:
        fits = [Format.LANGCHAIN]
    if len(fits) != 1:
        raise InvalidInput(reason=UNCLEAR)
    return fits[0]


def _first(start: bytes) -> dict[str, Any]:
    """Return the first item of a file's beginning, empty if it is none."""
    text = start.decode(errors="ignore").lstrip().removeprefix("[").lstrip()
    try:
        first, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", first) if isinstance(first, dict) else {}
