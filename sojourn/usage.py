"""Token usage, counted as providers report it."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict


class Usage(BaseModel):
    """Tokens of one model call, or the sum of several.

    Attributes:
        input_tokens: tokens read, neither served from the provider's cache nor put into it.
        output_tokens: tokens written, reasoning included.
        cache_read_tokens: input served from the provider's cache.
        cache_write_tokens: input that the provider put into its cache.
        reasoning_tokens: the part of `output_tokens` that was reasoning.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )

    @classmethod
    def total(cls, parts: Iterable[Usage]) -> Usage:
        """Add up `parts`; of none, zero."""
        return sum(parts, cls())


class UsageEntry(BaseModel):
    """One row of a session's token ledger: what `source` spent on `model` in one turn."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: str
    model: str
    usage: Usage
