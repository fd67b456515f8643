"""Sojourn's own format: JSON lines that keep a whole session, stored bytes as they are.

A line for the session first, then its states, its ledger, its attachments, its nodes in append
order with their turns, and a last line with a digest of all the others.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from sojourn import ids
from sojourn.attachment import Attachment
from sojourn.commit import Snapshot
from sojourn.errors import Untransferable
from sojourn.graph import Node
from sojourn.half_imported import MARK
from sojourn.transfer.checking import check_config, check_state, counted
from sojourn.transfer.line_kinds import (
    AttachmentLine,
    BytesLine,
    EndLine,
    HeaderLine,
    NodeLine,
    StateLine,
    TurnLine,
    UsageLine,
)
from sojourn.transfer.records import BytesRecord, End, Header, NodeRecord, Records, TurnRecord
from sojourn.transfer.source import Source, parsed
from sojourn.usage import UsageEntry

M = TypeVar("M", bound=BaseModel)
B = TypeVar("B", NodeLine, StateLine)

VERSION = 1
CHANGED_ENDS = "line endings were changed (to CRLF): take the file as it was written"
_BODY = b',"body":'
_NODE = b'{"node":'


class LineWriter:
    """Makes lines, and the last one that vouches for all of them."""

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()
        self._lines = 0
        self.nodes = 0

    def line(self, content: BaseModel) -> bytes:
        """Return a line."""
        return self._counted(content.model_dump_json(exclude_none=False).encode())

    def node(self, node: Node) -> bytes:
        """Return a node's line, its body byte for byte."""
        self.nodes += 1
        facts = NodeLine(
            node=node.node_id,
            parent=node.parent_id,
            kind=node.kind,
            turn=node.turn_id,
            at=node.created_at,
        )
        return self._with_body(facts, node.body)

    def state(self, name: str, generation: int, body: bytes) -> bytes:
        """Return a snapshot's line."""
        return self._with_body(StateLine(state=name, generation=generation), body)

    def end(self) -> bytes:
        """Return the last line."""
        digest = self._hasher.hexdigest()
        return self.line(EndLine(end=self._lines, nodes=self.nodes, sha256=digest))

    def _with_body(self, facts: NodeLine | StateLine, body: bytes) -> bytes:
        if _is_plain(body):
            head = facts.model_dump_json(exclude={"base64"}).encode()
            return self._counted(b"".join((head[:-1], _BODY, body, b"}")))
        coded = base64.b64encode(body).decode()
        return self.line(facts.model_copy(update={"base64": coded}))

    def _counted(self, line: bytes) -> bytes:
        line += b"\n"
        self._hasher.update(line)
        self._lines += 1
        return line


def _is_plain(body: bytes) -> bool:
    """Tell whether stored bytes can stand in a line of JSON as they are."""
    if b"\n" in body or body != body.strip():
        return False
    try:
        from_json(body, allow_inf_nan=False)
        body.decode()
    except ValueError:
        return False
    return True


class LineReader:
    """Reads lines into records, and is content only if the last one vouches for all.

    Raises:
        Untransferable: a line is not as it was written, or the file is not whole.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._hasher = hashlib.sha256()
        self._header: HeaderLine | None = None
        self._nodes = 0
        self._usage: list[UsageEntry] = []
        self._states: dict[str, Snapshot] = {}
        self._attachments: list[Attachment] = []
        self._last: NodeRecord | None = None

    def records(self) -> Records:
        """Yield what the file says."""
        number = 0
        end: EndLine | None = None
        for number, line in self._source.lines():
            if line.endswith(b"\r\n"):
                raise Untransferable(line=number, reason=CHANGED_ENDS)
            if end is not None:
                raise Untransferable(line=number, reason="it stands after the last line")
            if line.startswith(b'{"end":'):
                end = _read(EndLine, number, line)
                self._check_end(number, end)
            else:
                self._hasher.update(line)
                yield from self._records(number, line)
        if end is None or self._header is None:
            raise Untransferable(line=number, reason="the file is cut off after it")
        yield End(
            leaf=self._header.leaf,
            usage=tuple(self._usage),
            tool_state=self._states.get("tools"),
            plugin_state=self._states.get("plugins"),
            attachments=tuple(self._attachments),
        )

    def _check_end(self, number: int, end: EndLine) -> None:
        seen = (number - 1, self._nodes, self._hasher.hexdigest())
        if seen != (end.end, end.nodes, end.sha256):
            reason = "the lines before it are not those that were written: the file was changed"
            raise Untransferable(line=number, reason=reason)

    def _records(self, number: int, line: bytes) -> Records:
        if self._header is None:
            self._header = _read(HeaderLine, number, line)
            yield _header(number, self._header)
        elif line.startswith(_NODE):
            self._nodes += 1
            facts, body = _with_body(NodeLine, number, line)
            yield NodeRecord(
                line=number,
                node_id=facts.node,
                parent_id=facts.parent,
                kind=facts.kind,
                body=body,
                turn_id=facts.turn,
                created_at=facts.at,
            )
        else:
            yield from self._others(number, line)

    def _others(self, number: int, line: bytes) -> Records:
        name = _name(number, line)
        if name == "receipt":
            turn = _read(TurnLine, number, line)
            yield TurnRecord(turn.receipt, turn.leaf, turn.result, turn.at, number)
        elif name == "bytes":
            piece = _read(BytesLine, number, line).bytes
            yield BytesRecord(self._attachment(number), _decoded(number, piece))
        elif name == "usage":
            self._usage.append(counted(number, _read(UsageLine, number, line).usage))
        elif name == "attachment":
            found = _read(AttachmentLine, number, line)
            self._attachments.append(
                Attachment(found.attachment, found.media_type, found.size_bytes)
            )
        elif name == "state":
            facts, body = _with_body(StateLine, number, line)
            check_state(number, facts.state, body)
            self._states[facts.state] = Snapshot(ids.digest(body), body, facts.generation)
        else:
            raise Untransferable(line=number, reason="a line of that kind is unknown")

    def _attachment(self, number: int) -> Attachment:
        if not self._attachments:
            raise Untransferable(line=number, reason="bytes of no attachment")
        return self._attachments[-1]


def _header(number: int, line: HeaderLine) -> Header:
    if line.sojourn > VERSION:
        reason = f"a newer Sojourn wrote it (version {line.sojourn}): upgrade Sojourn"
        raise Untransferable(line=number, reason=reason)
    if MARK in line.config:
        raise Untransferable(line=number, reason="the session was itself half imported")
    check_config(number, line.config)
    return Header(line.session, line.config, line.created_at, line.is_fork, line.turns)


def _name(number: int, line: bytes) -> str:
    content: Any = parsed(number, line)
    if not isinstance(content, dict):
        raise Untransferable(line=number, reason="it is no JSON object")
    return next(iter(cast("dict[str, Any]", content)), "")


def _decoded(number: int, coded: str) -> bytes:
    try:
        return base64.b64decode(coded, validate=True)
    except binascii.Error:
        raise Untransferable(line=number, reason="its bytes are no base64") from None


def _read(model: type[M], number: int, line: bytes) -> M:
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        reason = f"{place}: {first['msg']}" if place else "it is not JSON of that kind"
        raise Untransferable(line=number, reason=reason) from None


def _with_body(model: type[B], number: int, line: bytes) -> tuple[B, bytes]:
    """Read a line and the stored bytes in it: what follows its own facts, as it stands."""
    head, mark, rest = line.rstrip(b"\r\n").partition(_BODY)
    facts = _read(model, number, head + b"}" if mark else head)
    if mark and rest.endswith(b"}"):
        return facts, rest[:-1]
    if facts.base64 is None:
        raise Untransferable(line=number, reason="it has no body")
    return facts, _decoded(number, facts.base64)
