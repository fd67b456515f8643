"""The offline model: a clerk's reasoning as ordinary code, which knows only the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from examples.clerk.invoice import Invoice, parse
from sojourn.messages import CallStatus, Message, Role

Call = tuple[str, dict[str, Any]]

HELP = "Say `book` and the names of files, or `book everything`."
CHECKED = "booked: the outcome was unknown, so I looked it up, and it is in the ledger"


@dataclass(frozen=True, slots=True)
class Done:
    """One tool call that was run, and what came of it."""

    name: str
    arguments: dict[str, Any]
    status: CallStatus
    response: Any


def think(messages: Sequence[Message]) -> str | list[Call]:
    """Return what a clerk does next: list, read, post, look up what is unknown, report."""
    turn = _this_turn(messages)
    asked, done = turn[0].text, _done(turn)
    if not asked.startswith("book"):
        return HELP
    files = _latest(done, "list_files")
    if files is None:
        return [("list_files", {})]
    read = {each.arguments["name"]: each.response for each in done if each.name == "read_file"}
    unread = [name for name in _wanted(asked, files.response) if name not in read]
    if unread:
        return [("read_file", {"name": name}) for name in unread]
    return _book(read, _done(messages))


def _book(read: dict[str, Any], done: Sequence[Done]) -> str | list[Call]:
    calls: list[Call] = []
    lines: list[str] = []
    for name, text in read.items():
        invoice = parse(text) if isinstance(text, str) else None
        if invoice is None:
            lines.append(f"{name}: no invoice, left alone")
            continue
        move = _next(invoice, done)
        if isinstance(move, str):
            lines.append(f"{name}: {invoice.number}, {invoice.vendor}, {invoice.total}: {move}")
        else:
            calls.append(move)
    return calls or "\n".join(lines) or "There is no such file."


def _next(invoice: Invoice, done: Sequence[Done]) -> Call | str:
    """Return the next call for an invoice, or the verdict: its last call so far decides."""
    last = _latest([each for each in done if each.arguments.get("number") == invoice.number])
    if last is None:
        return _post(invoice)
    match last.name, last.status:
        case "post_entry", CallStatus.UNKNOWN:
            return "find_entries", {"number": invoice.number}
        case "find_entries", CallStatus.DONE:
            return CHECKED if last.response else _post(invoice)
        case "post_entry", CallStatus.DONE:
            return "booked"
        case _:
            return f"not booked: {last.name} ended as {last.status}"


def _post(invoice: Invoice) -> Call:
    return "post_entry", {
        "number": invoice.number,
        "vendor": invoice.vendor,
        "issued": invoice.issued,
        "total_cents": invoice.total_cents,
    }


def _wanted(asked: str, files: Sequence[str]) -> list[str]:
    words = set(asked.split())
    return [name for name in files if "everything" in words or name in words]


def _latest(done: Sequence[Done], name: str = "") -> Done | None:
    return next((each for each in reversed(done) if name in ("", each.name)), None)


def _this_turn(messages: Sequence[Message]) -> Sequence[Message]:
    start = max(i for i, message in enumerate(messages) if message.role is Role.USER)
    return messages[start:]


def _done(messages: Sequence[Message]) -> list[Done]:
    arguments = {call.id: call.arguments for message in messages for call in message.tool_calls}
    return [
        Done(part.name, arguments[part.id], part.status, part.response)
        for message in messages
        for part in message.tool_responses
        if part.status is not CallStatus.CANCELLED
    ]
