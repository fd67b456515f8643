"""Connections that encoded statements are sent over: one in a round trip, or many in one.

Where the server itself answers, a statement is prepared once; behind a pooler nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from psycopg import AsyncConnection, generators
from psycopg.abc import PQGen
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import TupleRow

from sojourn.adapters.postgres.sql import SQL
from sojourn.adapters.postgres.wire import Statement, Values

_FAILED = frozenset({ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE})


class Line(AsyncConnection[TupleRow]):
    """A connection that knows which statements are prepared on it: of a stranger's none are."""

    prepared: frozenset[bytes] = frozenset()


class Call(NamedTuple):
    """A statement with its values."""

    statement: Statement
    values: Values


async def prepare(line: Line, statements: Sequence[Statement]) -> None:
    """Prepare statements if no pooler stands between.

    A server tells its process number to whoever connects, and so does a pooler, of its own: only
    where the process that answers has the number that was told are we alone with it.
    """
    row = await (await line.execute(SQL["backend"])).fetchone()
    if row is None or row[0] != line.pgconn.backend_pid:
        return
    for statement in statements:
        line.pgconn.send_prepare(statement.name, statement.command)
        result = (await line.wait(generators.execute(line.pgconn)))[-1]
        if result.status == ExecStatus.COMMAND_OK:
            line.prepared |= {statement.name}


async def answer(line: Line, call: Call) -> bytes | None:
    """Run one statement, a transaction in itself; return the one value that it returns.

    Raises:
        psycopg.Error: it failed, and nothing of it stands; or the connection broke.
    """
    try:
        return await _answer(line, call)
    except psycopg.errors.InvalidSqlStatementName:
        # Somebody had everything forgotten: then it was not run.
        line.prepared = frozenset()
        return await _answer(line, call)


async def answers(line: Line, calls: Sequence[Call]) -> list[bytes | None]:
    """Run statements in one round trip and in one transaction; return the value of each.

    Raises:
        psycopg.Error: one failed, and nothing of any stands; or the connection broke.
    """
    line.pgconn.enter_pipeline_mode()
    try:
        for call in calls:
            _send(line, call)
        line.pgconn.pipeline_sync()
        results = await line.wait(_until_synced(line.pgconn))
        line.pgconn.exit_pipeline_mode()
    except BaseException:
        await line.close()  # nobody knows how far it is
        raise
    return [_value(result) for result in results][: len(calls)]


async def _answer(line: Line, call: Call) -> bytes | None:
    _send(line, call)
    results = await line.wait(generators.execute(line.pgconn))
    return _value(results[-1])


def _send(line: Line, call: Call) -> None:
    statement, values = call
    if statement.name in line.prepared:
        line.pgconn.send_query_prepared(
            statement.name, values, statement.formats, result_format=Format.BINARY
        )
    else:
        line.pgconn.send_query_params(
            statement.command, values, None, statement.formats, result_format=Format.BINARY
        )


def _until_synced(pgconn: PGconn) -> PQGen[list[PGresult]]:
    """Send what is waiting to be sent, and return all results up to the end of the transaction."""
    yield from generators.send(pgconn)
    results: list[PGresult] = []
    while not results or results[-1].status != ExecStatus.PIPELINE_SYNC:
        results += yield from generators.fetch_many(pgconn)
    return results


def _value(result: PGresult) -> bytes | None:
    if result.status in _FAILED:
        raise psycopg.errors.error_from_result(result)
    return result.get_value(0, 0) if result.ntuples else None
