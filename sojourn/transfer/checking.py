"""What a file says beside its nodes, let pass only if a session can live with it."""

from __future__ import annotations

from typing import Any

from sojourn import plugin_state
from sojourn.choices import Choices, ContextMark
from sojourn.errors import AssemblyError, MalformedToolState, Untransferable
from sojourn.heal import RECORD
from sojourn.policy import SessionPolicy
from sojourn.spending import prices_of
from sojourn.stored_config import stored_config
from sojourn.tool_state import ToolState
from sojourn.usage import Usage, UsageEntry

_TOO_MANY = 2**53


def check_config(line: int, config: dict[str, Any]) -> None:
    """Let a configuration pass only if a session opens with it.

    Raises:
        Untransferable: it does not.
    """
    try:
        SessionPolicy.from_config(config)
        Choices.from_config(config)
        ContextMark.from_config(config, None)
        prices_of(config)
        with stored_config("record of healing"):
            [dict(each) for each in config.get(RECORD, ())]
    except AssemblyError as error:
        raise Untransferable(line=line, reason=error.reason) from None


def check_state(line: int, name: str, body: bytes) -> None:
    """Let a snapshot pass only if a session can be restored from it.

    Raises:
        Untransferable: it cannot.
    """
    try:
        if name == "tools":
            ToolState.decode(body)
        else:
            plugin_state.decode(body)
    except (AssemblyError, MalformedToolState):
        raise Untransferable(line=line, reason=f"its state of the {name} is malformed") from None


def counted(line: int, entry: UsageEntry) -> UsageEntry:
    """Return a row of the ledger whose tokens are numbers of things.

    Raises:
        Untransferable: one is negative, or more than any ledger keeps.
    """
    check_usage(line, entry.usage)
    return entry


def check_usage(line: int, usage: Usage) -> None:
    """Let tokens pass only if each number is one of things.

    Raises:
        Untransferable: one is negative, or more than any ledger keeps.
    """
    for name, tokens in usage:
        if not 0 <= tokens < _TOO_MANY:
            raise Untransferable(line=line, reason=f"{name} is no number of tokens")
