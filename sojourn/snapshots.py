"""Which state bodies the next commit must carry: those that changed since the last one."""

from __future__ import annotations

from sojourn import ids
from sojourn.catalog import ToolCatalog
from sojourn.commit import Commit, Snapshot
from sojourn.plugin_sessions import PluginSessions
from sojourn.reads import StateRef
from sojourn.state import SessionState


class SnapshotKeeper:
    """Tells what of a session's catalogue and plugins is not stored yet.

    The catalogue is dirty when its generation moved; the plugins when their fingerprint did and
    their state differs. A body is encoded only then.
    """

    def __init__(self, state: SessionState, catalog: ToolCatalog, plugins: PluginSessions) -> None:
        self._catalog = catalog
        self._plugins = plugins
        self._tool_ref = state.tool_ref
        self._plugin_ref = state.plugin_ref
        self._plugin_body = state.plugin_state
        self._plugin_mark = plugins.stored_fingerprint

    def changed(self) -> tuple[Snapshot | None, Snapshot | None]:
        """Return the catalogue's and the plugins' snapshots, each None if the stored one holds."""
        return self._tool_snapshot(), self._plugin_snapshot()

    def adopt(self, commit: Commit) -> None:
        """Remember what a commit has stored."""
        if commit.tool_state is not None:
            self._tool_ref = StateRef(commit.tool_state.digest, commit.tool_state.generation)
        if commit.plugin_state is not None:
            self._plugin_ref = StateRef(commit.plugin_state.digest, commit.plugin_state.generation)
            self._plugin_body = commit.plugin_state.body
            self._plugin_mark = self._plugins.stored_fingerprint
        self._plugins.settle()

    def _tool_snapshot(self) -> Snapshot | None:
        stored = self._tool_ref.generation if self._tool_ref else 0
        if stored == self._catalog.generation:
            return None
        body = self._catalog.export().encode()
        return Snapshot(ids.digest(body), body, self._catalog.generation)

    def _plugin_snapshot(self) -> Snapshot | None:
        if self._plugins.fingerprint == self._plugin_mark:
            return None
        body = self._plugins.capture(self._plugin_body)
        digest, stored = ids.digest(body), self._plugin_ref
        if stored is not None and stored.digest == digest:
            return None  # a plugin could not be captured: it stays dirty, and is asked again
        return Snapshot(digest, body, stored.generation + 1 if stored else 1)
