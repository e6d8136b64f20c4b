"""Rule: an address is learned as a node only where nothing speaks against it: the CDN was passed, its prefixes hold it.

What a look-up gives that may be visited, what of it may be learned, and which carrier a node serves as declared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network

from probe.core.model.addresses import in_prefixes
from probe.core.model.task import CarrierPrefix, Task
from probe.core.records.dns import Resolution
from probe.core.text.dns_names import under_suffix

BY_PROXY = "resolved_by_proxy"  # flag of a look-up that a proxy made: nobody here knows the address
REWRITTEN = "nxdomain_rewritten"  # flag of one by a resolver that was caught inventing addresses


@dataclass(frozen=True, slots=True)
class Learned:
    """Nodes of one look-up, and the declared CDN suffix that it passed; empty where none is declared."""

    addresses: tuple[str, ...]
    suffix: str = ""


@lru_cache(maxsize=8192)
def is_address(text: str) -> bool:
    """Whether this is an IP address, not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def visitable(resolution: Resolution | None) -> tuple[str, ...]:
    """The addresses of an answer that the address policy lets us connect to, each once, in the order answered."""
    if resolution is None or resolution.failure is not None or BY_PROXY in resolution.flags:
        return ()
    found = [r.address for r in resolution.addresses if r.refused is None and is_address(r.address)]
    return tuple(dict.fromkeys(found)) if len(found) > 1 else tuple(found)


def learnable(task: Task, resolution: Resolution | None) -> Learned:
    """What of an answer is taken for nodes of the CDN. Nothing of one that passed no declared suffix."""
    suffix = _suffix_passed(task, resolution)
    if suffix is None or resolution is None or REWRITTEN in resolution.flags:
        return Learned(())
    prefixes = task.cdn_prefixes
    found = visitable(resolution)
    return Learned(tuple(a for a in found if in_prefixes(a, prefixes)) if prefixes else found, suffix)


def _suffix_passed(task: Task, resolution: Resolution | None) -> str | None:
    """The declared suffix that the chain passes; empty where none is declared; None where it passes none."""
    if not task.cdn_suffixes:
        return ""
    if resolution is None:
        return None
    names = [link.target for link in resolution.cname_chain if not link.doubled]
    names.append(resolution.canonical_name)
    passed = (s for s in task.cdn_suffixes if any(under_suffix(name, s) for name in names))
    return next(passed, None)


def labelled(address: str, prefixes: Iterable[CarrierPrefix]) -> CarrierPrefix | None:
    """The narrowest declared prefix with a carrier that holds the address."""
    holding = [p for p in prefixes if in_prefixes(address, (p.prefix,))]
    return max(holding, key=lambda p: ip_network(p.prefix, strict=False).prefixlen, default=None)


def same_carrier(one: str | None, other: str | None) -> bool:
    """Carriers' names are compared without regard to case and to space around them."""
    return one is not None and other is not None and one.strip().casefold() == other.strip().casefold()


def other_carrier(task: Task, address: str) -> str | None:
    """The carrier whose users this node serves, where it is not this vantage point's and that has nodes of its own.

    Own nodes of the same IP version, that is: a carrier without any leaves the CDN no choice.
    """
    carrier = task.vantage_point.carrier
    label = labelled(address, task.carrier_prefixes)
    if label is None or carrier is None or same_carrier(label.carrier, carrier):
        return None
    version = ip_address(address).version
    own = (p for p in task.carrier_prefixes if same_carrier(p.carrier, carrier))
    has_own = any(ip_network(p.prefix, strict=False).version == version for p in own)
    return label.carrier if has_own else None
