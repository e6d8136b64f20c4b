"""What a scenario declares: a situation, whose doing it is, and which verdicts are right by the contracts.

Rows are matched as `OUTCOME FAULT REASON`, each word a pattern of fnmatch, `-` for none. Whatever matches none of the
scenario's `right` is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from tests.truth.setup import Row, Setup

if TYPE_CHECKING:
    from tests.truth.lab import Lab

Part = Callable[["Lab"], AbstractContextManager[Any]]
OK = "ok - -"
PARTIES = ("nobody", "cdn", "origin", "customer", "path", "vantage", "agent", "unknown")
STALL_US = 500_000
ACCUSED = ("cdn", "origin", "customer")  # whom the contracts know; nobody of them answers for what is ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A stretch of a longer scenario: parts that hold while it lasts, and what is right of the rows begun in it.

    `rows`: how many are waited for; the first `within` may still be right by the step before. `found`: must come about
    within `found_within` rows of each task. `at`: the only addresses that may be accused. `most`: of the rows, how
    many may be of a pattern.
    """

    name: str
    party: str
    right: Sequence[str]
    parts: Sequence[Part] = ()
    rows: int = 8
    within: int = 3
    found: str | None = None
    found_within: int = 2
    at: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One situation. `party` is whose doing it is; `why` the rule that makes `right` right; `shows`: codes that its
    rows hold (`tests.codes`).

    Without `steps` it is measured by `once`; with them by `run`, step after step.
    """

    name: str
    party: str
    why: str
    right: Sequence[str] = ()
    parts: Sequence[Part] = ()
    setup: Setup = field(default_factory=Setup)
    steps: Sequence[Step] = ()
    quick: bool = False
    shows: Sequence[str] = ()
    unsaid: str | None = None  # words that no row's sentence may hold
    debatable: str = ""  # why more than one verdict is right
    refused: int | None = None  # the command must end with this code, and without a row


@dataclass(frozen=True, slots=True)
class Told:
    """One row beside what is right of it."""

    scenario: str
    party: str
    row: Row
    right: bool
    why: str = ""

    @property
    def accused(self) -> str:
        """The party that the row names."""
        return str(self.row["fault"] or "nobody")

    @property
    def words(self) -> str:
        """Outcome, fault and reason as a scenario declares them."""
        return words_of(self.row)


def words_of(row: Row) -> str:
    """Outcome, fault and reason, `-` for none."""
    return " ".join(str(row[key] or "-") for key in ("outcome", "fault", "reason"))


def matches(row: Row, patterns: Sequence[str]) -> bool:
    """Whether the row is one of these."""
    words = words_of(row).split(" ")
    return any(
        all(fnmatchcase(word, pattern) for word, pattern in zip(words, one.split(" "), strict=True))
        for one in patterns
    )


def accuses_only(row: Row, addresses: Sequence[str]) -> bool:
    """Whether every finding that is held against the CDN is one of these edges'; all may be, where none is given."""
    if not addresses:
        return True
    held = (f for f in row["findings"] if f["outcome"] in ("failed", "slow", "stale") and f["fault"] == "cdn")
    return all(finding["address"] in addresses for finding in held)


def stood_still(row: Row) -> bool:
    """The machine kept the agent from running, by the row's own figure: that says nothing of the situation."""
    return (
        words_of(row) == "inconclusive agent agent.stalled" and (row["host"]["loop_lag_us"] or 0) >= STALL_US
    )


def judge_once(scenario: Scenario, rows: Sequence[Row]) -> list[Told]:
    """Every row of `once` against what is right."""
    return [
        Told(scenario.name, scenario.party, row, _right(scenario, row) or stood_still(row)) for row in rows
    ]


def _right(scenario: Scenario, row: Row) -> bool:
    said = scenario.unsaid is not None and scenario.unsaid in row["summary"]
    return matches(row, scenario.right) and not said


def judge_step(scenario: Scenario, step: Step, before: Step | None, rows: Sequence[Row]) -> list[Told]:
    """The rows that began in a step, in order; the step's name stands behind the scenario's."""
    told, name, done = [], f"{scenario.name}/{step.name}", dict[str, int]()
    found = step.found is None
    for row in rows:
        if stood_still(row):
            told.append(Told(name, step.party, row, True))
            continue
        place = done.get(row["task"], 0)
        done[row["task"]] = place + 1
        early = place < step.within and before is not None and matches(row, before.right)
        right = (matches(row, step.right) or early) and accuses_only(row, step.at)
        if not found and step.found is not None and matches(row, [step.found]):
            found = True
        late = not found and step.found is not None and place + 1 >= step.found_within
        told.append(Told(name, step.party, row, right and not late, "not found in time" if late else ""))
        found = found or late  # told once
    return told
