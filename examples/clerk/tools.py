"""The clerk's tools: two to read invoices, one to post an entry, one to look entries up."""

from __future__ import annotations

from examples.clerk import settings
from examples.clerk.invoice import Invoice
from examples.clerk.ledger import Ledger
from sojourn import tool


@tool(idempotent=True)
def list_files() -> list[str]:
    """List the names of the files in the invoice folder."""
    return sorted(path.name for path in settings.invoice_folder().glob("*.txt"))


@tool(idempotent=True)
def read_file(name: str) -> str:
    """Return the text of a file in the invoice folder."""
    folder = settings.invoice_folder().resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise PermissionError("the file is not in the invoice folder")
    return path.read_text(encoding="utf-8")


@tool
def post_entry(number: str, vendor: str, issued: str, total_cents: int) -> int:
    """Post an invoice to the ledger and return the entry's id. Every call adds an entry."""
    return Ledger(settings.ledger_path()).post(Invoice(number, vendor, issued, total_cents))


@tool(idempotent=True)
def find_entries(number: str) -> list[int]:
    """Return the ids of the ledger's entries for an invoice number."""
    return Ledger(settings.ledger_path()).find(number)
