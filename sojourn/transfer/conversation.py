"""A conversation in another library's words, as the records of a session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from sojourn import ids
from sojourn.graph import Node, NodeKind
from sojourn.messages import Message, Role
from sojourn.transfer.records import End, Header, NodeRecord, Note, Records, TurnRecord
from sojourn.usage import Usage, UsageEntry

SOURCE = "import"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Said:
    """A message, and the line that it begins in."""

    line: int
    message: Message


@dataclass(frozen=True, slots=True)
class Opaque:
    """An item that no message can say: kept as it is, for an export to the same format."""

    line: int
    item: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens that a message tells of."""

    model: str
    usage: Usage


Heard = Said | Opaque | Spent | Note


def foreign_item(node: Node, form: str) -> dict[str, Any] | None:
    """Return the item that a node keeps of a format, or None if it is another format's."""
    kept = from_json(node.body)
    return kept["item"] if kept.get("format") == form else None


def records(heard: Iterable[Heard], session_id: str, form: str) -> Records:
    """Yield a conversation as a session: a turn begins with each message of the user."""
    yield Header(session_id=session_id, config={"agent": "", "model": None})
    writer = _Writer(session_id, form)
    for each in heard:
        if isinstance(each, Spent):
            writer.spend(each)
        elif isinstance(each, Note):
            yield each
        else:
            yield from writer.write(each)
    yield from writer.end()


class _Writer:
    def __init__(self, session_id: str, form: str) -> None:
        self._session_id = session_id
        self._form = form
        self._turn = 1
        self._ordinal = 0
        self._has_begun = False
        self._leaf: str | None = None
        self._usage: dict[str, Usage] = {}

    def spend(self, spent: Spent) -> None:
        self._usage[spent.model] = self._usage.get(spent.model, Usage()) + spent.usage

    def write(self, heard: Said | Opaque) -> Iterator[NodeRecord | TurnRecord | Note]:
        role = heard.message.role if isinstance(heard, Said) else None
        if role is Role.USER and self._has_begun:
            yield self._ended()
        # What a system says before the user's first word belongs to the first turn.
        self._has_begun = self._has_begun or role not in {Role.SYSTEM, None}
        kind, body = self._body(heard)
        node_id = ids.node_id(self._session_id, self._turn_id, self._ordinal)
        yield NodeRecord(heard.line, node_id, self._leaf, kind, body, self._turn_id)
        self._leaf, self._ordinal = node_id, self._ordinal + 1
        if isinstance(heard, Opaque):
            what = f"an item of type {heard.item.get('type')!r}: kept for its way back alone"
            yield Note(heard.line, what)

    def end(self) -> Iterator[TurnRecord | End]:
        if self._ordinal:
            yield self._ended()
        usage = tuple(
            UsageEntry(source=SOURCE, model=model, usage=usage)
            for model, usage in sorted(self._usage.items())
        )
        yield End(leaf=self._leaf, usage=usage)

    @property
    def _turn_id(self) -> str:
        return f"imported-{self._turn}"

    def _ended(self) -> TurnRecord:
        ended = TurnRecord(self._turn_id, self._leaf)
        self._turn, self._ordinal, self._has_begun = self._turn + 1, 0, False
        return ended

    def _body(self, heard: Said | Opaque) -> tuple[NodeKind, bytes]:
        if isinstance(heard, Said):
            return NodeKind.MESSAGE, heard.message.encode()
        kept = {"v": VERSION, "format": self._form, "item": heard.item}
        return NodeKind.FOREIGN, to_json(kept)
