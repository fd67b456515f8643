"""What models were paid: in the facts of effects, and the prices kept with a session."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sojourn.commit import Commit
from sojourn.journal import Effect, EffectKind, EffectStatus, Outcome
from sojourn.models import ModelSpec
from sojourn.stored_config import stored_config
from sojourn.usage import ModelPrice, Usage, UsageEntry

PRICES = "prices"
Prices = Mapping[str, ModelPrice]


def spending_facts(model: str, usage: Usage, spec: ModelSpec) -> dict[str, Any]:
    """Return what to record of tokens that were paid for: which, of whom, and at which price."""
    facts: dict[str, Any] = {
        "model": model or spec.id,
        "usage": usage.model_dump(exclude_defaults=True),
    }
    if spec.price is not None:
        facts["price"] = spec.price.model_dump(exclude_none=True)
    return facts


def spent(effect: Effect | Outcome, source: str) -> UsageEntry:
    """Read what an effect has cost."""
    price = effect.facts.get("price")
    return UsageEntry(
        source=source,
        model=str(effect.facts.get("model", "")),
        usage=Usage.model_validate(effect.facts.get("usage", {})),
        price=ModelPrice.model_validate(price) if price else None,
    )


def source_of(effect: Effect | Outcome) -> str:
    """Return who spent what an effect has cost; empty if it is none that costs."""
    match effect.kind:
        case EffectKind.WASTED:
            return "wasted"
        case EffectKind.MODEL if effect.status is not EffectStatus.STARTED:
            return "turn"
        case EffectKind.SUMMARY if effect.facts.get("model"):
            return str(effect.facts.get("source", "compaction"))
        case _:
            return ""


def prices_of(config: Mapping[str, Any]) -> dict[str, ModelPrice]:
    """Return the newest price of each model that a session has paid, as far as it is known.

    Raises:
        AssemblyError: the prices are malformed.
    """
    with stored_config("list of prices"):
        stored: Mapping[str, Any] = config.get(PRICES, {})
        return {model: ModelPrice.model_validate(price) for model, price in stored.items()}


def learned(prices: Prices, ledger: Iterable[UsageEntry]) -> Prices:
    """Return `prices`, and those of new ledger rows in their place."""
    return {**prices, **{entry.model: entry.price for entry in ledger if entry.price}}


def with_prices(commit: Commit, prices: Prices) -> Commit:
    """Return a commit that keeps the prices, if it writes the configuration."""
    if commit.config is None or not prices:
        return commit
    told = {model: price.model_dump(exclude_none=True) for model, price in prices.items()}
    return replace(commit, config={**commit.config, PRICES: told})
