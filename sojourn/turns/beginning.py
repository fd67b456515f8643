"""Beginning a turn: claim the session and journal the input, in one transaction."""

from __future__ import annotations

from datetime import timedelta

from sojourn import ids
from sojourn.agent import Agent
from sojourn.errors import LeaseHeld, MissingModel
from sojourn.host import SessionHost
from sojourn.inputs import checked_text
from sojourn.lease import Claim, LeaseOwner
from sojourn.messages import user
from sojourn.outcome import TurnOutcome
from sojourn.reads import OpenTurn, TurnOpening
from sojourn.requests import BeginTurn, Holder, TurnBegun, TurnLimits

# How soon to ask again for a session that somebody holds: they may give it back early.
MIN_HELD_SECONDS = 0.1
MAX_HELD_SECONDS = 2.0


async def begin_turn(host: SessionHost, request: BeginTurn) -> TurnBegun:
    """Open the turn, or return how it ended long ago, or who holds the session.

    Raises:
        UnknownAgent: the app has no such agent; nothing was written.
        MissingModel: the agent names no model; nothing was written.
        TurnConflict: the turn id has other text.
        Diverged: the store is ahead of this owner.
    """
    agent = host.app.agent(await _agent_name(host, request))
    policy = agent.policy()
    if not policy.is_configured:
        raise MissingModel(agent=agent.name)
    await host.app.probe.reached("claim.before", request.session_id)
    try:
        opened = await host.store.open_turn(_opening(host, request, policy.config()))
    except LeaseHeld as held:
        return TurnBegun(holder=_holder(host, held))
    _prime(host, request, opened)
    await host.app.probe.reached("claim.after", request.session_id)
    return _begun(opened, agent, host.app.heartbeat_timeout)


def _opening(host: SessionHost, request: BeginTurn, config: dict[str, object]) -> TurnOpening:
    text = checked_text(request.text)
    return TurnOpening(
        claim=Claim(
            session_id=ids.checked("session", request.session_id),
            owner=LeaseOwner(request.owner_id, request.incarnation_id),
            executor_id=request.executor_id or request.turn_id,
            ttl=host.app.timings.ttl,
        ),
        turn_id=ids.checked("turn", request.turn_id),
        input_payload=user(text).encode(),
        input_digest=ids.digest(text.encode()),
        known_token=request.known_token,
        config=config,
    )


async def _agent_name(host: SessionHost, request: BeginTurn) -> str:
    return request.agent or await host.agent_of(request.session_id, None)


def _prime(host: SessionHost, request: BeginTurn, opened: OpenTurn) -> None:
    """Give the journal that was just read to the session that is live here, if there is one."""
    kept = host.residents.peek(request.session_id)
    if kept is not None and kept.runtime.head_revision == opened.head.head_revision:
        draft = kept.draft_of(request.turn_id)
        draft.absorb(opened.effects)
        draft.opened_by = opened.lease.fencing_token if opened.lease else 0


def _begun(opened: OpenTurn, agent: Agent, heartbeat_timeout: timedelta) -> TurnBegun:
    if opened.receipt is not None:
        return TurnBegun(outcome=TurnOutcome.of(opened.receipt))
    return TurnBegun(
        agent=agent.name,
        fencing_token=opened.lease.fencing_token if opened.lease else 0,
        head_revision=opened.head.head_revision,
        limits=TurnLimits(
            max_steps=agent.max_steps,
            model_attempts=agent.model_attempts,
            model_timeout_seconds=agent.model_timeout.total_seconds(),
            heartbeat_seconds=heartbeat_timeout.total_seconds(),
        ),
    )


def _holder(host: SessionHost, held: LeaseHeld) -> Holder:
    wait = (held.expires_at - host.app.clock.now()).total_seconds()
    return Holder(
        name=held.holder,
        expires_at=held.expires_at,
        retry_after_seconds=min(max(wait, MIN_HELD_SECONDS), MAX_HELD_SECONDS),
    )
