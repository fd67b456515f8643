"""Real models. Importing this package loads no provider library: `open_model` does."""

from __future__ import annotations

from sojourn.adapters.models.open import open_model

__all__ = ["open_model"]
