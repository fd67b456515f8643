"""Where a database is, and how it is connected to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from sojourn.errors import InvalidStoreUrl

DEFAULT_POOL = 10

# A server that vanishes without a word is noticed within half a minute; the URL may say otherwise.
_PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "fallback_application_name": "sojourn",
}


@dataclass(frozen=True, slots=True)
class Address:
    """A database's place.

    Attributes:
        conninfo: what libpq is given, secrets included.
        shown: what people are shown: host, port and database alone.
        pool: how many connections there may be at once.
        options: how to connect beyond that.
    """

    conninfo: str = field(repr=False)
    shown: str
    pool: int
    options: dict[str, Any]

    async def connect(self) -> AsyncConnection[TupleRow]:
        """Connect once, beside any pool."""
        return await AsyncConnection.connect(self.conninfo, **self.options)


def parsed(url: str) -> Address:
    """Take `?pool=N` out of a URL, and leave the rest of it to libpq.

    Raises:
        InvalidStoreUrl: it is no URL of a database, or the pool is not a positive number.
    """
    place, _, query = url.partition("?")
    given = [item.partition("=") for item in query.split("&") if item]
    pools = [value for key, _, value in given if key == "pool"]
    rest = "&".join("".join(item) for item in given if item[0] != "pool")
    conninfo = f"{place}?{rest}" if rest else place
    pool = pools[-1] if pools else str(DEFAULT_POOL)
    try:
        facts = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError:
        # What libpq says of it may quote it, and a password with it.
        raise InvalidStoreUrl(url="postgresql://...") from None
    if not pool.isascii() or not pool.isdigit() or int(pool) < 1:
        raise InvalidStoreUrl(url=_shown(facts) + f"?pool={pool}")
    patience = {key: value for key, value in _PATIENCE.items() if key not in facts}
    # Nothing is prepared: behind a pooler the next statement may meet another server session.
    options = {"autocommit": True, "prepare_threshold": None, **patience}
    return Address(conninfo, _shown(facts), int(pool), options)


def _shown(facts: dict[str, Any]) -> str:
    host, port = facts.get("host", ""), facts.get("port", "")
    place = f"{host}:{port}" if port else host
    return f"postgresql://{place}/{facts.get('dbname', '')}"
