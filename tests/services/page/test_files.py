"""`cdn-probe page`: the page of a copy as files, whole, and written anew while lines come."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from selectolax.lexbor import LexborHTMLParser

from probe.cli.main import cli
from probe.services.page.files import PageWriter
from tests.fixtures.frozen import unpacked


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked("results", tmp_path_factory.mktemp("v0.1"))


def test_the_page_of_a_results_directory_is_whole(results: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["page", str(results), "--into", str(tmp_path / "page")])
    assert done.exit_code == 0, done.output
    index = LexborHTMLParser((tmp_path / "page" / "index.html").read_text(encoding="utf-8"))
    names = [node.text() for node in index.css("summary b")]
    assert sorted(set(names)) == [
        "api.media.example",
        "img.shop.example",
        "vod.media.example",
        "www.shop.example",
    ]
    assert len(index.css(".incidents li")) > 3
    for file in (tmp_path / "page").rglob("*.html"):
        page = LexborHTMLParser(file.read_text(encoding="utf-8"))
        for link in page.css("a[href]"):
            href = link.attributes["href"] or ""
            assert href.startswith("#") or (file.parent / href).is_file(), f"{file}: {href}"


def test_what_came_since_is_taken_once(tmp_path: Path) -> None:
    """A copy that grows: the page of its halves is that of the whole."""
    copy = unpacked("copy", tmp_path)
    whole = PageWriter([copy], tmp_path / "whole", refresh_s=10)
    count = whole.more().lines
    files = sorted(copy.rglob("*.ndjson"))
    texts = {file: file.read_bytes() for file in files if file.name[0].isdigit()}
    for file, text in texts.items():
        lines = text.splitlines(keepends=True)
        file.write_bytes(b"".join(lines[: len(lines) // 2]))
    parts = PageWriter([copy], tmp_path / "parts", refresh_s=10)
    first = parts.more().lines
    for file, text in texts.items():
        file.write_bytes(text)
    assert 0 < first < count
    assert first + parts.more().lines == count
    assert parts.more().lines == 0
    assert _told(tmp_path / "parts") == _told(tmp_path / "whole")


def _told(page: Path) -> str:
    """Without as of when it is."""
    text = (page / "index.html").read_text(encoding="utf-8")
    return re.sub(r'data-as-of="[^"]*"|as of <time.*?</time>', "", text)


def test_a_page_that_is_over_says_so(results: Path, tmp_path: Path) -> None:
    writer = PageWriter([results], tmp_path, refresh_s=10)
    writer.more()
    assert 'http-equiv="refresh" content="10"' in (tmp_path / "index.html").read_text(encoding="utf-8")
    writer.more(over=True)
    page = LexborHTMLParser((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert not page.css("noscript")
    old = page.css_first("#old")
    assert old is not None
    assert "hidden" not in old.attributes


def test_what_holds_no_lines_is_an_error_in_words(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["page", str(tmp_path), "--into", str(tmp_path / "page")])
    assert done.exit_code != 0
    assert "no results here" in str(done.exception)
