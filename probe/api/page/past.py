"""Rule: what was before is taken in small steps, the newest first: whoever looks waits for one of them at most.

Sums that the agent kept -> the page's, hour by hour over the last day, then whole domains day by day over a month;
where there are none, rows of the last hours, as what comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from operator import attrgetter

from probe.core.incidents.told import is_of_incident
from probe.core.records.codec import decode
from probe.core.records.rows import SlotRecord
from probe.core.tables.columns import Row
from probe.page.model.board import FINE_KEPT, GRAIN_US, HOURS_KEPT, IN_HOUR
from probe.page.model.feed import Feed
from probe.page.model.states import NAMES
from probe.store.read.reader import Reader

BACK = timedelta(hours=26)
RECALLED = timedelta(hours=2)  # rows of what was summed before: for incidents, certificates and versions
RECALLED_ROWS = 3_000
EVENTS = 500
DAY = 24 * IN_HOUR
_COUNTS = attrgetter(*NAMES)
Step = Callable[[Reader], None]


class Past:
    """Of one stream. `after`: the line behind which what comes is read; `steps`: each does a part of the rest."""

    def __init__(self, reader: Reader, feed: Feed, agent: str, customer: str, now_us: int) -> None:
        self._feed = feed
        self._agent = agent
        self._customer = customer
        self._end = now_us // GRAIN_US + 1
        self._steps: Iterator[Step] = iter(())
        if not reader.grains(customer).summed().spans:
            self.after = _first_of(reader, customer, now_us)
            return
        self.after, rows = self._newest(reader)
        feed.seed(agent, customer, rows, self.after)
        self._steps = self._made(now_us)

    def step(self, reader: Reader) -> bool:
        """A part more; whether there was one."""
        do = next(self._steps, None)
        if do is None:
            return False
        do(reader)
        return True

    def _made(self, now_us: int) -> Iterator[Step]:
        yield self._incidents
        yield partial(self._rows, now_us)
        hour = self._hour
        for end in range(hour, hour - FINE_KEPT, -IN_HOUR):
            yield partial(self._details, end - IN_HOUR, end)
        oldest = hour - FINE_KEPT
        for end in range(oldest, oldest - HOURS_KEPT * IN_HOUR, -DAY):
            yield partial(self._hours, end - DAY, end)

    @property
    def _hour(self) -> int:
        """The grain with which the hour begins."""
        return self._end // IN_HOUR * IN_HOUR

    def _newest(self, reader: Reader) -> tuple[int, list[Row]]:
        """Up to which line sums hold, and those of this hour as they are then: the agent goes on keeping them."""
        grains = reader.grains(self._customer)
        while True:
            after = grains.summed().spans[-1][1]
            rows = grains.rows(self._hour, self._end + 1)
            if grains.summed().spans[-1][1] == after:
                return after, rows

    def _details(self, first: int, end: int, reader: Reader) -> None:
        rows = reader.grains(self._customer).rows(first, end)
        self._feed.seed(self._agent, self._customer, rows, self.after)

    def _hours(self, first: int, end: int, reader: Reader) -> None:
        """Whole domains only: parts of a month are too many to be read when a page begins."""
        found = reader.grains(self._customer).by_domain(first, end, IN_HOUR)
        self._feed.board.add_hours(self._customer, ((one.domain, one.grain, _COUNTS(one)) for one in found))

    def _incidents(self, reader: Reader) -> None:
        """Those that events tell."""
        after = 0
        while lines := reader.events(self._customer, after, EVENTS):
            for line in lines:
                if line.seq <= self.after and is_of_incident(line.text):
                    self._feed.recall(self._agent, decode(line.text))
            after = lines[-1].seq

    def _rows(self, now_us: int, reader: Reader) -> None:
        """The newest rows, for what sums do not tell."""
        newest = islice(reader.iterate(self._customer, since=_ago(now_us, RECALLED)), RECALLED_ROWS)
        for record in reversed(list(newest)):
            if isinstance(record, SlotRecord) and (record.seq or 0) <= self.after:
                self._feed.recall(self._agent, record)


def _first_of(reader: Reader, customer: str, now_us: int) -> int:
    """The last line that is too old to be shown."""
    first = reader.list(customer, since=_ago(now_us, BACK), limit=1, newest_first=False)
    return (first[0].seq or 1) - 1 if first else reader.head(customer).seq


def _ago(now_us: int, back: timedelta) -> str:
    return (datetime.fromtimestamp(now_us / 1e6, UTC) - back).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
