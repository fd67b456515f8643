"""The worker: the bootstrap that names concrete adapters, the Temporal plugin and the client."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sojourn_worker.client import SessionClient
    from sojourn_worker.client_session import ClientSession
    from sojourn_worker.client_turn import ClientTurn
    from sojourn_worker.plugin import SojournPlugin

__all__ = ["ClientSession", "ClientTurn", "SessionClient", "SojournPlugin"]

# Imported when they are asked for: importing Temporal takes longer than `sojourn --help` may.
_HOMES = {
    "ClientSession": "sojourn_worker.client_session",
    "ClientTurn": "sojourn_worker.client_turn",
    "SessionClient": "sojourn_worker.client",
    "SojournPlugin": "sojourn_worker.plugin",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(importlib.import_module(_HOMES[name]), name)
