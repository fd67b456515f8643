"""The SQL of the store: named blocks of the `.sql` files, and the statements of whole scripts."""

from __future__ import annotations

import re
from importlib import resources

QUERIES = ("queries.sql", "attachments.sql", "upkeep.sql", "checks.sql", "transfer.sql")

_BLOCK = re.compile(r"^-- (\w+): .+\n((?:(?!-- \w+: ).*\n?)+)", re.MULTILINE)
_FOLDER = resources.files("sojourn.adapters.sqlite")


def read(name: str) -> str:
    """Return the text of a file beside this one."""
    return _FOLDER.joinpath(name).read_text("utf-8")


def migrations() -> dict[int, str]:
    """Return the scripts of `migrations/` by the schema version that each one leads to."""
    scripts = sorted(_FOLDER.joinpath("migrations").iterdir(), key=lambda script: script.name)
    return {int(script.name.partition("-")[0]): script.read_text("utf-8") for script in scripts}


def statements(script: str) -> list[str]:
    """Split a script, in which a semicolon ends a statement and stands nowhere else."""
    return [part.strip() for part in script.split(";") if part.strip()]


def blocks(script: str) -> dict[str, str]:
    """Return the statements of `script` by name; `-- name: its purpose.` opens each."""
    return {name: body.strip().rstrip(";") for name, body in _BLOCK.findall(script)}


SQL = {name: body for file in QUERIES for name, body in blocks(read(file)).items()}
