"""Doing chores from the command line: piece by piece, told as they go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from sojourn.attachment_ports import BlobStore
from sojourn.chores import Chore, Piece, UpkeepPolicy
from sojourn.clock import SystemClock
from sojourn.errors import SojournError
from sojourn.outcome import Fault
from sojourn.ports import SessionStore
from sojourn.upkeep import Upkeep
from sojourn_worker.cli.output import Answer, console

Tell = Callable[[Chore, Piece], None]


async def tidy(
    store: SessionStore,
    blobs: BlobStore | None,
    policy: UpkeepPolicy,
    chores: Sequence[Chore],
    *,
    is_watched: bool,
) -> Answer:
    """Do chores until each is done; one that fails does not stop the next, and is a failure."""
    upkeep = Upkeep(store, blobs, policy, SystemClock())
    done: dict[Chore, Piece] = {}
    faults: list[Fault] = []
    with _told(is_watched=is_watched) as tell:
        for chore in chores:
            done[chore] = Piece(is_done=False)
            try:
                async for piece in _pieces(upkeep, chore):
                    done[chore] = piece.after(done[chore])
                    tell(chore, done[chore])
            except SojournError as error:
                faults.append(Fault(type=type(error).__name__, message=str(error)))
            faults += [Fault(type="UpkeepFailed", message=why) for why in done[chore].faults]
    return _answer(done, (await store.stats())["size_bytes"], faults)


async def _pieces(upkeep: Upkeep, chore: Chore) -> AsyncIterator[Piece]:
    piece = Piece(is_done=False)
    while not piece.is_done:
        piece = await upkeep.piece(chore, piece.cursor)
        yield piece


def _answer(done: dict[Chore, Piece], size_bytes: int, faults: Sequence[Fault]) -> Answer:
    data = {
        chore.value: {"removed": piece.removed, "freed_bytes": piece.freed_bytes}
        for chore, piece in done.items()
    }
    lines = [f"{chore}: {piece.removed} removed" for chore, piece in done.items()]
    text = "\n".join([*lines, f"the store has {size_bytes} bytes"])
    return Answer({**data, "size_bytes": size_bytes}, text, _whole(faults))


def _whole(faults: Sequence[Fault]) -> Fault | None:
    """Return several faults as one, of their type if they are all of one."""
    if not faults:
        return None
    kinds = {fault.type for fault in faults}
    message = "; ".join(fault.message for fault in faults)
    return Fault(type=kinds.pop() if len(kinds) == 1 else "UpkeepFailed", message=message)


@contextmanager
def _told(*, is_watched: bool) -> Iterator[Tell]:
    """Show a person at a terminal what is removed, on standard error."""
    screen = console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    is_shown = is_watched and screen.is_terminal
    with Progress(*columns, console=screen, transient=True, disable=not is_shown) as progress:
        task = progress.add_task("looking for what nobody needs")

        def tell(chore: Chore, piece: Piece) -> None:
            progress.update(task, description=f"{chore}: {piece.removed} removed")

        yield tell
