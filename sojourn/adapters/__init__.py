"""Adapters: what stands behind the Protocols of `sojourn.ports`."""
