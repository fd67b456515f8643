"""Settings: variables, and flags that win."""

from __future__ import annotations

import pytest

from sojourn_worker.settings import Settings


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each setting has its variable."""
    monkeypatch.setenv("SOJOURN_STORE", "sqlite:///s.db")
    monkeypatch.setenv("SOJOURN_APP", "shop:app")
    monkeypatch.setenv("SOJOURN_TASK_QUEUE", "shop")

    assert Settings.given() == Settings(store="sqlite:///s.db", app="shop:app", task_queue="shop")


def test_a_flag_wins_over_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed is meant; what is not typed is read."""
    monkeypatch.setenv("SOJOURN_STORE", "sqlite:///s.db")
    monkeypatch.setenv("SOJOURN_APP", "shop:app")

    assert Settings.given(store="sqlite:///t.db").store == "sqlite:///t.db"
    assert Settings.given(store="sqlite:///t.db").app == "shop:app"


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SOJOURN_STORE=` means that there is no store."""
    monkeypatch.setenv("SOJOURN_STORE", "")

    assert Settings.given().store is None
