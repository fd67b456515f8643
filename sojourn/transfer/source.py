"""Reading a file piece by piece: lines, and the elements of a JSON array, in constant memory."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from pydantic_core import from_json

from sojourn.commit import MAX_COMMIT_BYTES
from sojourn.errors import Untransferable

# A body of the largest commit, as JSON in which each byte takes two, and what stands around it.
MAX_LINE_BYTES = 2 * MAX_COMMIT_BYTES + 1024 * 1024
CHUNK_BYTES = 1024 * 1024
_SPACE = " \t\r\n"

Item = tuple[int, Any]


class Source:
    """A binary stream, looked into before it is read.

    Args:
        file: the stream; it need not be seekable.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._ahead = b""
        self._has_begun = False
        self.bytes_read = 0

    def peek(self) -> bytes:
        """Return the first piece of the stream without a byte order mark; it stays to be read."""
        while len(self._ahead) < CHUNK_BYTES:
            piece = self._file.read(CHUNK_BYTES - len(self._ahead))
            if not piece:
                break
            self._ahead += piece
        if not self._has_begun:
            self._has_begun = True
            self._ahead = self._ahead.removeprefix(codecs.BOM_UTF8)
        return self._ahead

    def chunks(self) -> Iterator[bytes]:
        """Yield the stream in pieces."""
        piece, self._ahead = self.peek(), b""
        piece = piece or self._file.read(CHUNK_BYTES)
        while piece:
            self.bytes_read += len(piece)
            yield piece
            piece = self._file.read(CHUNK_BYTES)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield numbered lines, each with its line feed; the last one may have none.

        Raises:
            Untransferable: a line is longer than any that can be imported.
        """
        number, parts, size = 1, list[bytes](), 0
        for chunk in self.chunks():
            for piece in _split(chunk):
                parts.append(piece)
                size += len(piece)
                if size > MAX_LINE_BYTES:
                    reason = f"it is longer than {MAX_LINE_BYTES} bytes"
                    raise Untransferable(line=number, reason=reason)
                if piece.endswith(b"\n"):
                    yield number, b"".join(parts)
                    number, parts, size = number + 1, [], 0
        if parts:
            yield number, b"".join(parts)

    def items(self) -> Iterator[Item]:
        """Yield what a JSON array holds, or what stands on each line; numbered either way.

        Raises:
            Untransferable: what stands there is not JSON.
        """
        if self.peek().lstrip()[:1] == b"[":
            yield from _elements(self)
            return
        for number, line in self.lines():
            if line.strip():
                yield number, parsed(number, line)


def parsed(number: int, line: bytes) -> Any:
    """Return the JSON of a line.

    Raises:
        Untransferable: it is none.
    """
    try:
        return from_json(line, allow_inf_nan=False)
    except ValueError:
        raise Untransferable(line=number, reason="it is not JSON") from None


def _split(chunk: bytes) -> Iterator[bytes]:
    """Split after line feeds alone: `splitlines` takes a carriage return for one too."""
    *whole, last = chunk.split(b"\n")
    yield from (line + b"\n" for line in whole)
    if last:
        yield last


def _elements(source: Source) -> Iterator[Item]:
    """Yield the elements of the one array that a stream holds."""
    text = _Text(source)
    text.skip("[")
    number = 1
    while text.next_character() != "]":
        yield number, text.element(number)
        number += 1
        if text.next_character() == ",":
            text.skip(",")
        elif text.next_character() != "]":
            raise Untransferable(line=number, reason="the array goes on without a comma")
    text.skip("]")
    if text.next_character():
        raise Untransferable(line=number, reason="something stands after the end of the array")


class _Text:
    """The text of a stream, of which only the element that is being read is kept."""

    def __init__(self, source: Source) -> None:
        self._chunks = source.chunks()
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._decoder = json.JSONDecoder()
        self._buffer = ""
        self._place = 0

    def next_character(self) -> str:
        """Return the next character that is no space, or nothing at the end."""
        while True:
            while self._place < len(self._buffer) and self._buffer[self._place] in _SPACE:
                self._place += 1
            if self._place < len(self._buffer):
                return self._buffer[self._place]
            if not self._read_on(0):
                return ""

    def skip(self, character: str) -> None:
        """Read over a character that comes next."""
        if self.next_character() == character:
            self._place += 1

    def element(self, number: int) -> Any:
        """Read one element, which may come in several pieces.

        Raises:
            Untransferable: it is not JSON, or does not end, or is too long.
        """
        if self.next_character() not in {"{", "["}:
            raise Untransferable(line=number, reason="it is no JSON object")
        while True:
            try:
                _, end = self._decoder.raw_decode(self._buffer, self._place)
            except RecursionError:
                raise Untransferable(line=number, reason="it is nested too deeply") from None
            except ValueError:
                size = len(self._buffer) - self._place
                if size > MAX_LINE_BYTES or not self._read_on(size):
                    raise Untransferable(line=number, reason="it is not JSON") from None
            else:
                # This decoder takes more than JSON, such as NaN and halves of emojis.
                value = parsed(number, self._buffer[self._place : end].encode())
                self._place = end
                return value

    def _read_on(self, wanted: int) -> bool:
        """Read at least as much as is there already, so that long elements are not slow."""
        self._buffer, self._place = self._buffer[self._place :], 0
        read = 0
        try:
            for chunk in self._chunks:
                piece = self._decode.decode(chunk)
                self._buffer += piece
                read += len(piece)
                if read > wanted:
                    break
        except UnicodeDecodeError:
            raise Untransferable(line=0, reason="it is not UTF-8") from None
        return read > 0
