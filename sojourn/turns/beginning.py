"""Beginning a turn: claim the session and journal the input, in one transaction."""

from __future__ import annotations

from datetime import timedelta

from sojourn import ids
from sojourn.agent import Agent
from sojourn.choices import Choices, ContextMark
from sojourn.errors import HalfImported, LeaseHeld, MissingModel
from sojourn.half_imported import check_whole
from sojourn.host import SessionHost
from sojourn.inputs import checked_text
from sojourn.journal import EffectKind, EffectStatus
from sojourn.lease import Claim, LeaseOwner
from sojourn.messages import user
from sojourn.outcome import TurnOutcome
from sojourn.policy import SessionPolicy
from sojourn.reads import OpenTurn, TurnOpening
from sojourn.requests import BeginTurn, Holder, TurnBegun, TurnLimits
from sojourn.window import estimated, threshold

# How soon to ask again for a session that somebody holds: they may give it back early.
MIN_HELD_SECONDS = 0.1
MAX_HELD_SECONDS = 2.0


async def begin_turn(host: SessionHost, request: BeginTurn) -> TurnBegun:
    """Open the turn, or return how it ended long ago, or who holds the session.

    Raises:
        UnknownAgent: the app has no such agent; nothing was written.
        MissingModel: neither the agent nor the session has a model; nothing was written.
        TurnConflict: the turn id has other text.
        PluginFailed: a plugin cannot say what is kept of the text; nothing was written.
        Diverged: the store is ahead of this owner.
        HalfImported: the session is being imported; its lease was given back.
    """
    agent = host.app.agent(await _agent_name(host, request))
    policy = agent.policy()
    if not policy.is_configured and not await _has_model(host, request.session_id):
        raise MissingModel(agent=agent.name)
    await host.app.probe.reached("claim.before", request.session_id)
    try:
        opened = await host.store.open_turn(_opening(host, request, policy))
    except LeaseHeld as held:
        return TurnBegun(holder=_holder(host, held))
    await _check_whole(host, opened)
    _prime(host, request, opened)
    await host.app.probe.reached("claim.after", request.session_id)
    return _begun(opened, agent, host.app.heartbeat_timeout, request.text)


def _opening(host: SessionHost, request: BeginTurn, policy: SessionPolicy) -> TurnOpening:
    text = checked_text(request.text)
    return TurnOpening(
        claim=Claim(
            session_id=ids.checked("session", request.session_id),
            owner=LeaseOwner(request.owner_id, request.incarnation_id),
            executor_id=request.executor_id or request.turn_id,
            ttl=host.app.timings.ttl,
        ),
        turn_id=ids.checked("turn", request.turn_id),
        input_payload=user(host.receive(policy.agent, text)).encode(),
        input_digest=ids.digest(text.encode()),
        known_token=request.known_token,
        config=policy.config(),
    )


async def _check_whole(host: SessionHost, opened: OpenTurn) -> None:
    try:
        check_whole(opened.head.session_id, opened.head.config)
    except HalfImported:
        if opened.lease is not None:
            await host.store.release(opened.lease)
        raise


async def _agent_name(host: SessionHost, request: BeginTurn) -> str:
    return request.agent or await host.agent_of(request.session_id, None)


async def _has_model(host: SessionHost, session_id: str) -> bool:
    """Tell whether a session has a model of its own, for a host that names none."""
    head = await host.store.head(ids.checked("session", session_id))
    if head is None:
        return False
    is_chosen = Choices.from_config(head.config).model is not None
    return is_chosen or SessionPolicy.from_config(head.config).is_configured


def _prime(host: SessionHost, request: BeginTurn, opened: OpenTurn) -> None:
    """Give the journal that was just read to the session that is live here, if there is one."""
    kept = host.residents.peek(request.session_id)
    if kept is not None and kept.runtime.head_revision == opened.head.head_revision:
        draft = kept.absorb(request.turn_id, opened.effects, lenient=True)
        draft.opened_by = opened.lease.fencing_token if opened.lease else 0


def _begun(opened: OpenTurn, agent: Agent, heartbeat_timeout: timedelta, text: str) -> TurnBegun:
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
        compact_due=_may_be_full(opened, agent, text),
    )


def _may_be_full(opened: OpenTurn, agent: Agent, text: str) -> bool:
    """Tell whether the session is to be looked at before the turn's first step.

    What the last answer's provider counted decides, and costs no read. If nobody has counted where
    the session stands, the conversation itself must be looked at. A turn that has begun to ask its
    model is not interrupted any more.
    """
    head = opened.head
    if agent.compact_at is None or head.leaf is None or _has_asked(opened):
        return False
    mark = ContextMark.from_config(head.config, head.leaf)
    if mark is None:
        return True
    host = agent.policy().completed_by(SessionPolicy.from_config(head.config))
    model = Choices.from_config(head.config).model or mark.model or host.model
    limit = threshold(model, agent.compact_at) if model else None
    return limit is not None and mark.tokens + estimated([len(text.encode())]) >= limit


def _has_asked(opened: OpenTurn) -> bool:
    """Tell whether the turn has an answer, or has found that there is no usable summary."""
    return any(
        effect.kind is EffectKind.MODEL
        or (effect.kind is EffectKind.SUMMARY and effect.status is EffectStatus.FAILED)
        for effect in opened.effects
    )


def _holder(host: SessionHost, held: LeaseHeld) -> Holder:
    wait = (held.expires_at - host.app.clock.now()).total_seconds()
    return Holder(
        name=held.holder,
        expires_at=held.expires_at,
        retry_after_seconds=min(max(wait, MIN_HELD_SECONDS), MAX_HELD_SECONDS),
    )
