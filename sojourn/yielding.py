"""Sources that change by themselves, kept from contradicting the others of an app."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sojourn.tools import AnyTool, RevisedSource, ToolSource

log = logging.getLogger(__name__)


class YieldingSource:
    """A source without those of its tools whose id or name another one had first.

    Its tools change while sessions are live, by a server's choice: without this a server could
    take the name of another source's tool, and no session could be brought to life.

    Args:
        source: the source that changes.
        others: those that come first.
    """

    def __init__(self, source: RevisedSource, others: Sequence[ToolSource]) -> None:
        self._source = source
        self._others = others
        self._read_at = -1
        self._shown: dict[str, AnyTool] = {}
        self._left_out: set[str] = set()

    @property
    def source_id(self) -> str:
        """The source's own identity."""
        return self._source.source_id

    @property
    def revision(self) -> int:
        """Moves with the source, and with those that it yields to."""
        moving = (each for each in self._others if isinstance(each, RevisedSource))
        return self._source.revision + sum(each.revision for each in moving)

    def tools(self) -> Sequence[AnyTool]:
        """Return the source's tools that nobody else had first."""
        return list(self._read().values())

    def resolve(self, tool_id: str) -> AnyTool | None:
        """Return one of these by its id, or one that is not advertised."""
        shown = self._read()
        if tool_id in shown or tool_id in self._left_out:
            return shown.get(tool_id)
        return self._source.resolve(tool_id)

    def _read(self) -> dict[str, AnyTool]:
        revision = self.revision
        if revision != self._read_at:
            others = [tool for each in self._others for tool in each.tools()]
            taken = {tool.tool_id for tool in others} | {tool.name for tool in others}
            own = self._source.tools()
            self._shown = {
                tool.tool_id: tool for tool in own if not {tool.tool_id, tool.name} & taken
            }
            self._leave_out({tool.tool_id for tool in own} - self._shown.keys())
            self._read_at = revision
        return self._shown

    def _leave_out(self, tool_ids: set[str]) -> None:
        for tool_id in sorted(tool_ids - self._left_out):
            log.warning("tool %s is left out: another source has its name; use a prefix", tool_id)
        self._left_out = tool_ids


def yielding(sources: Sequence[ToolSource]) -> list[ToolSource]:
    """Return `sources` in their order; those that change yield to the rest, and to earlier ones."""
    first = [each for each in sources if not isinstance(each, RevisedSource)]
    made: list[ToolSource] = []
    for each in sources:
        if isinstance(each, RevisedSource):
            made.append(YieldingSource(each, list(first)))
            first.append(made[-1])
        else:
            made.append(each)
    return made
