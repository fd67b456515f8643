"""The main module of a process with an embedded session.

Run as `embedded_main APP STORE KILL_AT SESSION TURN TEXT`.
"""

from __future__ import annotations

import asyncio
import importlib
import sys

from sojourn.testing import KillAt


async def main(app: str, store: str, kill_at: str, session_id: str, *message: str) -> None:
    """Send one message, given as turn id and text; the process kills itself on the way."""
    turn_id, text = message
    point, _, nth = kill_at.partition(":")
    module, _, factory = app.partition(":")
    made = getattr(importlib.import_module(module), factory)(store, KillAt(point, int(nth or 1)))
    async with made.open(session_id) as session:
        await session.send(text, turn_id)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:7]))
