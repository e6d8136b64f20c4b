"""Pages of a domain, an incident, a row: made of what was taken as it came."""

from __future__ import annotations

import dataclasses

from selectolax.lexbor import LexborHTMLParser

from probe.core.model.value import replace
from probe.core.proof.chain import Line
from probe.core.records.codec import encode
from probe.core.records.dns import AddressRecord, CnameLink, Resolution
from probe.core.records.observation import Comparison, Relation, Role
from probe.core.records.rows import Record, SlotRecord
from probe.core.records.transport import ResourceTiming, Tls
from probe.core.results.bundle import Bundle, Difference, Exchange
from probe.page.domain import DomainView, domain
from probe.page.incident import IncidentView, incident
from probe.page.look.clock import Clock
from probe.page.look.pieces import plain
from probe.page.model.facts import SERVED_KEPT, DomainFacts, quantile_us
from probe.page.model.feed import Feed
from probe.page.model.values import Looking, Standing
from probe.page.row import RowView, row
from tests.api.page.signed import failed, now_s, well
from tests.page.made import standing
from tests.support.build import reference, seen, version

TLS = Tls(
    subject="CN=a.example", issuer="CN=an authority", names=("a.example", "*.a.example"), chain_sha256=("ab" * 32,),
    not_before="2026-01-01T00:00:00Z", not_after="2099-01-01T00:00:00Z",
)  # fmt: skip
TIMING = ResourceTiming(
    connect_start_us=0, secure_connection_start_us=10_000, connect_end_us=30_000, request_start_us=31_000,
    response_start_us=90_000, response_end_us=95_000,
)  # fmt: skip


def fed(*records: Record, several: bool = False) -> Feed:
    made = Feed(several=several)
    lines = [Line(n, encode(replace(record, seq=n)).decode()) for n, record in enumerate(records, 1)]
    made.take("a1", "acme", lines)
    made.settle()
    return made


def shown(text: str) -> LexborHTMLParser:
    return LexborHTMLParser(text)


def rich(ago_s: int = 30) -> SlotRecord:
    compared = Comparison(
        mode="exact", relation=Relation.OLDER, behind_s=90.0, propagated_after_s_at_most=30.0
    )
    one = seen(address="192.0.2.1", tls=TLS, timing=TIMING, comparison=compared)
    return replace(
        well(ago_s, customer="acme", domain="a.example"),
        region="CN-BJ",
        carrier="China Telecom",
        observations=(one, seen(Role.ORIGIN, timing=TIMING)),
        reference=reference(version()),
    )


def test_a_domain_shows_times_nodes_certificate_versions_and_how_fast_they_came() -> None:
    feed = fed(rich(40), rich(30))
    key = ("acme", "a.example")
    view = DomainView(sums=feed.board.domains[key], facts=feed.facts[key], troubles=(), end=feed.board.last)
    page = shown(domain(view, Looking(), standing()))
    sections = [node.text() for node in page.css("h2")]
    assert sections == [
        "Vantage points", "Times", "Nodes", "Certificate", "Versions of the objects", "Propagation",
    ]  # fmt: skip
    assert [node.text() for node in page.css(".curve h3")] == [
        "first byte",
        "TCP",
        "TLS",
        "waiting",
        "transfer",
    ]
    cells = [node.text() for node in page.css("#times ~ .wide td")]
    assert cells == ["CN-BJ China Telecom", "2", "91 ms", "91 ms"], "the least bound that holds 90 ms"
    assert [node.text() for node in page.css("#nodes ~ .wide tbody tr td")][:2] == ["192.0.2.1", "ok"]
    certificate = page.css_first("#certificate ~ ul")
    assert certificate is not None
    assert "CN=an authority" in certificate.text()
    assert "valid until 2099-01-01 00:00:00" in certificate.text()
    assert "older" in page.css_first("#versions ~ .wide ~ .wide").text()  # type: ignore[union-attr]
    assert "30 s" in page.css_first("#propagation ~ .wide").text()  # type: ignore[union-attr]


def test_each_http_version_of_a_domain_has_a_strip_of_its_own_where_there_are_several() -> None:
    """One that fails over HTTP/3 alone is well over HTTP/1.1: added up, it was hidden in what is partly well."""
    of = {"customer": "acme", "domain": "a.example"}
    broken = (replace(failed(ago, **of), protocol="h3") for ago in (20, 10))
    feed = fed(rich(40), rich(30), *broken)
    key = ("acme", "a.example")
    sums = feed.board.domains[key]
    view = DomainView(sums=sums, facts=feed.facts[key], troubles=(), end=feed.board.last)
    around = IncidentView(
        trouble=feed.book.troubles()[0], sums=sums, briefs=feed.book.briefs, end=feed.board.last
    )
    for page in (domain(view, Looking(), standing()), incident(around, Looking(), standing())):
        board = shown(page).css_first(".board")
        assert board is not None
        strips = {
            line.css_first(".name").text(): (line.css_first("svg.h").attributes["aria-label"] or "")  # type: ignore[union-attr]
            for line in board.css(".row")[1:]
        }
        assert list(strips)[:3] == ["all of this domain", "HTTP/1.1", "HTTP/3"]
        assert ["failed: CDN" in told for told in list(strips.values())[:3]] == [True, False, True]
    alone = fed(rich(40), rich(30))
    view = DomainView(
        sums=alone.board.domains[key], facts=alone.facts[key], troubles=(), end=alone.board.last
    )
    assert "HTTP/1.1" not in domain(view, Looking(), standing()), "there is nothing to tell it from"


def test_a_quantile_is_a_bound_from_above() -> None:
    counts = [0] * 32
    counts[3] = 99
    counts[31] = 1
    assert quantile_us(counts, 0.5) == 2828
    assert quantile_us(counts, 1.0) is None, "longer than any bound"
    assert quantile_us([0] * 32, 0.5) is None


def test_what_is_known_of_a_domain_is_bounded() -> None:
    facts = DomainFacts()
    for number in range(SERVED_KEPT + 10):
        record = rich()
        facts.take(
            replace(
                record,
                observations=(
                    replace(record.observations[0], address=f"192.0.{number // 256}.{number % 256}"),
                ),
            )
        )
    assert len(facts.served) == SERVED_KEPT
    assert len(facts.certificates) == 1
    assert len(facts.certificates["ab" * 32].nodes) == 20


def test_an_incident_shows_its_course_its_matrix_and_its_rows() -> None:
    ago = [now_s() - second for second in (0, 10, 20, 30)]  # all within one grain
    of = {"customer": "acme", "domain": "a.example"}
    other = replace(well(ago[3], **of), observations=(seen(address="192.0.2.2"),), vantage_point="elsewhere")
    feed = fed(well(ago[0], **of), *(failed(one, **of) for one in ago[1:]), other)
    [one] = feed.book.troubles()
    assert one.is_open
    view = IncidentView(
        trouble=one,
        sums=feed.board.domains["acme", "a.example"],
        briefs=feed.book.briefs,
        end=feed.board.last,
    )
    page = shown(incident(view, Looking(), standing()))
    course = [node.text().partition(":")[0] for node in page.css("ol li")]
    assert course == [
        "seen well for the last time before", "first row that shows it", "confirmed", "last row that shows it",
    ]  # fmt: skip
    assert next(node.text() for node in page.css("#matrix ~ .wide td")) == "192.0.2.1"
    matrix = [[cell.text() for cell in line.css("td")] for line in page.css("#matrix ~ .wide tbody tr")]
    assert matrix == [["192.0.2.1", "Cfailed: CDN3/4", "–"], ["192.0.2.2", "–", "ok0/1"]]
    links = [node.attributes["href"] for node in page.css("#rows ~ .wide a")]
    assert links == [f"/row/a1/acme/{seq}?lang=en" for seq in (2, 3, 4)]


def test_a_row_shows_requests_in_order_the_aliases_as_a_tree_and_the_bytes_that_differ() -> None:
    chain = (
        CnameLink(owner="a.example", target="a.cdn.example", ttl_s=60, resolver="udp://192.0.2.53"),
        CnameLink(owner="a.cdn.example", target="b.cdn.example", ttl_s=30, resolver="udp://192.0.2.53"),
    )
    record = replace(
        rich(),
        seq=7,
        resolution=Resolution(
            qname="a.example", qtype="A", rcode="NOERROR", cname_chain=chain, canonical_name="b.cdn.example",
            addresses=(AddressRecord(address="192.0.2.1", ttl_s=5),), ttl_s=5, resolver=None, transport=None,
        ),
    )  # fmt: skip
    edge, origin = bytes(range(64)), bytes(range(40)) + b"X" + bytes(range(41, 64))
    difference = Difference(offset=40, from_byte=0, edge=edge, origin=origin, edge_bytes=64, origin_bytes=64)
    bundle = Bundle(
        bundle_version=1, id="0" * 32, record=record, definition="{}",
        exchanges=(Exchange(observation=0, request_head="GET / HTTP/1.1", difference=difference),),
    )  # fmt: skip
    page = shown(row(RowView(agent="a1", record=record, bundle=bundle, files=("har",)), Looking(), None))
    assert [node.text() for node in page.css("#requests ~ .wide tbody td:nth-child(2)")] == [
        "dns",
        "edge",
        "origin",
    ]
    bars = page.css("svg.fall")[1].css("rect title")
    assert [node.text() for node in bars] == [
        "TCP 10.0 ms",
        "TLS 20.0 ms",
        "waiting 59.0 ms",
        "transfer 5.0 ms",
    ]
    tree = page.css_first(".tree ul ul ul li code")
    assert tree is not None
    assert tree.text() == "192.0.2.1"
    marked = [line for pre in page.css("pre") for line in pre.text().splitlines() if line.startswith(">")]
    assert [line[1:9] for line in marked] == ["00000020", "00000020"], "the line of byte 40, of both"
    assert [node.attributes["href"] for node in page.css("a[download]")] == ["/row/a1/acme/7/har"]


def test_one_trouble_that_several_agents_see_is_one_incident() -> None:
    made = Feed(several=True)
    for agent in ("a1", "a2", "a3"):
        records = [
            replace(failed(ago, customer="acme", domain="a.example"), seq=n)
            for n, ago in enumerate((50, 40), 1)
        ]
        records = [replace(one, host=replace(one.host, agent=agent)) for one in records]
        made.take(agent, "acme", [Line(one.seq or 0, encode(one).decode()) for one in records])
    made.settle()
    [one] = made.book.troubles()
    assert len(one.vantage_points) == 3
    assert {name[0] for name in one.keys} == {"a1", "a2", "a3"}


def test_text_of_others_shows_what_cannot_be_seen_and_ends() -> None:
    assert plain("a\u202eb\x00c") == "a\\u202eb\\u0000c"
    assert plain("x" * 50, 10) == "x" * 10 + "… (+40)"


def test_times_are_those_of_the_zone_across_its_changes() -> None:
    assert Clock("No/Where").zone == "UTC"
    clock = Clock("Europe/Berlin")
    october = 1_792_800_000_000_000  # before summer time ends, 2026-10-25
    assert len(clock.midnights(october, october + 7 * 86_400_000_000)) == 7


def test_a_standing_is_complete_only_where_every_source_says_so() -> None:
    one = standing().sources[0]
    assert (
        Standing(
            as_of_us=0, sources=(one, dataclasses.replace(one, complete_up_to_us=None))
        ).complete_up_to_us
        is None
    )
    assert Standing(as_of_us=0, sources=(one, one)).complete_up_to_us == one.complete_up_to_us
