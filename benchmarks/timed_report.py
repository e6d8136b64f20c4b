"""`cdn-probe sla report` as a user types it, in a process of its own: what it took, and what it said."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from benchmarks.facts import machine_facts

CUSTOMER = "shop"
_AGREEMENT = """\
agreement: benchmark
profile: cloud-cdn-sla
customer: {customer}
domains: [{domains}]
service: {{from: 2025-01-01T00:00:00+08:00}}
"""


def typed(place: Path, domains: Sequence[str], inputs: Sequence[Path]) -> list[str]:
    """Its arguments; the agreement is written at `place`."""
    agreement = place / "agreement.yaml"
    named = ", ".join(f'"{domain}"' for domain in domains)
    agreement.write_text(_AGREEMENT.format(customer=CUSTOMER, domains=named), encoding="utf-8")
    return ["sla", "report", str(agreement), *map(str, inputs), "--format", "json"]


@dataclass(frozen=True, slots=True)
class Timed:
    """Of one report. `took_s` by the clock, `processor_s` of user and system, `resident_bytes` at most."""

    subjects: list[Any]
    took_s: float
    processor_s: float
    resident_bytes: int


def timed(place: Path, arguments: Sequence[str]) -> Timed:
    """One report. Raises click.ClickException where there is none; its message stands above."""
    done = place / "report.json"
    done.unlink(missing_ok=True)
    begun_s = time.perf_counter()
    running = subprocess.Popen(  # noqa: S603
        [str(Path(sys.executable).with_name("cdn-probe")), *arguments, "--output", str(done)]
    )
    _, status, used = os.wait4(running.pid, 0)  # of this process alone, not of what made the inputs
    took_s = time.perf_counter() - begun_s
    if os.waitstatus_to_exitcode(status) not in (0, 1, 3):
        raise click.ClickException("there is no report")
    subjects = msgspec.json.decode(done.read_bytes())["subjects"]
    done.unlink()
    return Timed(subjects, took_s, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def tell(what: str, of: Timed, tables: Path) -> None:
    """Print it: the machine, then how much of `what` there was, and what the report took."""
    size = sum(file.stat().st_size for file in tables.rglob("*.parquet"))
    requests = sum(subject["grains"]["requests"] for subject in of.subjects)
    for name, value in machine_facts().items():
        print(f"{name}: {value}")
    print(
        f"{what} ({requests:,} requests known), {size / 1e6:,.0f} MB of Parquet, {len(of.subjects)} subjects:"
        f" {of.took_s:.1f} s, {of.processor_s:.1f} s of processor,"
        f" {of.resident_bytes / 1024 / 1024:,.0f} MB resident; load {os.getloadavg()[0]:.1f}"
    )
