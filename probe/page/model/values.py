"""What stands on the page beside the sums: who looks, what is known up to when, incidents. Times in microseconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from probe.core.records.verdict import Fault, Outcome
from probe.core.results.concerns import Concern

RowName = tuple[str, str, int]
"""Agent, customer and number of a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An incident as the page tells it. `closed_us` None: it is open. Faults and reasons with the number of rows.

    It began after `well_before_us`, at the latest at `first_us`; was seen until `last_us`, and well by `well_after_us`.
    `domain` None: of the vantage point's own line. `keys`: its rows, bounded; `rows`: how many there are.
    """

    id: str
    customer: str | None
    domain: str | None
    vantage_point: str | None = None
    well_before_us: int | None
    first_us: int
    confirmed_us: int | None
    last_us: int
    well_after_us: int | None
    closed_us: int | None
    outcome: Outcome
    fault: Fault
    faults: tuple[tuple[Fault, int], ...] = ()
    reasons: tuple[tuple[str, int], ...] = ()
    vantage_points: tuple[str, ...] = ()
    looking: int = 0
    nodes: tuple[str, ...] = ()
    rows: int = 0
    keys: tuple[RowName, ...] = ()
    excluded: bool = False
    summary: str | None = None

    @property
    def is_open(self) -> bool:
        return self.closed_us is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One stream that feeds the page. `complete_up_to_us`: every slot due before has its row here; None: unknown."""

    agent: str
    customer: str
    complete_up_to_us: int | None
    last_us: int | None
    clock: str | None = None  # what vouched for the newest row's time


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is always visible. `trouble`: the agent's own. `refresh_s` None: nobody feeds this page any more.

    `fed`: what the page is fed from goes on; False: it has stopped, which the page says.
    """

    as_of_us: int
    sources: tuple[Source, ...] = ()
    trouble: tuple[Concern, ...] = ()
    fed: bool = True
    refresh_s: int | None = None

    @property
    def complete_up_to_us(self) -> int | None:
        """Of all sources together."""
        known = [source.complete_up_to_us for source in self.sources]
        told = [one for one in known if one is not None]
        return min(told) if told and len(told) == len(known) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """Who looks and how: language, zone, span, and what the list is narrowed to.

    `static`: files, where each choice has a file of its own; `may_evidence`: whether bytes may be shown. `reader`: the
    name of the token; None: nobody signed in.
    """

    language: str = "en"
    zone: str = "UTC"
    span: str = "24h"
    wanted: str = ""
    only_trouble: bool = False
    page: int = 1
    static: bool = False
    may_evidence: bool = True
    reader: str | None = None
    root: str = ""  # of a file: what leads to the page's first directory
    languages: tuple[str, ...] = field(default=("en", "zh"))
