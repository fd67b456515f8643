"""A relay before a PostgreSQL server: it counts round trips, and loses what it is told to lose."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import psycopg

from tests.support.server import free_port


class Relay:
    """Passes bytes on between a store and its server.

    Attributes:
        url: the server's database, through the relay.
        trips: how often a client asked after it had been answered.
        is_losing: whether the next answer is lost, and the connection with it.
    """

    def __init__(self, url: str) -> None:
        with psycopg.connect(url) as connection:
            self._host, self._server_port = connection.info.host, connection.info.port
            user = connection.info.user
        self._port = free_port()
        self.url = (
            urlsplit(url)._replace(netloc=f"{user}@127.0.0.1:{self._port}", query="pool=1").geturl()
        )
        self.trips = 0
        self.is_losing = False
        self._is_asked = False
        self._server: asyncio.Server | None = None
        self._writers: set[StreamWriter] = set()
        self._links: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def before(cls, url: str) -> AsyncIterator[Relay]:
        """Yield a relay that listens, and stop it afterwards."""
        relay = cls(url)
        await relay.start()
        try:
            yield relay
        finally:
            await relay.stop()

    async def start(self) -> None:
        """Listen."""

        def link(client: StreamReader, to_client: StreamWriter) -> None:
            task = asyncio.create_task(self._serve(client, to_client))
            self._links.add(task)
            task.add_done_callback(self._links.discard)

        self._server = await asyncio.start_server(link, "127.0.0.1", self._port)

    async def stop(self) -> None:
        """Listen no more, and cut what is connected."""
        if self._server is not None:
            self._server.close()
            self.cut()
            await self._server.wait_closed()
            await asyncio.gather(*self._links)

    def cut(self) -> None:
        """Close every connection, as a network that fails does."""
        for writer in self._writers:
            writer.close()

    async def _serve(self, client: StreamReader, to_client: StreamWriter) -> None:
        if self._host.startswith("/"):
            place = f"{self._host}/.s.PGSQL.{self._server_port}"
            server, to_server = await asyncio.open_unix_connection(place)
        else:
            server, to_server = await asyncio.open_connection(self._host, self._server_port)
        ends = {to_client, to_server}
        self._writers |= ends
        await asyncio.gather(self._ask(client, to_server), self._answer(server, to_client))
        self._writers -= ends
        for writer in ends:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _ask(self, client: StreamReader, to_server: StreamWriter) -> None:
        while asked := await _received(client):
            self.trips += not self._is_asked
            self._is_asked = True
            to_server.write(asked)
        to_server.close()

    async def _answer(self, server: StreamReader, to_client: StreamWriter) -> None:
        while answer := await _received(server):
            self._is_asked = False
            if self.is_losing:
                self.is_losing = False
                break
            to_client.write(answer)
        to_client.close()


async def _received(reader: StreamReader) -> bytes:
    try:
        return await reader.read(65_536)
    except OSError:
        return b""
