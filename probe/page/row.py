"""One row: all requests in their order, what each gave, by which way the name led, and the bytes that differ.

Whatever stands here came from others: it is text, and never anything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from htpy import (
    Element,
    Node,
    a,
    b,
    code,
    details,
    div,
    h2,
    h3,
    li,
    p,
    pre,
    section,
    span,
    strong,
    summary,
    td,
    tr,
    ul,
)

from probe.core.model.protocols import H1, H2, H3, SHOWN
from probe.core.model.times import epoch_s
from probe.core.records.dns import Resolution
from probe.core.records.observation import Observation
from probe.core.records.phases import phases
from probe.core.records.rows import SlotRecord
from probe.core.records.rows import State as Measured
from probe.core.records.transport import Tls
from probe.core.records.verdict import Outcome
from probe.core.results.bundle import Bundle, Difference, Exchange
from probe.page.links import Links
from probe.page.look.clock import Clock
from probe.page.look.pieces import figure, made_table, plain, told
from probe.page.look.shell import document
from probe.page.look.waterfall import bar, end_us, lookup_bar
from probe.page.look.words import Tongue
from probe.page.model.states import MARKS, State, failed_by
from probe.page.model.values import Looking, RowName, Standing

HEAD_SHOWN, BODY_SHOWN, FIELDS_SHOWN = 8192, 512, 120
LINE_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView:
    """What is shown. `bundle` None: none is kept. `files`: what lies beside it to be downloaded: `har` ..."""

    agent: str
    record: SlotRecord
    bundle: Bundle | None = None
    files: tuple[str, ...] = ()

    @property
    def name(self) -> RowName:
        return self.agent, self.record.customer, self.record.seq or 0


def row(of: RowView, looking: Looking, standing: Standing | None) -> str:
    """The page."""
    say, clock, links = Tongue(looking.language), Clock(looking.zone), Links(looking)
    record = of.record
    state = state_of_row(record)
    exchanges = {one.observation: one for one in of.bundle.exchanges} if of.bundle is not None else {}
    agent, customer, seq = of.name
    return document(
        f"{plain(record.domain)}{plain(record.path, 80)}{_not_usual(record.protocol)}",
        [
            p[
                span(".sign", aria_hidden="true")[MARKS.get(state, "·")],
                strong[say.state(state)],
                ". ",
                told(
                    record.reason or record.missed_reason, record.summary or record.missed_reason, say, 1000
                ),
            ],
            _facts(of, say, clock),
            _files(of, say, links),
            _waterfall(record, say),
            _findings(record, say),
            _chain(record.resolution, say) if record.resolution is not None else None,
            [_exchange(number, one, exchanges, say, clock) for number, one in enumerate(record.observations)],
        ],
        looking,
        standing,
        home=links.overview(),
        to_language=lambda language: links.row(of.name, language=language) or "",
        to_zone=None if looking.static else links.zoned(f"/row/{agent}/{customer}/{seq}"),
    )


def _not_usual(protocol: str) -> str:
    """Rows of one object over several HTTP versions are told apart by it."""
    return "" if protocol == H1 else f" {protocol}"


def state_of_row(record: SlotRecord) -> State:
    """As the map draws it."""
    if record.state is not Measured.MEASURED:
        return State.MISSED
    if record.outcome is Outcome.FAILED:
        return failed_by(record.fault)
    return State.INCONCLUSIVE if record.outcome is None else State(record.outcome.value)


def _facts(of: RowView, say: Tongue, clock: Clock) -> Element:
    record = of.record
    place = " ".join(part for part in (record.vantage_point, record.region, record.carrier) if part)
    facts: list[tuple[str, Node]] = [
        (say("row"), f"{plain(of.agent)} {plain(record.customer)}/{record.seq}"),
        (say("due"), clock.shown(round(epoch_s(record.scheduled_at) * 1e6))),
        (say("from"), plain(place)),
        (say("HTTP version"), say(SHOWN[record.protocol])),
        (say("reason"), plain(record.reason or record.missed_reason or "–")),
        (say("confirmed"), say("yes") if record.confirmed else say("no")),
    ]
    if record.exclusions:
        facts.append((say("declared beforehand (excluded)"), plain(", ".join(record.exclusions))))
    return ul(".small")[(li[b[name], ": ", value] for name, value in facts)]


def _files(of: RowView, say: Tongue, links: Links) -> Node:
    if not of.files:
        return None
    words = {"har": "HAR", "evidence.json": say("evidence"), "dispute.zip": say("dispute file")}
    made = [a(href=links.beside_row(of.name, name), download=True)[words[name]] for name in of.files]
    return p[f"{say('to download')}: ", [part for one in made for part in (one, " ")]]


def _waterfall(record: SlotRecord, say: Tongue) -> Element:
    whole_us = end_us(record.resolution, record.observations)
    rows: list[Element] = []
    if record.resolution is not None:
        found = record.resolution
        reply = ", ".join(one.address for one in found.addresses[:4]) or (found.rcode or "?")
        rows.append(
            tr[
                td(".n"),
                td["dns"],
                td[plain(found.qname)],
                td[plain(reply)],
                td,
                td[lookup_bar(found, whole_us, say)],
            ]
        )
    for number, one in enumerate(record.observations):
        took = phases(one.timing)
        rows.append(
            tr[
                td(".n")[a(href=f"#o{number}")[str(number)]],
                td[
                    say.term(one.role.value),
                    div(".dim.small")["↳ ", str(one.of)] if one.of is not None else None,
                ],
                td(".mono")[plain(f"{one.address}:{one.port}")],
                td[_reply(one)],
                figure("" if took.total_us is None else f"{took.total_us / 1000:.1f} ms"),
                td[bar(one, whole_us, say)],
            ]
        )
    heads = ("#", say("why"), say("address"), say("reply"), say("whole"), f"0–{whole_us / 1000:.0f} ms")
    return section(aria_labelledby="requests")[
        h2(id="requests")[say("Requests in their order")],
        made_table(heads, rows, say("Requests in their order"), right=(4,)),
        p(".small.key")[
            (
                [span(class_=f"swatch {name}", aria_hidden="true"), f" {say(words)} "]
                for name, words in (
                    ("dns", "name look-up"),
                    ("connect", "TCP"),
                    ("tls", "TLS"),
                    ("wait", "waiting"),
                    ("body", "transfer"),
                )
            )
        ],
    ]


def _reply(one: Observation) -> str:
    if one.failure is not None:
        return plain(f"{one.failure.type.value} {one.failure.detail or ''}".strip(), 300)
    if one.response is not None:
        spoken = one.response.next_hop_protocol
        version = f"({spoken})" if spoken in (H2, H3) else ""
        return plain(
            " ".join(f"{one.response.status_code} {one.response.reason_phrase} {version}".split()), 300
        )
    return "–"


def _findings(record: SlotRecord, say: Tongue) -> Node:
    if not record.findings:
        return None
    rows = [
        tr[
            td[plain(one.check)],
            td[plain(one.reason)],
            td[say.term(one.outcome.value)],
            td[say.term(one.fault.value) if one.fault is not None else ""],
            td[a(href=f"#o{one.observation}")[str(one.observation)] if one.observation is not None else ""],
            td[told(one.reason, one.detail, say, 500)],
        ]
        for one in record.findings
    ]
    heads = (say("check"), say("reason"), say("verdict"), say("fault"), say("request"), say("in words"))
    return section(aria_labelledby="findings")[
        h2(id="findings")[say("Findings")], made_table(heads, rows, say("Findings"))
    ]


def _chain(found: Resolution, say: Tongue) -> Element:
    """The alias chain as a tree, with what its end led to."""
    ends = [
        li[code[plain(one.address)], f" TTL {one.ttl_s} s", f" {plain(one.refused)}" if one.refused else None]
        for one in found.addresses
    ]
    if found.failure is not None:
        ends.append(li[strong[plain(f"{found.failure.type.value} {found.failure.detail or ''}", 300)]])
    tree: Node = ul[ends] if ends else None
    for link in reversed(found.cname_chain):
        tree = ul[li[code[plain(link.target)], f" CNAME, TTL {link.ttl_s} s, {plain(link.resolver)}", tree]]
    return section(aria_labelledby="chain")[
        h2(id="chain")[say("Where the name leads")],
        ul(".tree")[li[code[plain(found.qname)], f" {plain(found.qtype)} {plain(found.rcode or '')}", tree]],
    ]


def _exchange(
    number: int, one: Observation, exchanges: Mapping[int, Exchange], say: Tongue, clock: Clock
) -> Element:
    kept = exchanges.get(number)
    return details(".one", id=f"o{number}", open=number == 0)[
        summary[
            span(".name")[
                b[f"{number} {say.term(one.role.value)}"], " ", plain(f"{one.address} {_reply(one)}", 300)
            ]
        ],
        div(".inside")[
            p(".mono")[plain(f"{one.method} {one.url}", 1000)],
            p[f"{say('through proxy')} {plain(one.proxy)}"] if one.proxy is not None else None,
            _fields(one, say),
            _certificate(one.tls, say, clock) if one.tls is not None else None,
            list(_kept(kept, say)) if kept is not None else None,
        ],
    ]


def _fields(one: Observation, say: Tongue) -> Node:
    if one.response is None or not one.response.fields:
        return None
    fields = one.response.fields
    rows = [
        tr[td(".mono")[plain(name, 200)], td(".mono")[plain(value, 1000)]]
        for name, value in fields[:FIELDS_SHOWN]
    ]
    return made_table((say("field"), say("value")), rows, say("Head fields"))


def _certificate(tls: Tls, say: Tongue, clock: Clock) -> Element:
    lines = [
        f"{tls.version or '?'} {tls.cipher or ''}",
        f"{say('subject')}: {tls.subject or '?'}",
        f"{say('issued by')}: {tls.issuer or '?'}",
        f"{say('names')}: {', '.join(tls.names)}",
        *([f"OpenSSL: {tls.verify_error}"] if tls.verify_error is not None else []),
    ]
    until = (
        li[f"{say('valid until')} ", clock.shown(round(epoch_s(tls.not_after) * 1e6))]
        if tls.not_after is not None
        else None
    )
    return div[h3[say("Certificate")], ul(".small")[(li[plain(line, 600)] for line in lines), until]]


def _kept(kept: Exchange, say: Tongue) -> Iterator[Node]:
    """What crossed the wire, from the bundle."""
    if kept.request_head:
        yield [h3[say("Request as sent")], pre[plain(kept.request_head, HEAD_SHOWN)]]
    if kept.response_head:
        yield [h3[say("Head as received")], pre[plain(kept.response_head.decode("latin-1"), HEAD_SHOWN)]]
    if kept.difference is not None:
        yield from _difference(kept.difference, say)
    elif kept.body_head:
        yield [h3[say("First bytes of the body")], pre[_dump(kept.body_head[:BODY_SHOWN], 0)]]


def _difference(found: Difference, say: Tongue) -> Iterator[Node]:
    yield h3[say("Bytes that differ from the origin's")]
    yield p[
        f"{say('edge')} {found.edge_bytes} B, {say('origin')} {found.origin_bytes} B;"
        f" {say('first byte that differs')}: {found.offset}"
    ]
    begin = max(0, found.offset - found.from_byte - 2 * LINE_BYTES)
    begin -= begin % LINE_BYTES
    for name, data in (("edge", found.edge), ("origin", found.origin)):
        part = data[begin : begin + BODY_SHOWN]
        yield [h3[say(name)], pre[_dump(part, found.from_byte + begin, found.offset)]]


def _dump(data: bytes, at: int, marked: int | None = None) -> str:
    """Sixteen bytes a line, with their place, in digits and as text; the line with the byte is marked."""
    lines = []
    for begin in range(0, len(data), LINE_BYTES):
        part = data[begin : begin + LINE_BYTES]
        place = at + begin
        here = marked is not None and place <= marked < place + LINE_BYTES
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        lines.append(f"{'>' if here else ' '}{place:08x}  {part.hex(' '):<47}  {text}")
    return "\n".join(lines)
