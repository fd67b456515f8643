"""Token usage, counted as providers report it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field, field_serializer

_PER = 1_000_000


class Usage(BaseModel):
    """Tokens of one model call, or the sum of several.

    Attributes:
        input_tokens: tokens read, neither served from the provider's cache nor put into it.
        output_tokens: tokens written, reasoning included.
        cache_read_tokens: input served from the provider's cache.
        cache_write_tokens: input that the provider put into its cache.
        reasoning_tokens: the part of `output_tokens` that was reasoning.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

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


class ModelPrice(BaseModel):
    """What a model costs: US dollars for each million tokens, exactly as they are written.

    Attributes:
        input: of tokens read, neither served from the provider's cache nor put into it.
        output: of tokens written, reasoning included.
        cache_read: of input served from the cache; as `input` if None.
        cache_write: of input put into the cache; as `input` if None.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)
    cache_read: Decimal | None = Field(default=None, ge=0)
    cache_write: Decimal | None = Field(default=None, ge=0)

    @field_serializer("input", "output", "cache_read", "cache_write")
    def _written(self, price: Decimal | None) -> str | None:
        return None if price is None else str(price)

    def cost(self, usage: Usage) -> Decimal:
        """Return the dollars that `usage` costs, unrounded."""
        read = self.input if self.cache_read is None else self.cache_read
        write = self.input if self.cache_write is None else self.cache_write
        millionths = (
            usage.input_tokens * self.input
            + usage.output_tokens * self.output
            + usage.cache_read_tokens * read
            + usage.cache_write_tokens * write
        )
        return millionths / _PER


class UsageEntry(BaseModel):
    """One row of a session's token ledger: what `source` spent on `model` in one turn.

    Attributes:
        source: `turn`, `wasted`, `compaction`, `import` or `plugin/<plugin id>`.
        model: the model, as its provider calls it.
        usage: the tokens.
        price: the model's price, if it is known; no part of the row.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    source: str
    model: str
    usage: Usage
    price: ModelPrice | None = Field(default=None, exclude=True, repr=False)

    @property
    def cost(self) -> Decimal | None:
        """The dollars that it cost, or None if the price is unknown; never zero for that."""
        return self.price.cost(self.usage) if self.price else None


def total_cost(costs: Iterable[Decimal | None]) -> Decimal | None:
    """Add up dollars; None if any of them is unknown."""
    total = Decimal(0)
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total
