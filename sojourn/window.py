"""How full a model's context window is: counted by its provider, and estimated from there on."""

from __future__ import annotations

from collections.abc import Iterable

from sojourn.models import ModelSpec, ToolSpec
from sojourn.usage import Usage

# English prose has about four bytes a token; code and other scripts have fewer.
BYTES_PER_TOKEN = 4


def estimated(sizes: Iterable[int]) -> int:
    """Return about how many tokens so many bytes are."""
    return -(-sum(sizes) // BYTES_PER_TOKEN)


def context_tokens(instructions: str, tools: Iterable[ToolSpec], bodies: Iterable[bytes]) -> int:
    """Return about how many tokens a model reads that nobody has counted for it yet."""
    described = (
        part for tool in tools for part in (tool.name, tool.description, str(tool.input_schema))
    )
    texts = (instructions, *described)
    return estimated([*(len(text.encode()) for text in texts), *map(len, bodies)])


def counted(usage: Usage) -> int:
    """Return how much a model has read and written in one answer; all of it is read next time."""
    return (
        usage.input_tokens
        + usage.cache_read_tokens
        + usage.cache_write_tokens
        + usage.output_tokens
    )


def threshold(model: ModelSpec, share: float) -> int | None:
    """Return from how many tokens on `share` of the room for input is used; None if unknown."""
    return None if model.room is None else int(model.room * share)
