"""Rule: how a pull gets on is plain values that anybody may read at any moment; nothing is decided from them.

Times: seconds on the monotonic clock of whoever pulls (`_s`), watermarks RFC 3339.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from probe.pull.chain import StreamName


class State(StrEnum):
    """`complete`: everything that was there when it began; `refused`: what came failed verification, or was denied."""

    PULLING = "pulling"
    WAITING = "waiting"  # for new rows, or to ask again
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    REFUSED = "refused"


@dataclass(slots=True, kw_only=True, eq=False)
class StreamProgress:
    """One stream, or a whole host where `stream` is None. `seq`: how far the copy is; `head`: how far the agent is."""

    url: str
    stream: StreamName | None
    state: State = State.PULLING
    note: str | None = None
    rows: int = 0
    dropped: int = 0
    bytes: int = 0
    bundles: int = 0  # of evidence
    stamps: int = 0
    seq: int = 0
    head: int = 0
    complete_up_to: str | None = None
    proved: bool | None = None  # the last head's signature was checked; None: no head yet
    begun_s: float = 0.0
    ended_s: float | None = None

    def rate(self, now_s: float) -> float:
        """Rows a second since it began."""
        return self.rows / max(1e-3, (now_s if self.ended_s is None else self.ended_s) - self.begun_s)


@dataclass(slots=True)
class Board:
    """Every stream of one pull, in the order in which they were found."""

    streams: list[StreamProgress] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Nothing was refused and nothing is missing; and there was something to be pulled."""
        return bool(self.streams) and all(item.state is State.COMPLETE for item in self.streams)

    @property
    def refused(self) -> list[StreamProgress]:
        """What failed verification or was denied."""
        return [item for item in self.streams if item.state is State.REFUSED]
