"""The app: `sojourn worker --app examples.clerk.app:app`."""

from __future__ import annotations

from examples.clerk import settings
from examples.clerk.model import think
from examples.clerk.tools import find_entries, list_files, post_entry, read_file
from sojourn import Agent, App
from sojourn.testing import ScriptedModel

INSTRUCTIONS = """\
You are an accounting clerk. Asked to book files, list the folder, read them, and post each
invoice once, with its number, vendor, date (ISO) and total in cents. Leave alone what is no
invoice. If the outcome of a posting is unknown, look the invoice number up, and post again only
if the ledger does not have it. Report what you did, file by file.
"""

app = App(
    agents=[
        Agent(
            "clerk",
            model=settings.model_id() or ScriptedModel(think),
            instructions=INSTRUCTIONS,
        )
    ],
    tools=[list_files, read_file, post_entry, find_entries],
    store=settings.store_url(),
)
