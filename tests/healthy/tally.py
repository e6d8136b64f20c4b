"""What rows of a healthy service came to: pure counting, and what must hold of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from probe.core.records.codec import encode
from probe.core.records.observation import Role
from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Fault, Outcome, Severity

OTHERS = frozenset({Fault.CDN, Fault.ORIGIN, Fault.CUSTOMER, Fault.PATH})
OURS_AT_MOST = 1_000  # one in so many fetches may have failed by our own doing


def edge_fetches(row: SlotRecord) -> int:
    """Requests to edges by which the row is judged; not those that were made because something seemed off."""
    return sum(observation.role is Role.EDGE for observation in row.observations)


def accuses(row: SlotRecord) -> bool:
    """Whether the row, or any finding in it that is more than a note, holds something against somebody else."""
    found = {finding.fault for finding in row.findings if finding.severity is not Severity.INFO}
    return row.fault in OTHERS or bool(found & OTHERS)


def is_named(row: SlotRecord) -> bool:
    """Whether a row that is not well says that the agent itself is the cause, and which."""
    return row.outcome is Outcome.INCONCLUSIVE and row.fault is Fault.AGENT and row.reason is not None


@dataclass(slots=True)
class Tally:
    """Of some rows: fetches, rows, rows that are well, not well and ours, not well and nobody's, and accusing."""

    fetches: int = 0
    rows: int = 0
    ok: int = 0
    ours: int = 0
    unnamed: int = 0
    accusing: int = 0

    def take(self, row: SlotRecord) -> None:
        """One row more."""
        self.fetches += edge_fetches(row)
        self.rows += 1
        if accuses(row):
            self.accusing += 1
        elif row.outcome is Outcome.OK:
            self.ok += 1
        elif is_named(row):
            self.ours += 1
        else:
            self.unnamed += 1

    def add(self, other: Tally) -> None:
        """The rows of another."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def breaches(self) -> list[str]:
        """What does not hold of these rows, in words."""
        found = []
        if self.accusing:
            found.append(f"{self.accusing:,} rows accuse somebody who did nothing")
        if self.unnamed:
            found.append(f"{self.unnamed:,} rows are not well and do not say that it was the agent")
        if self.ours * OURS_AT_MOST > self.rows:
            found.append(f"{self.ours:,} of {self.rows:,} rows failed by our own doing, more than 0.1 %")
        if not self.rows:
            found.append("nothing was measured")
        return found


@dataclass(slots=True)
class Told:
    """Tallies by kind (`http 1m.bin`, `h2 1m.bin`), verdicts of rows that are not well, and these rows as stored."""

    kinds: dict[str, Tally] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)
    rows: list[str] = field(default_factory=list)

    def take(self, row: SlotRecord) -> None:
        """One row more."""
        scheme = row.observations[0].url.partition(":")[0] if row.observations else "none"
        scheme = scheme if row.protocol == "h1" else row.protocol
        self.kinds.setdefault(f"{scheme} {row.path[1:]}", Tally()).take(row)
        if row.outcome is not Outcome.OK or accuses(row):
            self.verdicts[f"{row.outcome} · {row.fault} · {row.reason}"] += 1
            self.rows.append(encode(row).decode())

    def add(self, other: Told) -> None:
        """What another was told."""
        for kind, tally in other.kinds.items():
            self.kinds.setdefault(kind, Tally()).add(tally)
        self.verdicts.update(other.verdicts)
        self.rows += other.rows

    def sum(self, beginning: str = "") -> Tally:
        """Of all kinds whose name begins so."""
        return total(tally for kind, tally in self.kinds.items() if kind.startswith(beginning))

    def to_json(self) -> str:
        """In one line."""
        kinds = {
            kind: [getattr(tally, name) for name in Tally.__dataclass_fields__]
            for kind, tally in self.kinds.items()
        }
        return json.dumps({"kinds": kinds, "verdicts": self.verdicts, "rows": self.rows})

    @classmethod
    def from_json(cls, line: str | bytes) -> Told:
        """What `to_json` gave."""
        read = json.loads(line)
        kinds = {kind: Tally(*numbers) for kind, numbers in read["kinds"].items()}
        return cls(kinds, Counter(read["verdicts"]), read["rows"])


def total(tallies: Iterable[Tally]) -> Tally:
    """All of them as one."""
    summed = Tally()
    for tally in tallies:
        summed.add(tally)
    return summed
