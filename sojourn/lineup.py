"""The models that an app knows by name: its agents' own, and those that sessions may change to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sojourn.agent import Agent, spec_of
from sojourn.models import ModelSpec
from sojourn.ports import ModelProvider


class Lineup:
    """Names to models; of two of one name the first counts, and agents' own come first.

    Args:
        agents: the app's agents.
        models: other models, named or provided.
    """

    def __init__(
        self, agents: Sequence[Agent], models: Sequence[ModelSpec | ModelProvider]
    ) -> None:
        self._agents = agents
        self._models = models

    def named(self, name: str) -> ModelSpec:
        """Return a model by its name; of one that nobody has described only the name is known."""
        for spec, _ in self._known():
            if spec.id == name:
                return spec
        return ModelSpec(name)

    def provider(self, agent: Agent, spec: ModelSpec) -> ModelProvider | None:
        """Return the provider of one's own that answers for a model; None if it is to be opened."""
        if agent.provider is not None and agent.spec is not None and agent.spec.id == spec.id:
            return agent.provider
        for known, provider in self._known():
            if known.id == spec.id and provider is not None:
                return provider
        return None

    def _known(self) -> Iterator[tuple[ModelSpec, ModelProvider | None]]:
        for agent in self._agents:
            if agent.spec is not None:
                yield agent.spec, agent.provider
        for model in self._models:
            if isinstance(model, ModelSpec):
                yield model, None
            else:
                yield spec_of(model), model
