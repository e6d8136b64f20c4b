"""The address policy beside the IANA special-purpose address registries (RFC 6890), entry by entry.

As of the registries' last changes (RFC 9602, RFC 9637, RFC 9665, RFC 9780). `reachable` is their column
"Globally Reachable"; None where they say N/A.
"""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest

from probe.core.model.addresses import refusal

IPV4: tuple[tuple[str, str, bool | None], ...] = (
    ("0.0.0.0/8", "This network", False),
    ("0.0.0.0/32", "This host on this network", False),
    ("10.0.0.0/8", "Private-Use", False),
    ("100.64.0.0/10", "Shared Address Space", False),
    ("127.0.0.0/8", "Loopback", False),
    ("169.254.0.0/16", "Link Local", False),
    ("172.16.0.0/12", "Private-Use", False),
    ("192.0.0.0/24", "IETF Protocol Assignments", False),
    ("192.0.0.0/29", "IPv4 Service Continuity Prefix", False),
    ("192.0.0.8/32", "IPv4 dummy address", False),
    ("192.0.0.9/32", "Port Control Protocol Anycast", True),
    ("192.0.0.10/32", "Traversal Using Relays around NAT Anycast", True),
    ("192.0.0.170/32", "NAT64/DNS64 Discovery", False),
    ("192.0.0.171/32", "NAT64/DNS64 Discovery", False),
    ("192.0.2.0/24", "Documentation (TEST-NET-1)", False),
    ("192.31.196.0/24", "AS112-v4", True),
    ("192.52.193.0/24", "AMT", True),
    ("192.88.99.0/24", "Deprecated (6to4 Relay Anycast)", None),
    ("192.88.99.2/32", "6a44-relay anycast address", False),
    ("192.168.0.0/16", "Private-Use", False),
    ("192.175.48.0/24", "Direct Delegation AS112 Service", True),
    ("198.18.0.0/15", "Benchmarking", False),
    ("198.51.100.0/24", "Documentation (TEST-NET-2)", False),
    ("203.0.113.0/24", "Documentation (TEST-NET-3)", False),
    ("240.0.0.0/4", "Reserved", False),
    ("255.255.255.255/32", "Limited Broadcast", False),
)
IPV6: tuple[tuple[str, str, bool | None], ...] = (
    ("::1/128", "Loopback Address", False),
    ("::/128", "Unspecified Address", False),
    ("::ffff:0:0/96", "IPv4-mapped Address", False),
    ("64:ff9b::/96", "IPv4-IPv6 Translation", True),
    ("64:ff9b:1::/48", "IPv4-IPv6 Translation", False),
    ("100::/64", "Discard-Only Address Block", False),
    ("100:0:0:1::/64", "Dummy IPv6 Prefix", False),
    ("2001::/23", "IETF Protocol Assignments", False),
    ("2001::/32", "TEREDO", None),
    ("2001:1::1/128", "Port Control Protocol Anycast", True),
    ("2001:1::2/128", "Traversal Using Relays around NAT Anycast", True),
    ("2001:1::3/128", "DNS-SD Service Registration Protocol Anycast", True),
    ("2001:2::/48", "Benchmarking", False),
    ("2001:3::/32", "AMT", True),
    ("2001:4:112::/48", "AS112-v6", True),
    ("2001:10::/28", "Deprecated (previously ORCHID)", None),
    ("2001:20::/28", "ORCHIDv2", True),
    ("2001:30::/28", "Drone Remote ID Protocol Entity Tags", True),
    ("2001:db8::/32", "Documentation", False),
    ("2002::/16", "6to4", None),
    ("2620:4f:8000::/48", "Direct Delegation AS112 Service", True),
    ("3fff::/20", "Documentation", False),
    ("5f00::/16", "Segment Routing (SRv6) SIDs", False),
    ("fc00::/7", "Unique-Local", False),
    ("fe80::/10", "Link-Local Unicast", False),
)
MULTICAST = ("224.0.0.0/4", "ff00::/8")
# Reachable by the registry, and no CDN's: within the blocks for protocols, which are refused as a whole.
REFUSED_BESIDES = {
    "192.0.0.9/32", "192.0.0.10/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:3::/32",
    "2001:4:112::/48", "2001:20::/28", "2001:30::/28",
}  # fmt: skip
# What they lead to is inside: judged by that.
WRAPPING = {"64:ff9b::/96", "2002::/16"}
NOT_REACHABLE = [p for p, _, reachable in (*IPV4, *IPV6) if reachable is not True and p not in WRAPPING]


def samples(prefix: str) -> list[str]:
    """First, last and some between."""
    network = ip_network(prefix)
    rng = random.Random(prefix)
    numbers = {0, network.num_addresses - 1, *(rng.randrange(network.num_addresses) for _ in range(20))}
    return [str(network[number]) for number in sorted(numbers)]


@pytest.mark.parametrize("prefix", [*NOT_REACHABLE, *MULTICAST, *sorted(REFUSED_BESIDES)])
def test_what_is_not_globally_reachable_is_refused(prefix: str) -> None:
    assert {address for address in samples(prefix) if refusal(address) is None} == set()


@pytest.mark.parametrize(
    "prefix", [p for p, _, reachable in (*IPV4, *IPV6) if reachable and p not in REFUSED_BESIDES | WRAPPING]
)
def test_what_is_reachable_and_may_be_anybodys_is_not(prefix: str) -> None:
    assert [refusal(address) for address in samples(prefix)] == [None] * len(samples(prefix))


def disguises(inner: IPv4Address) -> dict[str, str]:
    """Every way to write an IPv4 address within an IPv6 one."""
    number = int(inner)
    forms = {
        "mapped": 0xFFFF << 32 | number,  # RFC 4291 section 2.5.5.2
        "compatible": number,  # RFC 4291 section 2.5.5.1
        "translated": 0xFFFF << 48 | number,  # RFC 2765, SIIT
        "nat64": 0x64FF9B << 96 | number,  # RFC 6052
        "nat64 of the network's own": 0x64FF9B0001 << 80 | number,  # RFC 8215
        "6to4": 0x2002 << 112 | number << 80,  # RFC 3056
        "teredo server": 0x20010000 << 96 | number << 64,  # RFC 4380
        "teredo client": 0x20010000 << 96 | number ^ 0xFFFFFFFF,  # RFC 4380, inverted
    }
    return {name: str(IPv6Address(value)) for name, value in forms.items()}


def test_the_disguises_are_what_they_are_called() -> None:
    made = {name: IPv6Address(text) for name, text in disguises(IPv4Address("10.1.2.3")).items()}
    assert str(made["mapped"].ipv4_mapped) == "10.1.2.3"
    assert str(made["6to4"].sixtofour) == "10.1.2.3"
    assert str((made["teredo server"].teredo or ("",))[0]) == "10.1.2.3"
    assert str((made["teredo client"].teredo or ("", ""))[1]) == "10.1.2.3"
    assert made["nat64"] in IPv6Network("64:ff9b::/96")
    assert made["nat64 of the network's own"] in IPv6Network("64:ff9b:1::/48")


@pytest.mark.parametrize("prefix", [*(p for p, _, reachable in IPV4 if not reachable), MULTICAST[0]])
def test_no_disguise_leads_to_what_is_refused(prefix: str) -> None:
    network = IPv4Network(prefix)
    for inner in (network[0], network[-1], network[network.num_addresses // 2]):
        passed = {name for name, text in disguises(inner).items() if refusal(text) is None}
        assert passed == set(), inner


def test_a_public_address_is_refused_in_the_disguises_that_no_answer_means() -> None:
    passed = {name for name, text in disguises(IPv4Address("8.8.8.8")).items() if refusal(text) is None}
    assert passed == {"nat64", "6to4"}


METADATA = {
    "169.254.169.254": "metadata",  # Amazon, Azure, Google, Oracle, OpenStack, DigitalOcean, Hetzner
    "169.254.170.2": "link_local",  # Amazon ECS
    "169.254.0.23": "link_local",  # Tencent
    "100.100.100.200": "metadata",  # Alibaba
    "168.63.129.16": "metadata",  # Azure's wire server
    "192.0.0.192": "reserved",  # Oracle, formerly
    "fd00:ec2::254": "metadata",  # Amazon
    "fd20:ce::254": "private",  # Google
    "fd00:c1::a9fe:a9fe": "private",  # Oracle
    "fe80::a9fe:a9fe": "link_local",  # OpenStack
}


@pytest.mark.parametrize(("address", "reason"), METADATA.items())
def test_metadata_services_of_clouds(address: str, reason: str) -> None:
    assert refusal(address) == reason
    if ":" not in address:
        passed = {name for name, text in disguises(IPv4Address(address)).items() if refusal(text) is None}
        assert passed == set()


@pytest.mark.parametrize(
    "text",
    [
        "127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.01", "127.0.0.1 ", " 127.0.0.1",
        "127.0.0.1\n", "127.0.0.1.", "①②⑦.0.0.1", "１２７.0.0.1", "[::1]", "::1%", "::ffff:127.1", "0:0:0:0:0:0:0:0:1",
        "localhost", "127.0.0.1/8", "127.0.0.1:80", "\x00127.0.0.1",
    ],
)  # fmt: skip
def test_other_spellings_are_no_addresses(text: str) -> None:
    """Those that the C library would read as one."""
    assert refusal(text) == "invalid"


def test_a_zone_does_not_change_what_an_address_is() -> None:
    assert refusal("::1%lo") == "loopback"
    assert refusal("fd00:ec2::254%eth0") == "metadata"
    assert refusal("::ffff:169.254.169.254%eth0") == "mapped_metadata"
