"""Texts that are given to commands: as an argument, or on standard input."""

from __future__ import annotations

import sys

from sojourn.errors import InvalidInput


def given_text(given: str) -> str:
    """Return the text, or standard input without its last line break.

    Raises:
        InvalidInput: standard input is closed, or not UTF-8.
    """
    if given != "-":
        return given
    if not sys.stdin:
        raise InvalidInput(reason="standard input is closed")
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise InvalidInput(reason="standard input is not UTF-8 text") from None
