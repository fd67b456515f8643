"""The SQL of the store: named blocks of the `.sql` files beside this one."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any, LiteralString

# These make the schema and its functions, and are run whole.
SCRIPTS = frozenset({"schema.sql", "0002-lean-commits.sql", "functions.sql"})

_FOLDER = resources.files("sojourn.adapters.postgres")
_BLOCK = re.compile(r"^-- (\w+): .+\n((?:(?!-- \w+: ).*\n?)+)", re.MULTILINE)


def read(name: str) -> LiteralString:
    """Return the text of a file beside this one."""
    # A file of this package is as much our own text as a literal in it: type checkers cannot tell.
    text: Any = _FOLDER.joinpath(name).read_text("utf-8")
    script: LiteralString = text
    return script


def blocks(script: LiteralString) -> dict[str, LiteralString]:
    """Return the statements of `script` by name; `-- name: its purpose.` opens each."""
    found: list[tuple[str, LiteralString]] = _BLOCK.findall(script)
    return {name: body.strip().rstrip(";") for name, body in found}


def _named() -> dict[str, LiteralString]:
    files = sorted(file.name for file in _FOLDER.iterdir() if file.name.endswith(".sql"))
    named: dict[str, LiteralString] = {}
    for file in files:
        if file not in SCRIPTS:
            named |= blocks(read(file))
    return named


SQL = _named()
