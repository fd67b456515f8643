"""A live session: its graph, catalogue and plugins, assembled by one path and parked again."""

from __future__ import annotations

from collections.abc import Sequence

from sojourn import ids
from sojourn.commit import Commit, CommitReceipt
from sojourn.conversation import Conversation
from sojourn.environment import RuntimeEnvironment
from sojourn.errors import ClaimedAlready, MissingPluginHost, StoreRequired
from sojourn.graph import Node, SessionGraph
from sojourn.heal import Healed, heal, recorded, with_record
from sojourn.lease import Claim, Lease, LeaseOwner
from sojourn.lineage import with_parent
from sojourn.messages import Message
from sojourn.models import ModelSpec
from sojourn.parked import ParkedSession, flush
from sojourn.plugin_sessions import PluginSessions
from sojourn.plugins import PluginContext
from sojourn.policy import SessionPolicy
from sojourn.ports import SessionStore
from sojourn.residency import Residency
from sojourn.session_catalog import session_catalog
from sojourn.snapshots import SnapshotKeeper
from sojourn.spending import Prices, learned, with_prices
from sojourn.state import SessionState, load_state


class SessionRuntime:
    """One live session. `assemble` is the only way to make one, whoever needs it.

    Attributes:
        session_id: the session.
        conversation: its resident nodes, as its model sees them.
        catalog: its tools.
        plugins: its plugins' session parts.
        head_revision: the commit that it stands on.
        restored: what became of the stored catalogue, or None for a fresh session.
        healed: what was mended when it was loaded.
        lease: the lease that it holds for itself, if any.
    """

    def __init__(
        self,
        environment: RuntimeEnvironment,
        policy: SessionPolicy,
        state: SessionState,
        store: SessionStore | None,
        plugins: PluginSessions,
    ) -> None:
        """Hydrate; call `assemble` instead."""
        self.environment = environment
        self.session_id = state.session_id
        self.store = store
        self.plugins = plugins
        self.head_revision = state.head_revision
        self.lease: Lease | None = None
        self._lease_owner = LeaseOwner.fresh()
        self._executor_id = ids.mint("exec")
        self._has_claimed = False
        graph, mended = heal(state.graph)
        self.conversation = Conversation(graph, policy, state, environment.residency)
        self.catalog = session_catalog(environment, self.session_id, plugins, state.tool_state)
        self.restored = self.catalog.restored
        self.snapshots = SnapshotKeeper(state, self.catalog, plugins)
        answered = self.conversation.answered
        self.healed: tuple[Healed, ...] = (*state.healed, *mended, *answered)
        self._record = recorded(state.record, self.healed)
        self._parent = state.parent_session_id
        self._prices: Prices = state.prices
        state.discard_snapshots()

    @classmethod
    def assemble(
        cls,
        *,
        environment: RuntimeEnvironment,
        policy: SessionPolicy,
        state: SessionState,
        store: SessionStore | None,
        plugins: PluginSessions,
    ) -> SessionRuntime:
        """Bring a session to life from its parts; a failure leaves nothing written.

        In this order: the residency is checked, the graph healed and then trimmed, the model
        required, the exact catalogue restored at its generation, the plugins told.

        Args:
            environment: what is shared.
            policy: the host's choice; an unconfigured one leaves the persisted policy standing.
            state: what the store knows, or a fresh state.
            store: where the session is kept, or None for one that is not.
            plugins: the session's plugin parts, restored.

        Raises:
            StoreRequired: ACTIVE_PATH_ONLY without a store.
            MissingModel: neither policy names a model.
            GraphCorrupt: the graph cannot be healed.
            MalformedToolState: the stored catalogue cannot be read.
        """
        if environment.residency is Residency.ACTIVE_PATH_ONLY and store is None:
            raise StoreRequired(operation="Residency.ACTIVE_PATH_ONLY")
        host = policy.completed_by(state.policy)
        runtime = cls(environment, host, state, store, plugins)
        plugins.emit("session_restored", {"session_id": runtime.session_id})
        return runtime

    @classmethod
    def from_environment(
        cls,
        environment: RuntimeEnvironment,
        policy: SessionPolicy,
        state: SessionState,
        store: SessionStore | None,
    ) -> SessionRuntime:
        """Assemble with plugins built by the environment's host: registration and hydration only.

        Raises:
            MissingPluginHost: the environment has none.
            PluginFailed: a plugin cannot be built or restored.
        """
        if environment.plugin_host is None:
            raise MissingPluginHost
        agent = policy.completed_by(state.policy).agent
        context = PluginContext(state.session_id, agent, state.parent_session_id)
        plugins = environment.plugin_host.build(context, state.plugin_state)
        try:
            return cls.assemble(
                environment=environment, policy=policy, state=state, store=store, plugins=plugins
            )
        except BaseException:
            environment.plugin_host.unregister(state.session_id)
            raise

    @classmethod
    async def resume(cls, parked: ParkedSession, environment: RuntimeEnvironment) -> SessionRuntime:
        """Bring a parked session back, loading what the residency keeps; nothing stored is fresh.

        Raises:
            UnsupportedReadScope: the store cannot serve the residency; more is never loaded.
        """
        state = await load_state(parked.store, parked.session_id, environment.residency)
        return cls.from_environment(environment, parked.policy, state, parked.store)

    @property
    def lease_owner(self) -> LeaseOwner:
        """Who claims for this runtime; a fresh owner unless set before the first claim.

        Raises (when set):
            ClaimedAlready: the runtime has claimed.
        """
        return self._lease_owner

    @lease_owner.setter
    def lease_owner(self, owner: LeaseOwner) -> None:
        if self._has_claimed and owner != self._lease_owner:
            raise ClaimedAlready(session_id=self.session_id)
        self._lease_owner = owner

    async def claim(self) -> Lease:
        """Claim the session's lease, or re-enter it.

        Raises:
            LeaseHeld: another owner holds it.
        """
        store = self._require_store("claim()")
        wish = Claim(
            self.session_id, self._lease_owner, self._executor_id, self.environment.timings.ttl
        )
        self.lease = await store.claim(wish)
        self._has_claimed = True
        return self.lease

    async def park(self) -> ParkedSession:
        """Flush what is dirty under a lease, give the lease back, and return a light handle.

        A clean session is not committed again: parking twice leaves the head where it is. A park
        that fails leaves the runtime usable.

        Raises:
            StoreRequired: the session has no store.
            LeaseHeld: something is dirty and another owner holds the session.
            HeadConflict: another owner committed since this runtime was loaded.
        """
        store = self._require_store("park()")
        await self.environment.probe.reached("park.before", self.session_id)
        await self.settle()
        await self.environment.probe.reached("park.after", self.session_id)
        return ParkedSession(self.session_id, self.conversation.layers.host, store)

    async def settle(self) -> None:
        """Commit what is dirty, and give the lease back; a clean session is not committed again.

        Raises:
            StoreError: as `park`.
        """
        store = self._require_store("settle()")
        await flush(self)
        if self.lease is not None:
            # The flush has done so, unless its answer was lost and this was another try.
            await store.release(self.lease)
        self.lease = None

    async def commit(self, commit: Commit) -> CommitReceipt:
        """Commit on this runtime's head, with its changed snapshots, and adopt the result.

        What was healed, and whose child it is, stays with the session's configuration.

        Raises:
            StoreError: as `SessionStore.commit`; the runtime is then as it was.
        """
        store = self._require_store("commit()")
        prices = learned(self._prices, commit.usage)
        kept = with_prices(with_parent(with_record(commit, self._record), self._parent), prices)
        receipt = await store.commit(kept)
        self._prices = prices
        self._adopt(commit, receipt)
        return receipt

    async def historic_node(self, node_id: str) -> Node | None:
        """Return a node, resident or from the store; unknown or tombstoned is None.

        Raises:
            StoreRequired: the node is not resident and there is no store.
        """
        resident = self.graph.find(node_id)
        if resident is not None:
            return resident
        store = self._require_store("historic_node()")
        return await store.node(self.session_id, node_id)

    async def orphaned_node_ids(self) -> Sequence[str]:
        """Return stored nodes of this session that no live head reaches, in storage order.

        What a damaged leaf has cut off is no orphan as long as this runtime stands on it.

        Raises:
            StoreRequired: there is no store.
        """
        store = self._require_store("orphaned_node_ids()")
        orphaned = await store.orphaned_node_ids(self.session_id)
        ours = {node.node_id for node in self.graph.active_path()}
        return [node_id for node_id in orphaned if node_id not in ours]

    def unregister_plugin_session(self) -> None:
        """Take the session off the plugin host's register; twice is harmless."""
        if self.environment.plugin_host is not None:
            self.environment.plugin_host.unregister(self.session_id)

    @property
    def graph(self) -> SessionGraph:
        """The session's resident nodes."""
        return self.conversation.graph

    @property
    def policy(self) -> SessionPolicy:
        """The policy in force: the host's, the current frame's, and what was chosen, in layers."""
        return self.conversation.layers.effective

    @property
    def model(self) -> ModelSpec:
        """The model that the session runs with; `assemble` has made sure that there is one."""
        return self.policy.model or ModelSpec(id="")

    def instructions(self) -> str:
        """Return the agent's instructions with the plugins', in order."""
        return self.plugins.instructions(self.policy.instructions)

    def messages(self) -> Sequence[Message]:
        """Return the conversation of the current frame, with every tool call answered."""
        return self.conversation.messages

    def _adopt(self, commit: Commit, receipt: CommitReceipt) -> None:
        if receipt.head_revision <= self.head_revision:
            return  # another attempt of the same operation came first
        self.conversation.adopt(commit, self.environment.clock.now())
        self.head_revision = receipt.head_revision
        self.snapshots.adopt(commit)

    def _require_store(self, operation: str) -> SessionStore:
        if self.store is None:
            raise StoreRequired(operation=operation)
        return self.store
