"""Answers that were bought: recorded, and those of no use too, so that the ledger has them."""

from __future__ import annotations

import logging

from sojourn import ids
from sojourn.draft import Draft
from sojourn.errors import EffectSettled, LeaseLost, StoreError
from sojourn.host import SessionHost
from sojourn.journal import (
    Effect,
    EffectKind,
    EffectRef,
    EffectStatus,
    Outcome,
    model_key,
    wasted_key,
)
from sojourn.models import ModelSpec
from sojourn.requests import StepTurn
from sojourn.runtime import SessionRuntime
from sojourn.spending import spending_facts, spent
from sojourn.usage import Usage, UsageEntry

log = logging.getLogger(__name__)


async def record_answer(
    host: SessionHost, runtime: SessionRuntime, draft: Draft, step: StepTurn, asked: Outcome
) -> Effect:
    """Record an answer, and return the one that is the step's: this, or one that came first.

    Raises:
        StoreError: as `SessionStore.record_effect`. Unless it says that nothing was written, the
            answer may be recorded all the same, so that its cost is nobody's to tell.
    """
    turn = step.turn
    paid = (asked.facts["model"], Usage.model_validate(asked.facts["usage"]), runtime.model)
    key = model_key(step.step)
    ref = EffectRef(turn.session_id, turn.turn_id, key, turn.fencing_token)
    try:
        effect = await runtime.plugins.journal.record(host.store, ref, asked)
    except (EffectSettled, LeaseLost):
        await record_waste(host, draft, step, paid)
        raise
    draft.note(effect)
    if effect.attempt_id != asked.attempt_id:
        await record_waste(host, draft, step, paid)
        return effect
    host.meter.spent(spent(effect, "turn"))
    lost = draft.lost_attempts_of(step.step)
    if lost:
        host.meter.lost(paid[0], lost)
    return effect


async def record_waste(
    host: SessionHost, draft: Draft, step: StepTurn, paid: tuple[str, Usage, ModelSpec]
) -> None:
    """Record what a lost answer has cost, under a key of its own: each is counted once.

    If its turn is over or its writer superseded, the meter alone has it: the ledger of a turn is
    closed with the turn.
    """
    turn, attempt_id = step.turn, ids.mint("ask")
    key = wasted_key(step.step, attempt_id)
    ref = EffectRef(turn.session_id, turn.turn_id, key, turn.fencing_token)
    facts = spending_facts(*paid)
    outcome = Outcome(EffectKind.WASTED, EffectStatus.FAILED, b"", facts, attempt_id)
    try:
        effect = await host.store.record_effect(ref, outcome)
    except StoreError as error:
        text = "session %s: an answer that was lost is not in the ledger: %s"
        log.warning(text, turn.session_id, type(error).__name__)
        model, usage, spec = paid
        entry = UsageEntry(source="wasted", model=model or spec.id, usage=usage, price=spec.price)
        host.meter.spent(entry)
        return
    draft.note(effect)
    host.meter.spent(spent(effect, "wasted"))
