"""Fixtures of frames."""

from __future__ import annotations

import pytest

from sojourn.embedded import retrying


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what failed be tried again at once."""
    monkeypatch.setattr(retrying, "MODEL_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(retrying, "STORE_WAIT_SECONDS", 0.001)
