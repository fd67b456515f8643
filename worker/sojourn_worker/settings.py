"""Settings of the command line: `SOJOURN_*` variables, and flags that win over them."""

from __future__ import annotations

from typing import Self

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What commands need to know besides Temporal's own `TEMPORAL_*` variables.

    Attributes:
        store: the store's URL.
        blobs: the URL of where attachments have their bytes.
        app: the app, as `module:attribute`.
        task_queue: the queue that workers poll, or None for Sojourn's own.
    """

    model_config = SettingsConfigDict(env_prefix="SOJOURN_", env_ignore_empty=True, frozen=True)

    store: str | None = None
    blobs: str | None = None
    app: str | None = None
    task_queue: str | None = None

    @classmethod
    def given(
        cls,
        store: str | None = None,
        app: str | None = None,
        task_queue: str | None = None,
        blobs: str | None = None,
    ) -> Self:
        """Read the environment; what is given as a flag stands instead."""
        flags = {"store": store, "app": app, "task_queue": task_queue, "blobs": blobs}
        wins = {name: value for name, value in flags.items() if value is not None}
        return cls().model_copy(update=wins)
