"""A program: every recorded case judged, and costly patterns and contents read; one JSON object on standard output."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from probe.checks import CHECKS
from probe.core.content.reading import Reading, read_content
from probe.core.model.value import replace
from probe.core.text.patterns import matches
from probe.core.verdict.comparisons import with_comparisons
from probe.core.verdict.judge import judge
from probe.services.replay import cases_in


def main() -> None:
    told: dict[str, object] = {}
    for case in cases_in(Path(sys.argv[1]), CHECKS):
        bare = replace(
            case.evidence, observations=tuple(replace(o, comparison=None) for o in case.evidence.observations)
        )
        verdict = judge(case.task, with_comparisons(case.task, bare), CHECKS)
        told[case.name] = [verdict.outcome, verdict.fault, verdict.reason, verdict.summary, repr(verdict)]
    for pattern in ("(a+)+b", "(a|aa)*c", "(.*)*d"):
        told[pattern] = matches(pattern, "a" * 4000)
    for name, reading, body in (
        ("pattern", Reading(patterns=("(a+)+b",)), b"a" * 200_000),
        ("searches", Reading(patterns=("(?s)a.*b|a",)), b"a" * 50_000),
        ("json", Reading(json_paths=("$..a",)), b"[" + b"[1]," * 20_000 + b"1]"),
        ("html", Reading(selectors=("p", "div > p")), b"<div><p>x" * 100),
    ):
        told[name] = repr(read_content(reading, body))
    print(json.dumps(told, sort_keys=True))


if __name__ == "__main__":
    main()
