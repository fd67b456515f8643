"""The app: what `--app` names, and what embedded sessions are opened from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from sojourn.agent import Agent
from sojourn.attachment_ports import BlobStore
from sojourn.clock import Clock, SystemClock
from sojourn.environment import RuntimeEnvironment, SessionTools
from sojourn.errors import InvalidInput, UnknownAgent
from sojourn.host import SessionHost
from sojourn.lease import LeaseTimings
from sojourn.lineup import Lineup
from sojourn.metering import Meter, SilentMeter
from sojourn.models import ModelSpec
from sojourn.plugin_host import PluginHost
from sojourn.plugins import Plugin
from sojourn.ports import ModelProvider, OpenedModel, Probe, SessionStore, SilentProbe
from sojourn.residency import Residency
from sojourn.sources import opened_sources
from sojourn.tools import AnyTool, FunctionSource, ToolSource
from sojourn.yielding import yielding

if TYPE_CHECKING:
    from sojourn.embedded.session import EmbeddedSession

MEMORY = "memory://"
DEFAULT_STORE = "sqlite:///sojourn.db"


@dataclass(frozen=True)
class App:
    """Agents, tools and plugins, and the store that their sessions live in.

    Attributes:
        agents: at least one; names are unique.
        store: a URL (`sqlite:///path.db`, `memory://`), or a store that the caller closes.
        tools: functions made by `@tool` that every agent has.
        sources: other sources of tools that every agent has, such as `sojourn.mcp.McpServer`.
        session_tools: gives a session of this id tools of its own, which replace others of their
            ids and names; asked whenever a session is brought to life, on any worker.
        plugins: plugins of every session, in order.
        residency: how much of a graph sessions keep in memory.
        timings: how long leases live and how often they are renewed.
        heartbeat_timeout: how long a worker may be silent in an activity before another goes on.
        probe: is told when named points of a turn are passed.
        meter: is told what models cost, as it is spent.
        clock: the process's time.
        blobs: where attachments have their bytes: a URL (`file:///folder`, `s3://bucket/prefix`,
            `gs://`, `az://`, `memory://`), an open blob store, or None to keep no attachments.
        models: models that sessions may change to, beside those of the agents: a `ModelSpec` says
            how much one can read, a provider of your own answers for it.

    Raises:
        InvalidInput: there is no agent, or two share a name.
    """

    agents: Sequence[Agent]
    store: str | SessionStore = DEFAULT_STORE
    tools: Sequence[AnyTool] = ()
    sources: Sequence[ToolSource] = ()
    session_tools: SessionTools | None = None
    plugins: Sequence[Plugin] = ()
    residency: Residency = Residency.ACTIVE_PATH_ONLY
    timings: LeaseTimings = field(default_factory=LeaseTimings)
    heartbeat_timeout: timedelta = timedelta(seconds=3)
    probe: Probe = field(default_factory=SilentProbe)
    meter: Meter = field(default_factory=SilentMeter)
    clock: Clock = field(default_factory=SystemClock)
    blobs: str | BlobStore | None = None
    models: Sequence[ModelSpec | ModelProvider] = ()
    _kept: dict[str, SessionStore] = field(default_factory=dict[str, SessionStore], init=False)
    _kept_blobs: dict[str, BlobStore] = field(default_factory=dict[str, BlobStore], init=False)

    def __post_init__(self) -> None:
        if not self.agents:
            raise InvalidInput(reason="an app needs an agent: App(agents=[Agent(...)])")
        if len({agent.name for agent in self.agents}) < len(self.agents):
            raise InvalidInput(reason="two agents of the app share a name")

    def agent(self, name: str | None = None) -> Agent:
        """Return the agent of this name; without one, the app's only agent.

        Raises:
            UnknownAgent: there is no such agent, or there are several to choose from.
        """
        if name is None and len(self.agents) == 1:
            return self.agents[0]
        for agent in self.agents:
            if agent.name == name:
                return agent
        known = ", ".join(sorted(agent.name for agent in self.agents))
        raise UnknownAgent(agent=name or "", known=known)

    @property
    def lineup(self) -> Lineup:
        """The models that the app knows by name."""
        return Lineup(self.agents, self.models)

    def environments(self) -> Mapping[str, RuntimeEnvironment]:
        """Build what is shared by the sessions of each agent: once a process."""
        plugin_host = PluginHost(self.plugins).isolated()
        return {
            agent.name: RuntimeEnvironment(
                plugin_host=plugin_host,
                sources=self._sources(agent),
                session_tools=self.session_tools,
                residency=self.residency,
                timings=self.timings,
                probe=self.probe,
                clock=self.clock,
            )
            for agent in self.agents
        }

    @asynccontextmanager
    async def host(
        self, store: str | SessionStore | None = None, blobs: str | BlobStore | None = None
    ) -> AsyncIterator[SessionHost]:
        """Open the stores (or `store` and `blobs` instead) and the sources, and run turns on them.

        A source that cannot be reached holds nothing up: its tools come when it does.
        """
        from sojourn.adapters.blobs.open import opened_blobs  # noqa: PLC0415 - I/O stays lazy
        from sojourn.adapters.models.open import open_model  # noqa: PLC0415 - I/O stays lazy
        from sojourn.adapters.open import opened_store  # noqa: PLC0415 - I/O stays lazy

        async with (
            opened_store(store or self._own_store()) as opened,
            opened_blobs(blobs or self._own_blobs()) as opened_blob_store,
            opened_sources(self.sources),
        ):
            providers: dict[str, OpenedModel] = {}

            def provider(agent: Agent, spec: ModelSpec) -> ModelProvider:
                own = self.lineup.provider(agent, spec)
                if own is not None:
                    return own
                if spec.id not in providers:
                    providers[spec.id] = open_model(spec)
                return providers[spec.id]

            host = SessionHost(self, opened, provider, opened_blob_store)
            try:
                yield host
            finally:
                host.residents.clear()
                for opened_provider in providers.values():
                    await opened_provider.aclose()

    def open(
        self, session_id: str, agent: str | None = None, *, store: str | SessionStore | None = None
    ) -> AbstractAsyncContextManager[EmbeddedSession]:
        """Open a session in this process: `async with app.open("chat-42") as session`.

        Each open is an owner of its own, so that two opens of one session exclude each other.

        Args:
            session_id: the session; made by its first turn.
            agent: the agent's name; needed if the app has several.
            store: a store instead of the app's own.

        Raises:
            InvalidId: `session_id` cannot be an id.
            UnknownAgent: as `agent`.
        """
        from sojourn.embedded.session import open_session  # noqa: PLC0415 - I/O stays lazy

        return open_session(self, session_id, agent, store)

    def _own_store(self) -> str | SessionStore:
        """Return the app's store; one in memory is made once, and lives as long as the app."""
        if self.store != MEMORY:
            return self.store
        if MEMORY not in self._kept:
            from sojourn.adapters.memory import MemoryStore  # noqa: PLC0415 - I/O stays lazy

            self._kept[MEMORY] = MemoryStore(self.clock)
        return self._kept[MEMORY]

    def _own_blobs(self) -> str | BlobStore | None:
        """Return the app's blob store; one in memory is made once, as `_own_store`."""
        if self.blobs != MEMORY:
            return self.blobs
        if MEMORY not in self._kept_blobs:
            from sojourn.adapters.blobs.memory import MemoryBlobs  # noqa: PLC0415 - as above

            self._kept_blobs[MEMORY] = MemoryBlobs(self.clock)
        return self._kept_blobs[MEMORY]

    def _sources(self, agent: Agent) -> Sequence[ToolSource]:
        own = FunctionSource(f"agent:{agent.name}", agent.tools)
        return yielding([FunctionSource("app", self.tools), *self.sources, own])
