"""The commands in the pages: whether they exist, with these arguments and options."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from sojourn_worker.cli.root import app
from tests.docs import pages
from tests.docs.pages import PAGES, ROOT, blocks

SOJOURN: Any = typer.main.get_command(app)
WRITTEN = [
    (block.place, words[1:])
    for block in blocks("bash", "shell", "sh", "console")
    for line in block.lines
    if (words := shlex.split(line.partition(" > ")[0], comments=True)) and words[0] == "sojourn"
]


def command(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that the words begin with, and the words that are left for it."""
    found, left = SOJOURN, list(words)
    while left and left[0] in getattr(found, "commands", {}):
        found = found.commands[left.pop(0)]
    return found, left


def leaves(group: Any, path: str = "sojourn") -> Iterator[tuple[str, Any]]:
    """Yield every command that is no group, by its full name."""
    for name, each in group.commands.items():
        if hasattr(each, "commands"):
            yield from leaves(each, f"{path} {name}")
        else:
            yield f"{path} {name}", each


def options(found: Any) -> set[str]:
    """Return a command's options."""
    return {flag for each in found.params for flag in each.opts if flag.startswith("-")} | {
        "--help"
    }


@pytest.mark.parametrize(("place", "words"), WRITTEN)
def test_a_command_of_a_block_is_understood(
    place: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in a shell block can be typed: the command is there, and takes these words."""
    del place  # names the test
    monkeypatch.chdir(tmp_path)
    for word in words:
        if word.endswith(".json"):  # `replay` wants files that are there
            (tmp_path / word).parent.mkdir(exist_ok=True)
            (tmp_path / word).touch()
    found, left = command(words)

    assert not hasattr(found, "commands")
    found.make_context("sojourn", left)  # raises what the command line would print


@pytest.mark.parametrize("words", [["session", "send", "chat-42"], ["worker", "--nothing"]])
def test_a_command_that_is_wrong_is_not_understood(words: list[str]) -> None:
    """A missing argument and an unknown option are found by the check above."""
    found, left = command(words)

    with pytest.raises(typer.TyperException):
        found.make_context("sojourn", left)


@pytest.mark.parametrize("page", PAGES)
def test_a_command_in_the_prose_exists_with_its_options(page: str) -> None:
    """`sojourn ...` in a sentence names a command, and options that this command has."""
    wrong: list[str] = []
    for code in pages.codes(page):
        words = code.split()
        if words[0] != "sojourn" or len(words) == 1 or code.startswith("sojourn ..."):
            continue
        found, left = command(words[1:])
        given = {word for word in left if word.startswith("--")}
        if found is SOJOURN or given - options(found):
            wrong.append(code)

    assert wrong == []


def test_the_quickstart_lists_every_command() -> None:
    """The table of commands is the command line's own, with nothing left out or made up."""
    listed = [pages.plain(row[0]) for row in pages.table("docs/quickstart.md", "command")]

    assert sorted(listed) == sorted(name for name, _ in leaves(SOJOURN))


def test_every_command_takes_json() -> None:
    """As the quickstart says, `--json` is an option of every command."""
    assert [name for name, each in leaves(SOJOURN) if "--json" not in options(each)] == []


def test_the_development_script_has_the_commands_of_the_pages() -> None:
    """Every `./temporal-dev.sh WORD` and `--option` of the pages stands in the script's help."""
    usage = subprocess.run(
        [str(ROOT / "temporal-dev.sh"), "--help"], capture_output=True, text=True, check=True
    ).stdout
    texts = [code for page in PAGES for code in pages.codes(page)]
    texts += [line for block in blocks("bash", "shell", "sh") for line in block.lines]
    written = [
        found[1] for text in texts if (found := re.match(r"\./temporal-dev\.sh ([\w-]+)", text))
    ]

    assert {"demo", "test", "prepare", "--port"} <= set(written)
    assert [word for word in written if not re.search(rf"^ +{word}\b", usage, re.MULTILINE)] == []
