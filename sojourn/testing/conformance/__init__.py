"""The laws of session stores, as tests: `store_conformance` makes them of any store.

Needs `pytest` and `hypothesis`; no plugin for asyncio is needed, and any may be there.
"""

from __future__ import annotations

from sojourn.testing.conformance.suite import StoreOpener, store_conformance

__all__ = ["StoreOpener", "store_conformance"]
