"""An agent whose own clock is 400 days ahead of everybody else's accuses nobody, and says so."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import formatdate
from pathlib import Path
from time import monotonic_ns, time

import pytest
import yaml

from probe.agent.daemon import run_until
from probe.checks import CHECKS
from probe.core.records.rows import SlotRecord
from probe.host.loop_lag import ClockState
from probe.lab import pki
from probe.lab.assessment import accuses
from probe.lab.lab import Lab
from probe.lab.servers import http1
from probe.measure import oneshot
from probe.settings.config_files import load_config
from tests.codes.provoking import provokes

AHEAD = timedelta(days=400)


class OtherTime(datetime):
    """The time by everybody else's clock."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> OtherTime:
        now: OtherTime = super().now(tz) - AHEAD
        return now


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab's servers live 400 days ago: their certificates and the `Date` of each of their replies."""
    monkeypatch.setattr(pki, "datetime", OtherTime)
    monkeypatch.setattr(
        http1, "formatdate", lambda usegmt: formatdate(time() - AHEAD.total_seconds(), usegmt=usegmt)
    )
    # An edge of the lab asks its origin; only our own clock is to be wrong.
    monkeypatch.setattr(pki.Pki, "client_context", lambda self: ssl._create_unverified_context())


def only_https(file: Path) -> Path:
    """The domains that are reached over TLS, one object each: nothing else rests on dates."""
    for customer in (file.parent / "customers").glob("*.yaml"):
        content = yaml.safe_load(customer.read_text())
        content["domains"] = [domain for domain in content["domains"] if domain["scheme"] == "https"][:1]
        content["domains"][0]["objects"] = content["domains"][0]["objects"][:1]
        customer.write_text(yaml.safe_dump(content))
    return file


async def rows_of(lab: Lab, directory: Path, count: int) -> list[SlotRecord]:
    stop, seen = asyncio.Event(), list[SlotRecord]()

    def take(row: SlotRecord) -> None:
        seen.append(row)
        if len(seen) >= count:
            stop.set()

    async with asyncio.timeout(60):
        config = load_config(only_https(lab.write_config(directory, interval="500ms")), CHECKS)
        await run_until(config, CHECKS, stop, on_row=take)
    return seen


@provokes("agent.clock_wrong")
@pytest.mark.parametrize("synchronised", [False, True])
async def test_at_400_days_nobody_is_accused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behind: None, synchronised: bool | None
) -> None:
    """`True`: the kernel holds its clock for synchronised, and the anchors say otherwise."""
    monkeypatch.setattr(
        oneshot, "clock_state", lambda: ClockState(synchronised=synchronised, max_error_us=100)
    )
    async with Lab() as lab:
        await lab.warm()
        seen = await rows_of(lab, tmp_path, 24)
    assert [f"{row.domain}: {row.summary}" for row in seen if accuses(row)] == []
    measured = [row for row in seen if row.state == "measured"]
    reasons = Counter((row.outcome, row.fault, row.reason) for row in measured)
    assert reasons[("inconclusive", "agent", "agent.clock_wrong")] >= 12, reasons
    assert {row.outcome for row in measured} == {"inconclusive"}, reasons
    for row in measured:
        assert row.clock is not None
        assert (row.clock.vouched_by, row.clock.bound_us) == (None, None)
        assert row.clock.differing >= 2 or synchronised is not True


async def test_the_bound_stands_on_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the kernel's word too: by the dates of anchors and origins, also those of earlier slots."""
    monkeypatch.setattr(
        oneshot, "clock_state", lambda: ClockState(synchronised=False, max_error_us=16_000_000)
    )
    async with Lab() as lab:
        await lab.warm()
        begun_ns = monotonic_ns()
        seen = await rows_of(lab, tmp_path, 24)
        took_us = (monotonic_ns() - begun_ns) // 1000
    assert all(row.clock is not None for row in seen)
    later = [row.clock for row in seen[12:] if row.clock is not None]
    assert {clock.vouched_by for clock in later} == {"dates"}
    # A Date has whole seconds, as has an Age, and a reply took no longer than all of them together.
    assert all(0 < (clock.bound_us or 0) <= 2_000_000 + took_us for clock in later)


def test_the_other_time_is_400_days_ago() -> None:
    assert AHEAD - timedelta(1) < datetime.now(UTC) - OtherTime.now(UTC) < AHEAD + timedelta(1)
