"""Moving sessions: out of a store into a file, and from a file, of whatever library, into a store.

`export_session` and `import_session` stream: neither holds a session in memory.
"""

from __future__ import annotations

from sojourn.transfer.exporting import ExportOptions, export_session
from sojourn.transfer.formats import Format
from sojourn.transfer.importing import Imported, ImportOptions, import_session
from sojourn.transfer.records import Note

__all__ = [
    "ExportOptions",
    "Format",
    "ImportOptions",
    "Imported",
    "Note",
    "export_session",
    "import_session",
]
