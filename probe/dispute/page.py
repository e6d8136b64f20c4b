"""Rule: whoever opens a dispute file reads it without a tool, and nothing in it runs or loads anything.

The page `index.html`: no scripts, no addresses of others, every value escaped (htpy escapes all that it is given), and
characters that would turn a line around or hide in it are shown as what they are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import htpy as h
from markupsafe import Markup

from probe.core.proof.signed_head import SignedHead
from probe.core.records.observation import Observation
from probe.core.records.phases import phases
from probe.core.records.rows import EventRecord, Record, SlotRecord
from probe.core.records.verdict import Outcome
from probe.core.results.bundle import Bundle, Exchange

HEAD_SHOWN, BODY_SHOWN = 8192, 1024
ROWS_MOST = 5_000  # in the table; beyond, those that are ok are left out of it
DETAILED_MOST = 500  # slots whose requests are shown one by one
# Control characters, and those that change the direction of text or have no width (Unicode, Bidi_Control and Cf).
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2430; background: #fff; max-width: 76rem; margin: 2rem auto;
  padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; margin: .6rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid #dfe3e8; }
th { color: #5a6675; font-weight: 600; } td, code, pre { overflow-wrap: anywhere; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.t { white-space: nowrap; font-variant-numeric: tabular-nums; }
pre { background: #f4f6f8; padding: .6rem .8rem; font-size: .8rem; white-space: pre-wrap; margin: .3rem 0 .8rem; }
td.w { min-width: 13rem; } td.v { min-width: 9rem; } code { font-size: .9em; }
.failed { color: #b3261e; font-weight: 600; } .ok { color: #1a6b3c; }
.slow, .stale, .inconclusive { color: #8a5a00; font-weight: 600; } .quiet { color: #5a6675; }
.scroll { overflow-x: auto; }
"""


@dataclass(slots=True)
class Overview:
    """What the page says of all records, from one look at each; none but those that are shown in detail is kept."""

    records: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    first_due: str | None = None
    last_due: str | None = None
    bad: int = 0
    detailed: list[SlotRecord] = field(default_factory=list)
    _rows: list[Markup] = field(default_factory=list)
    _rows_not_ok: list[Markup] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """The next record."""
        self.records += 1
        ok = isinstance(record, SlotRecord) and record.outcome is Outcome.OK
        if len(self._rows) < ROWS_MOST or (not ok and len(self._rows_not_ok) < ROWS_MOST):
            row = Markup(str(_row(record)))  # noqa: S704 - htpy has escaped it
            if len(self._rows) < ROWS_MOST:
                self._rows.append(row)
            if not ok and len(self._rows_not_ok) < ROWS_MOST:
                self._rows_not_ok.append(row)
        if isinstance(record, SlotRecord):
            self._add_slot(record)

    def _add_slot(self, row: SlotRecord) -> None:
        self.outcomes[row.outcome.value if row.outcome is not None else row.state.value] += 1
        self.first_due = row.scheduled_at if self.first_due is None else min(self.first_due, row.scheduled_at)
        self.last_due = row.scheduled_at if self.last_due is None else max(self.last_due, row.scheduled_at)
        if row.outcome not in (Outcome.OK, None):
            self.bad += 1
            if len(self.detailed) < DETAILED_MOST:
                self.detailed.append(row)

    @property
    def rows(self) -> list[Markup]:
        """Of the table."""
        return self._rows if self.records <= ROWS_MOST else self._rows_not_ok


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the page shows. `bundle`: the evidence of a record; `place`: where the stream's members lie."""

    overview: Overview
    bundle: Callable[[SlotRecord], Bundle | None]
    heads: tuple[SignedHead, ...]
    place: str
    summary: Mapping[str, Any]


def page(shown: Shown) -> bytes:
    """The page as it lies in the file; the same values always give the same bytes."""
    told = shown.summary
    title = f"Records {told['first_seq']} to {told['last_seq']} of {told['customer']}, measured by {told['agent']}"
    about = shown.overview
    document = h.html(lang="en")[
        h.head[
            h.meta(charset="utf-8"),
            h.meta(http_equiv="Content-Security-Policy", content=_POLICY),
            h.meta(name="viewport", content="width=device-width, initial-scale=1"),
            h.title[_text(title)],
            h.style[_STYLE],
        ],
        h.body[
            h.h1[_text(title)],
            h.p(".quiet")[
                "This page is for reading. What proves it lies beside it in this file, and is verified by whoever has"
                " the agent's public key, kept since it was had from the agent: ",
                h.code["cdn-probe results verify FILE --key agent.pub"],
                ". That also makes this page anew and compares it.",
            ],
            _facts(shown),
            h.h2["Records"],
            h.p[f"Of {about.records} records those that are not ok; all are in the file of records."]
            if about.records > ROWS_MOST
            else None,
            h.div(".scroll")[_records(about)],
            h.h2["What was seen where it was not well"] if about.bad else None,
            (_slot(shown, row) for row in about.detailed),
            h.p[f"{about.bad - DETAILED_MOST} more are in the files of records and evidence alone."]
            if about.bad > DETAILED_MOST
            else None,
        ],
    ]
    return (str(document) + "\n").encode()


def _facts(shown: Shown) -> h.Element:
    told, about = shown.summary, shown.overview
    facts: list[tuple[str, Any]] = [
        ("Agent", told["agent"]),
        ("Customer", told["customer"]),
        ("Slots due", f"{about.first_due} to {about.last_due}" if about.first_due else "none in this span"),
        (
            "Outcomes",
            ", ".join(f"{count} {name}" for name, count in sorted(about.outcomes.items())) or "none",
        ),
        ("Signed", "; ".join(map(_head, shown.heads)) or "by nothing in this file"),
        ("Time stamps by a third party", str(told["time_stamps"])),
        ("Keys", ", ".join(told["keys"]) or "none"),
        ("Configuration (SHA-256)", ", ".join(told["config_digests"])),
        ("Agent's version", ", ".join(told["agent_versions"])),
        ("Evidence", f"{told['evidence']} bundles, each under the digest in its record"),
    ]
    if told["records_gone"]:
        spans = ", ".join(f"{first} to {last}" for first, last in told["records_gone"])
        facts.append(("Records that are gone", f"{spans}: the agent has put on record that they went"))
    if told["evidence_gone"]:
        gone = ", ".join(map(str, told["evidence_gone"]))
        facts.append(
            ("Evidence that is gone", f"of records {gone}: the agent has put on record that it went")
        )
    if told["evidence_under_no_digest"]:
        bare = ", ".join(map(str, told["evidence_under_no_digest"]))
        facts.append(
            ("Evidence left out", f"of records {bare}: a version wrote them that put it under no digest")
        )
    return h.table[[h.tr[h.th[name], h.td[_text(value)]] for name, value in facts]]


def _head(head: SignedHead) -> str:
    clock = {True: "synchronised", False: "not synchronised", None: "of unknown state"}[
        head.clock_synchronised
    ]
    return f"up to {head.seq} at {head.at} (the agent's clock was {clock})"


def _records(about: Overview) -> h.Element:
    names = ("record", "due", "what", "from", "outcome", "fault", "reason", "in words")
    return h.table[
        h.thead[h.tr[[h.th(class_="n" if name == "record" else None)[name] for name in names]]],
        h.tbody[about.rows],
    ]


def _row(record: Record) -> h.Element:
    seq = record.seq or 0
    if isinstance(record, EventRecord):
        detail = "; ".join(f"{name} {value}" for name, value in record.detail.items())
        cells = (h.td(".n")[str(seq)], h.td(".t")[_text(record.at)], h.td(colspan="5")[_text(record.event)])
        return h.tr[cells, h.td[_text(detail[:400])]]
    outcome = record.outcome.value if record.outcome is not None else record.state.value
    number = h.a(href=f"#r{seq}")[str(seq)] if outcome not in ("ok", "missed", "aborted") else str(seq)
    return h.tr[
        h.td(".n")[number],
        h.td(".t")[_text(record.scheduled_at)],
        h.td(".w")[_text(f"{record.domain}{record.path}")],
        h.td(".t")[_text(record.vantage_point)],
        h.td(class_=outcome)[outcome],
        h.td(".t")[_text(record.fault.value if record.fault is not None else "")],
        h.td(".v")[_text(record.reason or record.missed_reason or "")],
        h.td[_text(record.summary or "")],
    ]


def _slot(shown: Shown, row: SlotRecord) -> h.Element:
    seq = row.seq or 0
    bundle = shown.bundle(row)
    return h.section(id=f"r{seq}")[
        h.h3[
            f"Record {seq}: ", _text(f"{row.domain}{row.path} from {row.vantage_point}, {row.scheduled_at}")
        ],
        h.p[h.span(class_=row.outcome.value if row.outcome is not None else None)[_text(row.summary or "")],],
        h.div(".scroll")[_requests(row)],
        [_exchange(row, exchange) for exchange in bundle.exchanges] if bundle is not None else None,
        h.p(".quiet")[_files(shown, seq, bundle)],
    ]


def _files(shown: Shown, seq: int, bundle: Bundle | None) -> list[Any]:
    if bundle is None:
        return ["No evidence bundle of this record is in this file."]
    evidence, har = f"{shown.place}/evidence/{seq:012d}-{bundle.id}.json", f"{shown.place}/har/{seq:012d}.har"
    return [
        "The bytes that crossed the wire: ",
        h.a(href=evidence)[evidence],
        "; for a browser's developer tools: ",
        h.a(href=har)[har],
        f". {len(bundle.dns)} DNS messages are kept." if bundle.dns else "",
    ]


def _requests(row: SlotRecord) -> h.Element:
    names = ("", "asked", "address", "URL", "reply", "first byte", "whole", "from")
    return h.table[
        h.thead[h.tr[[h.th[name] for name in names]]],
        h.tbody[[_request(index, observation) for index, observation in enumerate(row.observations)]],
    ]


def _request(index: int, seen: Observation) -> h.Element:
    took = phases(seen.timing)
    if seen.failure is not None:
        reply = f"{seen.failure.type.value} {seen.failure.detail or ''}"
    elif seen.response is not None:
        reply = f"{seen.response.status_code} {seen.response.reason_phrase}"
    else:
        reply = "nothing"
    return h.tr[
        h.td(".n")[str(index)],
        h.td[seen.role.value],
        h.td[_text(f"{seen.address}:{seen.port}")],
        h.td[_text(seen.url)],
        h.td[_text(reply)],
        h.td(".n")[_ms(took.ttfb_us)],
        h.td(".n")[_ms(took.total_us)],
        h.td[_text(seen.source or "")],
    ]


def _ms(value_us: int | None) -> str:
    return "" if value_us is None else f"{value_us / 1000:.1f} ms"


def _exchange(row: SlotRecord, exchange: Exchange) -> Iterator[h.Node]:
    seen = row.observations[exchange.observation] if exchange.observation < len(row.observations) else None
    named = "" if seen is None else f", {seen.role.value} {seen.address}"
    yield h.p[h.strong[_text(f"Request {exchange.observation}{named}")]]
    if exchange.request_head:
        yield h.pre[_text(exchange.request_head[:HEAD_SHOWN].rstrip())]
    if exchange.response_head:
        yield h.pre[_text(exchange.response_head[:HEAD_SHOWN].decode("latin-1").rstrip())]
    if exchange.difference is not None:
        found = exchange.difference
        yield h.p[
            f"The body ({found.edge_bytes} bytes) leaves the origin's ({found.origin_bytes} bytes)"
            f" at byte {found.offset}. Edge, then origin, around that place:"
        ]
        yield h.pre[_bytes(found.edge)]
        yield h.pre[_bytes(found.origin)]
    elif exchange.body_head:
        yield h.pre[_bytes(exchange.body_head)]
    if exchange.certificates:
        count = len(exchange.certificates)
        yield h.p(".quiet")[
            f"{count} certificate{'s' * (count != 1)} of this request beside it in this file."
        ]


def _bytes(data: bytes) -> str:
    shown = data[:BODY_SHOWN]
    more = f"\n... {len(data) - len(shown)} bytes more are kept" if len(data) > len(shown) else ""
    try:
        text = _text(shown.decode("utf-8"))
    except UnicodeDecodeError:
        text = shown.hex(" ")
    return text + more


def _text(text: str) -> str:
    """Characters that cannot be seen, and would be obeyed, in words."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", plain)
