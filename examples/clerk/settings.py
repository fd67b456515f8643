"""What the clerk is told by its environment; every setting has a default."""

from __future__ import annotations

import os
from pathlib import Path

SHIPPED = Path(__file__).parent / "invoices"


def invoice_folder() -> Path:
    """Return the folder of the files to book: `CLERK_INVOICES`, or the one shipped here."""
    return Path(os.environ.get("CLERK_INVOICES") or SHIPPED)


def ledger_path() -> Path:
    """Return the ledger's file: `CLERK_LEDGER`."""
    return Path(os.environ.get("CLERK_LEDGER") or "clerk-ledger.db")


def store_url() -> str:
    """Return where sessions are kept: `CLERK_STORE`."""
    return os.environ.get("CLERK_STORE") or "sqlite:///clerk-sessions.db"


def model_id() -> str:
    """Return the model to ask: `CLERK_MODEL`, such as `openai:gpt-5`; empty for the offline one."""
    return os.environ.get("CLERK_MODEL", "")
