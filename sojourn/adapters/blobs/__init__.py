"""Blob stores: a local folder, object storage, and memory."""

from __future__ import annotations

from sojourn.adapters.blobs.open import open_blobs, opened_blobs

__all__ = ["open_blobs", "opened_blobs"]
