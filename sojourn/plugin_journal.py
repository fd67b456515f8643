"""Plugins' states in the turn journal: a change rides with the effect that it came with.

Each journaled entry names the state that it was made from. So a worker that reads the journal
can tell a state that follows another from two that were made beside each other, and merges these.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from sojourn import plugin_state
from sojourn.journal import Effect, EffectRef, Outcome
from sojourn.plugin_faults import attributed, contained
from sojourn.plugin_merge import merged
from sojourn.plugin_part import PluginPart
from sojourn.plugin_state import PluginEntry
from sojourn.ports import SessionStore

FACT = "plugins"
Naming = Callable[[str, str], AbstractContextManager[None]]
MAX_ENTRY_BYTES = 65_536

_log = logging.getLogger(__name__)


class JournaledEntry(PluginEntry):
    """A plugin's entry as it stands in an effect's facts.

    Attributes:
        after: names the state that this one was made from.
    """

    after: str


class PluginJournal:
    """Writes changed states into effects' facts, and takes in what others have written there.

    Args:
        parts: the plugins' parts of the session, by id.
        stored: the entries that the last commit left.
    """

    def __init__(self, parts: Mapping[str, PluginPart], stored: Mapping[str, PluginEntry]) -> None:
        self._parts = parts
        self._initial = {plugin_id: part.session.revision for plugin_id, part in parts.items()}
        self._told: set[tuple[str, int]] = set()
        self._stale: set[str] = set()
        self._stored = dict(stored)
        self._writing = asyncio.Lock()
        self.rewind()

    def rewind(self) -> None:
        """Forget what the journal of a turn said: another turn begins on the same commit."""
        self._position = 0
        self._states: dict[str, dict[str, Any]] = {}
        self.settle(self._stored)

    def settle(self, stored: Mapping[str, PluginEntry]) -> None:
        """Go on from what a commit has stored; what was read is in it, and is not read again."""
        self._stored = dict(stored)
        self._folded = dict(self._stored)
        self._changed: set[str] = set()
        # What each live part was last equal to: its state's name, and its revision then.
        self._synced: dict[str, tuple[str, int]] = {}
        for plugin_id in self._parts:
            entry = self._stored.get(plugin_id)
            revision = entry.revision if entry is not None else self._initial[plugin_id]
            self._synced[plugin_id] = (self._name(plugin_id, entry), revision)

    @property
    def newest(self) -> dict[str, PluginEntry]:
        """The newest entries that were read from the journal, of plugins not installed too."""
        return {plugin_id: self._folded[plugin_id] for plugin_id in self._changed}

    @property
    def stale(self) -> frozenset[str]:
        """The plugins whose live part could not take the newest entry."""
        return frozenset(self._stale)

    async def record(self, store: SessionStore, ref: EffectRef, outcome: Outcome) -> Effect:
        """Record an effect's outcome with the states that moved; return the row that stands.

        Effects that carry states are recorded one after the other: each follows the last one's.
        A state that cannot be captured, or that is over 64 KiB, is left out and logged: it is
        stored with the commit, if this process makes it.

        Raises:
            StoreError: as `SessionStore.record_effect`.
        """
        if not self._has_moved:
            return await store.record_effect(ref, outcome)
        async with self._writing:
            changes = self._changes()
            facts = {**outcome.facts, **changes}
            effect = await store.record_effect(ref, replace(outcome, facts=facts))
            self._note(effect, changes)
        self._restore_all(contained)
        return effect

    @property
    def _has_moved(self) -> bool:
        return any(
            part.session.revision != self._synced[plugin_id][1]
            for plugin_id, part in self._parts.items()
        )

    def _changes(self) -> dict[str, dict[str, Any]]:
        entries: dict[str, Any] = {}
        for plugin_id, part in self._parts.items():
            after, revision = self._synced[plugin_id]
            now = part.session.revision
            if now == revision or plugin_id in self._stale or (plugin_id, now) in self._told:
                continue
            with contained(plugin_id, "snapshot"):
                entry = part.captured()
                if self._fits(plugin_id, entry):
                    entries[plugin_id] = {**entry.model_dump(), "after": after}
        return {FACT: entries} if entries else {}

    def _note(self, effect: Effect, changes: Mapping[str, Any]) -> None:
        """Take note that an effect was recorded; what stands may be another attempt's."""
        ours = changes.get(FACT)
        if not ours or effect.facts.get(FACT) != ours:
            return
        for plugin_id, entry in _entries(effect).items():
            self._synced[plugin_id] = (self._name(plugin_id, entry), entry.revision)

    def absorb(self, effects: Iterable[Effect], *, lenient: bool = False) -> None:
        """Take in journal rows, in the order of their positions, and restore what is newer.

        Args:
            effects: rows that were just read.
            lenient: log a plugin that cannot take its newest state; the commit keeps that state.

        Raises:
            PluginFailed: as above, if not lenient.
        """
        for effect in sorted(effects, key=lambda each: each.position):
            if effect.position > self._position:
                self._position = effect.position
                for plugin_id, entry in _entries(effect).items():
                    self._fold(plugin_id, entry)
        # While one is being written, the live state is neither its nor what follows it.
        if not self._writing.locked():
            self._restore_all(contained if lenient else attributed)

    def _restore_all(self, naming: Naming) -> None:
        for plugin_id in sorted(self._changed | self._stale):
            if plugin_id in self._parts:
                with naming(plugin_id, "restore"):
                    self._restore(plugin_id, self._parts[plugin_id])

    def _fold(self, plugin_id: str, entry: JournaledEntry) -> None:
        current = self._folded.get(plugin_id)
        name = self._name(plugin_id, current)
        if entry.after == name or current is None:
            following: PluginEntry = entry
        else:
            base = self._states[plugin_id].get(entry.after)
            following = self._merged(plugin_id, base, current, entry)
        self._name(plugin_id, entry)
        self._name(plugin_id, following)
        self._folded[plugin_id] = PluginEntry.model_validate(following.model_dump())
        self._changed.add(plugin_id)

    def _restore(self, plugin_id: str, part: PluginPart) -> None:
        newest = self._folded[plugin_id]
        name, revision = self._synced[plugin_id]
        wanted = self._name(plugin_id, newest)
        if wanted == name and plugin_id not in self._stale:
            return
        self._stale.add(plugin_id)
        if part.session.revision != revision:
            # A call is running beside: what it has changed since is not in the journal yet.
            own = part.captured()
            newest = self._merged(plugin_id, self._states[plugin_id].get(name), newest, own)
        part.restore(newest)
        self._synced[plugin_id] = (wanted, self._folded[plugin_id].revision)
        self._stale.discard(plugin_id)

    def _merged(
        self, plugin_id: str, base: Any, first: PluginEntry, second: PluginEntry
    ) -> PluginEntry:
        state = second.state
        with contained(plugin_id, "merge"):
            merge = self._parts[plugin_id].session.merge if plugin_id in self._parts else merged
            state = plugin_state.as_json(merge(base, first.state, second.state))
        revision = max(first.revision, second.revision) + 1
        return PluginEntry(version=second.version, revision=revision, state=state)

    def _name(self, plugin_id: str, entry: PluginEntry | None) -> str:
        """Name a state, and remember it: what is made from it may have to be merged."""
        state = entry.state if entry is not None else None
        name = hashlib.sha256(plugin_state.as_bytes(state)).hexdigest()[:16]
        self._states.setdefault(plugin_id, {})[name] = state
        return name

    def _fits(self, plugin_id: str, entry: PluginEntry) -> bool:
        size = len(plugin_state.as_bytes(entry.state))
        if size <= MAX_ENTRY_BYTES:
            return True
        if (plugin_id, entry.revision) not in self._told:
            self._told.add((plugin_id, entry.revision))
            _log.warning(
                "plugin %s: its state of %d bytes is over %d: it is not journaled, but lost if"
                " another process commits the turn",
                plugin_id,
                size,
                MAX_ENTRY_BYTES,
            )
        return False


def _entries(effect: Effect) -> dict[str, JournaledEntry]:
    stored: Mapping[str, Any] = effect.facts.get(FACT) or {}
    entries: dict[str, JournaledEntry] = {}
    for plugin_id, entry in stored.items():
        try:
            entries[plugin_id] = JournaledEntry.model_validate(entry)
        except ValidationError:
            _log.warning("plugin %s: its entry in %s is unreadable", plugin_id, effect.effect_key)
    return entries
