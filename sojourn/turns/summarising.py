"""The summary that a compaction needs: bought once, recorded once, whoever asks again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sojourn import ids
from sojourn.compaction import PROMPT, Cut, check_length, summary_of
from sojourn.errors import (
    CompactionFailed,
    EffectSettled,
    LeaseLost,
    ModelError,
    ModelUnavailable,
    PluginFailed,
    SojournError,
)
from sojourn.heal import healed_messages
from sojourn.hooks import CompactionView, Condensed
from sojourn.host import SessionHost
from sojourn.journal import Effect, EffectKind, EffectRef, EffectStatus, Outcome, summary_key
from sojourn.keeper import LeaseKeeper
from sojourn.messages import Message, user
from sojourn.models import FinishReason, ModelAnswer, ModelSpec
from sojourn.outcome import Fault
from sojourn.plugin_turns import answered
from sojourn.runtime import SessionRuntime
from sojourn.spending import source_of, spending_facts, spent
from sojourn.turns.asking import question
from sojourn.turns.wasting import write_off
from sojourn.usage import Usage, UsageEntry

# What a summary is called among answers that were paid for and lost.
WASTED_PLACE = "summary"


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands for what came before, and what it cost; or why there is none.

    Attributes:
        seeds: encoded messages.
        fault: why it is of no use.
    """

    seeds: tuple[bytes, ...] = ()
    usage: tuple[UsageEntry, ...] = ()
    fault: Fault | None = None

    @classmethod
    def of(cls, effect: Effect) -> Summary:
        """Read a recorded summary."""
        if effect.status is EffectStatus.FAILED:
            return cls(fault=Fault.model_validate(effect.facts["fault"]))
        entry = spent(effect, source_of(effect))
        seeds = (Message.model_validate(each) for each in json.loads(effect.payload))
        return cls(
            seeds=tuple(seed.encode() for seed in seeds), usage=(entry,) if entry.model else ()
        )


@dataclass(frozen=True, slots=True)
class Summariser:
    """Asks the plugins, and then the model, to put a part of a conversation into few words.

    Attributes:
        ref: under which key the summary is recorded, and by which right.
        reason: why the session is compacted.
        is_last: whether a model that does not answer is not asked again.
    """

    host: SessionHost
    runtime: SessionRuntime
    ref: EffectRef
    reason: str
    is_last: bool

    async def summary(self, part: Cut) -> Summary:
        """Return the recorded summary of `part`, recording what is new, a failure too.

        Raises:
            ModelError: the model did not answer, and may be asked again; nothing was recorded.
            LeaseLost: a newer owner has the session.
        """
        keeper = LeaseKeeper(
            self.host.store, self.ref.session_id, self.ref.fencing_token, self.host.app.timings
        )
        # Without plugins' states: the frame's commit has them, and the turn's journal outlives it.
        made = await keeper.run(self._made(part))
        try:
            effect = await self.host.store.record_effect(self.ref, made)
        except (EffectSettled, LeaseLost):
            await self._write_off(made.facts)
            raise
        if effect.attempt_id != made.attempt_id:
            await self._write_off(made.facts)
        elif made.facts.get("model"):
            self.host.meter.spent(spent(made, source_of(made)))
        return Summary.of(effect)

    async def _made(self, part: Cut) -> Outcome:
        answers: list[ModelAnswer] = []
        by_plugin: dict[str, Any] = {}
        try:
            messages, _ = healed_messages(part.replaced, self.ref.session_id)
            view = CompactionView(self.ref.session_id, messages, self.reason)
            condensed = await self.runtime.plugins.compact(view)
            if condensed is not None:
                by_plugin, seeds = _charged(*condensed), condensed[1].messages
            else:
                seeds = [await self._summed_up(part, answers)]
            check_length(seeds, part, self.runtime.model.room)
        except (ModelError, PluginFailed, CompactionFailed) as error:
            facts = by_plugin or self._paid(answers, getattr(error, "spent", None))
            if error.retryable and not self.is_last:
                await self._write_off(facts)
                raise
            facts["fault"] = Fault.of(error).model_dump(mode="json")
            return _outcome(EffectStatus.FAILED, b"", facts)
        payload = b"[" + b",".join(seed.encode() for seed in seeds) + b"]"
        return _outcome(EffectStatus.DONE, payload, by_plugin or self._paid(answers))

    async def _summed_up(self, part: Cut, answers: list[ModelAnswer]) -> Message:
        """Ask for a summary, piece after piece if the model has become too small for the whole."""
        earlier: list[Message] = []
        for piece in part.pieces(self.runtime.model.room):
            messages, _ = healed_messages(piece, self.ref.session_id)
            answers.append(await self._asked([*earlier, *messages]))
            told = answered(self.runtime.plugins, answers[-1].message)
            earlier = [summary_of(_usable(answers[-1], told))]
        return earlier[0]

    async def _asked(self, messages: Sequence[Message]) -> ModelAnswer:
        """Ask the model as the session would, so that its provider's cache serves it."""
        runtime = self.runtime
        request, _ = await question(runtime, self.ref.turn_id, messages, user(PROMPT))
        seconds = self.host.app.agent(runtime.policy.agent).model_timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await self.host.provider(runtime).complete(request)
        except TimeoutError:
            raise ModelUnavailable(model=runtime.model.id, reason="no answer in time") from None
        except SojournError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it may quote content
            name = type(error).__name__
            raise ModelUnavailable(model=runtime.model.id, reason=f"unexpected {name}") from None

    def _paid(self, answers: Sequence[ModelAnswer], lost: Usage | None = None) -> dict[str, Any]:
        """Return the spending facts of answers, and of one that could not be read."""
        usages = [answer.usage for answer in answers] + ([lost] if lost else [])
        if not usages:
            return {}
        model = answers[0].model if answers else ""
        return spending_facts(model, Usage.total(usages), self.runtime.model)

    async def _write_off(self, facts: Mapping[str, Any]) -> None:
        if facts.get("model"):
            told = {key: facts[key] for key in facts.keys() - {"fault", "source"}}
            await write_off(self.host, self.ref, WASTED_PLACE, told)


def _charged(plugin_id: str, condensed: Condensed) -> dict[str, Any]:
    """Return the spending facts of a plugin's own summary; none if it told of none."""
    if not condensed.model:
        return {}
    spec = ModelSpec(condensed.model, price=condensed.price)
    facts = spending_facts(condensed.model, condensed.usage, spec)
    return {**facts, "source": f"plugin/{plugin_id}"}


def _outcome(status: EffectStatus, payload: bytes, facts: dict[str, Any]) -> Outcome:
    return Outcome(EffectKind.SUMMARY, status, payload, facts, ids.mint("ask"))


def recorded(effects: Sequence[Effect], head_revision: int) -> Effect | None:
    """Return the summary in a journal that was made on this head, if there is one."""
    key = summary_key(head_revision)
    return next((each for each in effects if each.effect_key == key), None)


def _usable(answer: ModelAnswer, told: Message) -> str:
    if answer.finish_reason is FinishReason.LENGTH:
        raise CompactionFailed(reason="the summary was cut off at the model's output limit")
    return told.text
