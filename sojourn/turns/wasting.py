"""Answers that were bought: recorded, and those of no use too, so that the ledger has them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

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
from sojourn.usage import Usage

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
    turn = step.turn
    ref = EffectRef(turn.session_id, turn.turn_id, model_key(step.step), turn.fencing_token)
    effect = await write_off(host, ref, step.step, spending_facts(*paid))
    if effect is not None:
        draft.note(effect)


async def write_off(
    host: SessionHost, ref: EffectRef, place: int | str, facts: Mapping[str, Any]
) -> Effect | None:
    """Record spending beside the effect that it was for; None if the meter alone has it.

    Args:
        host: whose store and meter.
        ref: the effect.
        place: what it is in the keys of wasted answers.
        facts: as `spending_facts`.
    """
    attempt_id = ids.mint("ask")
    outcome = Outcome(EffectKind.WASTED, EffectStatus.FAILED, b"", dict(facts), attempt_id)
    host.meter.spent(spent(outcome, "wasted"))
    try:
        return await host.store.record_effect(
            replace(ref, effect_key=wasted_key(place, attempt_id)), outcome
        )
    except StoreError as error:
        text = "session %s: an answer that was lost is not in the ledger: %s"
        log.warning(text, ref.session_id, type(error).__name__)
        return None
