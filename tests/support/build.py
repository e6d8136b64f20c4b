"""Records for tests, each with as few words as the case needs."""

from __future__ import annotations

from typing import Any

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
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.origin import OriginVersion, Reference
from probe.core.records.response import CacheStatus, Response
from probe.core.records.surroundings import HostFacts
from probe.core.records.transport import ResourceTiming
from probe.core.records.verdict import Evidence, Verdict
from probe.core.verdict.comparisons import with_comparisons
from probe.core.verdict.judge import judge

AT = "2026-11-22T10:00:00.000000Z"
EARLIER = "2026-11-22T09:00:00.000000Z"
GOOD, OLD, OTHER = "a" * 64, "b" * 64, "c" * 64
EDGE, EDGE_2, ORIGIN = "192.0.2.1", "192.0.2.2", "198.51.100.1"


def checks(**kinds: dict[str, Any]) -> tuple[CheckSpec, ...]:
    """checks(availability={}, response_time={"ttfb": "500ms"})"""
    return tuple(CheckSpec(kind=k, params=CHECKS[k].params.model_validate(v)) for k, v in kinds.items())


def task(**changes: Any) -> Task:
    request = Request(scheme="https", host="www.acme.example", port=443, path="/a.js")
    made = Task(
        id="t1",
        definition="d1",
        customer="acme",
        domain="www.acme.example",
        request=request,
        vantage_point=VantagePoint(name="bj-ct"),
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
        origin=OriginSpec(address=ORIGIN, request=request),
        checks=checks(
            availability={}, integrity={}, alias={}, response_time={"ttfb": "500ms", "total": "2s"}
        ),
        exclusions=(),
    )
    return replace(made, **changes)


def resolution(*addresses: str, **changes: Any) -> Resolution:
    made = Resolution(
        qname="www.acme.example",
        qtype="A",
        rcode="NOERROR",
        cname_chain=(
            CnameLink(
                owner="www.acme.example",
                target="acme.cdn.example.net",
                ttl_s=60,
                resolver="udp://192.0.2.53:53",
            ),
        ),
        canonical_name="acme.cdn.example.net",
        addresses=tuple(AddressRecord(address=a, ttl_s=60) for a in addresses or (EDGE,)),
        ttl_s=60,
        resolver="udp://192.0.2.53:53",
        transport="udp",
    )
    return replace(made, **changes)


def unresolved(kind: FailureType, failing_name: str, *flags: str) -> Resolution:
    return resolution(
        addresses=(),
        failing_name=failing_name,
        flags=flags,
        failure=Failure(phase=Phase.DNS, type=kind),
    )


def timing(ttfb_us: int = 20_000, total_us: int = 30_000) -> ResourceTiming:
    return ResourceTiming(
        connect_start_us=1_000,
        connect_end_us=3_000,
        request_start_us=3_000,
        response_start_us=1_000 + ttfb_us,
        response_end_us=1_000 + total_us,
    )


def seen(role: Role = Role.EDGE, status: int = 200, digest: str | None = GOOD, **changes: Any) -> Observation:
    """A complete reply."""
    fields = changes.pop("fields", (("cache-control", "max-age=60"), ("etag", '"v1"')))
    response = Response(
        status_code=status,
        fields=fields,
        digest=digest,
        content_digest=digest,
        body_complete=True,
        age_s=changes.pop("age_s", None),
    )
    made = Observation(
        role=role,
        address=ORIGIN if role is Role.ORIGIN else EDGE,
        port=443,
        url="https://www.acme.example/a.js",
        timing=timing(),
        response=response,
    )
    return replace(made, **changes)


def broken(kind: FailureType, phase: Phase, role: Role = Role.EDGE, **changes: Any) -> Observation:
    """No complete reply."""
    made = Observation(
        role=role,
        address=ORIGIN if role is Role.ORIGIN else EDGE,
        port=443,
        url="https://www.acme.example/a.js",
        failure=Failure(phase=phase, type=kind),
    )
    return replace(made, **changes)


def refused(role: Role = Role.EDGE, **changes: Any) -> Observation:
    return broken(FailureType.TCP_REFUSED, Phase.TCP, role, **changes)


def silent(role: Role = Role.EDGE, **changes: Any) -> Observation:
    return broken(FailureType.TCP_TIMED_OUT, Phase.TCP, role, **changes)


def version(digest: str = GOOD, first_seen: str = EARLIER, **changes: Any) -> OriginVersion:
    made = OriginVersion(
        content_digest=digest,
        decoded_body_bytes=10,
        status_code=200,
        etag='"v1"',
        last_modified=None,
        first_seen=first_seen,
        last_seen=AT,
    )
    return replace(made, **changes)


def reference(*versions: OriginVersion, **changes: Any) -> Reference:
    return replace(Reference(configured=True, versions=versions or (version(),), verified_at=AT), **changes)


def host(**changes: Any) -> HostFacts:
    made = HostFacts(
        agent="bj-mon-01", agent_version="0", config_digest="0" * 64, loop_lag_us=0, clock_synchronised=True
    )
    return replace(made, **changes)


def evidence(*observations: Observation, **changes: Any) -> Evidence:
    made = Evidence(
        scheduled_at=AT,
        started_at=AT,
        resolution=resolution(),
        observations=observations,
        reference=reference(),
        host=host(),
    )
    return replace(made, **changes)


def verdict(of: Evidence, made_for: Task | None = None) -> Verdict:
    """Compare and judge, as the pipeline does."""
    the_task = made_for or task()
    return judge(the_task, with_comparisons(the_task, of), CHECKS)


def triple(of: Evidence, made_for: Task | None = None) -> tuple[str, str | None, str | None]:
    made = verdict(of, made_for)
    return made.outcome.value, None if made.fault is None else made.fault.value, made.reason


MISS = CacheStatus(cache="edge", hit=False, fwd="miss", fwd_status=200)
