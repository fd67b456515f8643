"""Sojourn: durable agent sessions. Here stand the few names that users need."""

from __future__ import annotations

from sojourn.agent import Agent
from sojourn.app import App
from sojourn.attachment import Attachment
from sojourn.outcome import TurnResult, TurnStatus
from sojourn.parked import ParkedSession
from sojourn.plugins import Plugin
from sojourn.residency import Residency
from sojourn.runtime import SessionRuntime
from sojourn.tools import ToolContext, tool

__all__ = [
    "Agent",
    "App",
    "Attachment",
    "ParkedSession",
    "Plugin",
    "Residency",
    "SessionRuntime",
    "ToolContext",
    "TurnResult",
    "TurnStatus",
    "tool",
]
