"""Rule: what goes on stands first; each incident is a sentence, then where its proof is, in 80 columns.

Reads values, decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from probe.cli.render.layout import Table, Text
from probe.core.incidents.incident import Incident, Kind, Transition
from probe.core.incidents.sentence import sentence, span
from probe.core.model.times import utc_text_us

ROWS_SHOWN = 3
_STYLE = {"opened": "bold red", "changed": "bold yellow", "closed": "green"}


def incidents_view(incidents: Iterable[Incident], now_us: int) -> list[Text | Table]:
    """All of them. `now_us`: since when open ones last is counted up to it."""
    parts: list[Text | Table] = []
    for one in incidents:
        state = "open" if one.is_open else "closed"
        until_us = now_us if one.is_open else one.last_failing_us
        lasts = span(max(0, until_us - one.first_failing_us))
        head = Text().append(f"{state:6} ", style="bold red" if one.is_open else "dim")
        parts.append(head.append(f"{about(one)}  {one.outcome}, {one.fault}, {lasts}", style="bold"))
        parts.append(_indented(_lines(one)))
    return parts or [Text("No incident.", style="dim")]


def transition_view(each: Transition, now_us: int) -> list[Text | Table]:
    """One step, as it is told."""
    at = f"{utc_text_us(now_us)[11:19]}Z "
    head = Text(at, style="dim").append(f"{each.stage:7} ", style=_STYLE[each.stage])
    return [head.append(about(each.incident), style="bold"), _indented([sentence(each.incident)])]


def about(one: Incident) -> str:
    """What is in trouble."""
    if one.kind is Kind.VANTAGE_POINT:
        return f"vantage point {one.vantage_point}"
    return f"{one.domain} ({one.customer})"


def _lines(one: Incident) -> Iterator[str]:
    yield sentence(one)
    rows = ", ".join(one.keys[:ROWS_SHOWN]) + (" ..." if one.rows > ROWS_SHOWN else "")
    yield f"incident {one.id}; {one.rows} rows" + (f": {rows}" if one.keys else "")
    if one.evidence_ids:
        yield f"evidence {one.evidence_ids[0]}"


def _indented(lines: Iterable[str]) -> Table:
    table = Table()
    for line in lines:
        table.add_row(Text("     "), Text(line))
    return table
