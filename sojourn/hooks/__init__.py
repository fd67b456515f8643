"""What plugins' hooks are told and may answer: plain values, so that anybody may make them."""

from __future__ import annotations

from sojourn.hooks.calls import Answer, Deny, ReplaceArguments, ToolCallView
from sojourn.hooks.compaction import CompactionView, Condensed
from sojourn.hooks.offers import Offer
from sojourn.hooks.prompts import PromptPart, Slot
from sojourn.hooks.results import ReplaceResult, ToolResultView
from sojourn.hooks.turns import AbortTurn, Enqueue, TurnView

__all__ = [
    "AbortTurn",
    "Answer",
    "CompactionView",
    "Condensed",
    "Deny",
    "Enqueue",
    "Offer",
    "PromptPart",
    "ReplaceArguments",
    "ReplaceResult",
    "Slot",
    "ToolCallView",
    "ToolResultView",
    "TurnView",
]
