"""The pages as a whole: links, headings, indexes."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from tests.docs import pages
from tests.docs.pages import PAGES, ROOT


def broken(page: str, link: str) -> bool:
    """Tell whether a link of a page leads nowhere in the checkout."""
    if "://" in link:
        return False
    target, _, anchor = link.partition("#")
    place = (ROOT / page).parent / target if target else ROOT / page
    if not place.exists():
        return True
    into = place.resolve().relative_to(ROOT.resolve()).as_posix()
    return bool(anchor) and anchor not in pages.anchors(into)


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_to_a_file_and_to_a_heading_in_it(page: str) -> None:
    """Whoever follows a link of the documentation in the checkout arrives."""
    assert [link for link in pages.links(page) if broken(page, link)] == []


@pytest.mark.parametrize(
    ("link", "is_broken"),
    [
        ("docs/concepts.md", False),
        ("docs/concepts.md#who-wins", False),
        ("docs/concepts.md#who-loses", True),
        ("docs/nowhere.md", True),
        ("https://temporal.io/nowhere", False),
    ],
)
def test_the_search_for_broken_links_knows_files_headings_and_addresses(
    link: str, is_broken: bool
) -> None:
    """A link to a missing file or heading is found; addresses elsewhere are not followed."""
    assert broken("README.md", link) is is_broken


@pytest.mark.parametrize("page", PAGES)
def test_a_page_begins_with_its_one_title(page: str) -> None:
    """A page has one heading of the first level, on its first line."""
    titles = [line for line in pages.prose_of(page).splitlines() if line.startswith("# ")]

    assert len(titles) == 1
    assert pages.text_of(page).startswith(titles[0])


def test_the_index_leads_to_every_page() -> None:
    """`docs/README.md` names every page and every decision."""
    linked = {PurePosixPath("docs", link).as_posix() for link in pages.links("docs/README.md")}
    wanted = {page for page in PAGES if page.startswith("docs/")} - {"docs/README.md"}

    assert wanted - linked == set()
