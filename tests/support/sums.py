"""What the sums of a stream must be: its lines, one after another, as rows of tables, added up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from probe.core.model.value import replace
from probe.core.records.codec import encode
from probe.core.records.rows import Record
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


def assert_those_of_all_rows(directory: Path) -> None:
    """After a proper end: of each stream's rows from the first to the last, what they add up to."""
    with Reader.open(directory) as reader:
        for customer, head in reader.heads().items():
            grains = reader.grains(customer)
            assert grains.summed().spans == ((1, head),)
            assert kept(grains) == expected(
                reader.agent, customer, lines_of(reader, customer), grains.summed().spans
            )


def assert_alike(agent: str, records: Sequence[Record]) -> None:
    """Records of one stream, as they are at hand, add up to what their lines add up to."""
    by_record, by_line = GrainTable(agent), GrainTable(agent)
    for seq, record in enumerate(records, 1):
        numbered = replace(record, seq=seq)
        by_record.see(numbered)
        by_line.feed(rows_of(agent, record.customer, encode(numbered)))
    assert list(by_record.rows()) == list(by_line.rows())
