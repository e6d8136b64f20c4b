"""`cdn-probe page`: the page of a copy as files, whole, and written anew while lines come."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from selectolax.lexbor import LexborHTMLParser

from probe.cli.main import cli
from probe.core.records.rows import Record
from probe.core.records.verdict import Fault, Outcome
from probe.page.model.book import Book
from probe.services.page.files import PageWriter
from tests.api.served import fill
from tests.fixtures.frozen import unpacked
from tests.support.rows import slot


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


async def test_of_many_rows_little_waits_and_streams_are_one_story(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of two customers in batches: a line that is down for both is one incident, as if all was taken at once."""
    rows: list[Record] = []
    for second in range(0, 4000, 20):
        down = {"fault": Fault.VANTAGE, "outcome": Outcome.INCONCLUSIVE, "reason": "vantage.offline"}
        for name in ("acme", "zeta"):
            rows.append(
                slot(second, customer=name, id=f"{name}-1", **(down if 1000 <= second < 1400 else {}))
            )
    await fill(tmp_path / "r", rows)
    waits = list[int]()
    settle = Book.settle

    def counted(book: Book, *args: Any, **more: Any) -> None:
        waits.append(len(book._waiting))
        settle(book, *args, **more)

    monkeypatch.setattr(Book, "settle", counted)
    shown = {}
    for batch in (10, 1000):
        monkeypatch.setattr("probe.services.page.files.BATCH", batch)
        waits.clear()
        writer = PageWriter([tmp_path / "r"], tmp_path / f"page-{batch}", refresh_s=10)
        assert writer.more().lines == len(rows)
        assert max(waits) <= 3 * batch
        assert writer.more().lines == 0
        shown[batch] = _told(tmp_path / f"page-{batch}")
        page = LexborHTMLParser((tmp_path / f"page-{batch}" / "index.html").read_text(encoding="utf-8"))
        assert [node.text() for node in page.css("#over ~ ul strong")] == [
            "The line of vantage point bj-ct is down, vantage.offline, nobody else is accused."
        ]
    assert shown[10] == shown[1000]


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
