"""The diagrams: whether they are what Mermaid reads."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from sojourn.ports import Probe
from tests.docs.pages import Block, blocks

PARTICIPANT = re.compile(r"participant (\w+) as .+")
MESSAGE = re.compile(r"(\w+)(?:->>|-->>)(\w+): [^;#]+")
NOTE = re.compile(r"Note (?:over|left of|right of) (\w+)(?:,(\w+))?: [^;#]+")
OPENING = re.compile(r"(?:loop|par|alt|opt) .+")
NODE = re.compile(r"(\w+)\[\"[^\"\[\]]+\"\]")
SUBGRAPH = re.compile(r"subgraph (\w+)\[\"[^\"\[\]]+\"\]")
EDGE = re.compile(r"(\w+) (?:-->|~~~) (\w+)")


def problems(text: str) -> list[str]:
    """Return the lines of a diagram that its kind does not allow."""
    first, *rest = [line.strip() for line in text.splitlines() if line.strip()]
    match first.split():
        case ["sequenceDiagram"]:
            return list(of_sequence(rest))
        case ["flowchart", "TB" | "LR"]:
            return list(of_flowchart(rest))
        case _:
            return [first]


def of_sequence(lines: list[str]) -> Iterator[str]:
    """Yield the lines that are no sequence diagram's, or name who does not take part."""
    names = {found[1] for line in lines if (found := PARTICIPANT.fullmatch(line))}
    depth = 0
    for line in lines:
        said = MESSAGE.fullmatch(line) or NOTE.fullmatch(line)
        if said and {name for name in said.groups() if name} - names:
            yield line
        depth += bool(OPENING.fullmatch(line)) - (line == "end")
        is_frame = line in ("end", "autonumber") or OPENING.fullmatch(line)
        if depth < 0 or not (said or is_frame or PARTICIPANT.fullmatch(line)):
            yield line
    if depth:
        yield f"{depth} without end"


def of_flowchart(lines: list[str]) -> Iterator[str]:
    """Yield the lines that are no flowchart's, or join what is not there."""
    names = {found[1] for line in lines if (found := NODE.fullmatch(line))}
    depth = 0
    for line in lines:
        joined = EDGE.fullmatch(line)
        if joined and set(joined.groups()) - names:
            yield line
        depth += bool(SUBGRAPH.fullmatch(line)) - (line == "end")
        is_known = joined or line == "end" or SUBGRAPH.fullmatch(line) or NODE.fullmatch(line)
        if depth < 0 or not is_known:
            yield line
    if depth:
        yield f"{depth} without end"


@pytest.mark.parametrize("block", blocks("mermaid"), ids=lambda block: block.place)
def test_a_diagram_is_one_that_mermaid_reads(block: Block) -> None:
    """Each line is of the diagram's grammar, what it names is declared, what is opened closes."""
    assert problems(block.text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sequenceDiagram\nparticipant A as a\nA->>A: hello", []),
        ("sequenceDiagram\nparticipant A as a\nA->>B: hello", ["A->>B: hello"]),
        ("sequenceDiagram\nparticipant A as a\nloop on\nA->>A: x", ["1 without end"]),
        ("sequenceDiagram\nparticipant A as a\nA->>A: x; y", ["A->>A: x; y"]),
        ('flowchart TB\na["x"]\na --> b', ["a --> b"]),
        ("flowchart TB\na[x (y)]", ["a[x (y)]"]),
        ("graph of something", ["graph of something"]),
    ],
)
def test_the_check_of_diagrams_knows_good_from_bad(text: str, found: list[str]) -> None:
    """Undeclared names, open blocks, bare brackets and semicolons are found."""
    assert problems(text) == found


def test_the_picture_of_a_turn_marks_every_point_where_a_worker_may_die() -> None:
    """The sequence diagram has the points of `Probe`, in their order."""
    (picture,) = blocks("mermaid", page="README.md")[:1]
    marked = re.findall(r"† ([a-z.]+)", picture.text)

    assert marked == re.findall(r"`(\w+\.\w+)`", Probe.__doc__ or "")
