"""Opening a session store by its URL."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

from sojourn.clock import Clock
from sojourn.errors import InvalidStoreUrl, MissingExtra
from sojourn.ports import SessionStore

Opener = Callable[[str, str, Clock | None], Awaitable[SessionStore]]


async def open_store(url: str, *, clock: Clock | None = None) -> SessionStore:
    """Open the store at `url`; its adapter is imported only now.

    `sqlite:///relative.db` and `sqlite:////absolute.db` take `?synchronous=full` (the default)
    or `normal`; `postgresql://user@host/db` (or `postgres://`) takes `?pool=` connections at most,
    and what libpq does; `memory://` is a fresh store that lives as long as the object.

    Raises:
        InvalidStoreUrl: no adapter has that scheme, or it does not take those options.
        MissingExtra: the adapter's library is not installed.
        StoreUnavailable: a server cannot be reached.
        StoreUnusable: what stands there cannot be a session store.
        SchemaTooNew: a newer Sojourn wrote it.
    """
    scheme, separator, rest = url.partition("://")
    opener = _OPENERS.get(scheme)
    if not separator or opener is None:
        raise InvalidStoreUrl(url=_without_secrets(url))
    return await opener(url, rest, clock)


@asynccontextmanager
async def opened_store(store: str | SessionStore) -> AsyncGenerator[SessionStore, None]:
    """Yield the store at a URL and close it afterwards; a store that is open already stays so.

    Raises:
        StoreError, InvalidStoreUrl, MissingExtra: as `open_store`.
    """
    if not isinstance(store, str):
        yield store
        return
    opened = await open_store(store)
    try:
        yield opened
    finally:
        await opened.close()


async def _open_memory(url: str, rest: str, clock: Clock | None) -> SessionStore:
    from sojourn.adapters.memory import MemoryStore  # noqa: PLC0415 - adapters load lazily

    if rest:
        raise InvalidStoreUrl(url=url)
    return MemoryStore(clock)


async def _open_sqlite(url: str, rest: str, clock: Clock | None) -> SessionStore:
    from sojourn.adapters.sqlite import SqliteStore, Synchronous  # noqa: PLC0415 - as above

    place, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    synchronous = options.pop("synchronous", Synchronous.FULL)
    path = place.removeprefix("/")
    if options or not path or path == place or synchronous not in set(Synchronous):
        raise InvalidStoreUrl(url=_without_secrets(url))
    return await SqliteStore.open(path, clock=clock, synchronous=Synchronous(synchronous))


async def _open_postgres(url: str, _: str, clock: Clock | None) -> SessionStore:
    try:
        from sojourn.adapters.postgres import PostgresStore  # noqa: PLC0415 - as above
    except ImportError as error:  # psycopg itself says so if it has no libpq
        raise MissingExtra(model="postgresql", package="sojourn[postgres]") from error
    return await PostgresStore.open(url, clock=clock)


def _without_secrets(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


_OPENERS: dict[str, Opener] = {
    "memory": _open_memory,
    "sqlite": _open_sqlite,
    "postgresql": _open_postgres,
    "postgres": _open_postgres,
}
