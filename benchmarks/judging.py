"""Rule: judging is timed alone, beside writing the same slot as JSON, which every slot pays as well."""

from __future__ import annotations

from functools import partial

from benchmarks import samples
from benchmarks.measure import Effort, Result, WrongResultError, compare, repeated
from probe.checks import CHECKS
from probe.core.records.codec import encode
from probe.core.records.verdict import Evidence, Outcome
from probe.core.verdict.judge import judge

OPERATIONS = 2_000


async def run(effort: Effort) -> list[Result]:
    """CPU of a judgement: of a slot that is well, and of one with a confirmed mismatch."""
    task = samples.make_task()
    cases = (
        ("judge, all well", samples.well(task), Outcome.OK),
        ("judge a mismatch", samples.mismatched(task), Outcome.FAILED),
    )
    results = []
    for name, evidence, expected in cases:
        verdict = judge(task, evidence, CHECKS)
        if verdict.outcome is not expected:
            raise WrongResultError(f"{name}: judged {verdict.outcome}, expected {expected}")
        row = samples.row(task, evidence)

        def judged(evidence: Evidence = evidence) -> object:
            return judge(task, evidence, CHECKS)

        results.append(
            await compare(
                name,
                ours=repeated(judged),
                peer=repeated(partial(encode, row)),
                peer_name="encode the row as JSON",
                operations=effort.operations(OPERATIONS),
                rounds=effort.rounds,
            )
        )
    return results
