"""A session's active path in another library's words: healed, and turn by turn."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any

from pydantic_core import to_json

from sojourn.errors import GraphCorrupt
from sojourn.graph import Node, NodeKind
from sojourn.heal import decoded, healed_messages
from sojourn.messages import Role
from sojourn.transfer.conversation import foreign_item
from sojourn.transfer.formats import Format, items_of
from sojourn.transfer.records import Note
from sojourn.transfer_ports import SessionPage


class Speaker:
    """Writes messages as items, a line of JSON each.

    What a frame begins with repeats what stands before it, and is left out.

    Args:
        session_id: the session.
        form: the items' format.
        note: is told what the items cannot say, and after which line it would have stood.
    """

    def __init__(self, session_id: str, form: Format, note: Callable[[Note], None]) -> None:
        self._note = note
        self._session_id = session_id
        self._form = form
        self._turn: list[Node] = []
        self._behind: list[Node] = []
        self._open: set[str] = set()
        self._frame_turn: str | None = None
        self._lines = 0

    async def lines(
        self, first: SessionPage, pages: AsyncIterator[SessionPage]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the lines of the file.

        Raises:
            GraphCorrupt: the leaf is not stored, or a message cannot be decoded.
        """
        last: str | None = None
        async for page in pages:
            for node in page.nodes:
                last = node.node_id
                for line in self._take(node):
                    yield line
        if last != first.head.leaf:
            reason = "the session stands on it, and it is not stored: check out another one"
            raise GraphCorrupt(session_id=self._session_id, node_id=first.head.leaf, reason=reason)
        for line in self._flush():
            yield line

    def _take(self, node: Node) -> Iterator[bytes]:
        if node.kind == NodeKind.FRAME:
            self._frame_turn = node.turn_id
        elif node.turn_id != self._frame_turn and node.kind == NodeKind.MESSAGE:
            message = decoded(node, self._session_id)
            if message.role is Role.USER:
                yield from self._flush()
            self._open -= {response.id for response in message.tool_responses}
            self._open |= {call.id for call in message.tool_calls}
            self._turn.append(node)
        elif node.turn_id != self._frame_turn and node.kind == NodeKind.FOREIGN:
            self._behind.append(node)
            if not self._open:
                yield from self._flush()

    def _flush(self) -> Iterator[bytes]:
        """Yield what is complete; items of a library never part a call from its result."""
        turn, self._turn = self._turn, []
        behind, self._behind = self._behind, []
        self._open.clear()
        messages, healed = healed_messages(turn, self._session_id)
        for each in healed:
            self._note(Note(self._lines, f"healed ({each.kind.value}): {each.detail}"))
        for message in messages:
            for item in items_of(self._form, message):
                yield from self._said(item)
        for node in behind:
            kept = foreign_item(node, self._form)
            yield from self._said(kept or f"an item of another format ({node.node_id})")

    def _said(self, item: dict[str, Any] | str) -> Iterator[bytes]:
        if isinstance(item, str):
            self._note(Note(self._lines, item))
            return
        self._lines += 1
        yield to_json(item) + b"\n"
