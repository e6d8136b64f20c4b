"""Rule: an inventory is read by address: one line each, the newest facts beside the oldest.

Nodes, and how long each served an old version, as rich tables. Reads values, decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from probe.core.config.node_labels import ListedNode
from probe.core.nodes.propagation import NodePropagation

_COLUMNS = ("address", "IP", "first seen", "last seen", "given to", "carrier", "prefix", "swept")


def nodes_table(nodes: Iterable[ListedNode]) -> Table:
    """A line for each node; where several customers have the domain, whose it is stands before the address."""
    rows = list(nodes)
    several = len({node.customer for node in rows}) > 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (*(("customer",) if several else ()), *_COLUMNS):
        table.add_column(name, overflow="fold")
    for node in rows:
        cells = (
            node.address,
            f"IPv{node.ip_version}",
            _moment(node.first_seen),
            _moment(node.last_seen),
            ", ".join(seen.vantage_point for seen in node.vantage_points),
            node.carrier or "–",
            node.prefix or "–",
            _swept(node),
        )
        style = "" if node.swept else "dim"
        table.add_row(*((node.customer,) if several else ()), *cells, style=style)
    return table


def _moment(text: str) -> str:
    """`2026-11-22 10:00:00Z`, from RFC 3339 UTC."""
    return text[:19].replace("T", " ") + "Z"


def _swept(node: ListedNode) -> Text:
    if node.swept:
        return Text("yes", style="green")
    return Text("on trial" if node.on_trial else "no")


# --- propagation: what was observed only at times is an interval, never one figure -----------------------

_VERDICTS = {True: ("over its lifetime", "red"), False: ("in time", "green"), None: ("open", "dim")}


def propagation_tables(found: Iterable[NodePropagation]) -> Group:
    """For each object its address, and below it a line for each change and node."""
    parts: list[RenderableType] = []
    order = sorted(found, key=lambda n: (n.customer, n.url, n.changed_before, n.address))
    for (customer, url), nodes in groupby(order, lambda n: (n.customer, n.url)):
        parts += [Text(f"{customer} {url}", style="bold", overflow="fold"), _propagation(nodes), Text()]
    return Group(*parts[:-1])


def _propagation(nodes: Iterable[NodePropagation]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("changed by", "node", "from", "took s", "allowed s", ""):
        right = name.endswith(" s")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for node in nodes:
        words, style = _VERDICTS[node.over_lifetime]
        table.add_row(
            _moment(node.changed_before),
            node.address,
            node.vantage_point,
            _span(node),
            "–" if node.allowed_s is None else f"{node.allowed_s:.0f}",
            Text(words, style=style),
        )
    return table


def _span(node: NodePropagation) -> str:
    """`2.5 to 3.1`, `at least 40.0` where it has not been seen with the new version."""
    if node.at_most_s is None:
        return f"at least {node.at_least_s:.1f}"
    return f"{node.at_least_s:.1f} to {node.at_most_s:.1f}"
