"""Calls and their results brought together: what stands between them waits until they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from pydantic_core import to_json

from sojourn.messages import Message, Role, ToolResponsePart
from sojourn.transfer.conversation import Heard, Opaque, Said, Spent
from sojourn.transfer.records import Note

HELD_ITEMS = 256
HELD_BYTES = 4 * 1024 * 1024

Kept = Said | Opaque


def together(heard: Iterable[Heard]) -> Iterator[Heard]:
    """Yield a conversation in which each result stands right behind its call.

    What stands between the two comes after the result, in its own order, and is noted. A result
    that has not come within `HELD_ITEMS` messages or `HELD_BYTES` is waited for no longer.
    """
    pairing = _Pairing()
    for each in heard:
        if isinstance(each, Spent | Note):
            yield each
            continue
        pairing.waiting.append(each)
        yield from pairing.taken()
    yield from pairing.rest()


class _Pairing:
    """The calls that have no result yet, and what waits for it."""

    def __init__(self) -> None:
        self.waiting = deque[Kept]()
        self._open = set[str]()
        self._line = 0
        self._held: list[Kept] = []
        self._size_bytes = 0
        self._moved = 0
        self._result_line = 0

    def taken(self) -> Iterator[Heard]:
        """Take in what waits; yield what is in its place."""
        while self.waiting:
            yield from self._take(self.waiting.popleft())

    def rest(self) -> Iterator[Heard]:
        """Yield what is left at the end of the file."""
        while self._held:
            yield from self._released()
            yield from self.taken()

    def _take(self, each: Kept) -> Iterator[Heard]:
        message = each.message if isinstance(each, Said) else None
        if self._open and message is not None and self._answers(message):
            yield from self._answered(each.line, message, each)
        elif self._open and (self._held or _parts(message)):
            yield from self._hold(each)
        else:
            yield each
            self._opens(each.line, message)

    def _answers(self, message: Message) -> bool:
        return not self._open.isdisjoint(_answered_ids(message))

    def _answered(self, line: int, message: Message, each: Kept) -> Iterator[Heard]:
        yield each
        self._open -= _answered_ids(message)
        self._moved, self._result_line = len(self._held), line
        if not self._open:
            yield from self._released()

    def _hold(self, each: Kept) -> Iterator[Heard]:
        self._held.append(each)
        self._size_bytes += _size_bytes(each)
        calls = each.message.tool_calls if isinstance(each, Said) else ()
        # A call of the same id takes the results that follow.
        self._open -= {call.id for call in calls}
        is_over = len(self._held) >= HELD_ITEMS or self._size_bytes > HELD_BYTES
        if is_over:
            late = "a call has no result near it: one that comes later is not shown to the model"
            yield Note(self._line, late)
        if is_over or not self._open:
            yield from self._released()

    def _released(self) -> Iterator[Note]:
        """Let go of what is held; it is looked at anew, as calls may be in it."""
        behind = f"it now stands behind line {self._result_line}, the result of a call before it"
        yield from (Note(each.line, behind) for each in self._held[: self._moved])
        self.waiting.extendleft(reversed(self._held))
        self._open, self._held, self._size_bytes, self._moved = set(), [], 0, 0

    def _opens(self, line: int, message: Message | None) -> None:
        calls = message.tool_calls if message is not None else ()
        if calls:
            self._open, self._line = {call.id for call in calls}, line


def _parts(message: Message | None) -> bool:
    """Tell whether a message parts a call from its result, if it stands between them."""
    return message is not None and message.role is not Role.TOOL


def _answered_ids(message: Message) -> set[str]:
    return {part.id for part in message.parts if isinstance(part, ToolResponsePart)}


def _size_bytes(each: Kept) -> int:
    return len(each.message.encode() if isinstance(each, Said) else to_json(each.item))
