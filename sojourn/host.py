"""The session host: an app on an opened store, and the sessions that are live in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sojourn import ids
from sojourn.agent import Agent
from sojourn.attachment_ports import BlobStore
from sojourn.attachments import SessionAttachments
from sojourn.errors import HeadConflict, UnknownSession
from sojourn.models import ModelSpec
from sojourn.ports import ModelProvider, SessionStore
from sojourn.requests import TurnRef
from sojourn.residents import Resident, Residents
from sojourn.runtime import SessionRuntime
from sojourn.state import load_state

if TYPE_CHECKING:
    from sojourn.app import App

ProviderOf = Callable[[Agent, ModelSpec], ModelProvider]


class SessionHost:
    """What runs turns: every way to a live session goes through `resident`.

    Attributes:
        app: agents, tools, plugins.
        store: the opened store.
        blobs: the opened blob store, or None if the app keeps no attachments.
        meter: is told what models cost; the app's, unless a worker has put its own in its place.
        residents: the sessions that are live in this process.
    """

    def __init__(
        self,
        app: App,
        store: SessionStore,
        provider_of: ProviderOf,
        blobs: BlobStore | None = None,
    ) -> None:
        self.app = app
        self.store = store
        self.blobs = blobs
        self.meter = app.meter
        self.residents = Residents(app.clock)
        self._environments = app.environments()
        self._provider_of = provider_of

    async def resident(self, session_id: str, agent: str, head_revision: int) -> Resident:
        """Return the session live at `head_revision`: kept from before, or rebuilt.

        Raises:
            HeadConflict: the store is at another head.
            UnknownAgent: the app has no such agent.
            AssemblyError: the session cannot be brought to life.
        """

        async def build() -> SessionRuntime:
            chosen = self.app.agent(agent)
            environment = self._environments[chosen.name]
            state = await load_state(self.store, session_id, environment.residency)
            if state.head_revision != head_revision:
                raise HeadConflict(
                    session_id=session_id, expected=head_revision, actual=state.head_revision
                )
            return SessionRuntime.from_environment(environment, chosen.policy(), state, self.store)

        return await self.residents.get(session_id, head_revision, build)

    def receive(self, agent: str, text: str) -> str:
        """Return what is kept of a user's message.

        Raises:
            PluginFailed: a plugin cannot say.
        """
        plugins = self._environments[self.app.agent(agent).name].plugin_host
        return plugins.receive(text) if plugins is not None else text

    def attachments(self, turn: TurnRef) -> SessionAttachments:
        """Return what keeps attachments for an open turn."""
        return SessionAttachments(
            self.store, self.blobs, turn.session_id, turn.turn_id, turn.fencing_token
        )

    def provider(self, runtime: SessionRuntime) -> ModelProvider:
        """Return what answers for a live session's model.

        Raises:
            MissingExtra, UnusableModel: it cannot be opened.
        """
        return self._provider_of(self.app.agent(runtime.policy.agent), runtime.model)

    def openable(self, agent: str, model: ModelSpec) -> ModelSpec:
        """Return a model that an agent's session may change to; a bare name is looked up first.

        Raises:
            MissingContextWindow: the agent compacts, and nobody says how much the model can read.
            MissingExtra, UnusableModel: it cannot be opened.
        """
        chosen = self.app.agent(agent)
        spec = self.app.lineup.named(model.id) if model == ModelSpec(model.id) else model
        chosen.check_window(spec)
        self._provider_of(chosen, spec)
        return spec

    async def agent_of(self, session_id: str, wanted: str | None) -> str:
        """Return `wanted`, or the agent that the session had, or the app's only one.

        Raises:
            UnknownAgent: none of these names an agent of the app.
        """
        head = await self.store.head(ids.checked("session", session_id))
        stored = head.config.get("agent") if head else None
        return self.app.agent(wanted or stored or None).name

    async def require_head(self, session_id: str) -> int:
        """Return the head revision of a session that must exist.

        Raises:
            UnknownSession: it does not.
        """
        head = await self.store.head(session_id)
        if head is None:
            raise UnknownSession(session_id=session_id)
        return head.head_revision
