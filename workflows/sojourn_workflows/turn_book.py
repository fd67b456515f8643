"""The turns that a run of the session workflow knows of."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sojourn import ids
from sojourn.errors import SojournError
from sojourn.outcome import TurnOutcome
from sojourn_workflows.errands import Errand

# Older ones are answered by the store's receipts.
MAX_REMEMBERED = 20


@dataclass
class BookedTurn:
    """A turn that was accepted: what it was sent with, and how it ended once it has.

    Attributes:
        text: the message; dropped when the turn has ended.
        digest: names the text for ever.
        ended: its outcome, or why it was refused.
    """

    turn_id: str
    text: str
    digest: str
    is_cancelled: bool = False
    ended: TurnOutcome | SojournError | None = None


class TurnBook:
    """Turns in the order in which they came; each id stands for one text, and is run once.

    A turn that was refused may be sent again; of those that ended, the last few are remembered.
    """

    def __init__(self) -> None:
        self._turns: dict[str, BookedTurn] = {}
        self._queue: deque[BookedTurn | Errand[Any]] = deque()

    def __len__(self) -> int:
        """Return how many turns and errands wait to be served."""
        return len(self._queue)

    @property
    def queued(self) -> tuple[str, ...]:
        """The ids of the turns that wait to be served."""
        return tuple(turn.turn_id for turn in self._queue if isinstance(turn, BookedTurn))

    def find(self, turn_id: str) -> BookedTurn | None:
        """Return the turn of this id, wherever it stands."""
        return self._turns.get(turn_id)

    def book(self, turn_id: str, text: str) -> BookedTurn:
        """Queue a turn, or return the one that has this id already."""
        known = self._turns.get(turn_id)
        if known is not None and not isinstance(known.ended, SojournError):
            return known
        turn = BookedTurn(turn_id, text, ids.digest(text.encode()))
        self._turns[turn_id] = turn
        self._queue.append(turn)
        return turn

    def add(self, errand: Errand[Any]) -> None:
        """Queue an errand behind the turns that came before."""
        self._queue.append(errand)

    def take(self) -> BookedTurn | Errand[Any]:
        """Take the turn or errand that has waited longest out of the queue."""
        return self._queue.popleft()

    def settle(self, turn: BookedTurn, ended: TurnOutcome | SojournError) -> None:
        """Note how a turn ended; whoever holds it is told, even when it is forgotten later."""
        turn.ended, turn.text = ended, ""
        settled = [each for each in self._turns.values() if each.ended is not None]
        for forgotten in settled[:-MAX_REMEMBERED]:
            del self._turns[forgotten.turn_id]

    def refuse_open(self, refusal: Callable[[str], SojournError]) -> None:
        """Settle every turn that has not ended with the refusal that its id is given.

        So are the errands that wait; they have no id.
        """
        for errand in [each for each in self._queue if isinstance(each, Errand)]:
            errand.ended = refusal("")
        self._queue.clear()
        for turn in [each for each in self._turns.values() if each.ended is None]:
            self.settle(turn, refusal(turn.turn_id))
