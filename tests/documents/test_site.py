"""`make docs`: the site is built without a warning and without a network, loads nothing from elsewhere, and no link of
it is dead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.documents.markdown import PAGES, ROOT

# Building takes some 15 s of a processor, and minutes on a machine that has none to spare.
pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]
# What a browser fetches by itself; a link (`a href`) is followed by people.
FETCHED = {
    ("img", "src"),
    ("script", "src"),
    ("link", "href"),
    ("iframe", "src"),
    ("source", "src"),
    ("object", "data"),
}


class _Html(HTMLParser):
    """What a page names: ids, links that people follow, what a browser fetches, its language."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.fetched: set[str] = set()
        self.language = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            if (tag, name) == ("a", "href") and value:
                self.links.add(value)
            if (tag, name) in FETCHED and value:
                self.fetched.add(value)
            if (tag, name) == ("html", "lang"):
                self.language = value or ""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by the command that `make docs` runs, as root in a network namespace without any interface."""
    if find_spec("sphinx") is None:
        if os.environ.get("REQUIRE_SYSTEM"):
            pytest.fail("Sphinx is not installed: make .venv/.docs")
        pytest.skip("Sphinx is not installed: make .venv/.docs")
    into = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q"]
    command += ["-c", "packaging/site", "-d", str(into / "cache"), ".", str(into / "site")]
    if os.geteuid() == 0 and (unshare := shutil.which("unshare")):
        command = [unshare, "--net", *command]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=380, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return into / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, _Html]:
    return {path: _Html(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


def test_make_docs_runs_this_command() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "-m sphinx -b html -W --keep-going -q -c packaging/site -d build/site-cache . build/site" in recipe


def test_every_document_is_a_page(site: Path) -> None:
    assert [page for page in PAGES if not (site / page.relative_to(ROOT)).with_suffix(".html").exists()] == []
    assert (site / "index.html").exists()


def test_a_browser_fetches_nothing_from_elsewhere(site: Path, pages: dict[Path, _Html]) -> None:
    assert len(pages) > 60
    for path, page in pages.items():
        for address in page.fetched:
            parts = urlsplit(address)
            assert not (parts.scheme or parts.netloc) or parts.scheme == "data", f"{path}: {address}"
            assert (path.parent / unquote(parts.path)).exists(), f"{path}: {address}"
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert "@import" not in text, style
        assert "url(http" not in text.replace('"', "").replace("'", ""), style
        assert "url(//" not in text.replace('"', "").replace("'", ""), style


def test_no_link_of_the_site_is_dead(pages: dict[Path, _Html]) -> None:
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link == "#":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages.get(target)
            if not target.is_file() or (
                parts.fragment and known and unquote(parts.fragment) not in known.ids
            ):
                dead.append(f"{path}: {link}")
    assert not dead


def test_a_page_says_its_language(pages: dict[Path, _Html]) -> None:
    for path, page in pages.items():
        chinese = path.name.endswith(".zh.html") or "zh" in path.parent.parts[-1:]
        assert page.language == ("zh-CN" if chinese else "en"), path
