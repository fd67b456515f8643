"""What upkeep is there for: turns that were given up, branches that were left, bytes of nobody."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from typing_extensions import override

from sojourn import Agent, App
from sojourn.adapters.blobs.folder import FolderBlobs
from sojourn.attachment_ports import BlobInfo, BlobStore
from sojourn.ports import Probe, SessionStore
from sojourn.testing.blob_conformance import chunks, key_of
from sojourn.testing.conformance.making import begun, checked_out, grown, intent


async def given_up(store: SessionStore, session: str, attachment: bytes = b"") -> None:
    """Leave a turn behind that another one has passed, and maybe an attachment of it."""
    lease = await begun(store, session=session)
    if attachment:
        await store.begin_attachment(intent(lease, key_of(attachment), attachment))
    await grown(store, f"{session}-a", session=session)


async def with_orphans(store: SessionStore, session: str, count: int = 1) -> None:
    """Make a session that has left so many of its nodes."""
    await grown(store, f"{session}-root", session=session)
    await grown(store, *(f"{session}-{number}" for number in range(count)), session=session)
    await checked_out(store, f"{session}-root", session=session)


async def orphans(store: SessionStore, *sessions: str) -> int:
    """Return how many orphans some sessions have."""
    return sum([len(await store.orphaned_node_ids(session)) for session in sessions])


async def waste(blobs: BlobStore, count: int) -> set[str]:
    """Write blobs that no row names; return their keys."""
    keys = {key_of(b"waste %d" % number) for number in range(count)}
    for blob_key in keys:
        await blobs.put(blob_key, chunks(b"waste"))
    return keys


class Deadly(FolderBlobs):
    """Blobs that nobody lives to list."""

    @override
    async def list(self) -> AsyncGenerator[Sequence[BlobInfo], None]:
        """Die by SIGKILL."""
        os.kill(os.getpid(), signal.SIGKILL)
        yield ()


def dying(store_url: str, probe: Probe) -> App:
    """Return the app of a worker that dies when it begins to sweep."""
    folder = Path(store_url.removeprefix("sqlite:///")).parent / "blobs"
    return App(agents=[Agent()], store=store_url, blobs=Deadly(folder), probe=probe)
