"""A budget for tools' output: the model sees a part of what is too long, and where the rest is."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from typing_extensions import override

from sojourn import Plugin
from sojourn.hooks import ReplaceResult, ToolCallView, ToolResultView
from sojourn.plugins import PluginContext, PluginSession

NOTE_CHARS = 200


class OutputBudget(Plugin):
    """Keeps a long result whole as an attachment, and shows the model its head, or its tail.

    The app needs a place for attachments: `App(blobs=...)`. Register what redacts before this.
    """

    def __init__(self, max_chars: int = 16_000, tail: Collection[str] = ()) -> None:
        """Take how many characters a model is shown, and the ids of tools that end with the point.

        Of these it is shown the tail.
        """
        self.max_chars = max_chars
        self.tail = frozenset(tail)

    @override
    def session(self, context: PluginContext) -> PluginSession:
        return _Session(self)


class _Session(PluginSession):
    def __init__(self, budget: OutputBudget) -> None:
        self._budget = budget

    @override
    async def after_tool_call(
        self, call: ToolCallView, result: ToolResultView
    ) -> ReplaceResult | None:
        text, media_type = _as_text(result.response)
        shown = self._budget.max_chars
        if len(text) <= shown + NOTE_CHARS:
            return None
        kept = await call.attachments.put(text.encode(), media_type)
        left = f"{len(text) - shown:,} of {len(text):,} characters are left out"
        note = f"[{left}: attachment {kept.attachment_id} has all of them]"
        if call.tool_id in self._budget.tail:
            return ReplaceResult(f"{note}\n{text[-shown:]}", (kept,))
        return ReplaceResult(f"{text[:shown]}\n{note}", (kept,))


def _as_text(response: Any) -> tuple[str, str]:
    if isinstance(response, str):
        return response, "text/plain"
    return json.dumps(response, ensure_ascii=False), "application/json"
