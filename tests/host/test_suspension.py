"""What was measured while the host slept is known to have been."""

from __future__ import annotations

from probe.host.suspension import Suspensions
from tests.support.virtual import VirtualTime

S = 1_000_000_000


class Host(VirtualTime):
    """Its monotonic clock stands still while it sleeps."""

    slept_ns = 0

    def elapsed_ns(self) -> int:
        return self.monotonic_ns() + self.slept_ns


def test_a_span_with_a_sleep_in_it_tells_how_long() -> None:
    host = Host()
    seen = Suspensions(host)
    host.advance(10)
    began = host.monotonic_ns()
    host.advance(1)
    host.slept_ns += 3600 * S
    host.advance(1)
    assert seen.worst_us(began, host.monotonic_ns()) == 3600 * 1_000_000
    assert seen.slept_ns == 3600 * S
    later = host.monotonic_ns()
    host.advance(1)
    assert seen.worst_us(later + 1, host.monotonic_ns()) == 0


def test_looks_tell_more_exactly_when_it_was() -> None:
    host = Host()
    seen = Suspensions(host)
    for _ in range(100):
        host.advance(0.25)
        seen.look()
    before = host.monotonic_ns()
    host.advance(0.25)
    host.slept_ns += 5 * S
    seen.look()
    assert seen.worst_us(0, before - 1) == 0
    assert seen.worst_us(before, before + 1) == 5 * 1_000_000


def test_a_clock_without_that_knowledge_never_sleeps() -> None:
    time = VirtualTime()
    seen = Suspensions(time)
    time.advance(1000)
    assert seen.worst_us(0, time.monotonic_ns()) == 0


def test_it_does_not_grow() -> None:
    host = Host()
    seen = Suspensions(host)
    for _ in range(1000):
        host.advance(1)
        host.slept_ns += S
        seen.look()
    assert len(seen._found) <= 64
