"""Rule: the plan is a value: the same configuration gives the same tasks, ids and phases on every host and day.

Config -> Plan. A task's id says what is measured and survives changes of how; its phase comes from a hash of the
id, so that neither a restart nor a fleet makes a herd.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from probe.core.config import Config
from probe.core.config_agent import LimitsConfig, VantageConfig
from probe.core.config_customer import (
    CustomerConfig,
    DomainConfig,
    Inherited,
    ObjectConfig,
    OriginConfig,
    RedirectsConfig,
    TlsConfig,
)
from probe.core.definition import define
from probe.core.kinds import Kinds
from probe.core.task import (
    CheckSpec,
    Deadlines,
    EdgePolicy,
    Exclusion,
    FieldValue,
    Limits,
    OriginSpec,
    RedirectPolicy,
    Request,
    Task,
    TlsPolicy,
    VantagePoint,
)

DEFAULT_INTERVAL_US = 60_000_000
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Plan:
    """All that this agent measures."""

    tasks: tuple[Task, ...]


def make_plan(config: Config, kinds: Kinds) -> Plan:
    """One task for each object, vantage point and IP version, in the order of the files."""
    points = {point.name: _vantage(point) for point in config.agent.vantage_points}
    limits = _limits(config.agent.limits)
    return Plan(
        tuple(
            task
            for customer in config.customers
            for domain in customer.domains
            for thing in domain.objects
            for task in _tasks(customer, domain, thing, points, limits, kinds)
        )
    )


def _tasks(
    customer: CustomerConfig,
    domain: DomainConfig,
    thing: ObjectConfig,
    points: Mapping[str, VantagePoint],
    limits: Limits,
    kinds: Kinds,
) -> Iterable[Task]:
    level = _Levels(thing, domain, customer.defaults)
    request = _request(domain, thing, level)
    period_us: int = level.get("interval", DEFAULT_INTERVAL_US)
    first = Task(
        id="",
        definition="",
        customer=customer.customer,
        domain=domain.domain,
        request=request,
        vantage_point=VantagePoint(name=""),
        ip_version=4,
        period_us=period_us,
        phase_us=0,
        deadlines=_deadlines(level),
        limits=limits,
        tls=_tls(domain.tls),
        cdn_suffixes=tuple(domain.cdn.suffixes),
        cdn_prefixes=tuple(domain.cdn.prefixes),
        edges=_edge_policy(level.get("edges", "all")),
        redirects=_redirects(level.get("redirects", None)),
        origin=None if domain.origin is None else _origin(domain, domain.origin, request),
        checks=_checks(level, domain, kinds),
        exclusions=tuple(_exclusion(e.start, e.end, e.reason, e.source) for e in customer.exclusions),
    )
    for name in level.get("vantage_points", list(points)):
        for ip_version in level.get("ip", [4]):
            identity = task_id(customer.customer, request, name, ip_version)
            phase_us = int(identity, 16) % period_us
            task = replace(
                first, id=identity, vantage_point=points[name], ip_version=ip_version, phase_us=phase_us
            )
            yield replace(task, definition=define(task))


def _redirects(config: RedirectsConfig | None) -> RedirectPolicy:
    return (
        RedirectPolicy() if config is None else RedirectPolicy(limit=config.follow, hosts=tuple(config.hosts))
    )


class _Levels:
    """Inherited keys: the object's own, then its domain's, then the customer's defaults."""

    def __init__(self, *levels: Inherited) -> None:
        self.levels = levels

    def get(self, name: str, default: Any) -> Any:
        for level in self.levels:
            value = getattr(level, name)
            if value is not None:
                return value
        return default

    def headers(self) -> dict[str, FieldValue]:
        """Added up; the nearer level wins for a field of the same name."""
        found: dict[str, tuple[str, FieldValue]] = {}
        for level in reversed(self.levels):
            for name, value in (level.headers or {}).items():
                found[name.lower()] = (name, value)
        return dict(found.values())


def task_id(customer: str, request: Request, vantage_point: str, ip_version: int) -> str:
    """16 hex digits over what is measured and from where; not over how."""
    parts = [
        customer,
        request.scheme,
        request.host,
        request.port,
        request.path,
        request.method,
        vantage_point,
        ip_version,
    ]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()


def _request(domain: DomainConfig, thing: ObjectConfig, level: _Levels) -> Request:
    return Request(
        scheme=domain.scheme,
        host=domain.domain,
        port=domain.port or _PORTS[domain.scheme],
        path=thing.path,
        method=thing.method,
        fields=tuple(level.headers().items()),
        accept_encoding=level.get("accept_encoding", "identity"),
    )


def _origin(domain: DomainConfig, origin: OriginConfig, request: Request) -> OriginSpec:
    """The object's own fields, with the origin's over them; the path is the same."""
    named = {name.lower(): (name, value) for name, value in request.fields}
    named |= {name.lower(): (name, value) for name, value in origin.headers.items()}
    tls = _tls(origin.tls or domain.tls)
    return OriginSpec(
        address=origin.address,
        request=replace(
            request,
            scheme=origin.scheme,
            host=origin.host or domain.domain,
            port=origin.port or _PORTS[origin.scheme],
            fields=tuple(named.values()),
        ),
        tls=replace(tls, server_name=origin.sni) if origin.sni else tls,
        interval_us=origin.interval,
    )


def _checks(level: _Levels, domain: DomainConfig, kinds: Kinds) -> tuple[CheckSpec, ...]:
    """What is named; `availability` where nothing is. `alias` and `integrity` come by themselves.

    An object that names no check at all is checked for availability. A domain with `cdn.suffixes` is always checked
    for its alias, one with an origin for integrity, unless the object says otherwise (`integrity: {mode: none}`).
    """
    named: dict[str, Any] = dict(level.get("checks", None) or {"availability": {}})
    if domain.cdn.suffixes:
        named.setdefault("alias", {})
    if domain.origin is not None:
        named.setdefault("integrity", {})
    return tuple(
        CheckSpec(kind=name, params=kinds[name].params.model_validate(params or {}))
        for name, params in named.items()
        if name in kinds
    )


def _deadlines(level: _Levels) -> Deadlines:
    default = Deadlines()
    total_us = level.get("timeout", default.total_us)
    return Deadlines(
        total_us=total_us,
        connect_us=min(total_us, level.get("connect_timeout", default.connect_us)),
        tls_us=min(total_us, level.get("tls_timeout", default.tls_us)),
        first_byte_us=min(total_us, level.get("first_byte_timeout", total_us)),
    )


def _edge_policy(text: str) -> EdgePolicy:
    kind, _, count = text.partition(":")
    return EdgePolicy(kind=kind, count=int(count or 0))


def _tls(tls: TlsConfig) -> TlsPolicy:
    return TlsPolicy(
        verify=tls.verify, ca=tls.ca, server_name=tls.server_name, minimum_version=tls.minimum_version
    )


def _limits(limits: LimitsConfig) -> Limits:
    return Limits(
        body_bytes=limits.body,
        decoded_bytes=limits.decoded,
        field_bytes=limits.field,
        fields_count=limits.fields,
        head_bytes=limits.head,
    )


def _vantage(point: VantageConfig) -> VantagePoint:
    return VantagePoint(
        name=point.name,
        region=point.region,
        carrier=point.carrier,
        asn=point.asn,
        source_v4=next((a for a in point.source if ":" not in a), None),
        source_v6=next((a for a in point.source if ":" in a), None),
        interface=point.interface,
        resolvers=tuple(point.resolvers),
        client_subnet=point.client_subnet,
        anchors=tuple(point.anchors),
    )


def _exclusion(start: str, end: str, reason: str, source: str) -> Exclusion:
    def utc(text: str) -> str:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    return Exclusion(start=utc(start), end=utc(end), reason=reason, source=source)
