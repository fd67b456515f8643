"""What is imported when it is first used: `--help` does not wait for Temporal."""

from __future__ import annotations

import importlib
from typing import Any


class Lazy:
    """Stands for a module, or for a name in one, and imports it when it is first looked into."""

    def __init__(self, module: str, name: str | None = None) -> None:
        self._module = module
        self._name = name

    def __getattr__(self, name: str) -> Any:
        module = importlib.import_module(self._module)
        return getattr(getattr(module, self._name) if self._name else module, name)
