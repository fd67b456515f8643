"""A token budget: a turn or a session that has used it up ends as `limit`, and says why."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from sojourn import Plugin
from sojourn.hooks import AbortTurn, TurnView
from sojourn.messages import Role
from sojourn.plugins import PluginContext, PluginSession
from sojourn.usage import Usage


class TokenBudget(Plugin):
    """Bounds the tokens of a turn, of a session, or of both.

    An answer that is there already is never thrown away: a turn ends before its next question,
    and a session's budget before its next turn.
    """

    def __init__(self, *, turn: int | None = None, session: int | None = None) -> None:
        """Take the budgets, in tokens read and written; None bounds nothing."""
        self.turn = turn
        self.total = session

    @override
    def session(self, context: PluginContext) -> PluginSession:
        return _Session(self)


class _Session(PluginSession):
    def __init__(self, budget: TokenBudget) -> None:
        self._budget = budget
        self.spent = 0

    @override
    def before_turn(self, view: TurnView) -> AbortTurn | None:
        return self._over(
            f"the session's budget of {self._budget.total} tokens", self._budget.total, 0
        )

    @override
    def checkpoint(self, view: TurnView) -> AbortTurn | None:
        if view.messages[-1].role is not Role.TOOL:
            return None  # the turn is about to end by itself
        budget, used = self._budget, tokens(view.usage)
        if budget.turn is not None and used >= budget.turn:
            return AbortTurn(f"its budget of {budget.turn} tokens is used up", limit=True)
        return self._over(f"the session's budget of {budget.total} tokens", budget.total, used)

    @override
    def after_turn(self, view: TurnView) -> None:
        self.spent += tokens(view.usage)
        self.revision += 1

    def _over(self, what: str, limit: int | None, used: int) -> AbortTurn | None:
        if limit is None or self.spent + used < limit:
            return None
        return AbortTurn(f"{what} is used up", limit=True)

    @override
    def snapshot(self) -> Any:
        return {"spent": self.spent}

    @override
    def restore(self, state: Any) -> None:
        self.spent = state["spent"] if state else 0


def tokens(usage: Usage) -> int:
    """Return what was read and written, from a cache or not."""
    read = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    return read + usage.output_tokens
