"""The same session API in one process and on Temporal."""

from __future__ import annotations

import inspect

import pytest

from sojourn.embedded.session import EmbeddedSession
from sojourn.embedded.turn import EmbeddedTurn
from sojourn_worker.client_session import ClientSession
from sojourn_worker.client_turn import ClientTurn

SESSION_METHODS = [
    "send",
    "submit",
    "cancel",
    "approve",
    "deny",
    "show",
    "fork",
    "spawn",
    "events",
    "park",
    "compact",
    "open_frame",
    "configure",
]
TURN_METHODS = ["result", "cancel", "events"]


def parameters(kind: type, method: str) -> list[str]:
    """Return a method's parameters, annotations included."""
    signature = inspect.signature(getattr(kind, method))
    return [str(parameter) for parameter in signature.parameters.values()]


@pytest.mark.parametrize("method", SESSION_METHODS)
def test_sessions_have_the_same_methods(method: str) -> None:
    """Called in the same way."""
    assert parameters(EmbeddedSession, method) == parameters(ClientSession, method)


@pytest.mark.parametrize("method", TURN_METHODS)
def test_turns_have_the_same_methods(method: str) -> None:
    """Called in the same way."""
    assert parameters(EmbeddedTurn, method) == parameters(ClientTurn, method)
