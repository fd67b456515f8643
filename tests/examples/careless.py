"""The clerk's app with one lie in it: `post_entry` is declared idempotent, and is not."""

from __future__ import annotations

import dataclasses

from examples.clerk.app import app as clerk
from examples.clerk.tools import find_entries, list_files, post_entry, read_file
from sojourn import tool


@tool(idempotent=True, id="post_entry", name="post_entry")
def careless_post(number: str, vendor: str, issued: str, total_cents: int) -> int:
    """Post an invoice to the ledger."""
    return post_entry(number, vendor, issued, total_cents)


app = dataclasses.replace(clerk, tools=[list_files, read_file, careless_post, find_entries])
