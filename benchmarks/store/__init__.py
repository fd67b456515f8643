"""What a session store costs, on SQLite and PostgreSQL, against floors of the same run."""

from __future__ import annotations
