"""A plan's costs as lines for people. Reads values, decides nothing."""

from __future__ import annotations

from collections.abc import Mapping

from probe.cli.render.layout import Table, Text
from probe.services.forecast import Forecast

MOST = 20


def plan_view(found: Forecast) -> list[Text | Table]:
    """The whole view; what is unwise first."""
    parts: list[Text | Table] = [Text(f"! {words}", style="bold yellow") for words in found.warnings]
    figures = Table()
    full = "never" if found.days_until_full is None else f"{found.days_until_full:.3g} days"
    for name, words in (
        ("tasks", f"{found.tasks}, of which {found.learned} were measured here before"),
        ("slots", _rate(found.slots_per_s)),
        ("edges", f"{_rate(found.edges_per_s)} requests"),
        ("measured", f"{_size(found.measured_bytes_a_day)} a day"),
        ("stored", f"{_size(found.stored_bytes_a_day)} a day; keep.size is full in {full}"),
    ):
        figures.add_row(Text(name, style="bold"), Text(words))
    parts.append(figures)
    for title, rates in (
        ("origin", found.origins_per_s),
        ("resolver", found.resolvers_per_s),
        ("anchor", found.anchors_per_s),
    ):
        if rates:
            parts += [Text(), _hosts(title, rates)]
    parts += [Text(), _domains(found), Text()]
    parts.append(
        Text(
            "no error: so much may fail all the same (95 %). seen: such a share of errors shows itself to be over"
            " 0.05 % in nine of ten grains of 5 minutes",
            style="dim",
        )
    )
    parts += [Text(f"assumed: {words}", style="dim") for words in found.assumptions]
    return parts


def _hosts(title: str, rates: Mapping[str, float]) -> Table:
    table = Table(title, "requests", whole=("requests",))
    shown = sorted(rates.items(), key=lambda pair: -pair[1])
    for name, rate in shown[:MOST]:
        table.add_row(name, _rate(rate))
    if len(shown) > MOST:
        table.add_row(f"{len(shown) - MOST} more", _rate(sum(rate for _, rate in shown[MOST:])))
    return table


def _domains(found: Forecast) -> Table:
    names = ("domain", "a grain", "no error", "no error, month", "seen")
    table = Table(*names, whole=names[1:])
    several = len({each.protocol for each in found.domains}) > 1
    for each in found.domains:
        table.add_row(
            f"{each.customer} {each.domain}{f' {each.protocol}' if several else ''}",
            f"{each.requests:.3g}",
            _share(each.no_error_shows),
            _share(each.month_shows),
            "–" if each.seen_from is None else f"from {_share(each.seen_from)}",
        )
    return table


def _rate(per_s: float) -> str:
    return f"{per_s:.3g}/s" if per_s >= 1 else f"{per_s * 60:.3g}/min"


def _share(value: float) -> str:
    return f"{100 * value:.2g} %"


def _size(value: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value:.0f} B"
