"""What plugins say between the steps of a turn: asked, and recorded if it changes anything."""

from __future__ import annotations

from dataclasses import dataclass

from sojourn.draft import END, Draft
from sojourn.hooks import TurnView
from sojourn.host import SessionHost
from sojourn.journal import Effect, EffectKind, EffectRef, EffectStatus, Outcome, hook_key
from sojourn.models import FinishReason
from sojourn.outcome import Abort, TurnStatus
from sojourn.plugin_turns import Interlude, epilogue, interlude
from sojourn.requests import TurnRef
from sojourn.residents import Resident
from sojourn.turn import StepAnswer
from sojourn.usage import Usage


@dataclass(frozen=True, slots=True)
class Interludes:
    """The hooks of one turn. What they said is recorded once; who finds it asks nobody again.

    Without plugins that have the hook at hand, nothing is asked, read or written.

    Attributes:
        host: runs the turn.
        resident: the live session.
        draft: the turn's own, whatever turn the session has gone on to meanwhile.
        turn: the turn.
    """

    host: SessionHost
    resident: Resident
    draft: Draft
    turn: TurnRef

    async def before_step(self, step: int) -> Abort | None:
        """Let plugins speak before a question, and return their abort of the turn.

        Raises:
            PluginFailed: a plugin raised, said something that it must not, or took too long.
        """
        said = await self._said("before_turn" if step == 1 else "checkpoint", step)
        return _abort(said) if said is not None else None

    async def after_answer(self, step: int, answer: StepAnswer) -> StepAnswer:
        """Let plugins speak behind what would be the last answer, and return what becomes of it.

        Raises:
            PluginFailed: as `before_step`.
        """
        if answer.finish is not FinishReason.STOP:
            return answer
        said = await self._said("checkpoint", step + 1)
        if said is None:
            return answer
        return answer.model_copy(update={"abort": _abort(said), "goes_on": bool(said.payload)})

    async def after_turn(self, status: TurnStatus) -> None:
        """Tell plugins that the turn is about to be committed, once in this process."""
        plugins, turn_id = self.resident.runtime.plugins, self.turn.turn_id
        if self.resident.concluded == turn_id or not plugins.having("after_turn"):
            return
        self.resident.concluded = turn_id
        if self.draft.effect(hook_key(END)) is None:
            said = await epilogue(plugins, self._view(status))
            if said:
                await self._record(END, said)

    async def _said(self, hook: str, step: int) -> Effect | None:
        recorded = self.draft.effect(hook_key(step))
        plugins = self.resident.runtime.plugins
        if recorded is not None or not plugins.having(hook):
            return recorded
        said = await interlude(plugins, hook, self._view())
        return await self._record(step, said) if said else None

    async def _record(self, place: int | str, said: Interlude) -> Effect:
        turn, journal = self.turn, self.resident.runtime.plugins.journal
        abort = {"abort": said.abort.model_dump(mode="json")} if said.abort else {}
        outcome = Outcome(
            EffectKind.HOOK,
            EffectStatus.DONE,
            b"\n".join(message.encode() for message in said.messages),
            abort,
        )
        ref = EffectRef(turn.session_id, turn.turn_id, hook_key(place), turn.fencing_token)
        effect = await journal.record(self.host.store, ref, outcome)
        self.draft.note(effect)
        return effect

    def _view(self, status: TurnStatus | None = None) -> TurnView:
        draft = self.draft
        return TurnView(
            session_id=self.turn.session_id,
            turn_id=self.turn.turn_id,
            agent=self.turn.agent,
            step=draft.next_step,
            messages=(*self.resident.runtime.messages(), *draft.messages()),
            usage=Usage.total(entry.usage for entry in draft.usage()),
            status=status,
        )


def _abort(said: Effect) -> Abort | None:
    abort = said.facts.get("abort")
    return Abort.model_validate(abort) if abort else None
