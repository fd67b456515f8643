"""The session of OpenAI's agents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from importlib import import_module
from pathlib import Path
from typing import Any

from typing_extensions import override

from benchmarks.store.peers.saver import MESSAGES, Library, Saver, texts
from benchmarks.store.places import Place, sqlite
from sojourn import ids

MODULE = "agents"


class AgentsSaver(Saver):
    """Sessions of items."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._path = path
        self._stack = stack
        self._session: Any = None
        self._turns = 0

    @override
    async def begin(self, turns: int) -> None:
        self._turns = 0
        library = import_module(MODULE)
        session = library.SQLiteSession(ids.mint("session"), self._path)
        self._session = self._stack.enter_context(closing(session))
        await self._session.add_items([each for _ in range(turns) for each in self._turn()])

    @override
    async def save(self) -> None:
        await self._session.add_items(self._turn())

    @override
    async def load(self) -> None:
        assert len(await self._session.get_items()) == self._turns * MESSAGES

    def _turn(self) -> list[dict[str, str]]:
        said, call = texts(self._turns), f"call-{self._turns}"
        arguments = f'{{"path":"{said.argument}"}}'
        self._turns += 1
        return [
            {"role": "user", "content": said.asked},
            {
                "type": "function_call",
                "call_id": call,
                "name": "read_file",
                "arguments": arguments,
            },
            {"type": "function_call_output", "call_id": call, "output": said.result},
            {"role": "assistant", "content": said.answer},
        ]


@asynccontextmanager
async def _opened(place: Place) -> AsyncIterator[Saver]:
    with ExitStack() as stack:
        yield AgentsSaver(place.path, stack)


AGENTS = (Library("openai-agents SQLiteSession", MODULE, sqlite, _opened),)
