"""The overview: what is wrong first, nothing unknown shown as well, small, whole without anything from elsewhere."""

from __future__ import annotations

import gzip
import re

import pytest
from selectolax.lexbor import LexborHTMLParser

from probe.core.records.verdict import Fault, Outcome
from probe.core.results.concerns import Concern
from probe.page.look.clock import Clock
from probe.page.look.heat import Strips, runs_of
from probe.page.look.script import SCRIPT
from probe.page.look.words import PHRASES, STATES, Tongue
from probe.page.model.board import SPANS, Board
from probe.page.model.states import NAMES, NOTHING, Counts, State, gravest, state_of
from probe.page.model.values import Looking
from probe.page.overview import Overview, overview, pages_of
from tests.page.made import END, END_US, board, row, standing, trouble
from tests.support.work import linear

TERMS = ("of", "HTTP/1.1", "HTTP/2", "HTTP/3", "TCP", "TLS")  # the same in both languages

BOARD = board()


FULL = Concern("unwritten", (("problem", "disk full"), ("count", "7")))


def shown(of: Board = BOARD, *troubles: object, end: int = END, **looking: object) -> str:
    view = Overview(domains=tuple(of.of(None)), troubles=troubles, end=end)  # type: ignore[arg-type]
    return overview(view, Looking(**looking), standing())  # type: ignore[arg-type]


def cell(**counts: int) -> Counts:
    return tuple(counts.get(name, 0) for name in NAMES)


@pytest.mark.parametrize(
    ("counts", "state", "low"),
    [
        ({"ok": 10, "due": 5, "measured": 5}, State.OK, False),
        ({"ok": 99, "failed_cdn": 1, "due": 50, "measured": 50}, State.FAILED_CDN, True),
        ({"ok": 1, "failed_cdn": 1, "failed_origin": 9}, State.FAILED_CDN, True),
        ({"failed_unknown": 2, "slow": 1}, State.FAILED_UNKNOWN, False),
        ({"ok": 2, "stale": 1, "slow": 3}, State.STALE, True),
        ({"ok": 5, "due": 3, "measured": 2}, State.PARTLY, False),
        ({"ok": 5, "failed_agent": 1}, State.PARTLY, False),
        ({"failed_vantage": 3, "inconclusive": 1}, State.FAILED_VANTAGE, False),
        ({"inconclusive": 4}, State.INCONCLUSIVE, False),
        ({"due": 5}, State.MISSED, False),
        ({}, State.NONE, False),
    ],
)
def test_what_is_unknown_is_never_well_and_one_failure_is_never_lost(
    counts: dict[str, int], state: State, low: bool
) -> None:
    assert state_of(cell(**counts)) == (state, low)


def test_the_gravest_of_several() -> None:
    assert gravest([State.OK, State.SLOW, State.FAILED_AGENT]) is State.SLOW
    assert gravest([]) is State.NONE


def test_runs_hold_every_cell_once() -> None:
    cells = [cell(ok=1), cell(ok=2), NOTHING, cell(failed_cdn=1), cell(failed_cdn=2), cell(ok=1)]
    runs = list(runs_of(cells))
    assert [(run.first, run.end, run.state) for run in runs] == [
        (0, 2, State.OK),
        (2, 3, State.NONE),
        (3, 5, State.FAILED_CDN),
        (5, 6, State.OK),
    ]
    assert runs[2].counts == cell(failed_cdn=3)


def test_a_box_tells_when_how_many_and_what() -> None:
    strips = Strips(SPANS["24h"], END, Tongue("en"), Clock("Asia/Shanghai"))
    cells = [NOTHING] * 287 + [cell(ok=7, failed_cdn=3, due=6, measured=5)]
    drawn = strips.strip(cells, "a.example")
    [rect] = re.findall(r"<rect class=C .*?</rect>", drawn)
    at = Clock("Asia/Shanghai").minute(END_US - 300_000_000)
    until = Clock("Asia/Shanghai").minute(END_US)
    assert f"<title>{at}–{until} n 10, failed: CDN 3, slots missed 1</title>" in rect
    assert ">C</text>" in drawn, "a sign beside the colour"
    assert 'aria-label="a.example: failed: CDN 1, no data 287"' in drawn


def test_twenty_domains_from_twelve_places_over_a_day_are_small_and_little_work() -> None:
    """Every second track with a burst of trouble: one cell of a hundred."""
    shown()  # what is remembered from one page to the next
    text = linear(shown, 20 * (1 + 12) * 288, each=45)  # cells; seen are 30
    assert len(text.encode()) <= 120_000
    assert len(gzip.compress(text.encode(), 1)) <= 60_000
    assert text.count("<svg class=h") >= 20 * (1 + 12)
    assert len(SCRIPT.encode()) <= 12_000


def test_what_is_open_stands_first_in_one_sentence_each() -> None:
    over = trouble(
        id="f" * 16, closed_us=END_US, well_after_us=END_US, outcome=Outcome.STALE, domain="old.example"
    )
    page = LexborHTMLParser(shown(BOARD, trouble(), over))
    first = page.css_first("main section")
    assert first is not None
    said = [item.text() for item in first.css("li strong")]
    assert said == [
        "www000.acme.example fails, the fault of the CDN, tcp.refused, seen by 2/12 of vantage points."
    ]
    lists = [item.text() for item in page.css(".incidents li strong")]
    assert lists[1:] == [
        "old.example is stale, the fault of the CDN, tcp.refused, seen by 2/12 of vantage points."
    ]


def test_an_incident_that_nobody_confirmed_and_of_a_line_say_so() -> None:
    line = trouble(domain=None, vantage_point="bj-ct", fault=Fault.VANTAGE, reasons=(), looking=0)
    told = shown(BOARD, trouble(confirmed_us=None), line)
    assert "not confirmed" in told
    assert "The line of vantage point bj-ct is down, nobody else is accused." in told


def test_five_hundred_domains_come_in_pages() -> None:
    many = board(500, 1, 12)
    view = Overview(domains=tuple(many.of(None)), troubles=(), end=END)
    assert pages_of(view, Looking()) == 20
    page = LexborHTMLParser(overview(view, Looking(page=20), standing()))
    assert len(page.css("details")) == 25
    assert [link.text() for link in page.css('nav a[rel="prev"]')] == ["previous page"]
    assert not page.css('nav a[rel="next"]')
    assert pages_of(view, Looking(wanted="www49")) == 1


def test_what_is_wrong_comes_before_what_is_well() -> None:
    made = Board()
    made.add(
        [row("a.example", "p", END, ok=3, n=3), row("b.example", "p", END, failed_cdn=3, n=3, errors_cdn=3)]
    )
    names = [node.text() for node in LexborHTMLParser(shown(made)).css("summary b")]
    assert names == ["b.example", "a.example"]
    only = LexborHTMLParser(shown(made, only_trouble=True))
    assert [node.text() for node in only.css("summary b")] == ["b.example"]


def test_availability_is_the_evaluators_and_not_decided_where_samples_cannot_tell() -> None:
    made = Board()
    made.add(row("a.example", "p", END - at, ok=10, n=10, due=5, measured=5) for at in range(290))
    whole = LexborHTMLParser(shown(made))
    said = whole.css_first("summary .dim")
    assert said is not None
    assert said.text() == "literal 100.00 % · shown 100.00 % · bounds 100.00–100.00 %: 99.9 % kept"
    made.add([row("b.example", "p", END - at, ok=10, n=10, due=5, measured=5) for at in range(3)])
    texts = [node.text() for node in LexborHTMLParser(shown(made)).css("summary .dim")]
    assert texts[1].endswith("not decided")


def test_a_domain_opens_to_its_http_versions_where_there_are_several() -> None:
    made = Board()
    made.add([row("a.example", "p", END, ok=3, n=3), row("b.example", "p", END, ok=3, n=3)])
    made.add(row("a.example", "p", END, protocol=of, failed_cdn=3, n=3) for of in ("auto", "h3"))
    opened = {
        details.attributes["data-name"]: [node.text() for node in details.css(".inside .name")]
        for details in LexborHTMLParser(shown(made)).css("details")
    }
    place, node = "p CN-BJ China Telecom", "node 192.0.2.1"
    assert opened["b.example"] == [place, node]
    assert opened["a.example"] == [
        "HTTP/1.1", "CHTTP/3", "CHTTP/2 or HTTP/1.1", f"C{place}", f"C{node}",
    ]  # fmt: skip


def test_longer_spans_are_sums_of_hours() -> None:
    made = Board()
    made.add(row("a.example", "p", END - at, ok=1, n=1) for at in range(0, 12 * 24 * 8, 12))
    week = shown(made, span="7d")
    assert "ok 168" in week
    assert "ok 180" not in shown(made, span="30d")


def test_sums_that_come_later_are_added_and_old_ones_go() -> None:
    made = Board()
    made.add([row("a.example", "p", END, ok=1, n=1)])
    made.add([row("a.example", "p", END, failed_cdn=1, n=1)])
    [of] = made.of(frozenset({"acme"}))
    assert state_of(of.whole.fine.get(END)) == (State.FAILED_CDN, False)
    later = END + 12 * 24 * 40
    made.add([row("a.example", "q", later, node="192.0.2.2", protocol="h3", ok=1, n=1)])
    assert list(of.protocols) == ["h1", "h3"]
    made.trim()
    assert list(of.protocols) == ["h3"]
    assert [number for number, _ in of.whole.fine.items(0, later + 1)] == [later]
    assert (list(of.places), list(of.nodes), list(of.pairs)) == (["q"], ["192.0.2.2"], [("192.0.2.2", "q")])
    made.add([row("a.example", "q", END, ok=1, n=1)])
    assert of.whole.fine.get(END) == NOTHING, "too old"
    assert not list(made.of(frozenset({"other"})))


def test_sums_that_no_cell_holds_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe.page.model.board.LEAST_VALUES", 20)
    made = Board()
    for at in range(60):
        for _ in range(5):  # each of these is a sum of its own, and one of five stays
            made.add([row("a.example", "p", END - 60 + at, ok=at, n=at)])
        before = shown(made, end=END)
        made.trim()
        assert shown(made, end=END) == before
    assert len(made._values.all) < 300


def test_every_page_says_as_of_when_it_is_and_whether_it_is_fed() -> None:
    view = Overview(domains=(), troubles=(), end=END)
    fed = overview(view, Looking(), standing())
    assert 'http-equiv="refresh" content="15"' in fed
    assert "Nothing was measured yet." in fed
    old = LexborHTMLParser(
        overview(
            view,
            Looking(),
            standing(
                fed=False,
                refresh_s=None,
                trouble=(FULL,),
            ),
        )
    )
    alarms = [node.text() for node in old.css(".alarm") if "hidden" not in node.attributes]
    assert alarms == [
        "This page is no longer fed: what it shows is as old as it says.",
        "Trouble of the agent's own: results cannot be written: disk full; 7 records wait",
    ]


def test_nothing_is_loaded_from_anywhere_and_no_style_is_inline() -> None:
    for static in (True, False):
        page = LexborHTMLParser(shown(static=static))
        assert not page.css("link, img, iframe, object, embed, script[src], [style], [onclick]")
        assert all(not (node.attributes.get("href") or "").startswith("http") for node in page.css("a"))


def test_both_languages_say_everything() -> None:
    chinese = shown(BOARD, trouble(), language="zh")
    assert 'lang="zh-CN"' in chinese
    assert "进行中的事件" in chinese
    assert "失败：CDN" in chinese
    assert all(text and key != text for key, text in PHRASES.items() if key not in TERMS)
    assert set(STATES) == set(State)
