"""Rule: token bucket. Excess requests are skipped and counted, never delayed.

`Ceiling` allows a number of requests a minute, at most one minute's number at once. The caller passes the time of the
monotonic clock and learns whether it may send; `left_out` counts the requests that were skipped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MINUTE_NS = 60_000_000_000


@dataclass(slots=True)
class Ceiling:
    """`per_minute` requests a minute. `left_out` counts those that were refused. Not for several threads."""

    per_minute: int
    left_out: int = 0
    _tokens: float = field(default=-1.0)
    _at_ns: int = 0

    def admit(self, now_ns: int) -> bool:
        """Whether a request may be made now (monotonic nanoseconds); it is counted if so."""
        if self._tokens < 0:
            self._tokens, self._at_ns = float(self.per_minute), now_ns
        passed_ns = max(0, now_ns - self._at_ns)
        self._tokens = min(self.per_minute, self._tokens + passed_ns * self.per_minute / MINUTE_NS)
        self._at_ns = max(now_ns, self._at_ns)
        if self._tokens < 1:
            self.left_out += 1
            return False
        self._tokens -= 1
        return True
