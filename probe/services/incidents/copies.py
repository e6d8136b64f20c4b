"""Rule: rows of many agents are fed in the order of time, each line once; n of m vantage points spans hosts.

Nothing is verified here: `pull` did, and `results verify` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from pathlib import Path

from probe.core.incidents.incident import Incident, Transition
from probe.core.incidents.looks import AnyLook, event_look_of, look_of, read_line
from probe.core.incidents.rules import Rules
from probe.core.incidents.told import in_order
from probe.core.incidents.tracker import Tracker
from probe.core.records.codec import CodecError
from probe.core.records.rows import EventRecord
from probe.services.line_sources import LineSource, open_lines

KEPT = 1_000  # closed incidents that are listed

Stream = tuple[str, str]  # agent and customer


class CopyIncidents:
    """Incidents in these places. `more` reads what has come since; for one thread."""

    def __init__(self, paths: Iterable[Path], rules: Rules) -> None:
        """Nothing is read yet."""
        self._paths = tuple(paths)
        self.tracker = Tracker(rules)
        self.seqs: dict[Stream, int] = {}
        self.lines = 0
        self._closed: dict[str, Incident] = {}

    def more(self) -> Iterator[Transition]:
        """What the lines that came since tell. Raises NoResults, StoreError, CodecError with the place."""
        sources = [open_lines(path) for path in self._paths]
        try:
            streams = {(end.agent, end.customer): source for source in sources for end in source.streams()}
            looks = [self._looks(source, stream) for stream, source in sorted(streams.items(), key=_name)]
            for look in merge(*looks, key=lambda one: one.at_us):
                yield from self._kept(self.tracker.take(look))
        finally:
            for source in sources:
                source.close()

    def tick(self, now_us: int) -> Iterator[Transition]:
        """It is so late; for who follows."""
        yield from self._kept(self.tracker.tick(now_us))

    def incidents(self) -> list[Incident]:
        """Open ones first, the oldest first; then the closed ones, the last closed first."""
        return in_order([*self.tracker.open(), *self._closed.values()])

    def _kept(self, made: list[Transition]) -> Iterator[Transition]:
        for each in made:
            self._closed.pop(each.incident.id, None)
            if not each.incident.is_open:
                self._closed[each.incident.id] = each.incident
                while len(self._closed) > KEPT:
                    del self._closed[next(iter(self._closed))]
            yield each

    def _looks(self, source: LineSource, stream: Stream) -> Iterator[AnyLook]:
        for line in source.lines(*stream, self.seqs.get(stream, 0)):
            self.seqs[stream] = line.seq
            self.lines += 1
            try:
                read = read_line(line.text)
                if isinstance(read, EventRecord):
                    look: AnyLook | None = event_look_of(read)
                else:
                    look = None if read is None else look_of(read, self.tracker.rules.outcomes)
            except ValueError as error:
                raise CodecError(f"{stream[0]}/{stream[1]}, line {line.seq}: {error}") from None
            if look is not None:
                yield look


def _name(item: tuple[Stream, LineSource]) -> Stream:
    return item[0]
