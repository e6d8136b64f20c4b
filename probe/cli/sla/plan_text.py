"""Rule: what samples cannot show is said as plainly as what they can; within 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from probe.cli.render.layout import Table, Text, drawn
from probe.core.sla.figures import GrainRule
from probe.core.sla.report.plan import wanted
from probe.core.sla.report.shown import duration, percent, percent_up
from probe.sla.planning import RATES, Planned

COLUMNS = 80
Part = Text | Table


def plan_text(found: Sequence[Planned], rule: GrainRule, columns: int = COLUMNS) -> str:
    """The whole of it. `columns`: fewer where it is read at a narrow terminal."""
    return drawn(_parts(found, rule), min(columns, COLUMNS))


def _parts(found: Sequence[Planned], rule: GrainRule) -> Iterator[Part]:
    for one in found:
        yield from _domain(one, rule)
        yield Text("")
    table = Table("true error rate", f"requests that show it to be over {percent(rule.over, 3)} %")
    for rate in RATES:
        count = wanted(rate, rule.over)
        table.add_row(f"{percent(rate, 2)} %", "it is not over" if count is None else f"{count:,}")
    yield table
    yield Text(
        "With 90 % chance, one-sided 5 %. More vantage points, more nodes in a slot and shorter intervals all bring"
        " requests; beside that they see other lines, nodes, shorter outages."
    )


def _domain(one: Planned, rule: GrainRule) -> Iterator[Part]:
    yield Text(
        f"{one.domain}: {one.tasks} tasks from {one.vantage_points} vantage points, every"
        f" {duration(one.interval_us)}; grains of {duration(rule.length_us)}"
    )
    table = Table("", "requests a grain", "errors that show", "rate found", "none shows", "a day")
    for way in one.ways:
        shows = way.shows
        rate = "none" if shows.found_from is None else f"{percent_up(shows.found_from, 2)} %"
        table.add_row(
            f"  {way.name}",
            f"{shows.requests:,}",
            str(shows.least_errors),
            rate,
            f"<= {percent_up(shows.no_error_shows, 3)} %",
            f"{way.requests_a_day:,}",
        )
    yield table
    yield Text(
        f"  {one.resolves:,} requests without an error in a grain would show the contract's {percent(rule.over, 3)} %"
    )
