"""One call of `vacuum`: bounded in what it removes, and resumable after any piece of it."""

from __future__ import annotations

import secrets
from functools import partial

from sojourn.adapters.sqlite import holds
from sojourn.adapters.sqlite import vacuum_pieces as pieces
from sojourn.adapters.sqlite.connection import Connection
from sojourn.adapters.sqlite.holds import Held
from sojourn.adapters.sqlite.pace import PIECE_ROWS, in_pieces, piece
from sojourn.adapters.sqlite.vacuum_pieces import PAGE, PIECE_PAGES, Family, Remover
from sojourn.upkeep_ports import Vacuumed

_MARK_BITS = 48


class Vacuum:
    """Removes up to `limit` dead rows, and gives back up to `limit` free pages."""

    def __init__(self, writer: Connection, reader: Connection, limit: int) -> None:
        self._writer = writer
        self._reader = reader
        self._limit = limit
        self._left = limit

    async def run(self) -> Vacuumed:
        """Settle deleted sessions, remove nodes, then state bodies, then free pages."""
        nodes = await self._remove(pieces.remove_tombstoned)
        nodes += await self._settle()
        snapshots = await self._remove_snapshots()
        has_room = self._left > 0
        freed_bytes = await self._give_back()
        rest = await self._reader.transact(pieces.pages)
        return Vacuumed(nodes, snapshots, freed_bytes, is_done=has_room and not rest.returnable)

    async def _settle(self) -> int:
        """Remove what deleted sessions left; return how many nodes."""
        nodes = 0
        while self._left > 0:
            family = await self._reader.transact(pieces.family)
            if family is None:
                break
            if family.is_live and not family.is_closed:
                await self._close(family)
            remove_nodes: Remover = pieces.remove_tombstoned
            if not family.is_live:
                remove_nodes = partial(pieces.remove_family, family=family.family)
            nodes += await self._remove(remove_nodes)
            await self._remove(partial(pieces.clear, family=family.family))
            if self._left > 0:
                await piece(self._writer, partial(pieces.level_graves, graves=family.graves))
        return nodes

    async def _close(self, family: Family) -> None:
        """Mark what no live session holds of deleted ones, however much it is.

        What live sessions hold of those that are deleted never grows, so that it may be looked up
        before; it is looked up once. Whoever is deleted meanwhile is for the next time.
        """
        held = Held()
        waiting = list(family.origins)
        while waiting:
            await self._reader.transact(partial(holds.climb, waiting=waiting, held=held, room=PAGE))
        last: pieces.Node | None = None
        while page := await self._reader.transact(
            partial(pieces.ownerless, family=family, after=last)
        ):
            dead = [node for node in page if node.seq not in held]
            await in_pieces(self._writer, dead, pieces.bury)
            last = page[-1]
        await piece(self._writer, partial(pieces.close_graves, graves=family.graves))

    async def _remove(self, remover: Remover) -> int:
        """Remove rows of a kind until there are none, or the limit is met; return how many."""
        removed, found = 0, 1
        while self._left > 0 and found:
            found = await piece(self._writer, partial(remover, limit=min(PIECE_ROWS, self._left)))
            self._left -= found
            removed += found
        return removed

    async def _remove_snapshots(self) -> int:
        """Mark state bodies, look again whether nobody needs them, and only then remove them."""
        removed, found = 0, 1
        while self._left > 0 and found:
            found = await self._remove_some_snapshots(min(PIECE_ROWS, self._left))
            self._left -= found
            removed += found
        return removed

    async def _remove_some_snapshots(self, limit: int) -> int:
        unused = await self._reader.transact(partial(pieces.unused_snapshots, limit=limit))
        if not unused:
            return 0
        mark = secrets.randbits(_MARK_BITS)
        await piece(self._writer, partial(pieces.doom_snapshots, digests=unused, mark=mark))
        doomed = await self._reader.transact(partial(pieces.still_unused, digests=unused))
        return await in_pieces(self._writer, doomed, partial(pieces.remove_snapshots, mark=mark))

    async def _give_back(self) -> int:
        """Cut free pages off the file; return how many bytes."""
        freed_bytes, room = 0, self._limit
        while room > 0 and (await self._reader.transact(pieces.pages)).returnable:
            freed_bytes += await piece(
                self._writer, partial(pieces.give_back, limit=min(PIECE_PAGES, room))
            )
            room -= PIECE_PAGES
        if freed_bytes:
            # The file ends where it did until the log is in it; readers do that beside writers.
            await self._reader.alone("PRAGMA wal_checkpoint(PASSIVE)")
        return freed_bytes
