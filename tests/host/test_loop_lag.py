"""What our own host did while a slot ran."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from probe.host import loop_lag as host
from probe.host.loop_lag import ClockState, LoopLag, clock_state, read_clock_state
from tests.support.virtual import VirtualTime, run


def test_a_stall_shows_in_the_slots_that_it_fell_into_and_in_no_others() -> None:
    clock = VirtualTime()

    async def script() -> None:
        lag = LoopLag(clock)
        await lag.start()
        await asyncio.sleep(1)
        quiet = (0, clock.monotonic_ns())
        assert lag.worst_us(*quiet) < 1_000
        before = clock.monotonic_ns()
        clock.advance(1.5)
        at_once = clock.monotonic_ns()
        assert lag.worst_us(before, at_once) == pytest.approx(1_450_000, abs=50_001), "not yet sampled"
        await asyncio.sleep(1)
        later = clock.monotonic_ns()
        assert lag.worst_us(before, later) == pytest.approx(1_450_000, abs=50_001)
        assert lag.worst_us(before, before) >= 1_400_000, "a span that began in it"
        assert lag.worst_us(0, quiet[1] - 100_000_000) < 1_000
        assert lag.worst_us(later - 500_000_000, later) < 1_000
        await lag.stop()
        await lag.stop()
        assert lag.worst_us(before, later) >= 1_400_000, "what was sampled stays"

    run(clock, script())


def test_the_ring_does_not_grow() -> None:
    clock = VirtualTime()

    async def script() -> None:
        lag = LoopLag(clock)
        await lag.start()
        await asyncio.sleep(host.KEPT_SAMPLES * host.SAMPLE_S + 60)
        assert len(lag._samples) == host.KEPT_SAMPLES
        await lag.stop()

    run(clock, script())


def test_without_a_start_there_is_no_lag() -> None:
    assert LoopLag(VirtualTime()).worst_us(0, 10**12) == 0


@pytest.fixture
def libc(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """A libc whose adjtimex says what the test says."""
    says = {"state": 0, "status": 0, "maxerror": 0, "modes": -1, "calls": 0, "ahead_s": 0}

    class Libc:
        def adjtimex(self, pointer: object) -> int:
            timex = pointer._obj  # type: ignore[attr-defined]
            says["modes"] = timex.modes
            says["calls"] += 1
            timex.status, timex.maxerror = says["status"], says["maxerror"]
            timex.time.tv_sec = round(time.time()) + says["ahead_s"]
            return says["state"]

    monkeypatch.setattr(host.ctypes, "CDLL", lambda *_, **__: Libc())
    monkeypatch.setattr(host, "_kept", None)
    yield says
    host._kept = None


@pytest.mark.parametrize(
    ("state", "status", "expected"),
    [
        (0, 0, ClockState(synchronised=True, max_error_us=1500)),
        (1, 0, ClockState(synchronised=True, max_error_us=1500)),  # a leap second is announced
        (5, 0, ClockState(synchronised=False, max_error_us=1500)),
        (0, 0x40, ClockState(synchronised=False, max_error_us=1500)),
        (-1, 0, ClockState(synchronised=None, max_error_us=None)),
    ],
)
def test_what_the_kernel_says(libc: dict[str, int], state: int, status: int, expected: ClockState) -> None:
    libc.update(state=state, status=status, maxerror=1500)
    assert read_clock_state() == expected
    assert libc["modes"] == 0, "nothing is changed"


@pytest.mark.parametrize("ahead_s", [400 * 86_400, -3_600])
def test_of_a_clock_that_is_not_the_kernels_it_does_not_speak(libc: dict[str, int], ahead_s: int) -> None:
    libc.update(maxerror=1500, ahead_s=ahead_s)
    assert read_clock_state() == ClockState(synchronised=False, max_error_us=1500)


def test_a_libc_without_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.ctypes, "CDLL", lambda *_, **__: object())
    assert read_clock_state() == ClockState(synchronised=None, max_error_us=None)


def test_the_kernel_is_asked_once_a_second(libc: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(host.time, "monotonic", lambda: now[0])
    for _ in range(5):
        clock_state()
    assert libc["calls"] == 1
    now[0] += 1.0
    clock_state()
    assert libc["calls"] == 2


def test_the_real_call_does_not_fail() -> None:
    state = read_clock_state()
    assert state.synchronised in (True, False, None)
    assert state.max_error_us is None or state.max_error_us >= 0
