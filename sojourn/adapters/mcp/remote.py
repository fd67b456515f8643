"""What a server says of a tool, and what a session makes of it: an id, a name, terms."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from sojourn import ids
from sojourn.adapters.mcp.secrets import Redactor

MAX_NAME_CHARS = 64
_UNUSABLE = re.compile(r"[^A-Za-z0-9_-]")
# Whatever an id may have, but for the sign that escapes the rest.
_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")
_MAX_QUOTED_CHARS = 120


@dataclass(frozen=True, slots=True)
class RemoteTool:
    """A tool as its server describes it.

    Attributes:
        name: what the server calls it.
        description: what it says that it does.
        input_schema: a JSON schema of its arguments.
        is_repeatable: whether the server says that running it twice does what running it once does.
    """

    name: str
    description: str = ""
    input_schema: dict[str, Any] = field(default_factory=dict[str, Any])
    is_repeatable: bool = False

    def redacted(self, redactor: Redactor) -> RemoteTool:
        """Return it without secrets; its name, by which it is called, stays."""
        schema: dict[str, Any] = redactor.json(self.input_schema)
        return replace(self, description=redactor.text(self.description), input_schema=schema)


@dataclass(frozen=True, slots=True)
class Called:
    """The two names of a tool: its server's, and the model's."""

    remote: str
    shown: str


def tool_id(server: str, name: str) -> str:
    """Return a tool's identity, `server/name`: never that of another name of the server."""
    quoted = quote(name, safe=_PLAIN)
    if len(quoted) > _MAX_QUOTED_CHARS:
        quoted = f"{quoted[:_MAX_QUOTED_CHARS]}%{_short_digest(name)}"
    return f"{server}/{quoted}"


def shown_names(prefix: str, names: Iterable[str]) -> dict[str, str]:
    """Return what a model calls each of a server's tools, whatever the order that they come in.

    It is the prefix and the name, made fit for a model. Where two become one, the one that was
    fit as it is keeps it; the others get a digest of their own name at the end.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        fit = _UNUSABLE.sub("_", f"{prefix}{name}")[:MAX_NAME_CHARS] or "_"
        groups.setdefault(fit, []).append(name)
    return {
        name: fit if len(group) == 1 or fit == f"{prefix}{name}" else _with_digest(fit, name)
        for fit, group in groups.items()
        for name in group
    }


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Tell whether a tool's name is among patterns such as `read_*`; capitals count."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def digest_of(tools: Sequence[RemoteTool]) -> str:
    """Return the content address of a list of tools, whatever its order."""
    plain = sorted((asdict(each) for each in tools), key=lambda each: str(each["name"]))
    return ids.digest(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode())


def _with_digest(fit: str, name: str) -> str:
    suffix = f"_{_short_digest(name)}"
    return f"{fit[: MAX_NAME_CHARS - len(suffix)]}{suffix}"


def _short_digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]
