"""What applications and stores are tested with.

`ScriptedModel` is a model without a network, `KillAt` and `PauseAt` kill or stop a process at a
named point of a turn. When asked for, `store_conformance` comes from here too, which needs pytest
and hypothesis, and `replay` and `recorded` from the worker package, which alone knows Temporal.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sojourn.testing.probe import KillAt, PauseAt
from sojourn.testing.scripted import ScriptedModel

if TYPE_CHECKING:
    from sojourn.testing.conformance import StoreOpener as StoreOpener
    from sojourn.testing.conformance import store_conformance as store_conformance

__all__ = ["KillAt", "PauseAt", "ScriptedModel"]

_ELSEWHERE = {
    "StoreOpener": "sojourn.testing.conformance",
    "store_conformance": "sojourn.testing.conformance",
    "recorded": "sojourn_worker.testing",
    "replay": "sojourn_worker.testing",
}


def __getattr__(name: str) -> Any:
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(_ELSEWHERE[name]), name)
    raise AttributeError(name)
