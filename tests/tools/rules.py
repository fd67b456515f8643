"""The catalogue's rules once more, as plainly as they can be said: what the laws are held to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sojourn.tool_state import ToolState
from sojourn.tools import AnyTool

from .sources import Shelf

Rows = Mapping[str, "Row"]
Claim = tuple[str, AnyTool]
HIDDEN = frozenset({"e"})
OWN = "session"


class Clash(Exception):
    """The rules forbid it."""


@dataclass(frozen=True)
class Row:
    """What is known of one tool."""

    name: str
    member: bool = True
    orphaned: bool = False
    hidden: bool = False
    shadowed: bool = False


def rows_of(state: ToolState) -> dict[str, Row]:
    """Return a stored state as the rules see it."""
    return {
        key: Row(each.name, each.member, each.orphaned, each.hidden, each.shadowed)
        for key, each in state.tools.items()
    }


def surface(shelves: Sequence[Shelf], known: Rows) -> tuple[dict[str, Row], list[str]]:
    """Return what must be known, and the ids of what can be called, in order."""
    claims = [(shelf.source_id, each) for shelf in shelves for each in shelf.shown]
    advertised = {each.tool_id for _, each in claims}
    for tool_id in sorted(known.keys() - advertised):
        claims += one_of([(shelf.source_id, shelf.resolve(tool_id)) for shelf in shelves])
    own = [each for source, each in claims if source == OWN]
    base = [each for source, each in claims if source != OWN]
    for lane in (own, base):
        unique(each.tool_id for each in lane)
        unique(each.name for each in lane)
    left = [each for each in base if each.tool_id not in {mine.tool_id for mine in own}]
    taken = {each.name for each in own}
    rows = {each.tool_id: live(each, known, each.name in taken) for each in left}
    rows |= {each.tool_id: live(each, known, shadowed=False) for each in own}
    shown = [each.tool_id for each in (*left, *own)]
    lost = {key: row for key, row in known.items() if key not in rows}
    rows |= orphans(lost, {each.name for each in base}, taken)
    return rows, [key for key in shown if callable_now(rows[key])]


def callable_now(row: Row) -> bool:
    """Return whether a tool is a member: shown, and callable."""
    return row.member and not row.hidden and not row.orphaned and not row.shadowed


def one_of(offers: Sequence[tuple[str, AnyTool | None]]) -> list[Claim]:
    """Return the only offer of an unadvertised tool, or the session's own."""
    made = [(source, each) for source, each in offers if each is not None]
    mine = [claim for claim in made if claim[0] == OWN]
    if mine:
        return mine
    if len(made) > 1:
        raise Clash
    return made


def unique(values: Iterable[str]) -> None:
    """Forbid that a value stands twice."""
    all_of_them = list(values)
    if len(set(all_of_them)) < len(all_of_them):
        raise Clash


def live(each: AnyTool, known: Rows, shadowed: bool) -> Row:
    """Return what is known of a tool that a source has: its own word, and the session's wish."""
    wish = known[each.tool_id].member if each.tool_id in known else True
    hidden = each.options.hidden or each.tool_id in HIDDEN
    return Row(each.name, wish, orphaned=False, hidden=hidden, shadowed=shadowed)


def orphans(lost: Rows, base_names: set[str], taken: set[str]) -> dict[str, Row]:
    """Return the tools that no source has, less those whose name went to another for good."""
    owed = {row.name for row in lost.values() if row.shadowed} & taken
    rest = {
        key: row
        for key, row in lost.items()
        if row.name not in base_names and (row.shadowed or row.name not in owed)
    }
    bare = [row.name for row in rest.values() if not row.shadowed and row.name not in taken]
    unique(bare)
    rows = {}
    lent: list[str] = []
    for key, row in sorted(rest.items(), key=lambda item: (item[1].shadowed, item[0])):
        shadowed = row.name in taken or (row.shadowed and row.name in bare)
        (lent if shadowed else bare).append(row.name)
        rows[key] = replace(row, orphaned=True, shadowed=shadowed)
    unique(lent)
    return rows
