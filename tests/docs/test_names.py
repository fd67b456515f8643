"""The names in the pages: those of the code, and those that the code exports."""

from __future__ import annotations

import importlib
import re

import pytest

import sojourn
import sojourn.testing
import sojourn_worker
from tests.docs import pages
from tests.docs.pages import PAGES

QUALIFIED = re.compile(r"(sojourn(?:_worker|_workflows|_activities)?(?:\.\w+)+)(?:\(.*\))?")
EXPORTED = [
    f"{module.__name__}.{name}"
    for module in (sojourn, sojourn_worker, sojourn.testing)
    for name in module.__all__
]


def exists(name: str) -> bool:
    """Tell whether a qualified name is a module's, a class's, or a field's of a class."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        return all((found := member(found, part)) is not None for part in parts[end:])
    return False


def member(owner: object, name: str) -> object:
    """Return what an owner has under a name: an attribute, or the annotation of a field."""
    if not isinstance(owner, type):
        return getattr(owner, name, None)
    fields = [vars(each).get("__annotations__", {}) for each in owner.__mro__]
    return getattr(owner, name, next((each[name] for each in fields if name in each), None))


@pytest.mark.parametrize("page", PAGES)
def test_every_qualified_name_in_a_page_is_one_of_the_code(page: str) -> None:
    """A name that was changed or dropped is noticed wherever it is documented."""
    named = {found[1] for code in pages.codes(page) if (found := QUALIFIED.fullmatch(code))}

    assert sorted(name for name in named if not exists(name)) == []


@pytest.mark.parametrize(
    ("name", "is_there"),
    [
        ("sojourn.App", True),
        ("sojourn.graph.Node.node_id", True),
        ("sojourn.errors", True),
        ("sojourn.errors.Nothing", False),
        ("sojourn.nowhere.Node", False),
        ("sojourn.graph.Node.colour", False),
    ],
)
def test_the_search_for_names_knows_modules_classes_and_fields(name: str, is_there: bool) -> None:
    """Fields without a default are found too, and nothing that is not there."""
    assert exists(name) is is_there


@pytest.mark.parametrize("name", EXPORTED)
def test_every_exported_name_is_documented(name: str) -> None:
    """What users can import by its short name, they can read about."""
    short = re.compile(rf"\b{name.rpartition('.')[2]}\b")
    written = [
        page for page in PAGES if page != "CHANGELOG.md" and short.search(pages.text_of(page))
    ]

    assert written != []


def test_the_glossary_has_a_name_in_the_code_for_every_term() -> None:
    """Every row of the glossary says where the thing is, by a qualified name."""
    rows = [line for line in pages.text_of("docs/glossary.md").splitlines() if line[:2] == "| "]
    terms = [row for row in rows if not row.startswith("| term |")]

    assert len(terms) > 50
    assert [row for row in terms if not re.search(r"`sojourn[\w.]+` \|$", row)] == []
