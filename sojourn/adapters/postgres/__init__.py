"""The PostgreSQL session store, over psycopg: for pools of workers."""

from __future__ import annotations

from sojourn.adapters.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
