"""Rule: durations are drawn as bars; what needs action is said in a sentence.

Rows and observations as rich tables, trees and bars. Reads records, decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from probe.core.model.protocols import H1, H2, H3
from probe.core.records.dns import Resolution
from probe.core.records.observation import Observation, Role
from probe.core.records.phases import phases
from probe.core.records.rows import EventRecord, Record, SlotRecord, State
from probe.core.records.verdict import Outcome

STYLES = {
    Outcome.OK: "green",
    Outcome.SLOW: "yellow",
    Outcome.STALE: "yellow",
    Outcome.INCONCLUSIVE: "cyan",
    Outcome.FAILED: "bold red",
    None: "dim",
}
_SEGMENTS = (
    ("resolve_us", "magenta"),
    ("connect_us", "blue"),
    ("tls_us", "cyan"),
    ("processing_us", "yellow"),
    ("transfer_us", "green"),
)
WATERFALL_WIDTH = 28


def milliseconds(value_us: int | None) -> str:
    """A duration for people; a dash where it was not measured."""
    return "–" if value_us is None else f"{value_us / 1000:.1f}"


def waterfall(observation: Observation, resolution: Resolution | None, scale_us: int) -> Text:
    """The phases as a bar: as long as the observation took, `scale_us` filling the width."""
    bar = Text()
    parts = phases(observation.timing, resolution)
    for name, style in _SEGMENTS:
        taken_us = getattr(parts, name) or 0
        cells = round(taken_us * WATERFALL_WIDTH / scale_us) if scale_us else 0
        bar.append("█" * min(cells, WATERFALL_WIDTH) or ("▏" if taken_us else ""), style=style)
    return bar


def legend() -> Text:
    """What the colours of the waterfall mean."""
    text = Text("phases: ", style="dim")
    for name, style in _SEGMENTS:
        text.append("█ ", style=style).append(name.removesuffix("_us") + "  ", style="dim")
    return text


def _total_us(observation: Observation, resolution: Resolution | None) -> int:
    parts = phases(observation.timing, resolution)
    return sum(getattr(parts, name) or 0 for name, _ in _SEGMENTS)


def once_table(rows: Sequence[SlotRecord]) -> Group:
    """What `once` shows: a line for each edge fetched, and the sentence of each slot that is not well."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("object", "from", "edge", "status", "ttfb ms", "total ms", "phases", "verdict"):
        table.add_column(
            name,
            justify="right" if name.endswith("ms") else "left",
            no_wrap=name.endswith("ms"),
            overflow="crop" if name == "phases" else "fold",
            min_width=12 if name in ("object", "verdict") else None,
        )
    edges = [(row, o) for row in rows for o in row.observations if o.role is Role.EDGE]
    scale_us = max((_total_us(o, row.resolution) for row, o in edges), default=0)
    for row in rows:
        _once_rows(table, row, scale_us)
    sentences = [
        Text("• ", style=STYLES[row.outcome]).append(
            f"{object_of(row)} from {row.vantage_point}: {row.summary}"
        )
        for row in rows
        if row.outcome is not Outcome.OK
    ]
    return Group(table, legend(), *sentences)


def object_of(row: SlotRecord) -> str:
    """Which object, and by which HTTP version it was asked for, where that is not HTTP/1.1."""
    return f"{row.domain}{row.path}" + ("" if row.protocol == H1 else f" {row.protocol}")


def _once_rows(table: Table, row: SlotRecord, scale_us: int) -> None:
    name, vantage, verdict = object_of(row), row.vantage_point, verdict_text(row)
    edges = [o for o in row.observations if o.role is Role.EDGE]
    for observation in edges:
        parts = phases(observation.timing, row.resolution)
        table.add_row(
            name,
            vantage,
            observation.address,
            status_text(observation),
            milliseconds(parts.ttfb_us),
            milliseconds(parts.total_us),
            waterfall(observation, row.resolution, scale_us),
            verdict,
        )
        name, vantage, verdict = "", "", Text()
    if not edges:
        table.add_row(name, vantage, "–", "–", "–", "–", Text(), verdict)


def status_text(observation: Observation) -> Text:
    """Status code, or what failed."""
    if observation.failure is not None:
        return Text(observation.failure.type, style="red")
    return Text("–" if observation.response is None else str(observation.response.status_code))


def _status_and_version(observation: Observation) -> Text:
    """The same, and the HTTP version that was spoken, where that is not HTTP/1.1."""
    text, response = status_text(observation), observation.response
    version = "" if response is None else response.next_hop_protocol
    return text.append(f" {version}", style="dim") if version in (H2, H3) else text


def verdict_text(row: SlotRecord) -> Text:
    """outcome, fault and reason in the outcome's colour."""
    if row.state is not State.MEASURED:
        return Text(f"{row.state} {row.missed_reason}", style="magenta")
    text = Text(str(row.outcome), style=STYLES[row.outcome])
    if row.reason is not None:
        text.append(f" · {row.fault} · {row.reason}")
    return text


def list_table(records: Iterable[Record]) -> Table:
    """One line a record: `results list`."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("stream/seq", "scheduled (UTC)", "object", "from", "edges", "verdict"):
        table.add_column(name, no_wrap=name in ("scheduled (UTC)", "edges"), overflow="fold")
    records = list(records)
    several = len({_agent(record) for record in records}) > 1
    for record in records:
        name = f"{record.customer}/{record.seq}"
        name = f"{_agent(record)}/{name}" if several else name
        if isinstance(record, EventRecord):
            detail = " ".join(f"{key}={value}" for key, value in record.detail.items())
            table.add_row(
                name,
                record.at[:23],
                "",
                "",
                "",
                Text(f"{record.event} {detail}", style="blue"),
            )
            continue
        edges = [o for o in record.observations if o.role is Role.EDGE]
        good = sum(1 for o in edges if o.failure is None)
        table.add_row(
            name,
            record.scheduled_at[:23],
            object_of(record),
            record.vantage_point,
            f"{good}/{len(edges)}",
            verdict_text(record),
        )
    return table


def _agent(record: Record) -> str:
    return record.agent if isinstance(record, EventRecord) else record.host.agent


def chain_tree(resolution: Resolution) -> Tree:
    """The CNAME chain with TTLs, the resolver asked, and the addresses at its end."""
    root = Tree(f"[bold]{resolution.qname}[/] {resolution.qtype}")
    node = root
    for link in resolution.cname_chain:
        mark = " [red](doubled, not followed)[/]" if link.doubled else ""
        node = node.add(f"CNAME {link.target}  [dim]ttl {link.ttl_s}s, {link.resolver}[/]{mark}")
    for record in resolution.addresses:
        refused = f"  [red]refused: {record.refused}[/]" if record.refused else ""
        node.add(f"{resolution.qtype} [bold]{record.address}[/]  [dim]ttl {record.ttl_s}s[/]{refused}")
    if resolution.failure is not None:
        node.add(f"[red]{resolution.failure.type}[/] at {resolution.failing_name}")
    return root


def observation_table(row: SlotRecord) -> Table:
    """Every observation of a slot, in the order in which it was made."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (
        "#",
        "role",
        "address",
        "status",
        "bytes",
        "sha256",
        "cache",
        "ttfb ms",
        "total ms",
        "phases",
    ):
        right = name in ("bytes", "ttfb ms", "total ms")
        table.add_column(
            name,
            justify="right" if right else "left",
            overflow="crop" if name == "phases" else "fold",
            min_width=15 if name == "address" else None,
        )
    scale_us = max((_total_us(o, None) for o in row.observations), default=0)
    for index, o in enumerate(row.observations):
        parts, response = phases(o.timing), o.response
        table.add_row(
            str(index),
            o.role + (f" of {o.of}" if o.of is not None else ""),
            f"{o.address}:{o.port}",
            _status_and_version(o),
            "–"
            if response is None or response.encoded_body_bytes is None
            else str(response.encoded_body_bytes),
            "–" if response is None or response.content_digest is None else response.content_digest[:8],
            cache_text(o),
            milliseconds(parts.ttfb_us),
            milliseconds(parts.total_us),
            waterfall(o, None, scale_us),
        )
    return table


def cache_text(observation: Observation) -> str:
    """What the nearest cache says of itself, and from which field we have it."""
    status = observation.cache_status
    if status is None:
        return "–"
    word = "hit" if status.hit else f"miss ({status.fwd})" if status.fwd else "?"
    return word if status.derived_from == "cache-status" else f"{word} by {status.derived_from}"


def certificate_lines(observation: Observation) -> list[str]:
    """The leaf certificate for people."""
    tls = observation.tls
    if tls is None:
        return []
    lines = [f"{tls.version or 'no version'} {tls.cipher or ''}".strip()]
    if tls.subject:
        lines.append(
            f"certificate {tls.subject}, issued by {tls.issuer}, valid {tls.not_before} to {tls.not_after}"
        )
    if tls.names:
        lines.append("names " + ", ".join(tls.names))
    if tls.verify_error:
        lines.append(f"[red]{tls.verify_error}[/]")
    return lines


def transport_lines(observation: Observation) -> list[str]:
    """For people: the HTTP version that was agreed on, what is known of QUIC, and what is advertised."""
    response, quic = observation.response, observation.quic_info
    lines = [] if response is None else [response.next_hop_protocol]
    if quic is not None:
        version = "no version heard" if quic.version is None else f"version {quic.version}"
        rtt = "" if quic.rtt_us is None else f", round trip {milliseconds(quic.rtt_us)} ms"
        lines.append(
            f"QUIC {version}{rtt}, {quic.datagrams_sent} datagrams sent, {quic.datagrams_received} received,"
            f" {quic.lost_packets} packets lost"
        )
    for each in observation.advertised:
        lines.append(f"advertises {each} ({each.by})")
    return lines


def _title(row: SlotRecord) -> str:
    """What was looked at, and under which number it is stored, if it is."""
    return object_of(row) if row.seq is None else f"{row.customer}/{row.seq}  {object_of(row)}"


def evidence(row: SlotRecord) -> RenderableType:
    """One slot with everything it rests on: `results show`."""
    parts: list[RenderableType] = [
        Text(f"{_title(row)}  ", style="bold").append(verdict_text(row)),
        Text(row.summary or ""),
        Text(
            f"scheduled {row.scheduled_at}, started {row.started_at}, finished {row.finished_at}\n"
            f"task {row.task}, definition {row.definition}, from {row.vantage_point}"
            f" ({row.region or 'no region'}, {row.carrier or 'no carrier'})",
            style="dim",
        ),
    ]
    if row.exclusions:
        parts.append(Text("declared exclusions: " + "; ".join(row.exclusions), style="magenta"))
    if row.resolution is not None:
        parts.append(chain_tree(row.resolution))
    if row.observations:
        parts += [observation_table(row), legend()]
    if row.rests_on:
        parts.append(Text(f"rests on {', '.join(map(str, row.rests_on))}", style="dim"))
    for finding in row.findings:
        at = f" at {finding.address}" if finding.address else ""
        seen = {True: ", confirmed", False: ", not seen again", None: ""}[finding.confirmed]
        parts.append(
            Text(f"• {finding.check}: ", style=STYLES[finding.outcome]).append(
                f"{finding.reason}{at}, fault {finding.fault or 'nobody'}{seen}"
                + (f" – {finding.detail}" if finding.detail else "")
            )
        )
    host = row.host
    clock = {True: "synchronised", False: "NOT synchronised", None: "unknown"}[host.clock_synchronised]
    parts.append(
        Text(
            f"agent {host.agent} {host.agent_version}, configuration {host.config_digest[:12] or 'none'}, loop lag "
            f"{milliseconds(host.loop_lag_us)} ms, lateness {milliseconds(host.lateness_us)} ms, clock {clock}",
            style="dim",
        )
    )
    return Group(*parts)
