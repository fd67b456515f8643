"""What applications test with: a scripted model, probes that kill or stop a process, and replay.

`replay` and `recorded` come from the worker package, which alone knows Temporal, when asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

from sojourn.testing.probe import KillAt, PauseAt
from sojourn.testing.scripted import ScriptedModel

__all__ = ["KillAt", "PauseAt", "ScriptedModel"]

_OF_THE_WORKER = ("recorded", "replay")


def __getattr__(name: str) -> Any:
    if name in _OF_THE_WORKER:
        return getattr(importlib.import_module("sojourn_worker.testing"), name)
    raise AttributeError(name)
