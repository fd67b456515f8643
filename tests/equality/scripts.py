"""Sessions made by Hypothesis: what is said in each life, and which tools the model calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hypothesis import strategies as st

from sojourn.messages import Message, Role

WORDS = ("tea", "two words", "", "ünï¢ödé ✓", '"quoted" {braces}')
OTHER = "other"  # a model that sessions may change to
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("add", {"first": 2, "second": 3}),
    ("add", {"first": "no number", "second": 3}),
    ("note", {"text": "a thing to remember"}),
    ("note", {"text": "another"}),
    ("fail", {}),
    ("find_customer", {"name": "Ada"}),
    ("no_such_tool", {"x": 1}),
)


@dataclass(frozen=True)
class Turn:
    """What one message makes the model do, and what is done with the session afterwards.

    Attributes:
        steps: the calls of each step, by their place in `CALLS`.
        say: the answer.
        number: makes each message another one.
        frame: open a frame afterwards: by a `summary`, or `bare`; empty for none.
        change: choose otherwise afterwards: a tool to have (`+add`) or not to have (`-add`), or a
            model (`other`); empty for none.
    """

    steps: tuple[tuple[int, ...], ...]
    say: str
    number: int = 0
    frame: str = ""
    change: str = ""

    @property
    def text(self) -> str:
        """The message: it tells the model what to do."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Life:
    """What happens from one opening of the session to its park.

    Attributes:
        has_crm: whether the source of customers is there.
        turns: what is said.
    """

    has_crm: bool
    turns: tuple[Turn, ...]


_turns = st.builds(
    Turn,
    st.lists(
        st.lists(st.integers(0, len(CALLS) - 1), min_size=1, max_size=2).map(tuple), max_size=2
    ).map(tuple),
    st.sampled_from(WORDS),
    frame=st.sampled_from(("", "", "summary", "bare")),
    change=st.sampled_from(("", "", "-add", "+add", "-note", "+note", OTHER)),
)
_lives = st.builds(Life, st.booleans(), st.lists(_turns, min_size=1, max_size=2).map(tuple))
sessions = st.lists(_lives, min_size=1, max_size=3).map(tuple)


def think(messages: Sequence[Message]) -> str | list[tuple[str, dict[str, Any]]]:
    """Do what the newest message of the user says, step by step."""
    since = max(i for i, message in enumerate(messages) if message.role is Role.USER)
    if not messages[since].text.startswith("{"):
        return "It was about tea."  # the summary that a compaction asks for
    wanted = json.loads(messages[since].text)
    step = sum(message.role is Role.ASSISTANT for message in messages[since:])
    if step < len(wanted["steps"]):
        return [CALLS[each] for each in wanted["steps"][step]]
    return str(wanted["say"]) or "nothing to say"
