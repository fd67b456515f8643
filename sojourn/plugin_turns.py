"""What plugins say to a turn: what a model sees of it, and what comes into it between the steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import cast

from sojourn.errors import PluginFailed, TurnAborted
from sojourn.hooks import AbortTurn, Enqueue, Offer, TurnView
from sojourn.messages import Message, Role
from sojourn.models import ToolSpec
from sojourn.outcome import Abort, Fault, TurnStatus
from sojourn.plugin_faults import Misbehaved, attributed, check_size, required
from sojourn.plugin_messages import check_pairs, messages_of, storable
from sojourn.plugin_part import PluginPart
from sojourn.plugin_sessions import PluginSessions
from sojourn.tools import AnyTool

MAX_REASON_CHARS = 200


@dataclass(frozen=True, slots=True)
class Interlude:
    """What the plugins put between two steps of a turn.

    Attributes:
        messages: what comes into the turn, in the plugins' order.
        abort: how the turn ends at once, and why; the first plugin to say so is heard.
    """

    messages: tuple[Message, ...] = ()
    abort: Abort | None = None

    def __bool__(self) -> bool:
        return bool(self.messages) or self.abort is not None


async def interlude(plugins: PluginSessions, hook: str, view: TurnView) -> Interlude:
    """Ask every plugin that has `hook` what comes next; an abort leaves no messages.

    Raises:
        PluginFailed: a plugin raised, said something else, or took too long.
    """
    messages: list[Message] = []
    for part in plugins.having(hook):
        word = await part.ask(hook, view)
        with attributed(part.plugin_id, hook):
            if isinstance(word, AbortTurn):
                return Interlude(abort=aborted(part.plugin_id, word))
            messages += _enqueued(word)
    return Interlude(tuple(messages))


async def epilogue(plugins: PluginSessions, view: TurnView) -> Interlude:
    """Ask every plugin's `after_turn`; it is too late to end the turn, or to fail it."""
    messages: list[Message] = []
    for part in plugins.having("after_turn"):
        with suppress(PluginFailed):  # it is in the log
            word = await part.ask("after_turn", view)
            with attributed(part.plugin_id, "after_turn"):
                messages += _enqueued(word)
    return Interlude(tuple(messages))


async def transformed(plugins: PluginSessions, messages: Sequence[Message]) -> Sequence[Message]:
    """Return what a model is sent instead of `messages`, each plugin working on the last one's.

    Raises:
        PluginFailed: a plugin raised, returned something else, or parted a call from its response.
    """
    for part in plugins.by_priority("context"):
        answer = await part.ask("context", tuple(messages))
        with attributed(part.plugin_id, "context"):
            messages = messages_of(answer)
            check_pairs(messages)
    return messages


def answered(plugins: PluginSessions, message: Message) -> Message:
    """Return what is recorded of a model's answer: the same calls, with what plugins made of them.

    Raises:
        PluginFailed: a plugin raised, returned something else, or changed which calls there are.
    """
    for part in plugins.having("answer"):
        with attributed(part.plugin_id, "answer"):
            changed = required(Message, part.session.answer(message))
            if changed.role is not message.role or _calls(changed) != _calls(message):
                raise Misbehaved("it changed more of the answer than its content")
            changed.encode()  # fails for what is no Unicode text
            message = changed
    return message


def offered(
    plugins: PluginSessions, tools: Sequence[AnyTool]
) -> tuple[Sequence[ToolSpec], frozenset[str]]:
    """Return the tools as a model sees them, with the plugins' notes, and the ids of the hidden.

    Raises:
        PluginFailed: a plugin raised, or returned something else.
    """
    offers = [_offer(part, tools) for part in plugins.having("offer")]
    hidden = frozenset(tool_id for offer in offers for tool_id in offer.hidden)
    return [_noted(tool, offers) for tool in tools if tool.tool_id not in hidden], hidden


def aborted(plugin_id: str, word: AbortTurn) -> Abort:
    """Return how a plugin ends a turn."""
    line = next(iter(required(str, word.reason).strip().splitlines()), "") or "without a reason"
    line = line[:MAX_REASON_CHARS].encode(errors="replace").decode()
    error = TurnAborted(plugin_id=plugin_id, reason=line)
    return Abort(
        status=TurnStatus.LIMIT if word.limit else TurnStatus.FAILED, fault=Fault.of(error)
    )


def _enqueued(word: object) -> list[Message]:
    if word is None:
        return []
    if not isinstance(word, Enqueue):
        raise Misbehaved.by_returning(word, "AbortTurn or Enqueue")
    messages = storable(word.messages)
    for message in messages:
        if message.role not in (Role.USER, Role.SYSTEM):
            raise Misbehaved(f"it enqueued a message of role {message.role.value}")
    check_size(sum(len(message.encode()) for message in messages))
    return messages


def _calls(message: Message) -> list[tuple[str, str]]:
    return [(call.id, call.name) for call in message.tool_calls]


def _offer(part: PluginPart, tools: Sequence[AnyTool]) -> Offer:
    with attributed(part.plugin_id, "offer"):
        offer: object = part.session.offer([tool.tool_id for tool in tools])
        if offer is None:
            return Offer()
        checked = required(Offer, offer)
        hidden = cast("Iterable[object]", checked.hidden)
        return replace(
            checked,
            hidden=frozenset(required(str, each) for each in hidden),
            notes={str(key): required(str, note) for key, note in checked.notes.items()},
        )


def _noted(tool: AnyTool, offers: Sequence[Offer]) -> ToolSpec:
    notes = [offer.notes.get(tool.tool_id, "") for offer in offers]
    text = "\n\n".join(part for part in (tool.spec.description, *notes) if part)
    return tool.spec.described(text)
