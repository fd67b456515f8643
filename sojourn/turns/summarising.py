"""The summary that a compaction needs: bought once, recorded once, whoever asks again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sojourn.compaction import PROMPT, Cut, check_length, summary_of
from sojourn.errors import (
    CompactionFailed,
    ModelError,
    ModelUnavailable,
    PluginFailed,
    SojournError,
)
from sojourn.heal import healed_messages
from sojourn.hooks import CompactionView
from sojourn.host import SessionHost
from sojourn.journal import SUMMARY_KEY, Effect, EffectKind, EffectRef, EffectStatus, Outcome
from sojourn.keeper import LeaseKeeper
from sojourn.messages import Message, user
from sojourn.models import FinishReason, ModelAnswer
from sojourn.outcome import Fault
from sojourn.plugin_turns import answered
from sojourn.runtime import SessionRuntime
from sojourn.spending import spending_facts, spent
from sojourn.turns.asking import question
from sojourn.usage import Usage, UsageEntry


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
        entry = spent(effect, "compaction")
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
        if made.facts.get("model"):
            self.host.meter.spent(spent(made, "compaction"))
        return Summary.of(await self.host.store.record_effect(self.ref, made))

    async def _made(self, part: Cut) -> Outcome:
        answers: list[ModelAnswer] = []
        try:
            messages, _ = healed_messages(part.replaced, self.ref.session_id)
            view = CompactionView(self.ref.session_id, messages, self.reason)
            seeds = await self.runtime.plugins.compact(view)
            if not seeds:
                seeds = [await self._summed_up(part, answers)]
            check_length(seeds, part)
        except (ModelError, PluginFailed, CompactionFailed) as error:
            if error.retryable and not self.is_last:
                raise
            return self._outcome(EffectStatus.FAILED, b"", answers, error)
        payload = b"[" + b",".join(seed.encode() for seed in seeds) + b"]"
        return self._outcome(EffectStatus.DONE, payload, answers)

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

    def _outcome(
        self,
        status: EffectStatus,
        payload: bytes,
        answers: Sequence[ModelAnswer],
        error: SojournError | None = None,
    ) -> Outcome:
        facts = dict[str, object]()
        if answers:
            usage = Usage.total(answer.usage for answer in answers)
            facts |= spending_facts(answers[0].model, usage, self.runtime.model)
        if error is not None:
            facts["fault"] = Fault.of(error).model_dump(mode="json")
        return Outcome(EffectKind.SUMMARY, status, payload, facts)


def recorded(effects: Sequence[Effect]) -> Effect | None:
    """Return the summary in a journal, if there is one."""
    return next((each for each in effects if each.effect_key == SUMMARY_KEY), None)


def _usable(answer: ModelAnswer, told: Message) -> str:
    if answer.finish_reason is FinishReason.LENGTH:
        raise CompactionFailed(reason="the summary was cut off at the model's output limit")
    return told.text
