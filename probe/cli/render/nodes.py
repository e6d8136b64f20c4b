"""Rule: an inventory is read by address: one line each, the newest facts beside the oldest.

Nodes as a rich table. Reads values, decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from probe.core.config.node_labels import ListedNode

_COLUMNS = ("address", "IP", "first seen", "last seen", "given to", "carrier", "prefix", "swept")


def nodes_table(nodes: Iterable[ListedNode]) -> Table:
    """A line for each node; where several customers have the domain, whose it is stands before the address."""
    rows = list(nodes)
    several = len({node.customer for node in rows}) > 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (*(("customer",) if several else ()), *_COLUMNS):
        table.add_column(name, no_wrap=name in ("address", "first seen", "last seen"))
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
