"""The worker: the bootstrap that names concrete adapters, the Temporal plugin and the client."""

from __future__ import annotations

from sojourn_worker.client import ClientSession, ClientTurn, SessionClient
from sojourn_worker.plugin import SojournPlugin

__all__ = ["ClientSession", "ClientTurn", "SessionClient", "SojournPlugin"]
