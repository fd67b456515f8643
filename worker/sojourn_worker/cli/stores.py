"""The store that a command reads: by URL, or the app's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote

import typer

from sojourn.adapters.blobs.open import opened_blobs
from sojourn.adapters.open import opened_store
from sojourn.app import MEMORY
from sojourn.attachment_ports import BlobStore
from sojourn.errors import BlobStoreUnavailable, StoreUnusable
from sojourn.ports import SessionStore
from sojourn_worker.loading import load_app
from sojourn_worker.settings import Settings

SQLITE = "sqlite:///"
FOLDER = "file://"


def store_of(settings: Settings) -> str | SessionStore | None:
    """Return the store that the settings name, or the one of the app that they name.

    An app that is named is loaded in any case: a wrong name must not pass unseen.
    """
    app = load_app(settings.app) if settings.app is not None else None
    return settings.store or (app.store if app else None)


@asynccontextmanager
async def opened(settings: Settings, *, make: bool = False) -> AsyncIterator[SessionStore]:
    """Open the store; one that is not there is refused, not made, unless `make`.

    Raises:
        BadParameter: nothing names a store.
        StoreUnusable: it is not there, or lives in the memory of another process.
        StoreError: it cannot be opened.
    """
    store = store_of(settings)
    if store is None:
        raise typer.BadParameter(
            "none is named: give --store or --app, or set SOJOURN_STORE", param_hint="--store"
        )
    if store == MEMORY:
        raise StoreUnusable(url=MEMORY, reason="it is seen by its own process alone")
    if not make and is_missing(store):
        raise StoreUnusable(url=store, reason="there is no such file: check the path")
    async with opened_store(store) as ready:
        yield ready


@asynccontextmanager
async def opened_blobs_of(
    settings: Settings, *, is_needed: bool = False
) -> AsyncIterator[BlobStore | None]:
    """Open the blob store that the settings name, or the app's; None if there is none.

    Raises:
        BadParameter: it is needed, and nothing names one.
        BlobStoreUnavailable: it is needed, and is a folder that is not there; or it lives in the
            memory of another process.
    """
    app = load_app(settings.app) if settings.app is not None else None
    blobs = settings.blobs or (app.blobs if app else None)
    if blobs is None and is_needed:
        raise typer.BadParameter(
            "none is named: give --blobs or --app, or set SOJOURN_BLOBS", param_hint="--blobs"
        )
    if blobs == MEMORY:
        raise BlobStoreUnavailable(url=MEMORY, reason="it is seen by its own process alone")
    if is_needed and _is_missing_folder(blobs):
        raise BlobStoreUnavailable(url=blobs, reason="there is no such folder: check the path")
    async with opened_blobs(blobs) as ready:
        yield ready


def is_missing(store: str | SessionStore) -> bool:
    """Tell whether a store is a file that is not there; opening it would make it."""
    if not isinstance(store, str) or not store.startswith(SQLITE):
        return False
    return not Path(store.removeprefix(SQLITE).partition("?")[0]).exists()


def _is_missing_folder(blobs: str | BlobStore | None) -> bool:
    """Tell whether a blob store is a folder that is not there: it would seem empty."""
    if not isinstance(blobs, str) or not blobs.startswith(FOLDER):
        return False
    return not Path(unquote(blobs.removeprefix(FOLDER))).exists()
