"""Sessions that are being imported: until they are whole, no turn may begin in them."""

from __future__ import annotations

from typing import Any

from sojourn.errors import HalfImported

# Where a session's configuration says how far its import has come.
MARK = "importing"


def check_whole(session_id: str, config: dict[str, Any]) -> None:
    """Let a session pass only if it is not half imported.

    Raises:
        HalfImported: it is, or is a fork of one that was.
    """
    if config.get(MARK):
        raise HalfImported(session_id=session_id)
