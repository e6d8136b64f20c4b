"""The report as a page: whole without a network or a script, whatever names the rows hold, in both languages."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from probe.core.model.value import replace
from probe.core.sla.report.values import QuantilesShown, Report
from probe.core.sla.report.words import PHRASES, VERDICTS, WHY
from probe.sla.agreement_files import load_agreement
from probe.sla.engines.engine import PlainEngine
from probe.sla.html.page import as_html
from probe.sla.html.style import COLOURS, HATCHED
from probe.sla.report import Asked, make_report
from tests.fixtures.frozen import unpacked

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    copy = unpacked("copy", tmp_path_factory.mktemp("fixture"))
    agreement = load_agreement(ROOT / "config/agreements/b-cdn-annex.yaml")
    spans = make_report(agreement, Asked(inputs=(copy,)), PlainEngine())
    agreement = load_agreement(ROOT / "config/agreements/a-cloud-cdn-sla.yaml")
    grains = make_report(agreement, Asked(inputs=(copy,)), PlainEngine())
    return replace(grains, subjects=(*grains.subjects, *spans.subjects))


class Balanced(HTMLParser):
    """Every element is closed, and in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["en", "zh"])
def test_it_is_well_formed_and_asks_nobody_for_anything(report: Report, language: str) -> None:
    page = as_html(report, language)
    reader = Balanced()
    reader.feed(page)
    assert reader.open == []
    assert "script" not in reader.seen
    assert {"svg", "table", "style"} <= reader.seen
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    assert "default-src 'none'" in page.replace("&#39;", "'")
    assert as_html(report, language) == page


def test_each_language_says_it_in_its_own_words(report: Report) -> None:
    english, chinese = as_html(report, "en"), as_html(report, "zh")
    assert "not decided" in english
    assert VERDICTS["not decided"].zh in chinese
    assert 'lang="zh-CN"' in chinese
    between = re.findall(
        r">([^<>]*[A-Za-z]{3,}[^<>]*)<", re.sub(r"<style>.*?</style>", "", chinese, flags=re.S)
    )
    assert not [text for text in between if text.strip() in PHRASES], "a phrase that was not translated"


def test_what_rows_hold_is_shown_and_never_obeyed(report: Report) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>&\"'"
    subject = replace(report.subjects[0], domain=hostile, lost=(hostile,))
    inputs = tuple(
        replace(one, notes=(hostile,), problems=(hostile,), agent=hostile) for one in report.inputs
    )
    page = as_html(replace(report, subjects=(subject,), inputs=inputs, unverified=hostile), "en")
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;") >= 6


def test_both_languages_have_every_code() -> None:
    for table in (VERDICTS, WHY):
        assert all(words.en.isascii() and not words.zh.isascii() for words in table.values())
    assert all(not words.isascii() for words in PHRASES.values())


def test_a_printer_in_grey_tells_the_states_of_the_strip_apart(report: Report) -> None:
    """ITU-R BT.601: what is left of a colour; what is hatched is told from everything by its lines."""

    def grey(colour: str) -> float:
        red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    solid = sorted(grey(colour) for state, colour in COLOURS.items() if state not in HATCHED)
    assert all(darker + 50 < lighter for darker, lighter in pairwise(solid))
    assert len(set(HATCHED.values())) == len(HATCHED)
    page = as_html(report, "en")
    assert 'fill="url(#unknown)"' in page
    assert page.count("repeating-linear-gradient") == len(HATCHED) * sum(
        1 for one in report.subjects if one.strip
    )


def test_time_down_of_two_kinds_is_the_same_time_once(report: Report) -> None:
    """An interruption is a fault of all regions too: the head of the page and the line `together` add nothing twice."""
    of_spans = next(one for one in report.subjects if len(one.down) > 1)
    twice = replace(
        of_spans,
        down=tuple(replace(part, shown_us=3_600_000_000) for part in of_spans.down),
        together_us=(3_600_000_000, 7_200_000_000),
    )
    page = as_html(replace(report, subjects=(twice,)), "en")
    assert '<td class="n">1h</td><td class="n"></td><td><span class="word' in page
    assert '<tr class="main"><td>together</td><td class="n">1h</td><td class="n">2h</td>' in page


def test_each_quantile_is_in_the_unit_of_what_it_is_of(report: Report) -> None:
    """Throughput was written as if it were a time: what draws a row ran when the next quantity had begun."""
    bounds = (780_000_000, 789_999_999)
    made = tuple(
        QuantilesShown(quantity=quantity, part="p", samples=1, p05=bounds, p50=bounds, p95=bounds)
        for quantity in ("throughput", "propagation")
    )
    page = as_html(replace(report, subjects=(replace(report.subjects[0], quantiles=made),)), "en")
    assert page.count("780.0 MB/s – 790.0 MB/s") == page.count("13m – 13m 10s") == 3
