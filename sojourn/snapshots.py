"""Which state bodies the next commit must carry: those that changed since the last one."""

from __future__ import annotations

from sojourn import ids
from sojourn.catalog import ToolCatalog
from sojourn.commit import Commit, Snapshot
from sojourn.plugin_host import PluginSessions
from sojourn.reads import StateRef
from sojourn.state import SessionState


class SnapshotKeeper:
    """Tells what of a session's catalogue and plugins is not stored yet.

    The catalogue is dirty when its generation moved; the plugins when their fingerprint did. A
    body is encoded only when it is dirty.
    """

    def __init__(self, state: SessionState, catalog: ToolCatalog, plugins: PluginSessions) -> None:
        self._catalog = catalog
        self._plugins = plugins
        self._tool_ref = state.tool_ref
        self._plugin_ref = state.plugin_ref
        self._plugin_body = state.plugin_state
        self._plugin_mark = plugins.fingerprint if state.plugin_ref else None

    @property
    def is_dirty(self) -> bool:
        """Whether something is not stored yet."""
        return self._tools_dirty or self._plugins_dirty

    def changed(self) -> tuple[Snapshot | None, Snapshot | None]:
        """Return the snapshots to commit, each None if the stored one still holds."""
        return (
            self._tool_snapshot() if self._tools_dirty else None,
            self._plugin_snapshot() if self._plugins_dirty else None,
        )

    def adopt(self, commit: Commit) -> None:
        """Remember what a commit has stored."""
        if commit.tool_state is not None:
            self._tool_ref = StateRef(commit.tool_state.digest, commit.tool_state.generation)
        if commit.plugin_state is not None:
            self._plugin_ref = StateRef(commit.plugin_state.digest, commit.plugin_state.generation)
            self._plugin_body = commit.plugin_state.body
            self._plugin_mark = self._plugins.fingerprint

    @property
    def _tools_dirty(self) -> bool:
        return self._tool_ref is None or self._tool_ref.generation != self._catalog.generation

    @property
    def _plugins_dirty(self) -> bool:
        return self._plugins.fingerprint != self._plugin_mark

    def _tool_snapshot(self) -> Snapshot:
        body = self._catalog.export().encode()
        return Snapshot(ids.digest(body), body, self._catalog.generation)

    def _plugin_snapshot(self) -> Snapshot:
        body = self._plugins.capture(self._plugin_body)
        generation = self._plugin_ref.generation + 1 if self._plugin_ref else 1
        return Snapshot(ids.digest(body), body, generation)
