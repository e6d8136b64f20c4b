"""Rule: a kept node is shown with what the configuration says of it now: its label, and whether it is still swept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from probe.core.config.effective import CustomerConfig, MeasuredObject
from probe.core.model.addresses import in_prefixes
from probe.core.model.times import epoch_s
from probe.core.nodes.eligibility import labelled
from probe.core.nodes.values import Node, swept, trial_over


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenTo:
    """One vantage point that a look-up gave the node to. Times RFC 3339 UTC."""

    vantage_point: str
    first_seen: str
    last_seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedNode:
    """One line of the inventory. Times RFC 3339 UTC.

    `carrier`, `prefix`: of the narrowest declared prefix that holds it. `swept`: it would be asked after a failure.
    `on_trial`: new to a settled inventory, and did not serve as agreed yet.
    """

    customer: str
    domain: str
    ip_version: int
    address: str
    first_seen: str
    last_seen: str
    vantage_points: tuple[GivenTo, ...]
    carrier: str | None
    prefix: str | None
    swept: bool
    on_trial: bool


def listed(nodes: Iterable[Node], customers: Sequence[CustomerConfig], now_s: float) -> list[ListedNode]:
    """By customer, IP version and address (as a number). A domain that is measured no longer is swept no longer."""
    objects = {(c.customer, item.domain): item for c in customers for item in c.objects}
    made = [_listed(node, objects.get((node.customer, node.domain)), now_s) for node in nodes]
    return sorted(made, key=lambda n: (n.customer, n.ip_version, int(ip_address(n.address))))


def _listed(node: Node, item: MeasuredObject | None, now_s: float) -> ListedNode:
    prefixes = () if item is None else item.cdn_prefixes
    suffixes = () if item is None else item.cdn_suffixes
    label = None if item is None else labelled(node.address, item.carrier_prefixes)
    holding = [p for p in prefixes if in_prefixes(node.address, (p,))]
    return ListedNode(
        customer=node.customer,
        domain=node.domain,
        ip_version=node.ip_version,
        address=node.address,
        first_seen=node.first_seen,
        last_seen=node.last_seen,
        vantage_points=tuple(
            GivenTo(vantage_point=s.vantage_point, first_seen=s.first_seen, last_seen=s.last_seen)
            for s in node.by
        ),
        carrier=None if label is None else label.carrier,
        prefix=max(holding, key=lambda p: ip_network(p, strict=False).prefixlen, default=None),
        swept=item is not None and swept(node, now_s, suffixes=suffixes, prefixes=prefixes),
        on_trial=node.on_trial and not trial_over(epoch_s(node.first_seen), now_s),
    )
