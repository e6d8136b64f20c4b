"""docs/verdicts.md read: its rows, and the sentences at its end, which are made and not written.

A row of a code has five cells: the code, what is seen, whose fault, what acquits or is not shown, what counts it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Role
from probe.core.records.verdict import Fault, Finding, Outcome, Severity
from probe.core.verdict.corroboration import Corroboration
from probe.core.verdict.summary import summarise
from tests.codes.closed_list import ORIGINS
from tests.codes.collecting import ROOT
from tests.support import build

PAGE = ROOT / "docs" / "verdicts.md"
MADE_BELOW = "`python -m tests.codes.write`.\n"
_ROW = re.compile(r"\| `([^`]+)` \|(.*)\|")
_CELLS = 4  # beside the code
NOBODY = "-"
ONLY_FAILURES = frozenset({"body.too_large", "body.decoded_too_large"})  # as a reason they are agent.limit.*

_EDGE = "192.0.2.10"


@dataclass(frozen=True, slots=True)
class CodeRow:
    """One code as the page has it; `faults` in the order of the page, `-` for none."""

    code: str
    seen: str
    faults: tuple[str, ...]
    unsaid: str
    counted: str


def rows() -> list[CodeRow]:
    """All rows of codes."""
    return list(_rows(written()))


def names(heading: str) -> list[str]:
    """The first cells of the table under a heading: outcomes, faults."""
    section = written().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [found[1] for line in section.splitlines() if (found := _ROW.fullmatch(line.strip()))]


def written() -> str:
    """The page above what is made."""
    above, mark, _ = PAGE.read_text(encoding="utf-8").partition(MADE_BELOW)
    assert mark, f"{PAGE} lacks the line that ends in {MADE_BELOW!r}"
    return above + mark


def _rows(text: str) -> Iterator[CodeRow]:
    for line in text.partition("\n## Names\n")[2].splitlines():
        found = _ROW.fullmatch(line.strip())
        if found is None:
            continue
        cells = [cell.strip() for cell in found[2].split(" |")]
        assert len(cells) == _CELLS, f"{found[1]}: {len(cells) + 1} cells"
        seen, faults, unsaid, counted = cells
        yield CodeRow(found[1], seen, tuple(f.strip() for f in faults.split(",")), unsaid, counted)


def whole_page() -> str:
    """The page with its sentences made anew."""
    made = (f"| `{code}` | {sentence} |" for code, sentence in sentences())
    return "\n".join((written(), "| reason | sentence |", "|---|---|", *made, ""))


def sentences() -> Iterator[tuple[str, str]]:
    """Each reason that a verdict can have, as the row of a failing edge says it. What is only noted has none."""
    for row in rows():
        faults = [fault for fault in row.faults if fault != NOBODY]
        if not faults or row.code in ONLY_FAILURES:
            continue
        code = "origin.tcp.refused" if row.code == ORIGINS else row.code
        yield code, _sentence(code, Fault(faults[0]))


def _sentence(code: str, fault: Fault) -> str:
    whole_slot = code.startswith("dns.")
    finding = Finding(
        check="observation",
        reason=code,
        severity=Severity.ERROR,
        outcome=Outcome.FAILED,
        fault=fault,
        observation=None if whole_slot else 0,
        address=None if whole_slot else _EDGE,
        confirmed=None if whole_slot else True,
        detail=None,
    )
    origin = (build.refused(Role.ORIGIN),) if code == "origin.tcp.refused" else ()
    kinds = {kind.value for kind in FailureType}
    if code in kinds and not whole_slot:
        edge = build.broken(FailureType(code), Phase.HTTP, address=_EDGE)
    else:
        edge = build.seen(status=_STATUS.get(code, 200), address=_EDGE)
    task = build.task()
    return summarise(finding, task, Corroboration(task, build.evidence(edge, *origin)))


_STATUS = {"http.error": 503, "origin.tcp.refused": 502}
