"""The demo's story: which turns are sent, and where the worker is killed in each."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from examples.clerk.invoice import parse
from examples.clerk.meter import MODEL_PAID
from examples.clerk.stage import Stage
from examples.clerk.stopping import Order, passed
from examples.clerk.tools import read_file
from examples.clerk.workers import Workers
from sojourn import App, TurnResult
from sojourn_worker import ClientSession

STOP_SECONDS = 30.0
TURN_SECONDS = 60.0
WATCH_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Scene:
    """One turn: the files to book, and where its worker is killed, if it is.

    Attributes:
        files: what the message asks for.
        killed: in words, where the worker stands when it is killed.
        point: the same as a point of the turn.
        after_posting: whether it stands there only after the files' entry is in the ledger.
    """

    files: tuple[str, ...]
    killed: str = ""
    point: str = ""
    after_posting: bool = False

    @property
    def text(self) -> str:
        """The message."""
        return "book " + " and ".join(self.files)


EMBEDDED = (Scene(("northwind.txt",)), Scene(("rheinwerk.txt",)))
TEMPORAL = (
    Scene(("hosting-march.txt",)),
    Scene(("hosting-april.txt",), "in a model call, paid for, not recorded", MODEL_PAID),
    Scene(("cafe.txt",), "after a model answer was recorded", "model.recorded"),
    Scene(
        ("harbour.txt",),
        "in post_entry: posted, not recorded",
        "tool.ran",
        after_posting=True,
    ),
    Scene(("energy.txt",), "between the last tool and the commit", "commit.before"),
    Scene(("print-shop.txt", "note-from-jo.txt")),
)


@dataclass(frozen=True, slots=True)
class Kill:
    """A worker's death in a turn, and the life that went on.

    Attributes:
        exit_code: how the process ended, by the operating system.
        next_pid: the worker that went on.
        seconds: from the signal to the first point that the other worker passed.
    """

    pid: int
    exit_code: int
    next_pid: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Told:
    """One turn as it was seen from outside.

    Attributes:
        token: the session's fencing token in the store when the turn had ended.
        kill: the death in it, if any.
    """

    scene: Scene
    result: TurnResult
    seconds: float
    token: int
    kill: Kill | None = None


class StoryBroken(Exception):
    """The story could not be told: the turn never came to where its worker was to be killed."""


class Teller:
    """Plays scenes in one session on Temporal, and kills what they say."""

    def __init__(self, stage: Stage, workers: Workers, session: ClientSession) -> None:
        self._stage = stage
        self._workers = workers
        self._session = session

    async def play(self, scene: Scene, turn_id: str) -> Told:
        """Send the scene's message, kill the worker where the scene says, and see the turn end."""
        if scene.point:
            self._order(scene)
        began_at = time.monotonic()
        turn = asyncio.create_task(self._session.send(scene.text, turn_id))
        try:
            async with asyncio.timeout(TURN_SECONDS):
                kill = await self._kill(turn) if scene.point else None
                result = await turn
        finally:
            turn.cancel()
        seconds = time.monotonic() - began_at
        return Told(scene, result, seconds, await self._token(), kill)

    def _order(self, scene: Scene) -> None:
        posted = parse(read_file(scene.files[0])) if scene.after_posting else None
        order = Order(self._session.session_id, scene.point, posted.number if posted else "")
        order.give(self._stage)

    async def _kill(self, turn: asyncio.Task[TurnResult]) -> Kill:
        pid = await self._stopped(turn)
        killed_at = time.monotonic()
        exit_code = await self._workers.kill(pid)
        await turn
        after = (
            each
            for each in passed(self._stage)
            if each.at > killed_at and each.session_id == self._session.session_id
        )
        first = next(after)
        return Kill(pid, exit_code, first.pid, first.at - killed_at)

    async def _stopped(self, turn: asyncio.Task[TurnResult]) -> int:
        """Return the process that stands where the order says."""
        async with asyncio.timeout(STOP_SECONDS):
            while not self._stage.flag.exists():
                if turn.done():
                    raise StoryBroken(turn.result().turn_id)
                await asyncio.sleep(WATCH_SECONDS)
        return int(self._stage.flag.read_text())

    async def _token(self) -> int:
        lease = (await self._session.show()).lease
        return lease.fencing_token if lease else 0


async def play_embedded(app: App, store_url: str, session_id: str) -> list[Told]:
    """Play the first scenes in this process, without a server."""
    told: list[Told] = []
    async with app.open(session_id, store=store_url) as session:
        for number, scene in enumerate(EMBEDDED, start=1):
            began_at = time.monotonic()
            result = await session.send(scene.text, f"turn-{number}")
            seconds = time.monotonic() - began_at
            lease = (await session.show()).lease
            told.append(Told(scene, result, seconds, lease.fencing_token if lease else 0))
    return told
