"""The page in Chinese: nothing that is ours stays in English, by codes and kinds where a row or the agent has one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser

from probe.core.model.protocols import PROTOCOLS
from probe.core.model.value import replace
from probe.core.records.observation import Relation, Role
from probe.core.records.verdict import Fault, Outcome
from probe.core.results.concerns import SENTENCES, Concern
from probe.page.domain import DomainView, domain
from probe.page.incident import IncidentView, incident
from probe.page.look.concerns import CHINESE, ENGLISH
from probe.page.look.reasons import REASONS, meaning
from probe.page.look.words import TERMS, Tongue
from probe.page.model.values import Looking
from probe.page.overview import Overview, overview
from probe.page.row import RowView, row
from probe.page.sign_in import sign_in, wrong
from tests.api.page.signed import failed
from tests.codes.closed_list import ORIGINS, whole
from tests.page.made import END, board, standing, trouble
from tests.page.made import row as made_row
from tests.page.test_details import fed, rich

ROOT = Path(__file__).parents[2]
ZH = Looking(language="zh")
VALUES = {
    "problem": "No space left on device", "count": "7", "mib": "5", "seconds": "6.0", "number": "1", "name": "bj-ct",
    "version": "4", "since": "2026-11-29T01:02:03Z", "customer": "acme", "until": "2026-11-29T01:02:03Z",
    "minutes": "9",
}  # fmt: skip
CONCERNS = tuple(
    Concern(kind, tuple((name, VALUES[name]) for name in re.findall(r"\{(\w+)\}", text)))
    for kind, text in ENGLISH.items()
)
# Terms that Chinese takes as they are, names of fields and formats, and what the data of these tests are called.
TERMS_AS_THEY_ARE = {
    *(
        "CDN",
        "DNS",
        "dns",
        "TLS",
        "HTTP",
        "TCP",
        "TTL",
        "HAR",
        "UTC",
        "SHA",
        "ICMP",
        "RST",
        "SYN",
        "MiB",
        "NTP",
        "IPv4",
    ),
    *(
        "cdn-probe",
        "token",
        "NAME",
        "sla",
        "report",
        "keep.size",
        "docs",
        "performance.md",
        "English",
        "Language",
    ),
    *(
        "Asia",
        "Shanghai",
        "ms",
        "min",
        "CNAME",
        "OpenSSL",
        "CN",
        "acme",
        "lab",
        "China",
        "Telecom",
        "place",
        "bj-ct",
    ),
    *("TLSv1.3", "GET", "OK", "exact", "an", "authority", "availability", "NOERROR", "NXDOMAIN"),
}
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[._/-][A-Za-z0-9]+)*")
# Hosts, paths, codes such as tcp.refused, addresses, times and durations, names with a digit.
_NAMED = re.compile(r"(?:https?:)?[\w*-]*(?:[./:_]|\d)[\w./:-]*|\b\d+(?:ms|[dhms])\b|\b[A-Z]{2}-[A-Z]{2}\b")


def untranslated(html: str) -> list[str]:
    """Words in Latin letters that are seen or read out, and are neither data nor terms."""
    page = LexborHTMLParser(html)
    for node in page.css("script, style, code, pre, time, .mono, body [lang=en], .languages, .zones"):
        node.decompose()
    assert page.body is not None
    texts = [page.body.text(separator=" ")]
    texts += [
        str(node.attributes[name])
        for name in ("aria-label", "title", "placeholder", "alt", "value", "data-words")
        for node in page.css(f"[{name}]")
        if name != "value" or node.tag == "button"
    ]
    found = []
    for text in texts:
        for word in _WORD.findall(text):
            if word not in TERMS_AS_THEY_ARE and not _NAMED.fullmatch(word) and len(word) > 1:
                found.append(word)
    return sorted(set(found))


def pages() -> dict[str, str]:
    """One of each kind, with all that can stand on it."""
    feed = fed(
        failed(40, customer="acme", domain="a.example"),
        failed(30, customer="acme", domain="a.example"),
        rich(),
        *(replace(rich(), protocol=protocol) for protocol in PROTOCOLS),
    )
    (one, *_) = feed.book.troubles()
    shown = standing(trouble=CONCERNS, fed=False)
    sums = board(2, 2)
    sums.add(
        made_row("www000.acme.example", "place-00", END, protocol=protocol, n=1) for protocol in PROTOCOLS
    )
    line = trouble(
        id="1" * 16, domain=None, vantage_point="bj-ct", fault=Fault.VANTAGE, outcome=Outcome.INCONCLUSIVE
    )
    many = [
        trouble(id=f"{number:016x}", fault=fault, outcome=outcome, excluded=number == 1, summary="In English",
                confirmed_us=None, reasons=(("body.truncated", 3),))
        for number, (fault, outcome) in enumerate(zip(Fault, (*Outcome, Outcome.FAILED, Outcome.SLOW), strict=False), 2)
        if outcome is not Outcome.OK
    ]  # fmt: skip
    over = trouble(id="2" * 16, closed_us=one.last_us, well_after_us=one.last_us)
    seen = Overview(
        domains=tuple(sums.of(None)), troubles=(one, line, *many, over), end=END, detailed_from=END - 9
    )
    incident_view = IncidentView(
        trouble=one,
        sums=feed.board.domains[("acme", "a.example")],
        briefs=feed.book.briefs,
        end=feed.board.last,
    )
    key = ("acme", "a.example")
    domain_view = DomainView(
        sums=feed.board.domains[key], facts=feed.facts[key], troubles=(one,), end=feed.board.last
    )
    made = {
        "overview": overview(seen, ZH, shown),
        "overview, files": overview(seen, Looking(language="zh", static=True), shown),
        "overview, nothing": overview(Overview(domains=(), troubles=(), end=END), ZH, standing()),
        "domain": domain(domain_view, ZH, shown),
        "incident": incident(incident_view, ZH, shown),
        "row": row(
            RowView(agent="a1", record=rich(), files=("har", "evidence.json", "dispute.zip")), ZH, None
        ),
        "row that failed": row(
            RowView(agent="a1", record=failed(9, customer="acme", domain="a.example")), ZH, None
        ),
        "sign-in": sign_in(ZH),
        "sign-in, refused": sign_in(ZH, "Too many tries: wait a minute."),
    }
    return made | {
        f"wrong {code}": wrong(ZH, str(code), "in English") for code in (403, 404, 405, 429, 500, 503)
    }


@pytest.mark.parametrize("name", pages())
def test_no_word_of_ours_is_left_in_english(name: str) -> None:
    assert untranslated(pages()[name]) == []


def test_an_english_page_would_be_caught() -> None:
    assert "Overview" in untranslated(
        overview(Overview(domains=(), troubles=(), end=END), Looking(), standing())
    )


def test_every_concern_is_said_in_both_languages_with_the_same_values() -> None:
    assert set(CHINESE) == set(ENGLISH) >= set(SENTENCES)
    for kind, text in ENGLISH.items():
        assert set(re.findall(r"\{(\w+)\}", CHINESE[kind])) == set(re.findall(r"\{(\w+)\}", text)), kind
    say = Tongue("zh")
    full = Concern("unwritten", (("problem", "[Errno 28] No space left on device"), ("count", "7")))
    assert say.concern(full) == "结果无法写入：[Errno 28] 磁盘已满；7 条记录在等待"
    assert Tongue("en").concern(full) == full.words


def test_every_code_has_a_meaning_and_it_is_that_of_the_documents() -> None:
    assert {code for code in whole() - {ORIGINS} if meaning(code) is None} == set()
    text = (ROOT / "docs" / "zh" / "verdicts.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `([^`]+)` \| (.*?) \|", text, re.M))
    assert set(REASONS) <= set(told)
    differ = {code for code, said in REASONS.items() if said != told[code].replace("`", "")}
    shortened = {
        "content.protocols_differ",
        "http.advertised_unserved",
        "agent.stalled",
        "dns.format_error",
        "dns.refused",
    }
    assert {code for code in differ - shortened if "同上" not in told[code]} == set()
    assert meaning("origin.tcp.refused") == "直接访问源站同样如此：对我方 SYN 回以 RST"
    assert meaning("of.a.later.version") is None


def test_every_word_of_a_closed_list_has_its_own() -> None:
    assert {one.value for kind in (Role, Relation, Outcome, Fault) for one in kind} - set(TERMS) == set()
