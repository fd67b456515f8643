"""Fixtures of embedded sessions."""

from __future__ import annotations

import pytest

from sojourn.embedded import driver


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a model that failed be asked again at once."""
    monkeypatch.setattr(driver, "MODEL_WAIT_SECONDS", 0.001)
