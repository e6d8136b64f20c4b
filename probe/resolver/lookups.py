"""Rule: every name of a slot is looked up by its own vantage point, or by its proxy, or not at all.

What a slot needs of the DNS: the domain itself with everything that could clear somebody, and addresses of other hosts
(redirects, anchors, an origin by name).
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from ipaddress import ip_address

from probe.core.dns.chain import ONLY_IPV6
from probe.core.dns.https_record import question_name
from probe.core.model.task import Task, VantagePoint
from probe.core.model.value import replace
from probe.core.records.dns import AddressRecord, Resolution
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.vantage.via_proxy import left_to_proxy, resolution_by_proxy
from probe.resolver.resolver import Resolver

_HTTPS_AT_MOST_US = 1_000_000  # some resolvers say nothing to types that they do not know
_HTTPS_EVERY_NS = 600_000_000_000
_WITHOUT_ADDRESS = (FailureType.DNS_NO_DATA, FailureType.DNS_DANGLING_ALIAS)


class Lookups:
    """The resolver as slots use it."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._https_asked_ns: dict[tuple[str, int, str], int] = {}

    async def resolve(self, task: Task, slot_start_ns: int) -> Resolution:
        """The task's domain; after a failure with what the other resolvers and the zone's own servers said."""
        vantage, limit_us = task.vantage_point, task.deadlines.connect_us
        literal = literal_resolution(task.domain)
        if literal is not None:
            return literal
        if left_to_proxy(vantage):
            return resolution_by_proxy(task.domain, _qtype(task), vantage)
        resolution = await self._resolver.resolve(
            task.domain, _qtype(task), vantage, slot_start_ns=slot_start_ns, deadline_us=limit_us
        )
        if resolution.failure is None:
            return resolution
        diagnosis = self._resolver.diagnose(
            resolution, vantage, slot_start_ns=slot_start_ns, deadline_us=limit_us
        )
        if task.ip_version == 6 or resolution.failure.type not in _WITHOUT_ADDRESS:
            return await diagnosis
        diagnosed, other = await asyncio.gather(
            diagnosis,
            self._resolver.resolve(
                task.domain, "AAAA", vantage, slot_start_ns=slot_start_ns, deadline_us=limit_us
            ),
        )
        return _beside_ipv6(diagnosed, other)

    async def examine(self, resolution: Resolution, task: Task, slot_start_ns: int) -> Resolution:
        """The resolution with flags that say whether its resolver can be believed (`Resolver.examine_resolver`)."""
        return await self._resolver.examine_resolver(
            resolution,
            task.vantage_point,
            slot_start_ns=slot_start_ns,
            deadline_us=task.deadlines.connect_us,
        )

    def https_records_are_due(self, task: Task, slot_start_ns: int) -> bool:
        """Whether ten minutes passed since it said so of this name, port and vantage point."""
        key = task.domain, task.request.port, task.vantage_point.name
        last_ns = self._https_asked_ns.get(key)
        if last_ns is not None and slot_start_ns - last_ns < _HTTPS_EVERY_NS:
            return False
        self._https_asked_ns[key] = slot_start_ns
        return True

    async def with_https_records(self, resolution: Resolution, task: Task, slot_start_ns: int) -> Resolution:
        """The resolution with the name's HTTPS records; as it is where no resolver gave it, or it failed."""
        if resolution.resolver is None or resolution.failure is not None:
            return resolution
        return await self._resolver.ask_https_records(
            resolution,
            question_name(task.domain, task.request.port),
            task.vantage_point,
            slot_start_ns=slot_start_ns,
            deadline_us=min(_HTTPS_AT_MOST_US, task.deadlines.connect_us),
        )

    async def address(self, host: str, task: Task, slot_start_ns: int) -> str | Failure:
        """An address of another host, over the task's IP version; the name itself where the proxy looks names up."""
        limit_us = task.deadlines.connect_us
        return await self.address_from(host, task.vantage_point, task.ip_version, slot_start_ns, limit_us)

    async def origin_address(self, host: str, task: Task, slot_start_ns: int) -> str | Failure:
        """An address of the origin: over the task's IP version, or over the other one where the name has only that.

        The origin is what the edges are compared with; over which version it is asked is nobody's measurement.
        """
        found = await self.address(host, task, slot_start_ns)
        vantage, other = task.vantage_point, 4 if task.ip_version == 6 else 6
        if (
            isinstance(found, str)
            or found.type not in _WITHOUT_ADDRESS
            or other not in (vantage.ip_versions or (4, 6))
        ):
            return found
        limit_us = task.deadlines.connect_us
        instead = await self.address_from(host, vantage, other, slot_start_ns, limit_us)
        return instead if isinstance(instead, str) else found

    async def address_from(
        self, host: str, vantage: VantagePoint, ip_version: int, slot_start_ns: int, limit_us: int
    ) -> str | Failure:
        """The same for a vantage point and an IP version, without a task."""
        if left_to_proxy(vantage):
            return host
        literal = literal_resolution(host)
        if literal is not None:
            return literal.addresses[0].address
        qtype = "AAAA" if ip_version == 6 else "A"
        resolution = await self._resolver.resolve(
            host, qtype, vantage, slot_start_ns=slot_start_ns, deadline_us=limit_us
        )
        if resolution.failure is not None:
            return resolution.failure
        for record in resolution.addresses:
            if record.refused is None:
                return record.address
        return Failure(phase=Phase.DNS, type=FailureType.DNS_NO_DATA, operation="resolve", detail=host)


def _beside_ipv6(resolution: Resolution, other: Resolution) -> Resolution:
    """A failed look-up of IPv4, with what the same name gave for IPv6."""
    queries = tuple(replace(query, purpose="other_version") for query in other.queries)
    only = resolution.failure is not None and any(record.refused is None for record in other.addresses)
    flags = (*resolution.flags, ONLY_IPV6) if only else resolution.flags
    return replace(resolution, flags=flags, queries=(*resolution.queries, *queries))


@lru_cache(maxsize=16384)
def literal_resolution(host: str) -> Resolution | None:
    """The resolution of a host that is an address already: nothing was asked."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return Resolution(
        qname=host,
        qtype="AAAA" if address.version == 6 else "A",
        rcode=None,
        cname_chain=(),
        canonical_name=host,
        addresses=(AddressRecord(address=str(address), ttl_s=0),),
        ttl_s=None,
        resolver=None,
        transport=None,
    )


def _qtype(task: Task) -> str:
    return "AAAA" if task.ip_version == 6 else "A"
