"""LangGraph's checkpointers: one checkpoint a turn, which is the least that a graph makes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from typing_extensions import override

from benchmarks.store.peers.saver import MESSAGES, Library, Saver, texts
from benchmarks.store.places import Place, postgres, sqlite
from sojourn import ids

CHANNEL = "messages"
SQLITE, POSTGRES = "langgraph.checkpoint.sqlite.aio", "langgraph.checkpoint.postgres.aio"


class LanggraphSaver(Saver):
    """Threads whose messages are one channel, of plain dictionaries."""

    def __init__(self, saver: Any) -> None:
        self._saver = saver
        self._base = import_module("langgraph.checkpoint.base")
        self._thread: Any = {}
        self._config: Any = {}
        self._messages: list[Any] = []
        self._turns = 0
        self._version: Any = None

    @override
    async def begin(self, turns: int) -> None:
        """Have the last checkpoint alone: those before it would make the rest dearer, if at all."""
        thread = {"thread_id": ids.mint("thread"), "checkpoint_ns": ""}
        self._thread = self._config = {"configurable": thread}
        self._messages, self._turns, self._version = [], 0, None
        for _ in range(turns - 1):
            self._take_turn()
        await self.save()

    @override
    async def save(self) -> None:
        self._take_turn()
        self._version = self._saver.get_next_version(self._version, None)
        checkpoint = self._base.empty_checkpoint()
        checkpoint["channel_values"] = {CHANNEL: self._messages}
        checkpoint["channel_versions"] = {CHANNEL: self._version}
        facts: dict[str, Any] = {"source": "loop", "step": self._turns, "parents": {}}
        versions = {CHANNEL: self._version}
        self._config = await self._saver.aput(self._config, checkpoint, facts, versions)

    @override
    async def load(self) -> None:
        found = await self._saver.aget_tuple(self._thread)
        assert len(found.checkpoint["channel_values"][CHANNEL]) == self._turns * MESSAGES

    def _take_turn(self) -> None:
        said, call = texts(self._turns), f"call-{self._turns}"
        asking = {"id": call, "name": "read_file", "args": {"path": said.argument}}
        self._messages += [
            {"type": "human", "content": said.asked},
            {"type": "ai", "content": "", "tool_calls": [asking]},
            {"type": "tool", "tool_call_id": call, "name": "read_file", "content": said.result},
            {"type": "ai", "content": said.answer},
        ]
        self._turns += 1


@asynccontextmanager
async def _in_sqlite(place: Place) -> AsyncIterator[Saver]:
    library = import_module(SQLITE)
    async with library.AsyncSqliteSaver.from_conn_string(str(place.path)) as saver:
        yield await _set_up(saver)


@asynccontextmanager
async def _in_postgres(place: Place) -> AsyncIterator[Saver]:
    library = import_module(POSTGRES)
    async with library.AsyncPostgresSaver.from_conn_string(place.url) as saver:
        yield await _set_up(saver)


async def _set_up(saver: Any) -> Saver:
    await saver.setup()
    return LanggraphSaver(saver)


LANGGRAPH = (
    Library("langgraph-checkpoint-sqlite", SQLITE, sqlite, _in_sqlite),
    Library("langgraph-checkpoint-postgres", POSTGRES, postgres, _in_postgres),
)
