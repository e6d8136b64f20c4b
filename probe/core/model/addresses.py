"""Rule: an address that only means something inside a network is never connected to, however it is written.

A name under somebody else's control may answer with any address. This module says, from the IANA special-purpose
registries (RFC 6890) kept here as a table and not as the Python version at hand sees them, which addresses may be
connected to. IPv4 addresses wrapped in IPv6 are unwrapped and judged by what they lead to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network

# First match counts: the narrower prefix stands before the wider one.
_SPECIAL_V4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(prefix), reason)
    for prefix, reason in (
        ("0.0.0.0/32", "unspecified"),
        ("0.0.0.0/8", "reserved"),  # RFC 791 "this network"
        ("10.0.0.0/8", "private"),  # RFC 1918
        ("100.100.100.200/32", "metadata"),  # Alibaba Cloud
        ("100.64.0.0/10", "private"),  # RFC 6598, carrier-grade NAT
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "metadata"),  # Azure: the host's own address
        ("169.254.169.254/32", "metadata"),  # most clouds
        ("169.254.0.0/16", "link_local"),  # RFC 3927; also Tencent's metadata 169.254.0.23
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),  # RFC 6890 protocol assignments
        ("192.0.2.0/24", "reserved"),  # RFC 5737 documentation
        ("192.88.99.0/24", "reserved"),  # RFC 7526, the withdrawn 6to4 relays
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "reserved"),  # RFC 2544 benchmarking
        ("198.51.100.0/24", "reserved"),
        ("203.0.113.0/24", "reserved"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),  # with 255.255.255.255
    )
)
_SPECIAL_V6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(prefix), reason)
    for prefix, reason in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("2001::/23", "reserved"),  # RFC 2928 protocol assignments, with Teredo 2001::/32
        ("2001:db8::/32", "reserved"),  # RFC 3849 documentation
        ("3fff::/20", "reserved"),  # RFC 9637 documentation
        ("fd00:ec2::254/128", "metadata"),  # Amazon EC2
        ("fc00::/7", "private"),  # RFC 4193
        ("fe80::/10", "link_local"),
        ("fec0::/10", "private"),  # RFC 3879, the withdrawn site-local
        ("ff00::/8", "multicast"),
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291 section 2.5.5.2
_COMPATIBLE = IPv6Network("::/96")  # RFC 4291 section 2.5.5.1, withdrawn
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_6TO4 = IPv6Network("2002::/16")  # RFC 3056
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all that IANA gives out


@lru_cache(maxsize=256)
def _networks(prefixes: tuple[str, ...]) -> tuple[_Network, ...]:
    return tuple(ip_network(prefix, strict=False) for prefix in prefixes)


def _parse(address: str) -> _Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None


def in_prefixes(address: str, prefixes: Iterable[str]) -> bool:
    """Whether the address, as written, lies in one of the prefixes (CIDR text; host bits are ignored).

    An IPv4 prefix never holds an IPv6 address, also not one that wraps an IPv4 address. Text that is no address
    lies nowhere. Raises ValueError for a prefix that is none.
    """
    return _in_prefixes(address, tuple(prefixes))


@lru_cache(maxsize=8192)
def _in_prefixes(address: str, prefixes: tuple[str, ...]) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in _networks(prefixes))


def refusal(address: str, allowed: Collection[str] = ()) -> str | None:
    """None where the address may be connected to, else one word that says why not.

    Words: `loopback private link_local metadata multicast unspecified reserved invalid`; behind a wrapping form
    prefixed by it: `mapped_loopback` (::ffff:0:0/96), `nat64_private` (64:ff9b::/96), `6to4_private` (2002::/16).
    A mapped address is refused even where the address inside is public (`mapped`): on the wire it would be IPv4,
    which no AAAA record can mean.

    `allowed` (CIDR texts) is matched with the address as written: allowing 127.0.0.0/8 does not allow
    `::ffff:127.0.0.1`, for which an IPv6 prefix such as ::ffff:127.0.0.0/104 must be named.
    """
    return _refusal(address, tuple(allowed))


@lru_cache(maxsize=8192)
def _refusal(address: str, allowed: tuple[str, ...]) -> str | None:
    parsed = _parse(address)
    if parsed is None:
        return "invalid"
    if in_prefixes(address, allowed):
        return None
    return _special_v4(parsed) if isinstance(parsed, IPv4Address) else _special_v6(parsed)


def _special_v4(address: IPv4Address) -> str | None:
    return next((reason for network, reason in _SPECIAL_V4 if address in network), None)


def _special_v6(address: IPv6Address) -> str | None:
    reason = next((reason for network, reason in _SPECIAL_V6 if address in network), None)
    if reason is not None:
        return reason
    form, inner = _unwrap(address)
    if inner is not None:
        inside = _special_v4(inner)
        if inside is not None:
            return f"{form}_{inside}"
        return form if form in ("mapped", "compatible") else None
    return None if address in _GLOBAL_UNICAST else "reserved"


def _unwrap(address: IPv6Address) -> tuple[str, IPv4Address | None]:
    number = int(address)
    for network, form, shift in (
        (_MAPPED, "mapped", 0),
        (_NAT64, "nat64", 0),
        (_6TO4, "6to4", 80),
        (_COMPATIBLE, "compatible", 0),
    ):
        if address in network:
            return form, IPv4Address(number >> shift & 0xFFFFFFFF)
    return "", None
