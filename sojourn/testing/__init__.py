"""What applications test with: a scripted model, and probes that kill or stop a process."""

from __future__ import annotations

from sojourn.testing.probe import KillAt, PauseAt
from sojourn.testing.scripted import ScriptedModel

__all__ = ["KillAt", "PauseAt", "ScriptedModel"]
