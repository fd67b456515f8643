"""One plugin's part of one session: its stored entry, and how its hooks are asked."""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sojourn import plugin_state
from sojourn.plugin_faults import Misbehaved, attributed, given
from sojourn.plugin_state import PluginEntry
from sojourn.plugins import Plugin, PluginSession

Hook = Callable[..., object]
MAX_STATE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PluginPart:
    """A plugin, and what it made for the session."""

    plugin: Plugin
    session: PluginSession

    @property
    def plugin_id(self) -> str:
        """Whom to name."""
        return self.plugin.id

    def entry(self) -> PluginEntry:
        """Return the entry without its state: what the fingerprint is made of."""
        return PluginEntry(version=self.plugin.version, revision=self.session.revision)

    def captured(self) -> PluginEntry:
        """Return the entry with the state as it is now.

        Raises:
            Misbehaved: it is larger than a commit has room for.
        """
        state = plugin_state.as_json(given(self.session.snapshot()))
        size = len(plugin_state.as_bytes(state))
        if size > MAX_STATE_BYTES:
            raise Misbehaved(f"its state of {size} bytes is over {MAX_STATE_BYTES}")
        return self.entry().model_copy(update={"state": state})

    def restore(self, entry: PluginEntry | None) -> None:
        """Give the plugin a stored entry, or tell it that there is none."""
        if entry is not None:
            self.session.revision = entry.revision
        restore: Hook = self.session.restore
        given(restore(copy.deepcopy(entry.state) if entry is not None else None))

    def has(self, hook: str) -> bool:
        """Tell whether the plugin has a hook of its own: the others are never asked."""
        own = getattr(type(self.session), hook)
        return own is not getattr(PluginSession, hook) or hook in vars(self.session)

    async def ask(self, hook: str, *arguments: Any, seconds: float | None = None) -> object:
        """Ask a hook, and wait for it if it is async, for so long at most.

        Raises:
            PluginFailed: it raised, or did not end in time.
        """
        limit = self.plugin.hook_timeout.total_seconds() if seconds is None else seconds
        with attributed(self.plugin_id, hook):
            ask: Hook = getattr(self.session, hook)
            answer = ask(*arguments)
            return await _in_time(answer, limit) if inspect.isawaitable(answer) else answer


async def _in_time(answer: Awaitable[object], seconds: float) -> object:
    """Wait for a hook; one that outlives its cancellation is left behind."""
    asking = asyncio.ensure_future(answer)
    asking.add_done_callback(_looked_at)
    try:
        await asyncio.wait({asking}, timeout=seconds)
    finally:
        asking.cancel()
    if not asking.done():
        raise Misbehaved(f"it did not end within {seconds:g} s")
    if asking.cancelled():
        raise Misbehaved("it cancelled itself")
    return asking.result()


def _looked_at(asking: asyncio.Future[object]) -> None:
    if not asking.cancelled():
        asking.exception()  # else asyncio complains that nobody looked
