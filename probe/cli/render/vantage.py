"""Rule: what is broken stands first, in words, with the place: this is read at 3 a.m.

Vantage points, and the result of checking them, as rich tables. Reads values, decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from probe.core.model.task import VantagePoint
from probe.core.records.surroundings import LineState
from probe.core.vantage.report import AnchorLook, LineLook, PointLook, ResolverLook

_NONE = "–"
_STATE = {LineState.ONLINE: "bold green", LineState.OFFLINE: "bold red", LineState.UNKNOWN: "bold yellow"}
_COLUMNS = ("name", "region, carrier, AS", "line", "IP", "resolvers, client subnet", "anchors", "tasks")


def points_table(points: Iterable[tuple[VantagePoint, Sequence[int], int]]) -> Table:
    """A row for each vantage point, with its IP versions and the number of its tasks."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 1, 0))
    for name in _COLUMNS:
        table.add_column(name, justify="right" if name == "tasks" else "left", overflow="fold")
    for vantage, versions, tasks in points:
        cells = (
            [vantage.name],
            [vantage.region, vantage.carrier, None if vantage.asn is None else f"AS{vantage.asn}"],
            line_words(vantage) or ["the host's own"],
            [f"IPv{version}" for version in versions],
            _resolvers(vantage),
            list(map(str, vantage.anchors)),
            [str(tasks)],
        )
        table.add_row(*(Text("\n".join(filter(None, lines)) or _NONE) for lines in cells))
    return table


def line_words(vantage: VantagePoint) -> list[str]:
    """What of its line a vantage point declares; never a password."""
    said = {
        "netns": vantage.netns,
        "interface": vantage.interface,
        "mark": None if vantage.mark is None else f"{vantage.mark:#x}",
        "source": " ".join(filter(None, (vantage.source_v4, vantage.source_v6))) or None,
        "proxy": None if vantage.proxy is None else f"{vantage.proxy}",
    }
    lines = [f"{name} {value}" for name, value in said.items() if value is not None]
    if vantage.proxy is not None:
        lines.append(f"names looked up {'by it' if vantage.proxy.resolve == 'proxy' else 'here'}")
    return lines


def _resolvers(vantage: VantagePoint) -> list[str]:
    policy = [f"{vantage.resolver_policy.replace('_', ' ')}:"] if len(vantage.resolvers) > 1 else []
    subnet = [] if vantage.client_subnet is None else [f"subnet {vantage.client_subnet}"]
    return [*policy, *(map(str, vantage.resolvers) if vantage.resolvers else ["the system's"]), *subnet]


def point_look(look: PointLook) -> Group:
    """One vantage point: a headline, a line for everything that was asked, then what its owner should know."""
    parts: list[RenderableType] = [_headline(look)]
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 2))
    for name in ("mark", "what", "which", "result", "ms", "words"):
        table.add_column(
            name, justify="right" if name == "ms" else "left", no_wrap=name == "ms", overflow="fold"
        )
    if look.line_problem is not None:
        table.add_row(_mark(well=False), "line", "", "", "", Text(look.line_problem))
    for line in look.lines:
        table.add_row(*_line_cells(line))
    for resolver in look.resolvers:
        table.add_row(*_resolver_cells(resolver))
    for anchor in look.anchors:
        table.add_row(*_anchor_cells(anchor))
    parts.append(table)
    parts += [Text(f"  note: {note}", style="yellow") for note in look.notes]
    return Group(*parts)


def _headline(look: PointLook) -> Text:
    text = Text(look.vantage_point, style="bold").append("  ")
    text.append("well", style="bold green") if look.well else text.append("NOT WELL", style="bold red")
    for line in look.lines:
        text.append(f"  IPv{line.ip_version} ").append(line.state.value, style=_STATE[line.state])
    return text


def _mark(*, well: bool) -> Text:
    return Text("ok", style="green") if well else Text("FAIL", style="bold red")


def _line_cells(line: LineLook) -> tuple[RenderableType, ...]:
    way = _NONE if line.towards is None else f"{line.local or 'no address of ours'} -> {line.towards}"
    well = line.state is not LineState.OFFLINE and (line.towards is None or line.local is not None)
    words = f"{line.reached} of {line.asked} anchors reached" if line.asked else "no anchor was asked"
    return _mark(well=well), f"line IPv{line.ip_version}", Text(way), line.state.value, "", words


def _resolver_cells(look: ResolverLook) -> tuple[RenderableType, ...]:
    result = look.rcode or (None if look.failure is None else look.failure.value) or _NONE
    other = look.transport if look.transport and not look.resolver.startswith(f"{look.transport}:") else None
    said = (
        f"{look.question}",
        *([f"over {other}"] if other else []),
        *([f"nsid {look.nsid}"] if look.nsid else []),
        *([look.words] if look.words else []),
    )
    return (
        _mark(well=look.well),
        "resolver",
        Text(look.resolver),
        result,
        _ms(look.taken_us),
        Text("; ".join(said)),
    )


def _anchor_cells(look: AnchorLook) -> tuple[RenderableType, ...]:
    result = "reached" if look.reached else look.failure.value if look.failure is not None else "failed"
    if look.reached and look.status_code is not None:
        result += f" {look.status_code}"
    named = look.address not in look.anchor
    words = "; ".join(filter(None, (look.address if named else "", look.words)))
    return (
        _mark(well=look.reached),
        f"anchor IPv{look.ip_version}",
        Text(look.anchor),
        result,
        _ms(look.taken_us),
        Text(words),
    )


def _ms(taken_us: int | None) -> str:
    return "" if taken_us is None else f"{taken_us / 1000:.1f}"
