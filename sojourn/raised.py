"""What can be said of an exception that somebody else's code raised."""

from __future__ import annotations

import traceback


def place_of(error: BaseException) -> str:
    """Return the file and line that raised `error`: fit for logs, unlike its text."""
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        place = f"{frame.f_code.co_filename}:{line}"
    return place


def text_of(error: BaseException) -> str:
    """Return the text of `error`, which may hold content; none if it cannot say."""
    try:
        # File names in errors may hold bytes that are no text: they could not be stored.
        return str(error).encode(errors="replace").decode()
    except Exception:  # noqa: BLE001 - a broken __str__ must not hide the failure
        return ""
