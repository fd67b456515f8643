"""What a network does to a store and its server, and a caller that does not give in."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from enum import StrEnum
from random import Random
from typing import Any

from typing_extensions import override

from sojourn.errors import Contended, InvalidInput, StoreUnavailable
from sojourn.ports import SessionStore
from tests.support.relay import Relay

COMMITS = (b"try_commit", b"COMMIT")
PATIENCE = 50
GREETINGS = 2  # what a client says before it asks for anything


class Fate(StrEnum):
    """Where a connection is cut."""

    BEFORE = "within the request"
    DURING = "after the request, which nobody waits for any more"
    AFTER = "within the answer"


FATES: ContextVar[list[Fate]] = ContextVar("FATES")


class CuttingRelay(Relay):
    """Cuts connections anywhere: around every other commit, and now and then around the rest."""

    def __init__(self, url: str, luck: Random) -> None:
        super().__init__(url)
        self.cuts = Counter[Fate]()
        self._luck = luck

    @override
    async def _serve(self, client: StreamReader, to_client: StreamWriter) -> None:
        FATES.set([])  # both directions are tasks of this one
        await super()._serve(client, to_client)

    @override
    async def _ask(self, client: StreamReader, to_server: StreamWriter) -> None:
        count = 0
        while asked := await received(client):
            count += 1
            fate = self._fate(asked) if count > GREETINGS else None
            if fate is not None:
                self.cuts[fate] += 1
            if fate is Fate.AFTER:
                FATES.get().append(fate)
            to_server.write(self._torn(asked) if fate is Fate.BEFORE else asked)
            if fate in (Fate.BEFORE, Fate.DURING):
                break
        to_server.close()

    @override
    async def _answer(self, server: StreamReader, to_client: StreamWriter) -> None:
        while answer := await received(server):
            if FATES.get():
                to_client.write(self._torn(answer))
                break
            to_client.write(answer)
        to_client.close()

    def _fate(self, asked: bytes) -> Fate | None:
        if any(word in asked for word in COMMITS) and not _prepares(asked):
            fates: list[Fate | None] = [*Fate, None, None, None]
        else:
            fates = [Fate.BEFORE, Fate.AFTER, *[None] * 40]
        return self._luck.choice(fates)

    def _torn(self, whole: bytes) -> bytes:
        return whole[: self._luck.randrange(len(whole))]


class SlowRelay(Relay):
    """Holds back each piece of either direction for a while, so that others come between."""

    def __init__(self, url: str, luck: Random, seconds: float) -> None:
        super().__init__(url)
        self._luck = luck
        self._seconds = seconds

    @override
    async def _ask(self, client: StreamReader, to_server: StreamWriter) -> None:
        await self._pass_on(client, to_server)

    @override
    async def _answer(self, server: StreamReader, to_client: StreamWriter) -> None:
        await self._pass_on(server, to_client)

    async def _pass_on(self, reader: StreamReader, writer: StreamWriter) -> None:
        while piece := await received(reader):
            half = self._luck.randrange(len(piece))
            for part in (piece[:half], piece[half:]):
                await asyncio.sleep(self._luck.uniform(0, self._seconds))
                writer.write(part)
        writer.close()


class Insistent:
    """A store's calls, each made again until it is acknowledged.

    Attributes:
        refusals: how often each was refused.
        replays: the commits that were there already when they were made again.
    """

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self.refusals = Counter[str]()
        self.replays = 0

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Return a call of the store that insists."""

        async def insisting(*facts: Any) -> Any:
            answer = await self._insist(name, facts)
            self.replays += name == "commit" and answer.replayed
            return answer

        return insisting

    async def _insist(self, name: str, facts: tuple[Any, ...]) -> Any:
        for attempt in range(PATIENCE):
            try:
                return await getattr(self._store, name)(*facts)
            except (Contended, StoreUnavailable):
                self.refusals[name] += 1
            except InvalidInput:
                if name != "fork" or not attempt:
                    raise
                return await self._insist("head", facts[2:])  # it was made, and nobody heard
        return await getattr(self._store, name)(*facts)


def _prepares(asked: bytes) -> bool:
    """Tell whether a client only has a statement prepared under a name, for later."""
    return asked.startswith(b"P") and asked[5:6] != b"\0"


async def received(reader: StreamReader) -> bytes:
    """Return what comes next; nothing from an end that is gone."""
    try:
        return await reader.read(65_536)
    except OSError:
        return b""
