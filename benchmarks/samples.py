"""Rule: samples are made as an agent would make them: a slot that is well, and one that is off and was confirmed.

They are the records of the tests (`tests/support/build.py`) with the names and addresses of the benchmarks' servers.
"""

from __future__ import annotations

from typing import Any

from benchmarks.server import CDN_NAME, EDGE, NAME, ORIGIN
from probe.checks import CHECKS
from probe.core.model.task import OriginSpec, Request, Task, VantagePoint
from probe.core.model.value import replace
from probe.core.records.dns import CnameLink
from probe.core.records.observation import Observation, Role
from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Evidence
from probe.core.results.rows import measured_row
from probe.core.verdict.comparisons import with_comparisons
from tests.support import build
from tests.support.build import AT, GOOD, OTHER

_REQUEST = Request(scheme="https", host=NAME, port=443, path="/static/app.js")
_CHECKS: dict[str, dict[str, Any]] = {
    "availability": {},
    "response_time": {"ttfb": "5s", "total": "8s"},
    "integrity": {},
    "alias": {},
}
_FIELDS = (
    ("date", "Sun, 22 Nov 2026 10:00:00 GMT"),
    ("content-type", "text/javascript"),
    ("cache-control", "max-age=3600"),
    ("etag", '"v1"'),
    ("age", "12"),
    ("x-cache", "HIT from edge-1"),
)


def make_task(**changes: Any) -> Task:
    """A task with the four checks that objects usually have; limits that a busy machine keeps too."""
    made = build.task(
        id="bench",
        definition="bench",
        customer="bench",
        domain=NAME,
        request=_REQUEST,
        vantage_point=VantagePoint(name="bench"),
        origin=OriginSpec(address=ORIGIN, request=_REQUEST),
        checks=build.checks(**_CHECKS),
    )
    return replace(made, **changes)


def _seen(role: Role, address: str, digest: str, of: int | None = None) -> Observation:
    return build.seen(role, digest=digest, fields=_FIELDS, age_s=12, address=address, url=_REQUEST.url, of=of)


def _evidence(task: Task, *observations: Observation) -> Evidence:
    link = CnameLink(owner=NAME, target=CDN_NAME, ttl_s=60, resolver="udp://192.0.2.53:53")
    made = build.evidence(
        *observations,
        resolution=build.resolution(EDGE, qname=NAME, cname_chain=(link,), canonical_name=CDN_NAME),
        reference=build.reference(build.version(decoded_body_bytes=10_000)),
        host=build.host(agent="bench", clock_synchronised=None),
    )
    return with_comparisons(task, made)


def well(task: Task) -> Evidence:
    """One edge that serves the origin's version."""
    return _evidence(task, _seen(Role.EDGE, EDGE, GOOD), _seen(Role.ORIGIN, ORIGIN, GOOD))


def mismatched(task: Task) -> Evidence:
    """One edge that serves what the origin never had, seen twice, beside one that is right."""
    return _evidence(
        task,
        _seen(Role.EDGE, EDGE, OTHER),
        _seen(Role.ORIGIN, ORIGIN, GOOD),
        _seen(Role.CONFIRM, EDGE, OTHER, of=0),
        _seen(Role.SWEEP, "127.0.0.3", GOOD),
        _seen(Role.ORIGIN, ORIGIN, GOOD),
    )


def row(task: Task, evidence: Evidence) -> SlotRecord:
    """The judged row of this evidence."""
    return measured_row(task, evidence, CHECKS, finished_at=AT)
