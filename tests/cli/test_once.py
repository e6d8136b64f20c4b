"""once: with what it ends."""

from __future__ import annotations

import pytest

from probe.checks import CHECKS
from probe.cli.actions.once import exit_code
from probe.core.records.observation import Observation
from probe.core.results.rows import measured_row
from probe.core.verdict.comparisons import with_comparisons
from tests.support.build import AT, checks, evidence, refused, seen, task

FOREIGN = seen(digest="f" * 64, fields=(("etag", '"v9"'), ("cache-control", "max-age=7200")))


@pytest.mark.parametrize(
    ("observations", "code"),
    [([seen()], 0), ([seen(), FOREIGN], 3), ([FOREIGN, refused()], 1), ([refused(), seen()], 1), ([], 0)],
)
def test_something_unverified_is_neither_right_nor_wrong(observations: list[Observation], code: int) -> None:
    rows = []
    for observation in observations:
        plain = evidence(observation)
        job = task(checks=checks(availability={}, integrity={}))
        rows.append(measured_row(job, with_comparisons(job, plain), CHECKS, finished_at=AT))
    assert exit_code(rows) == code
    if code == 3:
        assert "unverified" in rows[-1].summary
        assert "as agreed" not in rows[-1].summary
