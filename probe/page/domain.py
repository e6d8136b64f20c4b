"""One domain: times by phase, nodes, the certificate, versions of its objects and how fast they came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from htpy import Element, Node, b, code, div, h2, li, p, section, span, td, tr, ul

from probe.core.model.times import epoch_s
from probe.core.sla.report.shown import duration, percent
from probe.page.links import Links
from probe.page.look.clock import Clock
from probe.page.look.curve import Point, curve
from probe.page.look.heat import Strips
from probe.page.look.pieces import figure, made_table, plain, sign
from probe.page.look.shell import document
from probe.page.look.words import Tongue
from probe.page.model.board import SPANS, DomainSums, Track
from probe.page.model.facts import SLICE_US, Certificate, Counts, DomainFacts, quantile_us, summed
from probe.page.model.states import NOTHING, added, count, found
from probe.page.model.states import Counts as Cells
from probe.page.model.values import Looking, Standing, Trouble
from probe.page.overview import incident_item, now_of

DAY_US = 86_400_000_000
_PHASES = {
    "ttfb_us": "first byte",
    "resolve_us": "name look-up",
    "connect_us": "TCP",
    "tls_us": "TLS",
    "processing_us": "waiting",
    "transfer_us": "transfer",
}
_RELATIONS = ("equal", "older", "unknown_version", "unseen_version", "origin_changing", "unverified")


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainView:
    """What is shown."""

    sums: DomainSums
    facts: DomainFacts
    troubles: tuple[Trouble, ...]
    end: int


def domain(of: DomainView, looking: Looking, standing: Standing) -> str:
    """The page."""
    say, clock, links = Tongue(looking.language), Clock(looking.zone), Links(looking)
    strips = Strips(SPANS[looking.span], of.end, say, clock)
    name = of.sums.domain
    return document(
        plain(name),
        [
            p[sign(now_of(of.sums.whole, of.end), say)],
            _troubles(of.troubles, say, clock, links),
            _map(of, strips),
            _times(of, say, clock),
            _nodes(of, strips),
            _certificates(of.facts, standing.as_of_us, say, clock),
            _versions(of.facts, say, clock),
            _arrivals(of.facts, say, clock),
        ],
        looking,
        standing,
        home=links.overview(),
        to_language=lambda language: links.domain(of.sums.customer, name, language=language) or "",
        to_zone=None if looking.static else links.zoned(f"/domain/{of.sums.customer}/{name}"),
    )


def _troubles(troubles: Sequence[Trouble], say: Tongue, clock: Clock, links: Links) -> Node:
    if not troubles:
        return p[say("No incident is open.")]
    return ul(".incidents")[(incident_item(one, say, clock, links) for one in troubles[:10])]


def _map(of: DomainView, strips: Strips) -> Element:
    say = strips.say
    return section(aria_labelledby="map")[
        h2(id="map")[say("Vantage points")], board_of(parts_of(of.sums, say), strips, say("Vantage points"))
    ]


def parts_of(sums: DomainSums, say: Tongue) -> list[tuple[str, Track]]:
    """All of a domain; where there are several, each HTTP version; each vantage point."""
    versions = [(say(name), track) for name, track in sums.versions()]
    return [(say("all of this domain"), sums.whole), *versions, *sorted(sums.places.items())]


def board_of(rows: Sequence[tuple[str, Track]], strips: Strips, label: str) -> Element:
    """Strips below each other."""
    return div(".board", tabindex="0", role="group", aria_label=label)[
        div(".row")[span(".name"), strips.axis()],
        (
            div(".row")[span(".name")[plain(name)], strips.strip(track.cells(strips.span, strips.end))]
            for name, track in rows
        ),
    ]


def _times(of: DomainView, say: Tongue, clock: Clock) -> Node:
    last = max((max(slices) for slices in of.facts.times.values() if slices), default=None)
    if last is None:
        return None
    first = last - 23
    made: list[Node] = []
    for phase, words in _PHASES.items():
        slices = of.facts.times.get(phase)
        if slices:
            points = [_point(number, slices.get(number)) for number in range(first, last + 1)]
            made.append(curve(f"{say(words)}", points, first * SLICE_US, SLICE_US, say, clock))
    rows = [
        tr[
            td[plain(" ".join(part for part in group if part) or "?")],
            figure(sum(counts)),
            figure(_ms(quantile_us(counts, 0.5))),
            figure(_ms(quantile_us(counts, 0.95))),
        ]
        for group, counts in sorted(
            ((group, summed(slices)) for group, slices in of.facts.groups.items()),
            key=lambda pair: str(pair[0]),
        )
    ]
    heads = (say("region and carrier"), say("requests"), "p50 ≤", "p95 ≤")
    return section(aria_labelledby="times")[
        h2(id="times")[say("Times")],
        div(".curves")[made],
        made_table(
            heads, rows, f"{say('first byte')}, {say('region and carrier')}", right=(1, 2, 3), titled=True
        ),
    ]


def _point(number: int, counts: Counts | None) -> Point:
    if counts is None or not sum(counts):
        return Point(0, None, None)
    return Point(sum(counts), quantile_us(counts, 0.5), quantile_us(counts, 0.95))


def _ms(value_us: int | None) -> str:
    return "?" if value_us is None else f"{value_us / 1000:.0f} ms"


def _nodes(of: DomainView, strips: Strips) -> Node:
    say = strips.say
    if not of.sums.nodes:
        return None
    sums = {name: _all(track.cells(strips.span, strips.end)) for name, track in of.sums.nodes.items()}
    total = sum(found(cells) for cells in sums.values())
    order = sorted(sums, key=lambda name: (-found(sums[name]), name))
    rows = [
        tr[
            td(".mono")[plain(name)],
            td[sign(now_of(of.sums.nodes[name], of.end), say)],
            figure(found(sums[name])),
            figure(_share(found(sums[name]), total)),
            figure(_share(count(sums[name], "ok"), found(sums[name]))),
        ]
        for name in order
    ]
    heads = (say("node"), say("now"), say("requests"), say("share"), say("well"))
    return section(aria_labelledby="nodes")[
        h2(id="nodes")[say("Nodes")],
        made_table(heads, rows, say("Nodes"), right=(2, 3, 4)),
        board_of([(name, of.sums.nodes[name]) for name in order[:50]], strips, say("Nodes")),
    ]


def _share(part: int, total: int) -> str:
    return f"{percent(Fraction(part, total), 1)} %" if total else ""


def _all(cells: Sequence[Cells]) -> Cells:
    sums = NOTHING
    for cell in cells:
        sums = sums if cell is NOTHING else added(sums, cell)
    return sums


def _certificates(facts: DomainFacts, now_us: int, say: Tongue, clock: Clock) -> Node:
    if not facts.certificates:
        return None
    newest = sorted(facts.certificates.items(), key=lambda pair: -pair[1].last_us)
    return section(aria_labelledby="certificate")[
        h2(id="certificate")[say("Certificate")],
        [ul[_certificate(leaf, one, now_us, say, clock)] for leaf, one in newest],
    ]


def _certificate(leaf: str, one: Certificate, now_us: int, say: Tongue, clock: Clock) -> Iterator[Element]:
    tls = one.tls
    yield li[b[plain(tls.subject or "?")], " ", code[leaf[:16]]]
    yield li[f"{say('issued by')} {plain(tls.issuer or '?')}"]
    yield li[f"{say('names')}: {plain(', '.join(tls.names), 600)}"]
    if tls.not_after is not None:
        until_us = round(epoch_s(tls.not_after) * 1e6)
        left = duration(until_us - now_us) if until_us > now_us else say("expired")
        yield li[f"{say('valid until')} ", clock.shown(until_us), f" ({left})"]
    if tls.verify_error is not None:
        yield li(".alarm")[plain(tls.verify_error)]
    yield li[f"{say('node')}: {plain(', '.join(one.nodes))}; {say('seen until')} ", clock.shown(one.last_us)]


def _versions(facts: DomainFacts, say: Tongue, clock: Clock) -> Node:
    if not facts.versions and not facts.served:
        return None
    rows = [
        tr[
            td[plain(path, 200)],
            td[code[version.content_digest[:16]]],
            td[clock.shown(round(epoch_s(version.first_seen) * 1e6))],
            td[clock.shown(round(epoch_s(version.last_seen) * 1e6))],
            td[_who(path, version.content_digest, facts)],
        ]
        for path, versions in sorted(facts.versions.items())
        for version in reversed(versions)
    ]
    heads = (say("object"), "SHA-256", say("seen from"), say("seen until"), say("nodes that served it last"))
    behind = [
        tr[
            td[plain(one.path, 200)],
            td(".mono")[plain(one.node)],
            td[say.term(one.relation.value)],
            td[code[(one.digest or "?")[:16]]],
            figure("" if one.behind_s is None else f"{one.behind_s:.0f} s"),
        ]
        for one in facts.served.values()
        if one.relation.value not in ("equal", "unverified")
    ]
    return section(aria_labelledby="versions")[
        h2(id="versions")[say("Versions of the objects")],
        made_table(heads, rows, say("Versions of the objects")),
        made_table(
            (say("object"), say("node"), say("relation"), "SHA-256", say("behind")),
            behind,
            say("nodes that served something else last"),
            right=(4,),
            titled=True,
        )
        if behind
        else None,
    ]


def _who(path: str, digest: str, facts: DomainFacts) -> str:
    nodes = sorted(one.node for one in facts.served.values() if one.path == path and one.digest == digest)
    return ", ".join(plain(node) for node in nodes[:8]) + (f" +{len(nodes) - 8}" if len(nodes) > 8 else "")


def _arrivals(facts: DomainFacts, say: Tongue, clock: Clock) -> Node:
    if not facts.arrivals:
        return None
    rows = [
        tr[
            td[clock.shown(one.at_us)],
            td[plain(one.path, 200)],
            td(".mono")[plain(one.node)],
            td[plain(one.vantage_point)],
            figure("?" if one.at_least_s is None else f"{one.at_least_s:.0f} s"),
            figure(f"{one.at_most_s:.0f} s"),
        ]
        for one in reversed(facts.arrivals)
    ]
    heads = (say("seen"), say("object"), say("node"), say("from"), say("at least"), say("at most"))
    return section(aria_labelledby="propagation")[
        h2(id="propagation")[say("Propagation")],
        made_table(heads, rows, say("How long a new version took to a node"), right=(4, 5)),
    ]
