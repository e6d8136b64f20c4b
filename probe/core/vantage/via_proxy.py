"""Rule: where the proxy looks names up, the resolution on record says only that: no address, no node, no query.

Pure. So it is with `proxy: {resolve: proxy}`: the proxy is given names.
"""

from __future__ import annotations

from probe.core.model.task import VantagePoint
from probe.core.nodes.eligibility import BY_PROXY
from probe.core.proxy.dialogue import is_literal
from probe.core.records.dns import Resolution


def left_to_proxy(vantage: VantagePoint) -> bool:
    """Whether names are looked up by the vantage point's proxy."""
    return vantage.proxy is not None and vantage.proxy.resolve == "proxy"


def can_be_given(vantage: VantagePoint, address: str) -> bool:
    """Whether this line can connect to `address` as it is: an IP literal, or a name that its proxy looks up."""
    return is_literal(address) or left_to_proxy(vantage)


def resolution_by_proxy(domain: str, qtype: str, vantage: VantagePoint) -> Resolution:
    """The resolution of a name that only the proxy will look up: nothing was asked here."""
    return Resolution(
        qname=domain,
        qtype=qtype,
        rcode=None,
        cname_chain=(),
        canonical_name=domain,
        addresses=(),
        ttl_s=None,
        resolver=str(vantage.proxy),
        transport=None,
        flags=(BY_PROXY,),
    )


def edges_of(resolution: Resolution) -> list[str]:
    """What to connect to: the addresses that the policy lets pass, or the name itself where a proxy looks it up."""
    if BY_PROXY in resolution.flags:
        return [resolution.canonical_name]
    return [record.address for record in resolution.addresses if record.refused is None]
