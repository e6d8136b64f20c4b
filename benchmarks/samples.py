"""Rule: samples are made as an agent would make them: a slot that is well, and one that is off and was confirmed."""

from __future__ import annotations

from typing import Any

from benchmarks.server import CDN_NAME, EDGE, NAME, ORIGIN
from probe.checks import CHECKS
from probe.core.model.task import (
    CheckSpec,
    Deadlines,
    EdgePolicy,
    Limits,
    OriginSpec,
    RedirectPolicy,
    Request,
    Task,
    TlsPolicy,
    VantagePoint,
)
from probe.core.model.value import replace
from probe.core.records.dns import AddressRecord, CnameLink, Resolution
from probe.core.records.observation import Observation, Role
from probe.core.records.origin import OriginVersion, Reference
from probe.core.records.response import Response
from probe.core.records.rows import SlotRecord
from probe.core.records.surroundings import HostFacts
from probe.core.records.transport import ResourceTiming
from probe.core.records.verdict import Evidence
from probe.core.results.rows import measured_row
from probe.core.verdict.comparisons import with_comparisons

AT = "2026-11-22T10:00:00.000000Z"
GOOD, OTHER = "a" * 64, "c" * 64
_REQUEST = Request(scheme="https", host=NAME, port=443, path="/static/app.js")
_CHECKS: dict[str, dict[str, object]] = {
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
    made = Task(
        id="bench",
        definition="bench",
        customer="bench",
        domain=NAME,
        request=_REQUEST,
        vantage_point=VantagePoint(name="bench"),
        ip_version=4,
        period_us=60_000_000,
        phase_us=0,
        deadlines=Deadlines(),
        limits=Limits(),
        tls=TlsPolicy(),
        cdn_suffixes=("cdn.example.net",),
        cdn_prefixes=(),
        edges=EdgePolicy(),
        redirects=RedirectPolicy(),
        origin=OriginSpec(address=ORIGIN, request=_REQUEST),
        checks=tuple(
            CheckSpec(kind=k, params=CHECKS[k].params.model_validate(v)) for k, v in _CHECKS.items()
        ),
        exclusions=(),
    )
    return replace(made, **changes)


def _seen(role: Role, address: str, digest: str, of: int | None = None) -> Observation:
    return Observation(
        role=role,
        address=address,
        port=443,
        url=_REQUEST.url,
        of=of,
        timing=ResourceTiming(
            connect_start_us=1_000,
            connect_end_us=3_000,
            request_start_us=3_000,
            response_start_us=21_000,
            response_end_us=31_000,
        ),
        response=Response(
            status_code=200,
            fields=_FIELDS,
            digest=digest,
            content_digest=digest,
            body_complete=True,
            age_s=12,
        ),
    )


def _evidence(task: Task, *observations: Observation) -> Evidence:
    version = OriginVersion(
        content_digest=GOOD,
        decoded_body_bytes=10_000,
        status_code=200,
        etag='"v1"',
        last_modified=None,
        first_seen="2026-11-22T09:00:00.000000Z",
        last_seen=AT,
    )
    link = CnameLink(owner=NAME, target=CDN_NAME, ttl_s=60, resolver="udp://192.0.2.53:53")
    resolution = Resolution(
        qname=NAME,
        qtype="A",
        rcode="NOERROR",
        cname_chain=(link,),
        canonical_name=CDN_NAME,
        addresses=(AddressRecord(address=EDGE, ttl_s=60),),
        ttl_s=60,
        resolver="udp://192.0.2.53:53",
        transport="udp",
    )
    made = Evidence(
        scheduled_at=AT,
        started_at=AT,
        resolution=resolution,
        observations=observations,
        reference=Reference(configured=True, versions=(version,), verified_at=AT),
        host=HostFacts(agent="bench", agent_version="0", config_digest="0" * 64, loop_lag_us=0),
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
