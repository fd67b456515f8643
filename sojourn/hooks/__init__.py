"""What plugins' hooks are told and may answer: plain values, so that anybody may make them."""

from __future__ import annotations

from sojourn.hooks.compaction import CompactionView

__all__ = ["CompactionView"]
