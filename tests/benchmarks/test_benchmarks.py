"""The benchmarks do the work that they time, and their figures are figures. Nothing here asserts a time."""

from __future__ import annotations

import json
import math
import socket
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from benchmarks import bare, fetching, judging, slots, storing
from benchmarks.__main__ import WIDE, run_parts
from benchmarks.facts import file_name, machine_facts
from benchmarks.growing import Growth, summed, write
from benchmarks.measure import Effort, Result, WrongResultError, compare, repeated
from benchmarks.peer_process import Ports, serving
from benchmarks.plot import drawn
from benchmarks.report import Report, duration, further_slot_us, off_line, save, show
from benchmarks.server import EDGE
from benchmarks.truth import Error
from probe.checks import CHECKS
from probe.core.config.plan import make_plan
from probe.core.model.value import replace
from probe.core.records.verdict import Outcome
from probe.settings.config_files import load_config

TINY = Effort(rounds=2, scale=0.02)
A_RESULT = Result(
    case="case", peer="peer", clock="cpu", operations=1, rounds=5,
    ours_us=20.0, peer_us=10.0, ratio=2.0, ratio_min=1.5, ratio_max=2.5,
)  # fmt: skip
A_REPORT = Report(
    results=[A_RESULT],
    growth=[
        Growth(
            tasks=10_000, seconds=20.0, measured=3_000, not_ok=0, missed=1, reasons={"agent.overload": 1},
            start_s=2.0, cpu_us=2_000.0, cpu_share=0.3, lateness_p50_ms=1.0, lateness_p99_ms=9.0, rss_mb=110.0,
            bare_rss_mb=80.0,
        )
    ],
    errors=[
        Error(
            who="ours", what="http ttfb", share=0.6, per_s=300.0, samples=900, marked=3, median_us=40.0, p99_us=300.0,
            p99_all_us=400.0,
        )
    ],
    absent=("no-such",),
)  # fmt: skip


async def test_every_case_runs_and_gives_sane_figures(tmp_path: Path) -> None:
    results = await run_parts(tmp_path, TINY)
    assert [r.case for r in results] == [
        "fetch 10 kB over HTTP",
        "fetch 1 MB over HTTP",
        "fetch 10 kB over HTTPS",
        "fetch 1 MB over HTTPS",
        "slot, 10 kB over HTTP",
        "slot, 10 kB over HTTPS",
        "judge, all well",
        "judge a mismatch",
        "store, batches of 1",
        "store, batches of 100",
        "load 200 objects",
        "plan 200 objects",
    ]
    for r in results:
        assert r.rounds == 2
        assert min(r.ours_us, r.peer_us) > 0, r
        assert 0 < r.ratio_min <= r.ratio <= r.ratio_max < math.inf, r


async def test_both_sides_do_the_same_number_of_operations_in_turns() -> None:
    asked: list[str] = []
    rounds, operations, warm_up = 4, 20, 2
    result = await compare(
        "case",
        ours=repeated(lambda: asked.append("ours")),
        peer=repeated(lambda: asked.append("peer")),
        peer_name="peer",
        operations=operations,
        rounds=rounds,
    )
    assert asked[: 2 * warm_up] == ["ours"] * warm_up + ["peer"] * warm_up
    turns = asked[2 * warm_up :: operations]
    assert turns == ["ours", "peer", "peer", "ours"] * 2
    assert len(asked) == 2 * (warm_up + rounds * operations)
    assert (result.operations, result.rounds) == (operations, rounds)


async def test_the_ratio_is_that_of_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours takes 10, 20, 90 and the peer 5, 10, 10 in the same rounds: ratios 2, 2 and 9."""
    now = 0

    def side(times: list[int]):  # type: ignore[no-untyped-def]
        async def work(operations: int) -> None:
            nonlocal now
            now += times.pop(0)

        return work

    monkeypatch.setitem(compare.__globals__["_CLOCKS"], "cpu", lambda: now)
    ours, peer = side([10_000, 20_000, 90_000]), side([5_000, 10_000, 10_000])
    made = await compare("c", ours=ours, peer=peer, peer_name="p", operations=1, rounds=3)
    assert (made.ours_us, made.peer_us) == (20.0, 10.0)
    assert (made.ratio, made.ratio_min, made.ratio_max) == (2.0, 2.0, 9.0)


async def test_a_fetch_of_something_else_is_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "body_of", lambda size: b"another object")
    monkeypatch.setattr(fetching, "OPERATIONS", {fetching.SMALL: 1})
    with serving(tmp_path, [fetching.SMALL]) as ports, pytest.raises(WrongResultError, match="our fetch"):
        await fetching.run(ports, TINY)


async def test_a_peer_that_fetches_something_else_is_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bare, "body_of", lambda size: b"another object")
    with serving(tmp_path, [10]) as ports:
        async with bare.bare_fetch(ports, "http", 10) as work:
            with pytest.raises(WrongResultError, match="bare fetch"):
                await work(1)


async def test_a_slot_that_is_off_is_no_figure(tmp_path: Path) -> None:
    """Nothing answers DNS there: the slot is a row all the same, but not the work to be timed."""
    with serving(tmp_path, [fetching.SMALL]) as ports:
        deaf = replace(ports, dns=ports.http)
        with pytest.raises(WrongResultError, match="a slot came out"):
            await slots.run(deaf, tmp_path / "slots", TINY)


async def test_a_judgement_that_is_wrong_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging.samples, "mismatched", judging.samples.well)
    with pytest.raises(WrongResultError, match=f"judged {Outcome.OK}, expected {Outcome.FAILED}"):
        await judging.run(TINY)


async def test_batches_are_whole(tmp_path: Path) -> None:
    """A batch of 100 is one of 100 however small the effort."""
    results = await storing.run(tmp_path, Effort(rounds=1, scale=0.001))
    assert [r.operations for r in results] == [1, 100]


def test_the_server_ends_with_the_measuring(tmp_path: Path) -> None:
    with serving(tmp_path, [10]) as ports:
        socket.create_connection((EDGE, ports.http), 5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((EDGE, ports.http), 5)


def test_saved_figures_are_those_shown_and_name_no_machine(tmp_path: Path) -> None:
    facts = machine_facts()
    saved = json.loads(save(A_REPORT, facts, tmp_path).read_text(encoding="utf-8"))
    assert saved["machine"] == facts
    assert saved["results"][0]["ratio"] == 2.0
    assert Path("/proc/sys/kernel/hostname").read_text().strip() not in json.dumps(saved)

    out = StringIO()
    show(A_REPORT, facts, Console(file=out, width=WIDE))
    assert "2.00" in out.getvalue()
    assert "1.50-2.50" in out.getvalue()
    assert "10,000" in out.getvalue()
    assert "no-such" in out.getvalue()


def test_the_picture_has_a_bar_for_each_case() -> None:
    picture = ElementTree.fromstring(drawn([A_RESULT, A_RESULT]))
    bars = [float(bar.get("width", "0")) for bar in picture.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(bars) == 2
    assert bars[0] == bars[1] > 0


@pytest.mark.parametrize("tasks", [4, 100])
def test_the_configuration_of_the_growth_has_so_many_tasks(tasks: int, tmp_path: Path) -> None:
    ports = Ports(http=8080, https=8443, dns=5353, ca=tmp_path / "ca.pem")
    config = load_config(write(ports, tmp_path / "grown", tasks), CHECKS)
    assert len(make_plan(config).tasks) == tasks


def test_a_file_of_figures_is_named_by_date_and_kind_of_machine() -> None:
    facts = {"date": "2026-11-22", "cpu": "AMD EPYC (v3) @ 2/GHz", "cores": "2", "python": "CPython 3.11.7"}
    assert file_name(facts) == "2026-11-22-amd-epyc-v3-2-ghz-2c-py3.11.json"


@pytest.mark.parametrize(
    ("us", "text"), [(25.13, "25.1 µs"), (999.0, "999 µs"), (1_820.0, "1.82 ms"), (2_500_000.0, "2.5 s")]
)
def test_durations_are_readable(us: float, text: str) -> None:
    assert duration(us) == text


def test_what_a_further_slot_costs_is_not_what_an_idle_agent_costs() -> None:
    (larger,) = A_REPORT.growth  # 150 slots a second, 30 % of a core
    smaller = replace(larger, tasks=1_000, measured=300, cpu_share=0.057)  # 15 a second
    assert further_slot_us(smaller, larger) == pytest.approx(1_800)
    text = StringIO()
    show(Report(growth=[smaller, replace(larger, peer_us=1_620.0)]), {}, Console(file=text, width=150))
    assert "1.8 ms" in text.getvalue()
    assert "1.62 ms" in text.getvalue()


def test_rounds_of_one_size_are_medians_sums_and_the_worst() -> None:
    (one,) = A_REPORT.growth
    rounds = [
        replace(one, cpu_us=us, lateness_p99_ms=late_ms, peer_us=peer_us)
        for us, late_ms, peer_us in (
            (2_000.0, 9.0, 1_500.0),
            (9_000.0, 30.0, 1_700.0),
            (2_200.0, 5.0, 1_600.0),
        )
    ]
    told = summed(rounds)
    assert (told.tasks, told.cpu_us, told.peer_us, told.lateness_p99_ms) == (10_000, 2_200.0, 1_600.0, 30.0)
    assert (told.measured, told.seconds, told.missed, told.reasons) == (9_000, 60.0, 3, {"agent.overload": 3})
    assert summed([one]) == one


def test_how_far_agents_are_off_a_straight_line() -> None:
    (largest,) = A_REPORT.growth
    straight = [
        replace(largest, tasks=n, measured=n, cpu_share=0.01 + n / 40_000) for n in (100, 1_000, 2_000, 9_000)
    ]
    assert off_line(straight) == pytest.approx([0.0] * 4)
    bent = [*straight[:2], replace(straight[2], cpu_share=straight[2].cpu_share * 1.3), straight[3]]
    assert off_line(bent)[2] > 0.1 > max(abs(off) for off in off_line(bent)[:2])
    assert off_line(straight[:2]) == [0.0, 0.0]
    text = StringIO()
    show(Report(growth=bent), {}, Console(file=text, width=150))
    assert f"{off_line(bent)[2]:+.0%}" in text.getvalue()
