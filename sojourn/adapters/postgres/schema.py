"""The schema: what a database must be before it is opened, and how it comes to be."""

from __future__ import annotations

import psycopg

from sojourn.adapters.postgres import errors
from sojourn.adapters.postgres.address import Address
from sojourn.adapters.postgres.database import Connection
from sojourn.adapters.postgres.sql import SQL, read
from sojourn.errors import SchemaTooNew, StoreUnusable

# What leads from each schema to the next one. Columns are added at a table's end; the functions
# are replaced with every step, and those that older workers call stay as long as there are any.
STEPS: tuple[tuple[str, ...], ...] = (("schema.sql",), ("0002-lean-commits.sql",))
SCHEMA_VERSION = len(STEPS)

OLDEST_SERVER = 14


async def prepare(address: Address) -> None:
    """Make the schema or bring it up to date; one that is current costs neither lock nor write.

    Raises:
        StoreUnavailable: the server cannot be reached.
        StoreUnusable: it cannot serve, or this user may not.
        SchemaTooNew: a newer Sojourn wrote it.
    """
    try:
        connection = await address.connect()
    except psycopg.OperationalError as error:
        raise errors.unreachable(error, address.shown) from error
    try:
        async with connection:
            if await _version(connection, address.shown) < SCHEMA_VERSION:
                await _migrate(connection, address.shown)
    except psycopg.Error as error:
        raise errors.translated(error, address.shown) from error


async def _version(connection: Connection, url: str) -> int:
    """Return which schema there is, 0 if none; only one that is known and can be used passes."""
    ((server, encoding, has_schema),) = await (await connection.execute(SQL["server"])).fetchall()
    if server // 10_000 < OLDEST_SERVER:
        reason = f"it is PostgreSQL {server // 10_000}, and {OLDEST_SERVER} is the oldest that can"
        raise StoreUnusable(url=url, reason=reason)
    if encoding != "UTF8":
        raise StoreUnusable(url=url, reason=f"its encoding is {encoding}, and must be UTF8")
    if not has_schema:
        return 0
    ((version,),) = await (await connection.execute(SQL["version"])).fetchall()
    if version > SCHEMA_VERSION:
        raise SchemaTooNew(url=url, found=version, known=SCHEMA_VERSION)
    return int(version)


async def _migrate(connection: Connection, url: str) -> None:
    """Go from the schema that is there to the current one, in one transaction, nobody else at it.

    Whoever waited for the lock looks again: another may have done it.
    """
    await connection.execute(SQL["begin_migration"])
    version = await _version(connection, url)
    if version == SCHEMA_VERSION:
        return
    for step in STEPS[version:]:
        for script in step:
            await connection.execute(read(script))
    await connection.execute(read("functions.sql"))
    await connection.execute(SQL["save_version"], {"version": SCHEMA_VERSION})
