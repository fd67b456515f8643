"""The SQL of the store: named blocks of `queries.sql`, and the statements of `schema.sql`."""

from __future__ import annotations

import re
from importlib import resources

_BLOCK = re.compile(r"^-- (\w+): .+\n((?:(?!-- \w+: ).*\n?)+)", re.MULTILINE)


def read(name: str) -> str:
    """Return the text of a file beside this one."""
    return resources.files("sojourn.adapters.sqlite").joinpath(name).read_text("utf-8")


def statements(script: str) -> list[str]:
    """Split a script, in which a semicolon ends a statement and stands nowhere else."""
    return [part.strip() for part in script.split(";") if part.strip()]


def blocks(script: str) -> dict[str, str]:
    """Return the statements of `script` by name; `-- name: its purpose.` opens each."""
    return {name: body.strip().rstrip(";") for name, body in _BLOCK.findall(script)}


SQL = blocks(read("queries.sql"))
