"""What the runtime laws are told with: environments, turns, a plugin, and stores that fail."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from typing_extensions import override

from sojourn import ids
from sojourn.adapters.memory import MemoryStore
from sojourn.adapters.memory_rows import Rows
from sojourn.clock import ManualClock
from sojourn.commit import Commit, CommitReceipt, NewNode
from sojourn.environment import RuntimeEnvironment
from sojourn.graph import NodeKind
from sojourn.lease import Claim, Lease, LeaseOwner
from sojourn.messages import Message, assistant, user
from sojourn.models import ModelSpec
from sojourn.parked import ParkedSession
from sojourn.plugin_host import PluginHost
from sojourn.plugins import Plugin, PluginContext, PluginSession
from sojourn.policy import SessionPolicy
from sojourn.ports import SessionStore
from sojourn.residency import Residency
from sojourn.runtime import SessionRuntime
from sojourn.state import load_state
from sojourn.tools import FunctionSource, tool

SESSION = "chat-1"
POLICY = SessionPolicy(agent="clerk", model=ModelSpec(id="scripted:one"), instructions="Be kind.")
STRANGER = LeaseOwner("embedded-stranger", "life-1")
TTL = timedelta(seconds=30)


@tool
def add(first: int, second: int) -> int:
    """Add."""
    return first + second


class Counting(Plugin):
    """Counts, in every session apart; fails in the hooks that it is told to fail in."""

    def __init__(self, *failing: str) -> None:
        self.failing = set(failing)
        self.contexts: list[PluginContext] = []
        self.events: list[str] = []

    @override
    def session(self, context: PluginContext) -> CountingSession:
        self.contexts.append(context)
        return CountingSession(self)


class CountingSession(PluginSession):
    """One session's count."""

    def __init__(self, plugin: Counting) -> None:
        self._plugin = plugin
        self.count = 0

    def increase(self) -> None:
        """Change the state."""
        self.count += 1
        self.revision += 1

    @override
    def snapshot(self) -> Any:
        self._fail("snapshot")
        return {"count": self.count}

    @override
    def restore(self, state: Any) -> None:
        self._fail("restore")
        self.count = state["count"] if state else 0

    @override
    def on_event(self, event: str, facts: Any) -> None:
        self._plugin.events.append(event)
        self._fail("on_event")

    def _fail(self, hook: str) -> None:
        if hook in self._plugin.failing:
            raise RuntimeError(hook)


def counter(runtime: SessionRuntime) -> CountingSession:
    """Return the session part of the runtime's `Counting`."""
    return cast("CountingSession", vars(runtime.plugins)["_parts"]["Counting"].session)


def environment(
    residency: Residency = Residency.KEEP_ALL,
    *plugins: Plugin,
    clock: ManualClock | None = None,
    tools: Sequence[Any] = (add,),
) -> RuntimeEnvironment:
    """Return an environment with a plugin host of its own."""
    return RuntimeEnvironment(
        plugin_host=PluginHost(plugins),
        sources=[FunctionSource("app", tools)],
        residency=residency,
        clock=clock or ManualClock(),
    )


async def brought_up(
    store: SessionStore,
    shared: RuntimeEnvironment | None = None,
    policy: SessionPolicy = POLICY,
    session: str = SESSION,
) -> SessionRuntime:
    """Bring a session to life from its store."""
    return await SessionRuntime.resume(
        ParkedSession(session, policy, store), shared or environment()
    )


async def taken_turn(
    runtime: SessionRuntime, turn: str, *kinds: NodeKind, release: bool = True
) -> CommitReceipt:
    """Commit a turn on the runtime's leaf: a question and an answer, or nodes of these kinds."""
    lease = await runtime.claim()
    receipt = await runtime.commit(commit_of(runtime, lease, turn, *kinds, release=release))
    if release:
        runtime.lease = None
    return receipt


def commit_of(
    runtime: SessionRuntime, lease: Lease, turn: str, *kinds: NodeKind, release: bool = False
) -> Commit:
    """Return a turn's commit: a question and an answer, or nodes of these kinds."""
    kinds = kinds or (NodeKind.MESSAGE, NodeKind.MESSAGE)
    nodes: list[NewNode] = []
    for ordinal, kind in enumerate(kinds):
        node_id = ids.node_id(runtime.session_id, turn, ordinal)
        parent = nodes[-1].node_id if nodes else runtime.graph.leaf
        said = assistant(f"{turn}, said") if ordinal % 2 else user(f"{turn}, asked")
        nodes.append(NewNode(node_id, parent, kind, said.encode()))
    tools, plugins = runtime.snapshots.changed()
    return Commit(
        session_id=runtime.session_id,
        operation_id=turn,
        expected_head_revision=runtime.head_revision,
        fencing_token=lease.fencing_token,
        nodes=tuple(nodes),
        leaf=nodes[-1].node_id,
        config=runtime.conversation.config(),
        tool_state=tools,
        plugin_state=plugins,
        release=release,
    )


def said(*turns: str) -> list[str]:
    """Return the texts of some turns that were made by `taken_turn`."""
    return [text for turn in turns for text in (f"{turn}, asked", f"{turn}, said")]


def texts(messages: Sequence[Message]) -> list[str]:
    """Return what messages say."""
    return [message.text for message in messages]


async def stranger_holds(store: SessionStore, session: str = SESSION) -> Lease:
    """Let somebody else hold a session."""
    return await store.claim(Claim(session, STRANGER, "exec-1", TTL))


async def is_free(store: SessionStore, session: str = SESSION) -> bool:
    """Tell whether nobody holds a session."""
    lease = await store.lease(session)
    return lease is None or lease.released


async def head_of(store: SessionStore, session: str = SESSION) -> int:
    """Return a session's head revision, 0 if there is no session."""
    head = await store.head(session)
    return head.head_revision if head else 0


async def node_ids(store: SessionStore, session: str = SESSION) -> list[str]:
    """Return the ids of all nodes of a session."""
    state = await load_state(store, session, Residency.KEEP_ALL)
    return [node.node_id for node in state.graph]


@dataclass
class Damage:
    """Breaks what a store keeps, behind its back."""

    store: SessionStore
    path: Path

    def lose_node(self, node_id: str) -> None:
        """Lose a node."""
        if isinstance(self.store, MemoryStore):
            del self._rows.nodes[node_id]
        else:
            self._execute("DELETE FROM nodes WHERE node_id = ?", node_id)

    def lose_snapshots(self) -> None:
        """Lose every state body."""
        if isinstance(self.store, MemoryStore):
            self._rows.snapshots.clear()
        else:
            self._execute("DELETE FROM snapshots")

    @property
    def _rows(self) -> Rows:
        return cast("Rows", vars(self.store)["_rows"])

    def _execute(self, statement: str, *values: str) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute(statement, values)


class FaultyStore:
    """A store that fails as it is told, before it does what it is asked or after.

    Attributes:
        calls: how often each method was called.
        before: errors to raise by method, one a call, instead of doing anything.
        after: likewise, when all is done: the answer is lost.
        held: events that methods wait for before they return.
    """

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()
        self.before: dict[str, list[Exception]] = {}
        self.after: dict[str, list[Exception]] = {}
        self.held: dict[str, asyncio.Event] = {}

    @classmethod
    def around(cls, store: SessionStore) -> tuple[FaultyStore, SessionStore]:
        """Return the wrapper of a store, once to be told, and once as the store that it is."""
        faulty = cls(store)
        return faulty, cast("SessionStore", faulty)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)

        async def call(*args: Any, **options: Any) -> Any:
            self.calls[name] += 1
            _fail(self.before.get(name))
            held = self.held.get(name)
            answer = await method(*args, **options)
            if held is not None:
                await held.wait()
            _fail(self.after.get(name))
            return answer

        return call


def _fail(errors: list[Exception] | None) -> None:
    if errors:
        raise errors.pop(0)
