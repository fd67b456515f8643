"""The proof: what Sojourn promises, checked on what stands in the databases."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from examples.clerk.evidence import Evidence
from examples.clerk.meter import MODEL_PAID, answer_key

# Of history for one model or tool call: its events, and those of the workflow task that it wakes.
MAX_BYTES_A_CALL = 2_000
# The dearest turn against the cheapest, by the call: kills cost a few events.
MAX_GROWTH = 1.5


@dataclass(frozen=True, slots=True)
class Line:
    """One promise, the figure that was found, and whether it holds."""

    claim: str
    figure: str
    holds: bool


def workers_were_killed(found: Evidence) -> Line:
    """The deaths are real, and another process went on."""
    kills = [told.kill for told in found.told if told.kill]
    real = [kill.exit_code == -signal.SIGKILL and kill.next_pid != kill.pid for kill in kills]
    longest = max((kill.seconds for kill in kills), default=0.0)
    planned = sum(bool(told.scene.point) for told in found.told)
    return Line(
        "every killed worker died of SIGKILL, and its turn went on in another process",
        f"{sum(real)} of {planned}, the slowest after {longest:.1f} s",
        len(real) == planned > 0 and all(real),
    )


def turns_completed(found: Evidence) -> Line:
    """No death shows in how a turn ended."""
    turns = [*found.embedded, *found.told]
    completed = sum(told.result.status == "completed" for told in turns)
    return Line(
        "every turn ended as `completed`", f"{completed} of {len(turns)}", completed == len(turns)
    )


def posted_once(found: Evidence) -> Line:
    """The ledger holds each invoice of the folder once, with the right vendor, date and total."""
    wanted, posted = Counter(found.invoices), Counter(found.entries)
    total = sum(entry.total_cents for entry in found.entries) / 100
    return Line(
        "every invoice is in the ledger exactly once",
        f"{len(found.invoices)} invoices, {len(found.entries)} entries, {total:,.2f} EUR",
        wanted == posted and bool(wanted),
    )


def unknown_was_told(found: Evidence) -> Line:
    """A posting whose outcome was lost is told to the agent, looked up, and not repeated."""
    lost = [told for told in found.told if told.scene.after_posting]
    ended = [
        [(call.name, call.status) for call in found.remote.calls(told.result.turn_id)][-2:]
        for told in lost
    ]
    resolved = [("post_entry", "unknown"), ("find_entries", "done")]
    told_so = sum("outcome was unknown" in told.result.text for told in lost)
    return Line(
        "the posting that nobody recorded was reported as unknown, looked up, and not repeated",
        f"{ended.count(resolved)} of {len(lost)} resolved, {told_so} reported in the answer",
        ended.count(resolved) == told_so == len(lost) > 0,
    )


def answers_bought_once(found: Evidence) -> Line:
    """What was recorded was paid for once; only the answer that died with its worker, twice."""
    recorded = Counter([*found.local.answers, *found.remote.answers])
    died = {
        answer_key(told.result.session_id, told.result.turn_id, 1)
        for told in found.told
        if told.scene.point == MODEL_PAID
    }
    again = found.purchases - recorded
    return Line(
        "no recorded model answer was bought twice",
        f"{recorded.total()} recorded, {found.purchases.total()} bought:"
        f" {len(died)} died with its worker before it was recorded",
        again == Counter(died) and not recorded - found.purchases,
    )


def one_commit_a_turn(found: Evidence) -> Line:
    """A session's head revision counts its turns, and each has a receipt."""
    sent = ((found.local, len(found.embedded)), (found.remote, len(found.told)))
    figures = [
        (turns, facts.view.turns, facts.view.head_revision, facts.receipts) for facts, turns in sent
    ]
    turns, counted, revisions, receipts = (sum(column) for column in zip(*figures, strict=True))
    return Line(
        "one turn is one commit",
        f"{turns} turns sent, {counted} counted, {revisions} head revisions, {receipts} receipts",
        all(len(set(figure)) == 1 for figure in figures),
    )


def tokens_rise(found: Evidence) -> Line:
    """Each turn on Temporal has a fencing token above the last one's."""
    tokens = [told.token for told in found.told]
    return Line(
        "fencing tokens rise from turn to turn",
        " < ".join(map(str, tokens)),
        tokens[0] > 0 and all(one < next_one for one, next_one in pairwise(tokens)),
    )


def history_is_flat(found: Evidence) -> Line:
    """A call costs the same history in every turn, however long the conversation has become."""
    parts = found.history.turns
    costs = [part.size_bytes / _calls(found, turn_id) for turn_id, part in parts.items()]
    turns = len(parts) or 1
    least, most = min(costs, default=0), max(costs, default=0)
    return Line(
        "a model or tool call costs the same history in the last turn as in the first",
        f"{found.history.size_bytes / turns:,.0f} bytes and"
        f" {found.history.event_count / turns:.0f} events a turn;"
        f" {least:,.0f} to {most:,.0f} bytes a call",
        len(costs) == len(found.told) and most <= min(MAX_BYTES_A_CALL, least * MAX_GROWTH),
    )


def _calls(found: Evidence, turn_id: str) -> int:
    calls = found.remote.answer_count(turn_id) + len(found.remote.calls(turn_id))
    return calls or 1


def history_is_private(found: Evidence) -> Line:
    """What only tools returned is nowhere in the history; what was sent is, so we can search."""
    texts = [f"{found.remote.calls(told.result.turn_id)}" for told in found.told]
    secrets = {
        secret.encode()
        for invoice in found.invoices
        for secret in (invoice.vendor, invoice.number)
        if any(secret in text for text in texts)
    }
    leaked = sum(secret in found.history.raw for secret in secrets)
    seen = sum(told.scene.text.encode() in found.history.raw for told in found.told)
    return Line(
        "no vendor and no invoice number, which only tools read, is in the server's history",
        f"{leaked} of {len(secrets)} found in {len(found.history.raw):,} bytes"
        f" (for control: {seen} of {len(found.told)} inputs found)",
        leaked == 0 and len(secrets) > 0 and seen == len(found.told),
    )


def idle_is_free(found: Evidence) -> Line:
    """A parked session has no open workflow and no lease."""
    lease = found.remote.view.lease
    released = lease is not None and lease.released
    return Line(
        "a parked session has no open workflow and holds no lease",
        f"{found.open_workflows} open, lease {'released' if released else 'held'}",
        found.open_workflows == 0 and released,
    )


def stores_are_sound(found: Evidence) -> Line:
    """The stores' own check finds nothing."""
    problems = [*found.local.problems, *found.remote.problems]
    return Line("the stores' own check finds no problem", f"{len(problems)} problems", not problems)


CHECKS: tuple[Callable[[Evidence], Line], ...] = (
    workers_were_killed,
    turns_completed,
    posted_once,
    unknown_was_told,
    answers_bought_once,
    one_commit_a_turn,
    tokens_rise,
    history_is_flat,
    history_is_private,
    idle_is_free,
    stores_are_sound,
)


def prove(found: Evidence) -> list[Line]:
    """Check every promise."""
    return [check(found) for check in CHECKS]
