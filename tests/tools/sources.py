"""Tools and sources that the catalogue's tests move about."""

from __future__ import annotations

from collections.abc import Sequence

from sojourn.tool_spec import ToolSpec
from sojourn.tools import AnyTool, Tool, ToolOptions


def named(tool_id: str, name: str = "", description: str = "", *, hidden: bool = False) -> AnyTool:
    """Return a tool that does nothing, called by its id unless it is given a name."""

    def idle(arguments: object, context: object) -> None:
        """Do nothing."""

    spec = ToolSpec(name or tool_id, description, {"type": "object"})
    return Tool(idle, tool_id=tool_id, spec=spec, options=ToolOptions(hidden=hidden))


class Shelf:
    """A source whose tools can be changed, and that may have some that it does not advertise."""

    def __init__(self, source_id: str, *tools: AnyTool, lazy: Sequence[AnyTool] = ()) -> None:
        self.source_id = source_id
        self.shown = list(tools)
        self.lazy = list(lazy)

    def tools(self) -> Sequence[AnyTool]:
        """Return what is advertised."""
        return self.shown

    def resolve(self, tool_id: str) -> AnyTool | None:
        """Return any tool, advertised or not."""
        return next((each for each in (*self.shown, *self.lazy) if each.tool_id == tool_id), None)


class Rack(Shelf):
    """A shelf that says when what it holds has changed."""

    revision = 0

    def put(self, *tools: AnyTool) -> None:
        """Advertise these tools instead."""
        self.shown[:] = tools
        self.revision += 1
