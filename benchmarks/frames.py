"""What a session costs that is compacted as it grows, early and late.

Run by `python -m benchmarks.frames [--rounds N] [--turns N]`.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Row, Work, interleaved, milliseconds, publish
from sojourn import Agent, App, ParkedSession, SessionRuntime
from sojourn.adapters.open import opened_store
from sojourn.embedded.session import EmbeddedSession
from sojourn.messages import Message
from sojourn.models import ModelSpec
from sojourn.testing import ScriptedModel

SHORT, LONG = 100, 2_000
AFTER_FRAME = 10
TEXT = "Please book the room for the fourth of May. " * 18
FLAT_BUDGET = 1.2
# About thirty turns of these messages.
SPEC = ModelSpec("scripted:bench", context_window_tokens=16_000)


class Reader:
    """A model that answers at once, and counts what it is shown.

    Attributes:
        shown: how many messages the last question had.
    """

    def __init__(self) -> None:
        self.shown = 0

    def __call__(self, messages: Sequence[Message]) -> str:
        """Answer."""
        self.shown = len(messages)
        return "It is booked. " * 12


async def grown(session: EmbeddedSession, turns: int) -> None:
    """Send so many messages, and go on until some turns after a compaction."""
    for _ in range(turns):
        await session.send(TEXT)
    while (await session.send(TEXT)).turn_id and not await _is_fresh(session):
        pass
    for _ in range(AFTER_FRAME):
        await session.send(TEXT)


async def _is_fresh(session: EmbeddedSession) -> bool:
    frame = (await session.show()).frame
    return frame is not None and frame.messages <= AFTER_FRAME


async def measure(rounds: int, long: int) -> list[Row]:
    """Grow two sessions, and bring them back and let them take turns, in turn."""
    reader = Reader()
    agent = Agent("bench", model=ScriptedModel(reader, SPEC), compact_at=0.8)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        url = f"sqlite:///{folder}/sessions.db?synchronous=normal"
        async with opened_store(url) as store:
            app = App(agents=[agent], store=store)
            shown: dict[int, int] = {}
            for turns in (SHORT, long):
                async with app.open(f"session-{turns}") as session:
                    await grown(session, turns)
                shown[turns] = reader.shown
            works: dict[str, Work] = {}
            for turns in (SHORT, long):
                parked = ParkedSession(f"session-{turns}", agent.policy(), store)

                async def resume(parked: ParkedSession = parked) -> None:
                    environment = app.environments()["bench"]
                    runtime = await SessionRuntime.resume(parked, environment)
                    assert runtime.messages()
                    runtime.unregister_plugin_session()

                works[f"resume {turns}"] = resume
            medians = await interleaved(works, rounds)
            async with (
                app.open(f"session-{SHORT}") as early,
                app.open(f"session-{long}") as late,
            ):
                sends = {f"turn {SHORT}": _sending(early), f"turn {long}": _sending(late)}
                await interleaved(sends, 1)  # what the first turn loads is measured above
                medians |= await interleaved(sends, min(rounds, AFTER_FRAME))
    return _rows(medians, shown, long)


def _sending(session: EmbeddedSession) -> Work:
    async def send() -> None:
        await session.send(TEXT)

    return send


def _rows(medians: dict[str, float], shown: dict[int, int], long: int) -> list[Row]:
    rows: list[Row] = []
    for what, name in (("cold resume", "resume"), ("a turn in this process", "turn")):
        late, early = medians[f"{name} {long}"], medians[f"{name} {SHORT}"]
        title = f"{what}, after {long:,} turns against {SHORT}"
        rows.append(Row(title, milliseconds(late), milliseconds(early), late / early, FLAT_BUDGET))
    ratio = shown[long] / shown[SHORT]
    rows.append(
        Row("messages that the model is shown", str(shown[long]), str(shown[SHORT]), ratio, 1.2)
    )
    return rows


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--turns", type=int, default=LONG)
    given = parser.parse_args()
    rows = asyncio.run(measure(given.rounds, given.turns))
    notes = (
        "A session is compacted at four fifths of a window of 16,000 tokens, and measured some "
        f"{AFTER_FRAME} turns after its newest frame was opened. SQLite at synchronous=NORMAL."
    )
    publish("Compacted sessions", "python -m benchmarks.frames", rows, notes)


if __name__ == "__main__":
    main()
