"""Instructions from a file: whoever edits it changes what the agent is told from then on."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import override

from sojourn import Plugin
from sojourn.hooks import PromptPart, Slot
from sojourn.plugins import PluginContext, PluginSession


class InstructionsFile(Plugin):
    """Adds the text of a file to the instructions, and reads it anew when it has changed.

    While it cannot be read, what was read last stands; if it never could, the turn fails.
    """

    def __init__(self, path: str | Path, slot: Slot = Slot.BODY) -> None:
        """Take the file, and where in the instructions its text stands."""
        self.path = Path(path)
        self.slot = slot
        self._mark: tuple[int, int] | None = None
        self._text = ""

    def text(self) -> str:
        """Return what the file says; a look at its time and size tells whether to read it."""
        try:
            stat = self.path.stat()
            mark = (stat.st_mtime_ns, stat.st_size)
            if mark != self._mark:
                self._text, self._mark = self.path.read_text(encoding="utf-8").strip(), mark
        except OSError:
            if self._mark is None:
                raise
        return self._text

    @override
    def session(self, context: PluginContext) -> PluginSession:
        return _Session(self)


class _Session(PluginSession):
    def __init__(self, plugin: InstructionsFile) -> None:
        self._plugin = plugin

    @override
    def instructions(self) -> list[PromptPart]:
        return [PromptPart(self._plugin.text(), self._plugin.slot)]
