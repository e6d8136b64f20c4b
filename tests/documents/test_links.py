"""No dead link and no dead anchor between documents; and whoever begins at the start page finds each of them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.documents.markdown import PAGES, ROOT, START, Link, Page, parse, read


def _problem(path: Path, link: Link) -> str | None:
    """What is wrong with a link of the page at `path`, or None."""
    parts = urlsplit(link.target)
    if parts.scheme:
        well = parts.scheme in ("https", "mailto") and not re.search(r"[\s<>]", link.target)
        host = parts.hostname or ""
        return None if well and (parts.scheme == "mailto" or "." in host) else "no address of the web"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_relative_to(ROOT) or not target.exists():
        return "leads to no file"
    if parts.fragment:
        page = target / "README.md" if target.is_dir() else target
        if page.suffix != ".md":
            return "an anchor of a file that is no page"
        if unquote(parts.fragment) not in {heading.anchor for heading in read(page).headings}:
            return "leads to no heading"
    return None


def _dead(path: Path, page: Page) -> Iterator[str]:
    for link in page.links:
        if problem := _problem(path, link):
            yield f"{path.relative_to(ROOT)}:{link.line}: {link.target}: {problem}"


def test_no_link_of_any_page_is_dead() -> None:
    assert sum(len(read(page).links) for page in PAGES) > 250
    assert [problem for page in PAGES for problem in _dead(page, read(page))] == []


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("verdicts.md#outcomes", None),
        ("verdicts.md#outcome", "leads to no heading"),
        ("#every-page", None),
        ("#no-such-part", "leads to no heading"),
        ("verdict.md", "leads to no file"),
        ("../../outside.md", "leads to no file"),
        ("monitoring/alerts.yml", None),
        ("monitoring/alerts.yml#groups", "an anchor of a file that is no page"),
        ("decisions/", None),
        ("https://www.rfc-editor.org/rfc/rfc9110#section-15", None),
        ("http://www.rfc-editor.org/", "no address of the web"),
        ("https://nowhere", "no address of the web"),
    ],
)
def test_what_is_called_dead(target: str, problem: str | None) -> None:
    assert _problem(START, Link(target, "", 1)) == problem


def test_a_second_heading_of_one_text_has_an_anchor_of_its_own() -> None:
    page = parse("# A `b.c` & d\n\n## Same\n\n## Same\n\n```\n# none\n```\n")
    assert [heading.anchor for heading in page.headings] == ["a-bc--d", "same", "same-1"]


def test_headings_of_a_page_begin_with_one_title_and_leave_no_level_out() -> None:
    wrong = []
    for path in PAGES:
        levels = [heading.level for heading in read(path).headings]
        jumps = [b for a, b in itertools.pairwise(levels) if b > a + 1]
        if levels.count(1) != 1 or levels[0] != 1 or (jumps and "decisions" not in path.parts):
            wrong.append(f"{path.relative_to(ROOT)}: {levels}")
    assert not wrong


def _pages_linked_from(path: Path) -> set[Path]:
    found = set()
    for link in read(path).links:
        parts = urlsplit(link.target)
        if not parts.scheme and parts.path:
            target = (path.parent / unquote(parts.path)).resolve()
            found.add(target / "README.md" if target.is_dir() else target)
    return found


def test_every_page_is_two_clicks_or_fewer_from_the_start_page() -> None:
    one = _pages_linked_from(START)
    two = set().union(*(_pages_linked_from(page) for page in one if page.suffix == ".md"))
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in {START} | one | two] == []


def test_the_start_page_lists_every_page_once_under_its_last_heading() -> None:
    text = START.read_text(encoding="utf-8")
    listed = re.findall(r"^- \[[^]]+\]\(([^)#]+)\)[:：]", text.partition("\n## Every page\n")[2], re.M)
    places = [(START.parent / place).resolve() for place in listed]
    assert len(places) == len(set(places)), "a page is listed twice"
    decisions = set((ROOT / "docs" / "decisions").glob("0*.md"))
    assert set(places) == set(PAGES) - decisions - {START}
    listed_decisions = _pages_linked_from(ROOT / "docs" / "decisions" / "README.md")
    assert decisions <= listed_decisions


def test_the_readme_leads_to_the_start_page() -> None:
    assert START in _pages_linked_from(ROOT / "README.md")
