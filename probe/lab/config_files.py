"""Writes the agent's configuration for a running lab: agent.yaml and one file a customer, as a user would write it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from probe.lab.servers.world import (
    ANCHORS,
    API,
    CDN_ZONE,
    DOMAINS,
    FIRST_BYTE_LIMIT_MS,
    VANTAGES,
    Domain,
    Vantage,
)

if TYPE_CHECKING:
    from probe.lab.lab import Lab

CA_FILE = "lab-ca.pem"
_LIMITS = {"ttfb": f"{FIRST_BYTE_LIMIT_MS}ms", "total": "1500ms"}


def write(
    lab: Lab,
    directory: Path,
    *,
    interval: str,
    timeout: str,
    results: str,
    sealed: str | None = None,
    api: Mapping[str, Any] | None = None,
) -> Path:
    """Write all files; the path of agent.yaml. Raises OSError."""
    customers = directory / "customers"
    customers.mkdir(parents=True, exist_ok=True)
    (directory / CA_FILE).write_bytes(lab.ca_pem)
    for customer in dict.fromkeys(domain.customer for domain in DOMAINS):
        content = _customer(lab, customer, interval, timeout)
        _dump(customers / f"{customer}.yaml", f"Customer {customer} of the lab", content)
    agent = directory / "agent.yaml"
    _dump(agent, "An agent that watches the lab on this host", _agent(lab, results, sealed, api))
    return agent


def _dump(file: Path, title: str, content: dict[str, Any]) -> None:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    file.write_text(f"# {title}. Written by the lab; ports change each time.\n{text}", encoding="utf-8")


def _agent(
    lab: Lab, results: str, sealed: str | None, api: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "agent": "lab-agent",
        "results": results,
        "customers": "customers/",
        "vantage_points": [_vantage(lab, vantage) for vantage in VANTAGES],
        "allow_addresses": ["127.0.0.0/8"],
        **({} if sealed is None else {"segments": {"every": sealed}}),
        **({} if api is None else {"api": dict(api)}),
    }


def _vantage(lab: Lab, vantage: Vantage) -> dict[str, Any]:
    return {
        "name": vantage.name,
        "region": vantage.region,
        "carrier": vantage.carrier,
        "asn": vantage.asn,
        "source": vantage.source,
        "resolvers": [f"udp://{address}:{lab.dns_port}" for address in vantage.resolvers],
        "client_subnet": vantage.client_subnet,
        "anchors": [f"http://{address}:{lab.http_port}/ok" for address in ANCHORS],
    }


def _customer(lab: Lab, customer: str, interval: str, timeout: str) -> dict[str, Any]:
    return {
        "customer": customer,
        "defaults": {
            "interval": interval,
            "timeout": timeout,
            "vantage_points": [vantage.name for vantage in VANTAGES],
        },
        "domains": [_domain(lab, domain) for domain in DOMAINS if domain.customer == customer],
    }


def _domain(lab: Lab, domain: Domain) -> dict[str, Any]:
    port = lab.port_of(domain)
    content: dict[str, Any] = {"domain": domain.name, "scheme": domain.scheme, "port": port}
    if domain.scheme == "https":
        content["tls"] = {"ca": f"file:../{CA_FILE}"}
    content["cdn"] = {"suffixes": [CDN_ZONE]}
    content["origin"] = {
        "address": domain.origin,
        "scheme": domain.scheme,
        "port": port,
        "host": domain.name,
        "interval": "1s",
    }
    content["edges"] = "all"
    content["ip"] = [4]
    content["accept_encoding"] = "gzip"
    if domain.protocol != "h1":
        content["protocol"] = domain.protocol
    content["objects"] = [{"path": path, "checks": _checks(domain)} for path in domain.paths]
    return content


def _checks(domain: Domain) -> dict[str, Any]:
    checks: dict[str, Any] = {
        "availability": {"status": [200]},
        "response_time": dict(_LIMITS),
        "alias": {},
    }
    # The time of day is another content with every request.
    checks["integrity"] = {"mode": "none" if domain is API else "exact"}
    return checks
