"""Rule: what was observed only at times is shown as an interval, never as one figure.

Propagation times as a rich table. Reads values, decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from probe.core.nodes.propagation import NodePropagation

_VERDICTS = {True: ("over its lifetime", "red"), False: ("in time", "green"), None: ("open", "dim")}


def propagation_table(found: Iterable[NodePropagation]) -> Table:
    """A line for each node and change, by object, then change, then node."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("object", "changed by", "node", "from", "took s", "allowed s", ""):
        table.add_column(name, justify="right" if name.endswith(" s") else "left")
    for node in sorted(found, key=lambda n: (n.customer, n.url, n.changed_before, n.address)):
        words, style = _VERDICTS[node.over_lifetime]
        table.add_row(
            node.url,
            node.changed_before[:19].replace("T", " ") + "Z",
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
