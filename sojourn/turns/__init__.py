"""The parts of a turn: begin, step, call, commit, park. Activities and embedded sessions run these.

Each part is safe to run again, by anybody, after any crash: what it has recorded it returns.
"""

from __future__ import annotations

from sojourn.turns.beginning import begin_turn
from sojourn.turns.calling import call_tool
from sojourn.turns.committing import answer_text, commit_turn, park_session
from sojourn.turns.compacting import compact_turn, open_frame
from sojourn.turns.configuring import configure_session
from sojourn.turns.stepping import commit_if_last, step_turn

__all__ = [
    "answer_text",
    "begin_turn",
    "call_tool",
    "commit_if_last",
    "commit_turn",
    "compact_turn",
    "configure_session",
    "open_frame",
    "park_session",
    "step_turn",
]
