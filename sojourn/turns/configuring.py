"""Changing what a session runs with while it lives: its model, and which tools it has."""

from __future__ import annotations

from sojourn import ids
from sojourn.choices import Choices
from sojourn.commit import Commit
from sojourn.host import SessionHost
from sojourn.lease import Claim, LeaseOwner
from sojourn.models import ModelSpec
from sojourn.operations import Configured, ConfigureSession
from sojourn.runtime import SessionRuntime
from sojourn.turns.claiming import claimed, token_of


async def configure_session(host: SessionHost, request: ConfigureSession) -> Configured:
    """Commit a session's choices as an operation of their own; a retry is the same one.

    What cannot be done is refused before anything is written. It may come before the session's
    first message.

    Raises:
        AssemblyError: the model cannot be opened, or compaction would not know its window.
        UnresolvedTool: the session's catalogue has no such tool.
        LeaseHeld: another owner has the session.
        StoreError: as `SessionStore.commit`.
    """
    session_id = ids.checked("session", request.session_id)
    receipt = await host.store.receipt(session_id, request.operation_id)
    if receipt is not None:
        return Configured.of(receipt, await token_of(host.store, _claim(host, request)))
    agent = await host.agent_of(session_id, request.agent)
    model = host.openable(agent, request.model) if request.model else None
    head = await host.store.head(session_id)
    revision = head.head_revision if head else 0
    runtime = (await host.resident(session_id, agent, revision)).runtime
    followed = runtime.conversation.layers.choosing(Choices()).effective.model
    if request.default_model and followed is not None:
        host.openable(agent, followed)
    try:
        _set_members(runtime, request)
        async with claimed(host.store, _claim(host, request)) as lease:
            commit = _built(runtime, request, model, lease.fencing_token)
            receipt = await runtime.commit(commit)
    except BaseException:
        # Its catalogue may have been changed, and is not stored so.
        host.residents.forget(session_id)
        raise
    runtime.plugins.emit("session_configured", {"session_id": session_id})
    return Configured.of(receipt, lease.fencing_token)


def _set_members(runtime: SessionRuntime, request: ConfigureSession) -> None:
    for tool_id in request.enable:
        runtime.catalog.set_member(tool_id, True)
    for tool_id in request.disable:
        runtime.catalog.set_member(tool_id, False)


def _claim(host: SessionHost, request: ConfigureSession) -> Claim:
    return Claim(
        session_id=request.session_id,
        owner=LeaseOwner(request.owner_id, request.incarnation_id),
        executor_id=request.executor_id or request.operation_id,
        ttl=host.app.timings.ttl,
    )


def _built(
    runtime: SessionRuntime, request: ConfigureSession, model: ModelSpec | None, token: int
) -> Commit:
    layers, mark = runtime.conversation.layers, runtime.conversation.mark
    kept = Choices() if request.default_model else layers.choices
    layers = layers.choosing(Choices(model=model) if model else kept)
    tools, plugins = runtime.snapshots.changed()
    configured = Configured(
        model=layers.effective.model.id if layers.effective.model else "",
        generation=runtime.catalog.generation,
    )
    return Commit(
        session_id=runtime.session_id,
        operation_id=request.operation_id,
        expected_head_revision=runtime.head_revision,
        fencing_token=token,
        leaf=runtime.graph.leaf,
        config=layers.config(mark),
        tool_state=tools,
        plugin_state=plugins,
        result=configured.facts(),
        is_turn=False,
    )
