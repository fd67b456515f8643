"""Which session a child was made by: kept in its configuration, through every commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sojourn.commit import Commit

# Where a session's configuration names the session that it is a child of.
PARENT = "parent"


def parent_of(config: Mapping[str, Any]) -> str | None:
    """Return the id of the session that made this one; None for a session of its own."""
    parent = config.get(PARENT)
    return parent if isinstance(parent, str) and parent else None


def with_parent(commit: Commit, parent_id: str | None) -> Commit:
    """Return a commit that keeps the parent's name, if it writes the configuration."""
    if commit.config is None or parent_id is None:
        return commit
    return replace(commit, config={**commit.config, PARENT: parent_id})
