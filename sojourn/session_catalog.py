"""The catalogue of one session: what its environment, its plugins and the app give it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sojourn.catalog import SESSION_SOURCE, ToolCatalog, ToolState
from sojourn.environment import RuntimeEnvironment
from sojourn.plugin_sessions import PluginSessions
from sojourn.tools import FunctionSource, ToolSource

log = logging.getLogger(__name__)

PLUGIN_SOURCE = "plugins"
_MAX_NAMED = 10


def session_catalog(
    environment: RuntimeEnvironment,
    session_id: str,
    plugins: PluginSessions,
    stored: bytes | None = None,
) -> ToolCatalog:
    """Make a session's catalogue, restored to exactly what is stored of it.

    Raises:
        CatalogError: the sources contradict each other.
        MalformedToolState: what is stored cannot be read.
    """
    sources: list[ToolSource] = [*environment.sources]
    sources.append(FunctionSource(PLUGIN_SOURCE, plugins.tools()))
    if environment.session_tools is not None:
        sources.append(FunctionSource(SESSION_SOURCE, environment.session_tools(session_id)))
    state = None if stored is None else ToolState.decode(stored)
    catalog = ToolCatalog(sources, stored=state)
    if catalog.restored and catalog.restored.orphaned:
        text = "session %s: no source has the tools %s; they come back with their source"
        log.warning(text, session_id, _listed(catalog.restored.orphaned))
    return catalog


def _listed(tool_ids: Sequence[str]) -> str:
    more = len(tool_ids) - _MAX_NAMED
    return ", ".join(tool_ids[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
