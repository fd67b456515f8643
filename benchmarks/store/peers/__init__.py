"""Other libraries that keep conversations, doing the same beside ours."""

from __future__ import annotations
