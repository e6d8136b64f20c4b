"""Rule: a verdict can be checked: judging its kept observations again must give the same one.

Cases come from the store (row and the task definition it was measured under) or from files: a folder with
`case.json` = {"definition": ..., "record": ..., "expected": {"outcome", "fault", "reason"}}.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from probe.core.config.plan import task_from_json
from probe.core.content.check_kind import Kinds
from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.codec import decode
from probe.core.records.rows import SlotRecord, State
from probe.core.records.verdict import Evidence
from probe.core.results.rows import evidence_of
from probe.core.verdict.comparisons import with_comparisons
from probe.core.verdict.judge import judge
from probe.store.read.reader import Reader


class CaseError(Exception):
    """A case that cannot be read; says which, and why."""


Triple = tuple[str | None, str | None, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One slot to judge again. `expected`: outcome, fault, reason."""

    name: str
    task: Task
    evidence: Evidence
    expected: Triple


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A verdict that came out otherwise."""

    name: str
    was: str
    now: str
    summary: str


def rejudge(case: Case, kinds: Kinds) -> Change | None:
    """None if the same comes out."""
    bare = replace(
        case.evidence,
        observations=tuple(replace(o, comparison=None) for o in case.evidence.observations),
    )
    verdict = judge(case.task, with_comparisons(case.task, bare), kinds)
    now: Triple = (verdict.outcome, verdict.fault, verdict.reason)
    if now == case.expected:
        return None
    return Change(name=case.name, was=_words(case.expected), now=_words(now), summary=verdict.summary)


def _words(triple: Triple) -> str:
    return " · ".join(part for part in triple if part is not None)


def _case(name: str, row: SlotRecord, definition: object, kinds: Kinds, expected: Triple) -> Case:
    task = task_from_json(definition, kinds)
    return Case(name=name, task=task, evidence=evidence_of(row), expected=expected)


def cases_of_store(reader: Reader, kinds: Kinds) -> Iterator[Case]:
    """Every measured row, oldest first. A row whose definition is missing is an error of the store."""
    definitions: dict[str, object] = {}
    for row in reader.follow({}):
        if not isinstance(row, SlotRecord) or row.state is not State.MEASURED:
            continue
        if row.definition not in definitions:
            text = reader.definition(row.definition)
            if text is None:
                raise CaseError(
                    f"the store has no task definition {row.definition} for {row.customer}/{row.seq}"
                )
            definitions[row.definition] = json.loads(text)
        expected = (row.outcome, row.fault, row.reason)
        yield _case(f"{row.customer}/{row.seq}", row, definitions[row.definition], kinds, expected)


def cases_in(path: Path, kinds: Kinds) -> Iterator[Case]:
    """Every `case.json` below `path`, by name. Raises CaseError with the file that is none."""
    for file in sorted(path.rglob("case.json")):
        try:
            yield _case_in(file, str(file.parent.relative_to(path)), kinds)
        except KeyError as error:
            raise CaseError(f"{file}: {error} is missing or unknown") from error
        except (ValueError, TypeError, OSError) as error:
            raise CaseError(f"{file}: {error}") from error


def _case_in(file: Path, name: str, kinds: Kinds) -> Case:
    data = json.loads(file.read_text(encoding="utf-8"))
    row = decode(json.dumps(data["record"]))
    if not isinstance(row, SlotRecord):
        raise ValueError("its record is no slot")
    expected = data["expected"]
    triple = (expected["outcome"], expected.get("fault"), expected.get("reason"))
    return _case(name, row, data["definition"], kinds, triple)
