"""The kinds of lines of Sojourn's own format."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from sojourn.transfer.told import At, Count
from sojourn.usage import UsageEntry


class HeaderLine(BaseModel):
    """The first line."""

    sojourn: int
    session: str
    created_at: At
    scope: str
    is_fork: bool
    leaf: str | None
    head_revision: int
    turns: Count
    config: dict[str, Any]


class NodeLine(BaseModel):
    """A node; its body follows as JSON, or as base64 if it is none."""

    node: str
    parent: str | None
    kind: str
    turn: str
    at: At
    base64: str | None = None


class StateLine(BaseModel):
    """A snapshot of the tool catalogue (`tools`) or of the plugins (`plugins`)."""

    state: str = Field(pattern="^(tools|plugins)$")
    generation: Count
    base64: str | None = None


class UsageLine(BaseModel):
    """A row of the ledger."""

    usage: UsageEntry


class AttachmentLine(BaseModel):
    """An attachment's facts."""

    attachment: str = Field(pattern="^[0-9a-f]{64}$")
    media_type: str
    size_bytes: Count


class BytesLine(BaseModel):
    """A piece of the bytes of the attachment that was named last; an empty one ends them."""

    bytes: str


class TurnLine(BaseModel):
    """The receipt of the operation whose nodes stand before it."""

    receipt: str
    leaf: str | None
    at: At
    result: dict[str, Any]


class EndLine(BaseModel):
    """The last line: how many there were before it, and the SHA-256 of their bytes."""

    end: int
    nodes: int
    sha256: str
