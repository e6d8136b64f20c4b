"""Rule: after inheritance nothing is left to look up: each object says by itself all that is measured of it.

The nearest value counts, object before domain before defaults; `headers` (by name) and `tls` (by key) are merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from probe.core.config.customer import (
    CustomerFile,
    DomainConfig,
    Inherited,
    ObjectConfig,
    OriginConfig,
    TlsConfig,
)
from probe.core.config.validation import ParamsReader
from probe.core.content.check_kind import Kinds, Params
from probe.core.model.protocols import H1
from probe.core.model.task import (
    CarrierPrefix,
    CheckSpec,
    Deadlines,
    EdgePolicy,
    Exclusion,
    FieldValue,
    OriginSpec,
    RedirectPolicy,
    Request,
    TlsPolicy,
)
from probe.core.model.value import replace
from probe.core.syntax.values import parse_edges, parse_field_value

DEFAULT_INTERVAL_US = 60_000_000
_PORTS = {"http": 80, "https": 443}
_DEADLINES = Deadlines()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredObject:
    """One object with everything that it inherits. `vantage_points` empty: all of the agent."""

    domain: str
    request: Request
    vantage_points: tuple[str, ...]
    ip_versions: tuple[int, ...]
    protocols: tuple[str, ...]
    interval_us: int
    deadlines: Deadlines
    tls: TlsPolicy
    cdn_suffixes: tuple[str, ...]
    cdn_prefixes: tuple[str, ...]
    carrier_prefixes: tuple[CarrierPrefix, ...]
    edges: EdgePolicy
    redirects: RedirectPolicy
    origin: OriginSpec | None
    checks: tuple[CheckSpec, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerConfig:
    """One customer as configured."""

    customer: str
    objects: tuple[MeasuredObject, ...]
    exclusions: tuple[Exclusion, ...]
    bytes_per_day: int | None = None


def effective(file: CustomerFile, reader: ParamsReader) -> CustomerConfig:
    """Apply inheritance and defaults. The file's checks must be valid."""
    return CustomerConfig(
        customer=file.customer,
        objects=tuple(
            _measured(file.defaults, domain, item, reader)
            for domain in file.domains
            for item in domain.objects
        ),
        exclusions=tuple(
            Exclusion(start=e.start, end=e.end, reason=e.reason, source=e.source) for e in file.exclusions
        ),
        bytes_per_day=file.bandwidth_per_day,
    )


def default_checks(
    given: Mapping[str, Any] | None, kinds: Kinds, *, cdn: bool, origin: bool, head: bool
) -> dict[str, Any]:
    """The checks of an object, from those that it names itself or inherits, and those that apply unasked.

    Where none are named, `availability`. `alias` where CDN suffixes are known. `integrity` where an origin is
    configured, unless there is no body of the object to compare: with HEAD, or where a `redirect` is agreed.
    A kind named by the user is never overridden, and one that this agent does not know is never added.
    """
    checks = dict(given) if given is not None else {"availability": {}}
    if cdn:
        checks.setdefault("alias", {})
    if origin and not head and "redirect" not in checks:
        checks.setdefault("integrity", {})
    return {kind: params for kind, params in checks.items() if kind in kinds}


def _measured(
    defaults: Inherited, domain: DomainConfig, item: ObjectConfig, reader: ParamsReader
) -> MeasuredObject:
    near = (item, domain, defaults)
    tls = _tls(*(level.tls for level in reversed(near)))
    request = Request(
        scheme=domain.scheme,
        host=domain.domain,
        port=domain.port_number,
        path=item.path,
        method=item.method,
        fields=_fields(*(level.headers for level in reversed(near))),
        accept_encoding=_nearest(near, "accept_encoding", "identity"),
    )
    checks = _checks(near, domain, item, reader)
    wanted = (reader.kinds[spec.kind].method(spec.params) for spec in checks)
    request = replace(request, method=next((m for m in wanted if m is not None), item.method))
    redirects = _nearest(near, "redirects", None)
    origin = None if domain.origin is None else _origin(domain.origin, domain, near, request)
    return MeasuredObject(
        domain=domain.domain,
        request=request,
        vantage_points=_nearest(near, "vantage_points", ()),
        ip_versions=_nearest(near, "ip", (4,)),
        protocols=_nearest(near, "protocol", (H1,)),
        interval_us=_nearest(near, "interval", DEFAULT_INTERVAL_US),
        deadlines=_deadlines(near),
        tls=tls,
        cdn_suffixes=domain.cdn.suffixes,
        cdn_prefixes=tuple(p if isinstance(p, str) else p.prefix for p in domain.cdn.prefixes),
        carrier_prefixes=tuple(
            CarrierPrefix(prefix=p.prefix, carrier=p.carrier)
            for p in domain.cdn.prefixes
            if not isinstance(p, str)
        ),
        edges=parse_edges(_nearest(near, "edges", "all")),
        redirects=RedirectPolicy(limit=redirects.follow, hosts=redirects.hosts)
        if redirects
        else RedirectPolicy(),
        origin=origin,
        checks=checks,
    )


def _nearest(near: tuple[Inherited, ...], key: str, otherwise: Any) -> Any:
    return next((v for level in near if (v := getattr(level, key)) is not None), otherwise)


def _checks(
    near: tuple[Inherited, ...], domain: DomainConfig, item: ObjectConfig, reader: ParamsReader
) -> tuple[CheckSpec, ...]:
    wanted = default_checks(
        _nearest(near, "checks", None),
        reader.kinds,
        cdn=bool(domain.cdn.suffixes),
        origin=domain.origin is not None,
        head=item.method == "HEAD",
    )
    specs = []
    for kind, value in wanted.items():
        params = reader.read(kind, value)
        assert isinstance(params, Params), f"the parameters of {kind} were validated before"
        specs.append(CheckSpec(kind=kind, params=params))
    return tuple(specs)


def _deadlines(near: tuple[Inherited, ...]) -> Deadlines:
    """No phase is given longer than the whole."""
    total_us = _nearest(near, "timeout", _DEADLINES.total_us)
    return Deadlines(
        total_us=total_us,
        connect_us=min(total_us, _nearest(near, "connect_timeout", _DEADLINES.connect_us)),
        tls_us=min(total_us, _nearest(near, "tls_timeout", _DEADLINES.tls_us)),
        first_byte_us=min(total_us, _nearest(near, "first_byte_timeout", _DEADLINES.first_byte_us)),
    )


def _tls(*levels: TlsConfig | None) -> TlsPolicy:
    """The farthest level first; a key counts where it is written."""
    given: dict[str, Any] = {}
    for level in levels:
        if level is not None:
            given.update({key: getattr(level, key) for key in level.model_fields_set})
    return TlsPolicy(**given)


def _fields(*levels: Mapping[str, str] | None) -> tuple[tuple[str, FieldValue], ...]:
    """The farthest level first; a nearer one replaces a field of the same name, whatever its case."""
    given: dict[str, tuple[str, FieldValue]] = {}
    for level in levels:
        for name, value in (level or {}).items():
            given[name.lower()] = (name, parse_field_value(value))
    return tuple(given.values())


def _origin(
    origin: OriginConfig, domain: DomainConfig, near: tuple[Inherited, ...], request: Request
) -> OriginSpec:
    scheme = origin.scheme or domain.scheme
    own_name = origin.sni or (origin.tls.server_name if origin.tls else None)
    tls = _tls(*(level.tls for level in reversed(near)), origin.tls, TlsConfig(server_name=own_name))
    return OriginSpec(
        address=origin.address,
        request=Request(
            scheme=scheme,
            host=origin.host or domain.domain,
            port=origin.port or _PORTS[scheme],
            path=request.path,
            method=request.method,
            fields=_fields(*(level.headers for level in reversed(near)), origin.headers),
            accept_encoding=request.accept_encoding,
        ),
        tls=tls,
        interval_us=origin.interval or DEFAULT_INTERVAL_US,
        history_us=origin.history or OriginSpec(address="", request=request).history_us,
        requests_per_minute=origin.requests_per_minute,
    )
