"""Reading what was kept in a session's configuration, which others may have written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from sojourn.errors import AssemblyError, InvalidInput


@contextmanager
def stored_config(part: str) -> Iterator[None]:
    """Turn whatever reading a part of a configuration raises into one error without its words.

    Args:
        part: which part, as the error names it.

    Raises:
        AssemblyError: the part is malformed.
    """
    try:
        yield
    except (ValidationError, InvalidInput, AttributeError, TypeError, ValueError):
        reason = f"the {part} in its stored configuration is malformed"
        raise AssemblyError(reason=reason) from None
