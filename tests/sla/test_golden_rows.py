"""Every worked case on rows: through a real store, sealed and pulled, verified, and added up by DuckDB, exactly."""

from __future__ import annotations

import asyncio
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from probe.core.sla.report.values import Figure, Subject
from probe.sla.agreement_files import load_agreement
from probe.sla.report import Asked, make_report
from tests.seal.made import pulled, sealed
from tests.sla.golden_rows import CUSTOMER, DOMAIN, WithBackground, stored

CASES = {
    case["id"]: case
    for name in ("golden.json", "more.json")
    for case in json.loads((Path(__file__).parents[1] / "core" / "sla" / name).read_text("utf-8"))["cases"]
    if case["profile"] == "A"
}
pytestmark = pytest.mark.timeout(600)  # a month of rows, on a machine that may be busy
QUICK = ("A05",)  # the others in the long run
MINUTE_US = 60_000_000


def agreement(case: dict[str, Any], directory: Path, *, clip: bool = False) -> Path:
    service = case.get("service", {"from": "2020-01-01T00:00:00+08:00"})
    exclusions = [
        {
            **one,
            "source": "the case",
            "declared_at": one["from"],
            **({"announced_at": one["from"]} if one["reason"] == "maintenance" else {}),
        }
        for one in case.get("exclusions", [])
    ]
    run = {"at_period_end": "clip"} if clip else {}
    made = {
        "agreement": "case",
        "profile": "cloud-cdn-sla",
        "customer": CUSTOMER,
        "domains": [DOMAIN],
        "service": service,
        "exclusions": exclusions,
        "overrides": {
            "period": {"time_zone": case["period"]["time_zone"]},
            "grain": {"clock_max_error": "1s"},
            "coverage": {"at_least": "0%"},
            **({"run": run} if run else {}),
        },
    }
    file = directory / "agreement.yaml"
    file.write_text(json.dumps(made), encoding="utf-8")
    return file


def said(case: dict[str, Any], directory: Path, inputs: tuple[Path, ...], *, clip: bool = False) -> Subject:
    report = make_report(
        load_agreement(agreement(case, directory, clip=clip)),
        Asked(inputs=inputs, periods=(case["period"]["month"],)),
        WithBackground(case),
    )
    (subject,) = report.subjects
    return subject


def prepared(case: dict[str, Any], directory: Path) -> tuple[Path, ...]:
    """The inputs of the case, one after another: a pulled copy, and sealed segments of the same rows."""
    results, copy = directory / "results", directory / "copy"
    stored(case, results)
    asyncio.run(sealed(results, most_rows=5_000))
    pulled(results, copy, noted=True, every=4_000)
    return copy, results


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.long) for name in CASES]
)
def test_a_month_of_rows(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    expect = case["expect"]
    copy, results = prepared(case, tmp_path)
    found = said(case, tmp_path, (copy,))
    figures: dict[str, Figure] = {figure.view: figure for figure in found.figures}
    assert found.grains is not None
    assert found.grains.total == expect["grains"]
    assert figures["literal"].bad_grains == expect["bad_grains"]
    minutes = {
        name: figures[view].unavailable_us // MINUTE_US
        for name, view in (("point", "literal"), ("best", "best"), ("worst", "worst"))
    }
    assert minutes == expect["minutes"], case["why"]
    good, total = map(int, figures["literal"].availability.split("/"))
    assert Fraction(good, total) == Fraction(*expect["availability"])
    assert (figures["literal"].met if found.judged else None) == expect["met"]
    assert figures["worst"].met == expect.get("met_worst", figures["worst"].met)
    assert found.judged == expect.get("judged", True)
    if not found.judged:
        assert found.why == (expect["not_judged_reason"],)
    assert found.word.value == expect.get("word", found.word.value)
    assert found.grains.unknown == expect.get("unknown_grains", found.grains.unknown)
    assert found.grains.excluded == expect.get("excluded_grains", found.grains.excluded)
    assert found.final
    if name == "A13":  # segments hold the same rows
        assert said(case, tmp_path, (results,)) == found
    if name in ("A05", "A13"):  # and both together are no more
        assert said(case, tmp_path, (results, copy)) == found


@pytest.mark.long
def test_a_run_may_be_clipped_at_the_end_of_the_month(tmp_path: Path) -> None:
    case = CASES["A07"]
    copy, _ = prepared(case, tmp_path)
    found = said(case, tmp_path, (copy,), clip=True)
    minutes = case["expect"]["options"]["at_period_end=clip"]["minutes_point"]
    assert [f.unavailable_us // MINUTE_US for f in found.figures if f.view == "literal"] == [minutes]
