"""Bringing a session to life: one path, refusals that leave nothing behind, and who claims."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from sojourn.environment import RuntimeEnvironment
from sojourn.errors import (
    ClaimedAlready,
    LeaseHeld,
    MalformedToolState,
    MissingModel,
    MissingPluginHost,
    PluginFailed,
    SojournError,
    StoreRequired,
)
from sojourn.lease import LeaseOwner
from sojourn.models import ModelSpec
from sojourn.plugin_host import PluginHost
from sojourn.policy import SessionPolicy
from sojourn.ports import SessionStore
from sojourn.residency import Residency
from sojourn.runtime import SessionRuntime
from sojourn.state import SessionState, load_state
from tests.runtime.making import (
    POLICY,
    SESSION,
    Counting,
    FaultyStore,
    add,
    brought_up,
    environment,
    head_of,
    is_free,
    stranger_holds,
    taken_turn,
)

OWNER = LeaseOwner("temporal/default/session/chat-1", "run-1")


def fresh() -> SessionState:
    """Return the state of a session that nothing is known of."""
    return SessionState(session_id=SESSION)


def test_active_path_only_needs_a_store() -> None:
    """What is trimmed could not come back without one."""
    with pytest.raises(StoreRequired):
        SessionRuntime.from_environment(
            environment(Residency.ACTIVE_PATH_ONLY), POLICY, fresh(), None
        )


def test_keep_all_needs_no_store() -> None:
    """A session may live in memory alone."""
    runtime = SessionRuntime.from_environment(environment(), POLICY, fresh(), None)

    assert (runtime.session_id, runtime.head_revision, runtime.store) == (SESSION, 0, None)


def test_an_environment_without_a_plugin_host_is_refused() -> None:
    """Nothing is assembled with plugins silently missing."""
    with pytest.raises(MissingPluginHost):
        SessionRuntime.from_environment(RuntimeEnvironment(), POLICY, fresh(), None)


@pytest.mark.parametrize(
    ("error", "policy", "tool_state", "failing"),
    [
        (MissingModel, SessionPolicy(agent="clerk"), None, ""),
        (MissingModel, SessionPolicy(model=ModelSpec(id=" ")), None, ""),
        (MalformedToolState, POLICY, b"not a catalogue", ""),
        (PluginFailed, POLICY, None, "restore"),
    ],
)
async def test_a_refused_assembly_leaves_nothing(
    store: SessionStore,
    error: type[SojournError],
    policy: SessionPolicy,
    tool_state: bytes | None,
    failing: str,
) -> None:
    """Nothing is written, nobody is told, and the same session can be assembled afterwards."""
    plugin = Counting(failing)
    state = SessionState(session_id=SESSION, tool_state=tool_state)
    shared = environment(Residency.ACTIVE_PATH_ONLY, plugin)
    before = await store.stats()
    with pytest.raises(error) as refused:
        SessionRuntime.from_environment(shared, policy, state, store)

    assert refused.tb is not None  # whoever looks at the failure keeps nothing alive
    assert await store.stats() == before
    assert await store.heads() == []
    assert plugin.events == []
    plugin.failing.clear()
    assert SessionRuntime.from_environment(shared, POLICY, fresh(), store).head_revision == 0


async def test_assembly_costs_no_look_at_the_store(store: SessionStore) -> None:
    """It is registration and hydration of what was loaded."""
    await taken_turn(await brought_up(store), "turn-1")
    state = await load_state(store, SESSION, Residency.KEEP_ALL)
    faulty, watched = FaultyStore.around(store)

    SessionRuntime.from_environment(environment(), POLICY, state, watched)

    assert not faulty.calls


async def test_snapshot_bodies_are_dropped_once_they_are_restored(store: SessionStore) -> None:
    """From then on the live catalogue and plugins are the truth."""
    plugin = Counting()
    await taken_turn(await brought_up(store, environment(Residency.KEEP_ALL, plugin)), "turn-1")
    state = await load_state(store, SESSION, Residency.KEEP_ALL)
    bodies = (state.tool_state, state.plugin_state)
    assert None not in bodies

    SessionRuntime.from_environment(environment(Residency.KEEP_ALL, plugin), POLICY, state, store)

    assert (state.tool_state, state.plugin_state) == (None, None)


@pytest.mark.parametrize("failing", [[], ["on_event"]])
def test_plugins_are_told_once_that_the_session_is_there(failing: list[str]) -> None:
    """An observer that fails changes nothing."""
    plugin = Counting(*failing)

    SessionRuntime.from_environment(environment(Residency.KEEP_ALL, plugin), POLICY, fresh(), None)

    assert plugin.events == ["session_restored"]
    assert [(context.session_id, context.agent) for context in plugin.contexts] == [
        (SESSION, "clerk")
    ]


async def test_the_hosts_policy_wins_over_the_persisted_one(store: SessionStore) -> None:
    """A host that names a model has chosen."""
    await taken_turn(await brought_up(store), "turn-1")
    other = SessionPolicy(agent="critic", model=ModelSpec(id="scripted:two"), max_steps=3)

    runtime = await brought_up(store, policy=other)

    assert runtime.policy == other
    assert runtime.model == ModelSpec(id="scripted:two")


async def test_a_host_without_a_model_leaves_the_persisted_one_standing(
    store: SessionStore,
) -> None:
    """Agent and model are persisted; instructions and limits are always the host's."""
    plugin = Counting()
    await taken_turn(await brought_up(store), "turn-1")
    host = SessionPolicy(instructions="Be brief.", max_steps=3)

    runtime = await brought_up(store, environment(Residency.KEEP_ALL, plugin), policy=host)

    assert runtime.policy == replace_policy(POLICY, instructions="Be brief.", max_steps=3)
    assert plugin.contexts[0].agent == "clerk"


def replace_policy(policy: SessionPolicy, **changes: object) -> SessionPolicy:
    """Return a policy with changes."""
    return policy.model_copy(update=changes)


async def test_the_owner_of_claims_is_settable_until_the_first(store: SessionStore) -> None:
    """Every later claim is the owner's; another one comes too late, even after the park."""
    runtime = await brought_up(store)
    assert runtime.lease_owner != (await brought_up(store, environment())).lease_owner
    runtime.lease_owner = OWNER
    lease = await runtime.claim()

    assert lease.owner == OWNER
    runtime.lease_owner = OWNER  # nothing changes
    with pytest.raises(ClaimedAlready):
        runtime.lease_owner = LeaseOwner("somebody", "else")
    await runtime.park()
    with pytest.raises(ClaimedAlready):
        runtime.lease_owner = LeaseOwner("somebody", "else")
    assert runtime.lease_owner == OWNER


async def test_a_claim_that_failed_does_not_fix_the_owner(store: SessionStore) -> None:
    """Nothing was claimed."""
    await stranger_holds(store)
    runtime = await brought_up(store)
    with pytest.raises(LeaseHeld):
        await runtime.claim()

    runtime.lease_owner = OWNER

    assert runtime.lease_owner == OWNER
    assert runtime.lease is None


async def test_claiming_again_re_enters(store: SessionStore) -> None:
    """The runtime is one executor: its token stays."""
    runtime = await brought_up(store)
    first = await runtime.claim()

    assert (await runtime.claim()).fencing_token == first.fencing_token == 1
    assert not await is_free(store)


async def test_leaving_the_plugin_host_twice_is_harmless(store: SessionStore) -> None:
    """And the session can be brought to life beside the runtime that has left."""
    shared = environment(Residency.KEEP_ALL, Counting())
    runtime = await brought_up(store, shared)
    with pytest.raises(SojournError, match="live in this process"):
        await brought_up(store, shared)

    runtime.unregister_plugin_session()
    runtime.unregister_plugin_session()

    assert (await brought_up(store, shared)).session_id == SESSION


def test_leaving_without_a_plugin_host_is_harmless() -> None:
    """A runtime may be assembled of parts that come from elsewhere."""
    shared = environment()
    runtime = SessionRuntime.from_environment(shared, POLICY, fresh(), None)
    runtime.environment = replace(shared, plugin_host=None)

    runtime.unregister_plugin_session()


def test_the_agents_instructions_come_before_the_plugins() -> None:
    """Each is a paragraph."""
    host = PluginHost([Counting()])
    runtime = SessionRuntime.from_environment(
        replace(environment(), plugin_host=host), POLICY, fresh(), None
    )

    assert runtime.instructions() == "Be kind."


async def test_tools_whose_source_is_gone_are_orphaned_and_come_back(
    store: SessionStore, residency: Residency, caplog: pytest.LogCaptureFixture
) -> None:
    """They are told of, kept, and members again when their source is there again."""
    await taken_turn(await brought_up(store, environment(residency)), "turn-1")

    with caplog.at_level(logging.WARNING):
        without = await brought_up(store, environment(residency, tools=()))
    assert without.restored is not None
    assert without.restored.orphaned == ("add",)
    assert "add" in caplog.text
    assert without.catalog.members() == []
    await without.park()

    again = await brought_up(store, environment(residency))
    assert again.restored is not None
    assert again.restored.orphaned == ()
    assert again.catalog.members() == [add]
    assert [each.restored for each in (without, again)] != [None, None]
    assert await head_of(store) == 2


@pytest.mark.parametrize("generation", [1, 2, 77])
async def test_the_catalogue_is_restored_at_its_generation_whatever_it_is(
    store: SessionStore, residency: Residency, generation: int
) -> None:
    """Changes of membership count on from where the session was; a restore alone changes none."""
    runtime = await brought_up(store, environment(residency))
    for number in range(1, generation):
        runtime.catalog.set_member("add", number % 2 == 0)
    assert runtime.catalog.generation == generation
    exported = runtime.catalog.export()
    await taken_turn(runtime, "turn-1")

    restored = await brought_up(store, environment(residency))

    assert restored.catalog.export() == exported
    assert restored.restored is not None
    assert restored.restored.changed is False
    await restored.park()
    assert await head_of(store) == 1
