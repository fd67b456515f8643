"""The documentation as the tests read it: pages, their blocks, tables, links and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = (
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
)

_FENCE = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_FILE = re.compile(r"(?:# )?(\w+\.py)\b")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: where it stands.
        line: of its first line.
        note: the comment on the line before it.
    """

    page: str
    line: int
    language: str
    text: str
    note: str

    @property
    def place(self) -> str:
        """Where it stands, as `page:line`."""
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str:
        """The file that the block is to be saved in: named by its note, or by its first line."""
        named = _FILE.match(self.note) or _FILE.match(self.text)
        assert named, f"{self.place} names no file"
        return named[1]

    @property
    def lines(self) -> list[str]:
        """The lines that are not empty."""
        return [line for line in self.text.splitlines() if line.strip()]


def text_of(page: str) -> str:
    """Return a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def prose_of(page: str) -> str:
    """Return a page without its blocks."""
    return _FENCE.sub("", text_of(page))


def blocks(*languages: str, page: str = "") -> list[Block]:
    """Return the blocks of these languages, of one page or of all, in order."""
    return [
        block
        for each in ([page] if page else PAGES)
        for block in _blocks(each)
        if block.language in languages
    ]


def headings(page: str) -> list[str]:
    """Return a page's headings."""
    return [title for _, title in _HEADING.findall(prose_of(page))]


def anchors(page: str) -> set[str]:
    """Return what a link into a page may name after its `#`."""
    kept = (re.sub(r"[^\w\- ]", "", title.lower()) for title in headings(page))
    return {title.replace(" ", "-") for title in kept}


def links(page: str) -> list[str]:
    """Return the targets of a page's links."""
    return _LINK.findall(prose_of(page))


def codes(page: str) -> list[str]:
    """Return what a page has in inline code."""
    return _CODE.findall(prose_of(page))


def table(page: str, column: str) -> list[list[str]]:
    """Return the rows of the one table of a page whose first column is headed so."""
    found = [rows for head, rows in _tables(page) if head[0] == column]
    assert len(found) == 1, f"{page} has {len(found)} tables headed {column!r}"
    return found[0]


def plain(cell: str) -> str:
    """Return a cell without code marks."""
    return cell.replace("`", "")


def _blocks(page: str) -> Iterator[Block]:
    text = text_of(page)
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("text")) + 1
        yield Block(page, line, found["language"], found["text"], found["note"] or "")


def _tables(page: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    rows: list[list[str]] = []
    for line in [*prose_of(page).splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            yield rows[0], rows[2:]
            rows = []
