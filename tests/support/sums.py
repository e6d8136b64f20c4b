"""What the sums of a stream must be: its lines, one after another, as rows of tables, added up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from probe.core.sla.facts.grain_rows import GrainTable, added
from probe.core.tables.columns import Row
from probe.core.tables.rows import rows_of
from probe.store.read.grains import Grains
from probe.store.read.reader import Reader

ALWAYS = (0, 2**32)


def expected(
    agent: str, customer: str, lines: Iterable[tuple[int, str]], spans: Sequence[tuple[int, int]]
) -> list[Row]:
    """Sums of the lines with a seq in one of the spans; what the others say of the tasks counts too."""
    whole: list[Row] = []
    table = GrainTable(agent)
    for seq, text in lines:
        inside = any(first <= seq <= last for first, last in spans)
        if not inside:
            whole += table.rows()
            table = GrainTable.after(table)
        table.feed(rows_of(agent, customer, text.encode()))
        if not inside:
            table = GrainTable.after(table)
    return list(added([*whole, *table.rows()]))


def lines_of(reader: Reader, customer: str) -> list[tuple[int, str]]:
    """All that is there of a stream."""
    found: list[tuple[int, str]] = []
    while page := reader.lines(customer, found[-1][0] if found else 0, 1000):
        found += [(line.seq, line.text) for line in page]
    return found


def kept(grains: Grains) -> list[Row]:
    """All sums that are kept."""
    return grains.rows(*ALWAYS)
