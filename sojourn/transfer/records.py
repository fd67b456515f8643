"""What a file of a session says, whatever its format: a stream of records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sojourn.attachment import Attachment
from sojourn.commit import Snapshot
from sojourn.usage import UsageEntry


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a session before its first node.

    Attributes:
        session_id: its id where it comes from; empty if the format has none.
        config: its persisted configuration.
        created_at: when it began, if the format tells.
        is_fork: whether its nodes were not all its own: they get new ids then.
        turns: how many turns it has, or None if each is to be counted as it ends.
    """

    session_id: str = ""
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    created_at: datetime | None = None
    is_fork: bool = False
    turns: int | None = None


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node; `line` is where it stands in the file, `created_at` None if the format has none."""

    line: int
    node_id: str
    parent_id: str | None
    kind: str
    body: bytes
    turn_id: str
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """The end of a turn, or of another operation, whose nodes stand before it.

    Attributes:
        operation_id: which.
        leaf: the last node that it wrote.
        result: what its receipt says, or None if it has none.
        committed_at: when it was committed, if it has a receipt.
        line: where that stands in the file.
    """

    operation_id: str
    leaf: str | None
    result: dict[str, Any] | None = None
    committed_at: datetime | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class BytesRecord:
    """A piece of an attachment's bytes; an empty one ends them."""

    attachment: Attachment
    data: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the import does not keep as it is, and where it stands in the file."""

    line: int
    what: str


@dataclass(frozen=True, slots=True)
class End:
    """The end of a whole file: where the session stands, and what belongs to it beside its graph.

    Attributes:
        leaf: the node that it stands on.
        usage: its ledger.
        tool_state: its tool catalogue's snapshot.
        plugin_state: its plugins' snapshot.
        attachments: what its messages refer to.
    """

    leaf: str | None
    usage: tuple[UsageEntry, ...] = ()
    tool_state: Snapshot | None = None
    plugin_state: Snapshot | None = None
    attachments: tuple[Attachment, ...] = ()


Record = Header | NodeRecord | TurnRecord | BytesRecord | Note | End
Records = Iterator[Record]
