"""Sources of tools that are opened: connections that a host keeps for all of its sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sojourn.tools import ToolSource

__all__ = ["OpenedSource", "SourceState", "opened_sources"]


@dataclass(frozen=True, slots=True)
class SourceState:
    """Where an opened source stands, for whoever looks after it.

    Attributes:
        is_connected: whether its tools can be called now.
        reason: why not, in one line without secrets; empty if they can.
        digest: the content address of what it advertises; empty before it was ever connected.
    """

    is_connected: bool
    reason: str = ""
    digest: str = ""


@runtime_checkable
class OpenedSource(ToolSource, Protocol):
    """A source with something to open, once for every host that has it, and to close again."""

    @property
    def state(self) -> SourceState:
        """Whether it is connected, and why not."""
        ...

    async def open(self) -> None:
        """Open it, within a time of its own; that nobody answers is no failure.

        Raises:
            SojournError: it can never be opened as it is configured.
        """
        ...

    async def aclose(self) -> None:
        """Undo one `open`; the last one lets go of everything, within a time of its own."""
        ...


@asynccontextmanager
async def opened_sources(sources: Sequence[ToolSource]) -> AsyncIterator[None]:
    """Keep those of `sources` open that can be, all at the same time.

    Raises:
        SojournError: as `OpenedSource.open`; the others are closed again.
    """
    opened: list[OpenedSource] = []

    async def open_one(source: OpenedSource) -> None:
        await source.open()
        opened.append(source)

    opening = (open_one(each) for each in sources if isinstance(each, OpenedSource))
    try:
        for outcome in await asyncio.gather(*opening, return_exceptions=True):
            if outcome is not None:
                raise outcome
        yield
    finally:
        await asyncio.gather(*(each.aclose() for each in opened))
