"""The stored form of a tool catalogue: what a session knew of its tools, without the tools."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sojourn.errors import MalformedToolState

_MAX_GENERATION = 2**53  # what JSON carries exactly, and stores keep in 64 bits


class ToolStateEntry(BaseModel):
    """One tool, as its source last described it.

    Attributes:
        name: what the model calls it by.
        description: what the model is told.
        digest: the content address of its input schema.
        member: whether the session wants it; kept while it is orphaned or hidden.
        orphaned: no source has it at present.
        hidden: it is kept from models, whatever the session wants.
        shadowed: a tool of the session's own has its name at present.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    name: str
    description: str = ""
    digest: str = ""
    member: bool = True
    orphaned: bool = False
    hidden: bool = False
    shadowed: bool = False

    @property
    def is_member(self) -> bool:
        """Whether the model sees it and may call it: the two are one."""
        return self.member and not (self.orphaned or self.hidden or self.shadowed)


class ToolState(BaseModel):
    """A catalogue's surface at one generation, by tool id."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    generation: int
    tools: dict[str, ToolStateEntry] = Field(default_factory=dict[str, ToolStateEntry])

    def check(self) -> None:
        """Let a state pass only if it could have come from a catalogue.

        Raises:
            MalformedToolState: an id or name is empty, a name stands twice, or the generation is
                none that can be counted on from.
        """
        names = [(entry.name, entry.shadowed) for entry in self.tools.values()]
        if not 0 <= self.generation < _MAX_GENERATION:
            raise MalformedToolState(reason="its generation is none")
        if "" in self.tools or any(not name for name, _ in names):
            raise MalformedToolState(reason="a tool has no id or no name")
        if len(set(names)) < len(names):
            raise MalformedToolState(reason="two tools have one name")

    def encode(self) -> bytes:
        """Return the bytes to store: the same state always gives the same ones."""
        plain = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, body: bytes) -> ToolState:
        """Read stored bytes; unknown fields of a newer writer are ignored.

        Raises:
            MalformedToolState: they are none that `encode` could have made.
        """
        try:
            state = cls.model_validate_json(body)
        except ValidationError as error:
            kinds = sorted({each["type"] for each in error.errors(include_input=False)})
            raise MalformedToolState(reason=", ".join(kinds)) from None
        state.check()
        return state
