"""What a second worker is worth follows from the time of each process, and only where both found the same."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import working
from benchmarks.facts import machine_facts
from benchmarks.measure import Effort, WrongResultError
from benchmarks.peer_process import Ports
from benchmarks.report import Report, save, show
from benchmarks.working import Worked
from probe.checks import CHECKS
from probe.core.config.plan import make_plan
from probe.core.model.value import replace
from probe.core.scheduling.worker_assignment import groups_of, spread
from probe.settings.config_files import load_config

PORTS = Ports(http=8080, https=8443, dns=5353, ca=Path("ca.pem"))
ONE = Worked(
    workers=1, slots=1000, slots_per_s=200.0, kinds={"measured ok": 1000}, keeper_us=1500.0, workers_us=0.0,
    busiest_us=1500.0, rss_mb=100.0,
)  # fmt: skip
TWO = replace(ONE, workers=2, slots=2000, keeper_us=400.0, workers_us=1200.0, busiest_us=600.0, rss_mb=270.0)


def given(monkeypatch: pytest.MonkeyPatch, *turns: Worked) -> None:
    left = list(turns)

    async def agent(*_: object) -> Worked:
        return left.pop(0)

    monkeypatch.setattr(working, "_agent", agent)


async def test_the_busiest_process_and_all_together_bound_what_can_be_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given(monkeypatch, ONE, TWO)
    one, two = await working.compared(PORTS, tmp_path, Effort(rounds=5, scale=0.1))
    assert (one.capacity_ratio, one.on_cores_ratio) == (1.0, 1.0)
    assert two.capacity_ratio == pytest.approx(2.5)
    assert two.on_cores == pytest.approx(2 * 1e6 / 1600)
    assert two.on_cores_ratio == pytest.approx(1.875)
    report, out = Report(working=[one, two]), StringIO()
    show(report, machine_facts(), Console(file=out, width=112))
    assert "2.50" in out.getvalue()
    assert "1.88" in out.getvalue()
    saved = json.loads(save(report, machine_facts(), tmp_path).read_text(encoding="utf-8"))
    assert [found["workers"] for found in saved["working"]] == [1, 2]


async def test_rows_of_another_kind_are_no_figure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given(monkeypatch, ONE, replace(TWO, kinds={"measured ok": 1999, "missed agent.worker_lost": 1}))
    with pytest.raises(WrongResultError, match="another kind"):
        await working.compared(PORTS, tmp_path, Effort(rounds=1))


def test_the_configuration_asks_for_the_rate_and_gives_each_worker_half(tmp_path: Path) -> None:
    config = load_config(working.write(PORTS, tmp_path, 2, 40), CHECKS)
    tasks = make_plan(config).tasks
    assert config.agent.limits.workers == 2
    assert sum(1e6 / task.period_us for task in tasks) == pytest.approx(40)
    places = spread(groups_of(tasks), 2)
    assert sorted(places.values()).count(0) == len(tasks) / 2
