"""Rule: a failed look-up is the fault of whoever publishes the zone that failed, where SOA records showed the zone.

Pure. A zone that belongs to a registry (a top-level domain, or what looks like `com.cn`) does not show who
let a name under it lapse; then, as where no zone is known, the failing name itself decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from probe.core.records.dns import Resolution
from probe.core.text.dns_names import labels, under_suffix

Whose = Literal["customer", "cdn", "unknown"]
_LONGEST_SECOND_LEVEL = 3  # com.cn, co.uk, or.jp, asn.au: what registries under a country's domain are called


def failing_zone(resolution: Resolution, domain: str, cdn_suffixes: Iterable[str]) -> Whose:
    """Who publishes the record that failed. `unknown` where no name failed.

    | failing name      | apex of its zone                                      | whose    |
    |-------------------|-------------------------------------------------------|----------|
    | under a suffix    | not known, or a registry's                            | cdn      |
    | under a suffix    | at or under the suffix                                | cdn      |
    | under a suffix    | above the suffix, and the domain is not in that zone  | cdn      |
    | under a suffix    | above both the suffix and the domain                  | unknown  |
    | the domain's own  | any: at, above or under the domain                    | customer |
    | any other         | at or above the domain                                | customer |
    | any other         | above a suffix: the zone that holds the CDN's names   | cdn      |
    | any other         | elsewhere or not known, behind a name of the CDN      | cdn      |
    | any other         | elsewhere or not known, before any, along an alias    | customer |
    | any other         | elsewhere, no alias led there                         | unknown  |

    What lies behind a name of the CDN is of the CDN's choosing; what the customer's alias names directly is of the
    customer's. A zone that holds both the domain and the suffix (the customer's with the suffix delegated by name
    only, or the CDN's own site) accuses neither.
    """
    name, suffixes = resolution.failing_name, tuple(cdn_suffixes)
    if name is None:
        return "unknown"
    zone = _known_zone(resolution.zone, name)
    over_domain = zone is not None and under_suffix(domain, zone)
    over_suffix = zone is not None and any(
        under_suffix(s, zone) and not under_suffix(zone, s) for s in suffixes
    )
    if any(under_suffix(name, suffix) for suffix in suffixes):
        return "unknown" if over_domain and over_suffix else "cdn"
    if under_suffix(name, domain) or over_domain:
        return "customer"
    if over_suffix or passes_suffix(resolution, suffixes):
        return "cdn"
    led_there = zone is None or any(not link.doubled for link in resolution.cname_chain)
    return "customer" if led_there else "unknown"


def _known_zone(zone: str | None, name: str) -> str | None:
    """The zone, if it holds the failing name and is somebody's own."""
    return zone if zone is not None and under_suffix(name, zone) and not _registry(zone) else None


def _registry(zone: str) -> bool:
    """Whether the zone looks like one under which everybody may register; one of a short name is taken for it."""
    parts = labels(zone)
    if len(parts) < 2:
        return True
    return len(parts) == 2 and len(parts[1]) == 2 and len(parts[0]) <= _LONGEST_SECOND_LEVEL


def passes_suffix(resolution: Resolution, suffixes: Iterable[str]) -> bool:
    """Whether the chain followed passes a name at or under one of the suffixes. No suffixes: False.

    Second CNAMEs at one owner were not followed and do not count.
    """
    names = [link.target for link in resolution.cname_chain if not link.doubled]
    names.append(resolution.canonical_name)
    return any(under_suffix(name, suffix) for suffix in suffixes for name in names)
