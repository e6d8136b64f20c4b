"""What `trace URL` does: everything that one look at an accelerated URL can show, from here or from a vantage point."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.text import Text

from probe.checks import CHECKS
from probe.checks.availability import Availability
from probe.checks.integrity import Integrity
from probe.cli.actions.vantage import point_named
from probe.cli.render.json_lines import print_json
from probe.cli.render.slots import certificate_lines, evidence, transport_lines
from probe.cli.render.terminal import console
from probe.core.model.protocols import H3, spoken
from probe.core.model.task import (
    CheckSpec,
    Deadlines,
    EdgePolicy,
    Limits,
    OriginSpec,
    ProxySpec,
    RedirectPolicy,
    Request,
    Task,
    TlsPolicy,
    VantagePoint,
)
from probe.core.model.units import parse_duration_us
from probe.core.model.value import replace
from probe.core.records.codec import encode
from probe.core.records.observation import Observation, Role
from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Outcome
from probe.core.syntax.values import parse_proxy, parse_resolver
from probe.measure.oneshot import measure_alone
from probe.net.event_loop import run
from probe.settings.config_files import load_config
from probe.settings.preflight import no_http3

REACHED = tuple(range(200, 400))


def trace(
    url: str,
    origin: str | None,
    vantage: str | None,
    config_file: Path,
    ip_version: str | None,
    ca: str | None,
    insecure: bool,
    timeout: str,
    protocol: str,
    as_json: bool,
    **line: Any,
) -> None:
    """Resolve URL through its CNAME chain, fetch it from every address, show phases, certificate and cache."""
    try:
        request = with_protocol(request_of(url), protocol)
        tls = TlsPolicy(verify=not insecure, ca=ca)
        point = VantagePoint(name="here")
        if vantage is not None:
            point = point_named(load_config(config_file, CHECKS), vantage)
        point = with_line(point, **line)
        if protocol == H3 and (problem := _no_http3(point, line["proxy"])) is not None:
            raise ValueError(problem)
        version = literal_version(request.host) or int(ip_version or min(point.ip_versions or (4,)))
        total_us = parse_duration_us(timeout)
        task = task_of(request, point, version, tls, origin_of(origin, request, tls), total_us)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    row = run(measure_alone(task))
    print_json(encode(row)) if as_json else _print(console(), row)
    if row.outcome is not Outcome.OK:
        raise click.exceptions.Exit(1)


def _no_http3(point: VantagePoint, typed_proxy: str | None) -> str | None:
    """Why HTTP/3 cannot be spoken over this line, and what to type in its place; None: it can."""
    problem = no_http3(replace(point, proxy=None))
    if problem is not None or point.proxy is None:
        return problem
    instead = "leave out --proxy" if typed_proxy is not None else "name a --vantage without one"
    return (
        f"--protocol h3: HTTP/3 goes over UDP, and through the {point.proxy.scheme} proxy goes TCP alone; {instead},"
        " or take --protocol h2"
    )


def with_line(
    point: VantagePoint,
    *,
    resolvers: tuple[str, ...] = (),
    sources: tuple[str, ...] = (),
    interface: str | None = None,
    netns: str | None = None,
    mark: str | None = None,
    proxy: str | None = None,
    client_subnet: str | None = None,
) -> VantagePoint:
    """The vantage point with what was typed in place of what it had. Raises ValueError with words for a person."""
    given: dict[str, Any] = {"interface": interface, "netns": netns, "client_subnet": client_subnet}
    changes = {name: value for name, value in given.items() if value is not None}
    if client_subnet is not None:
        ip_network(client_subnet, strict=False)
    if sources:
        changes |= _sources(sources)
    if resolvers:
        changes["resolvers"] = tuple(parse_resolver(text) for text in resolvers)
    if mark is not None:
        changes["mark"] = _mark(mark)
    if proxy is not None:
        scheme, host, port = parse_proxy(proxy)
        changes["proxy"] = ProxySpec(scheme=scheme, host=host, port=port)
    return replace(point, **changes)


def _sources(texts: tuple[str, ...]) -> dict[str, Any]:
    """The IP versions looked over are those of the addresses given."""
    versions = [literal_version(text) for text in texts]
    if None in versions or len(set(versions)) < len(versions):
        raise ValueError(f"--source {' '.join(texts)}: give one address of each IP version at most")
    by_version = dict(zip(versions, texts, strict=True))
    carried = tuple(sorted(version for version in by_version if version is not None))
    return {"source_v4": by_version.get(4), "source_v6": by_version.get(6), "ip_versions": carried}


def _mark(text: str) -> int:
    try:
        mark = int(text, 0)
    except ValueError:
        mark = 0
    if not 1 <= mark <= 0xFFFFFFFF:
        raise ValueError(f"--mark {text!r} is no number from 1 to 0xffffffff")
    return mark


def request_of(url: str) -> Request:
    """A URL as a request. Raises ValueError with words for a person."""
    parts = urlsplit(url if "//" in url else f"https://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no http or https URL, such as https://www.example.com/logo.png")
    if parts.username is not None:
        raise ValueError("a URL with a user name in it is not accepted: it would be shown")
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.hostname
    return Request(
        scheme=parts.scheme, host=host, port=port, path=path, accept_encoding="gzip, deflate, br, zstd"
    )


def with_protocol(request: Request, protocol: str) -> Request:
    """The request over that HTTP version. Raises ValueError with words for a person."""
    if spoken(protocol, request.scheme) != protocol:
        raise ValueError(
            f"--protocol {protocol} needs an https URL: over plain HTTP clients speak HTTP/1.1 alone"
        )
    return replace(request, protocol=protocol)


def literal_version(host: str) -> int | None:
    try:
        return ip_address(host).version
    except ValueError:
        return None


def origin_of(text: str | None, request: Request, tls: TlsPolicy) -> OriginSpec | None:
    """ADDRESS keeps the URL's scheme and port; ADDRESS:PORT its scheme; a URL says all."""
    if text is None:
        return None
    scheme = urlsplit(text).scheme if "://" in text else request.scheme
    literal = literal_version(text) == 6
    parts = urlsplit(text if "://" in text else f"//[{text}]" if literal else f"//{text}")
    if not parts.hostname or scheme not in ("http", "https"):
        raise ValueError(
            f"--origin {text!r} is no address, such as 192.0.2.10, 192.0.2.10:8080 or http://192.0.2.10"
        )
    default = request.port if scheme == request.scheme else {"http": 80, "https": 443}[scheme]
    asked = Request(
        scheme=scheme,
        host=request.host,
        port=parts.port or default,
        path=request.path,
        accept_encoding=request.accept_encoding,
    )
    return OriginSpec(address=parts.hostname, request=asked, tls=tls)


def task_of(
    request: Request,
    vantage: VantagePoint,
    ip_version: int,
    tls: TlsPolicy,
    origin: OriginSpec | None,
    total_us: int,
) -> Task:
    """One look, with the checks that every look allows: an answer below 400, and the origin's content."""
    return Task(
        id="trace",
        definition="trace",
        customer="trace",
        domain=request.host,
        request=request,
        vantage_point=vantage,
        ip_version=ip_version,
        period_us=60_000_000,
        phase_us=0,
        deadlines=Deadlines(total_us=total_us),
        limits=Limits(),
        tls=tls,
        cdn_suffixes=(),
        cdn_prefixes=(),
        edges=EdgePolicy(),
        redirects=RedirectPolicy(),
        origin=origin,
        checks=(
            CheckSpec(kind="availability", params=Availability(status=REACHED)),
            CheckSpec(kind="integrity", params=Integrity()),
        ),
        exclusions=(),
    )


def _print(out: Console, row: SlotRecord) -> None:
    out.print(evidence(row))
    for observation in row.observations:
        served, certificate = _served(observation), certificate_lines(observation)
        transport = transport_lines(observation)
        if observation.role is Role.EDGE and (served or certificate or transport):
            out.print(Text(f"{observation.address}", style="bold"), served, sep="  ")
            for line in transport:
                out.print(Text(f"  {line}"))
            for line in certificate:
                out.print(f"  {line}")


def _served(observation: Observation) -> str:
    """How the content compares with the origin's, where it was compared."""
    comparison = observation.comparison
    if comparison is None:
        return ""
    behind = "" if comparison.behind_s is None else f", {comparison.behind_s:.1f}s behind"
    return f"content beside the origin's: {comparison.relation}{behind}"
