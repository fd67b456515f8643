"""The draft of an open turn: what its journal says so far, as messages and as nodes to commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from sojourn import ids
from sojourn.commit import MAX_COMMIT_BYTES, NewNode
from sojourn.graph import NodeKind
from sojourn.journal import (
    INPUT_KEY,
    Effect,
    EffectKind,
    EffectStatus,
    hook_key,
    model_key,
    tool_key,
    wasted_key,
)
from sojourn.messages import (
    CallStatus,
    Message,
    Role,
    ToolCallPart,
    ToolResponsePart,
    tool_response,
)
from sojourn.outcome import CallSummary
from sojourn.spending import source_of, spent
from sojourn.usage import Usage, UsageEntry, total_cost
from sojourn.window import counted, estimated

END = "end"
NEVER_RUN = "This call was not run: the turn ended before it."
OUTCOME_UNKNOWN = (
    "The outcome of this call is unknown: it was lost while it ran. It may or may not"
    " have taken effect. Find out before you call it again."
)


# What a turn's messages have of a commit; the rest is for its last answers and for states.
MAX_DRAFT_BYTES = MAX_COMMIT_BYTES * 3 // 4
# A message so small stays in any case: what would stand for it is no smaller.
SMALL_BYTES = 1_000
NOT_KEPT = (
    "This call was run, but its result of {} bytes was not kept: all messages of one turn together"
    " have at most {} bytes. Ask for less, or go on in another turn."
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of the draft, and the bytes that the commit will store for it."""

    message: Message
    body: bytes


class Draft:
    """A turn's journal, read incrementally and put into the conversation's order.

    Tool results stand in the order of the model's calls, whatever order they ended in.
    """

    def __init__(self) -> None:
        self._effects: dict[str, Effect] = {}
        self._decoded: dict[str, Entry] = {}
        self.position = 0
        # The token whose opening of the turn was read here: nobody older can have written since.
        self.opened_by = 0
        # The keys of summaries whose tokens are in the ledger already, with their frames.
        self.settled: set[str] = set()

    def absorb(self, effects: Iterable[Effect]) -> None:
        """Take in journal rows; a row that has become final replaces its STARTED self."""
        for effect in effects:
            self._effects[effect.effect_key] = effect
            self.position = max(self.position, effect.position)

    def note(self, effect: Effect) -> None:
        """Take in one row that was just written; where to read on from stays as it is."""
        self._effects[effect.effect_key] = effect

    def effect(self, effect_key: str) -> Effect | None:
        """Return the row of a key, or None."""
        return self._effects.get(effect_key)

    @property
    def input_digest(self) -> str:
        """The digest of the turn's input; empty before its row was read."""
        effect = self._effects.get(INPUT_KEY)
        return str(effect.facts.get("digest", "")) if effect else ""

    @property
    def is_complete(self) -> bool:
        """Whether nothing more can come: the last word is an answer that calls no tool.

        A step reads the journal before it asks, so an answer stands on all that came before it.
        """
        for entry in list(self._entries(close=False))[-1:]:
            return entry.message.role is Role.ASSISTANT and not entry.message.tool_calls
        return False

    def arguments(self, step: int, call_id: str) -> ToolCallPart | None:
        """Return the call as the model wrote it, or None if the step has no such call."""
        entry = self._entry(model_key(step))
        calls = entry.message.tool_calls if entry else ()
        return next((call for call in calls if call.id == call_id), None)

    def tool_id(self, step: int, call_id: str) -> str | None:
        """Return which tool a call was resolved to when its answer was recorded, if to any."""
        effect = self._effects.get(model_key(step))
        calls = effect.facts.get("answer", {}).get("calls", ()) if effect else ()
        return next((each["tool_id"] for each in calls if each["call_id"] == call_id), None)

    def messages(self) -> list[Message]:
        """Return the conversation of the turn so far; calls without an outcome are left open."""
        return [entry.message for entry in self._entries(close=False)]

    def nodes(self, session_id: str, turn_id: str, parent: str | None) -> tuple[NewNode, ...]:
        """Return the nodes to commit: a chain on `parent` in which every call has a response.

        Their ids are those of this opening of the turn: one whose receipt was forgotten runs anew
        beside the nodes of its first time.
        """
        nodes: list[NewNode] = []
        begun = self._effects.get(INPUT_KEY)
        opening = f"{turn_id}@{begun.position if begun else 0}"
        for ordinal, entry in enumerate(self._entries(close=True)):
            node_id = ids.node_id(session_id, opening, ordinal)
            nodes.append(NewNode(node_id, parent, NodeKind.MESSAGE, entry.body))
            parent = node_id
        return tuple(nodes)

    def summaries(self) -> tuple[CallSummary, ...]:
        """Return the turn's tool calls and how each ended."""
        return tuple(
            CallSummary(call_id=part.id, name=part.name, status=part.status)
            for entry in self._entries(close=True)
            for part in entry.message.tool_responses
        )

    def answer_ordinal(self) -> int | None:
        """Return where in `nodes` the last assistant message stands."""
        roles = [entry.message.role for entry in self._entries(close=True)]
        return max((i for i, role in enumerate(roles) if role is Role.ASSISTANT), default=None)

    def usage(self) -> tuple[UsageEntry, ...]:
        """Return the turn's ledger rows, one a source and model.

        A summary that was of no use was paid all the same; one that was is in the ledger already,
        and is `settled`.
        """
        rows: dict[tuple[str, str], UsageEntry] = {}
        for entry in self._spent():
            key = (entry.source, entry.model)
            usage = rows[key].usage + entry.usage if key in rows else entry.usage
            rows[key] = entry.model_copy(update={"usage": usage})
        return tuple(rows.values())

    def cost(self) -> Decimal | None:
        """Return the dollars that the turn has cost, each token at its price of then."""
        return total_cost(entry.cost for entry in self._spent())

    def lost_attempts(self) -> int:
        """Return how many questions were asked beside those whose tokens are in the ledger."""
        return sum(self.lost_attempts_of(step) for step in range(1, self.next_step))

    def lost_attempts_of(self, step: int) -> int:
        """Return the same of one step that has its answer."""
        answer, wasted = self._effects[model_key(step)], wasted_key(step, "")
        known = sum(key.startswith(wasted) for key in self._effects)
        return max(0, int(answer.facts.get("asked", 1)) - 1 - known)

    def summarised(self) -> list[tuple[str, int]]:
        """Return the key of each summary that can be used, and the head that it was made on."""
        done = (each for each in self._effects.values() if each.status is EffectStatus.DONE)
        keys = (each.effect_key for each in done if each.kind is EffectKind.SUMMARY)
        return [(key, int(key.rpartition("/")[2])) for key in keys]

    def _spent(self) -> Iterator[UsageEntry]:
        for effect in self._effects.values():
            source = source_of(effect)
            if source and effect.effect_key not in self.settled:
                yield spent(effect, source)

    def context_tokens(self) -> int:
        """Return how much a model would read after this turn; 0 if none has counted it.

        It is what the last answer's provider counted, and an estimate of what came after it.
        """
        answer, step = None, 1
        while (effect := self._effects.get(model_key(step))) is not None and effect.payload:
            answer, step = effect, step + 1
        tokens = counted(_usage(answer)) if answer else 0
        if not tokens:
            return 0
        entries = list(self._entries(close=True))
        since = entries[(self.answer_ordinal() or 0) + 1 :]
        return tokens + estimated(len(entry.body) for entry in since)

    @property
    def next_step(self) -> int:
        """The model step that has no answer yet."""
        step = 1
        while self._entry(model_key(step)) is not None:
            step += 1
        return step

    def _entries(self, *, close: bool) -> Iterator[Entry]:
        """Yield the turn's messages; a tool's result for which there is no room left is not kept.

        The journal alone decides that, so that every worker and the commit see the same.
        """
        size = 0
        for entry in self._journaled(close=close):
            length = len(entry.body)
            fits = length <= SMALL_BYTES or size + length <= MAX_DRAFT_BYTES
            kept = entry if fits or not entry.message.tool_responses else _not_kept(entry)
            size += len(kept.body)
            yield kept

    def _journaled(self, *, close: bool) -> Iterator[Entry]:
        entry = self._entry(INPUT_KEY)
        step = 0
        while entry is not None:
            yield entry
            for call in entry.message.tool_calls:
                response = self._response(step, call) or (close and self._closing(step, call))
                if response:
                    yield response
            step += 1
            yield from self._enqueued(hook_key(step))
            entry = self._entry(model_key(step))
        if step:
            yield from self._enqueued(hook_key(END))

    def _enqueued(self, effect_key: str) -> Iterator[Entry]:
        """Yield what plugins put there; a turn without its input has nothing."""
        effect = self._effects.get(effect_key)
        for body in effect.payload.splitlines() if effect is not None else ():
            yield Entry(Message.decode(body), body)

    def _entry(self, effect_key: str) -> Entry | None:
        effect = self._effects.get(effect_key)
        if effect is None or not effect.is_final or not effect.payload:
            return None
        if effect_key not in self._decoded:
            self._decoded[effect_key] = Entry(Message.decode(effect.payload), effect.payload)
        return self._decoded[effect_key]

    def _response(self, step: int, call: ToolCallPart) -> Entry | None:
        """Return what came of a call: its own row, or the refusal that stands with the answer."""
        refusal = self._effects[model_key(step)].facts.get("refused", {}).get(call.id)
        if refusal is None:
            return self._entry(tool_key(step, call.id))
        return _made(tool_response(call.id, call.name, {"error": refusal}, CallStatus.FAILED))

    def _closing(self, step: int, call: ToolCallPart) -> Entry:
        effect = self._effects.get(tool_key(step, call.id))
        if effect is not None and effect.status is EffectStatus.STARTED:
            return _made(unknown_response(call))
        never = tool_response(call.id, call.name, {"error": NEVER_RUN}, CallStatus.CANCELLED)
        return _made(never)


def _usage(effect: Effect) -> Usage:
    return Usage.model_validate(effect.facts.get("usage", {}))


def _made(message: Message) -> Entry:
    return Entry(message, message.encode())


def _not_kept(entry: Entry) -> Entry:
    """Return a tool's message without its result; how it ran and what it attached stay."""
    error = {"error": NOT_KEPT.format(len(entry.body), MAX_DRAFT_BYTES)}
    parts = (
        part.model_copy(update={"response": error, "status": _without_result(part.status)})
        if isinstance(part, ToolResponsePart)
        else part
        for part in entry.message.parts
    )
    return _made(entry.message.model_copy(update={"parts": tuple(parts)}))


def _without_result(status: CallStatus) -> CallStatus:
    return CallStatus.FAILED if status is CallStatus.DONE else status


def unknown_response(call: ToolCallPart) -> Message:
    """Return the response of a call whose effect may or may not have happened."""
    return tool_response(call.id, call.name, {"error": OUTCOME_UNKNOWN}, CallStatus.UNKNOWN)
