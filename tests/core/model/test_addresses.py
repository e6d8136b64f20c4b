"""The address policy: hostile row 20."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.model.addresses import in_prefixes, refusal

REFUSED = {
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "::1": "loopback",
    "10.1.2.3": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "private",
    "fc00::1": "private",
    "fd12:3456::1": "private",
    "fec0::1": "private",
    "169.254.1.1": "link_local",
    "fe80::1": "link_local",
    "fe80::1%eth0": "link_local",
    "169.254.169.254": "metadata",
    "100.100.100.200": "metadata",
    "168.63.129.16": "metadata",
    "fd00:ec2::254": "metadata",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "ff02::1": "multicast",
    "0.0.0.0": "unspecified",
    "::": "unspecified",
    "0.1.2.3": "reserved",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "192.0.2.1": "reserved",
    "198.18.0.1": "reserved",
    "2001:db8::1": "reserved",
    "2001::1": "reserved",
    "3fff::1": "reserved",
    "5f00::1": "reserved",
    "100::1": "reserved",
    "::ffff:127.0.0.1": "mapped_loopback",
    "::ffff:7f00:1": "mapped_loopback",
    "::ffff:10.0.0.1": "mapped_private",
    "::ffff:169.254.169.254": "mapped_metadata",
    "::ffff:8.8.8.8": "mapped",
    "64:ff9b::127.0.0.1": "nat64_loopback",
    "64:ff9b::a9fe:a9fe": "nat64_metadata",
    "2002:7f00:1::1": "6to4_loopback",
    "2002:c0a8:101::": "6to4_private",
    "::127.0.0.1": "compatible_loopback",
    "::8.8.8.8": "compatible",
    "64:ff9b:1::1": "reserved",
    "not an address": "invalid",
    "127.1": "invalid",
    "": "invalid",
}
PUBLIC = [
    "8.8.8.8",
    "223.5.5.5",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "169.253.255.255",
    "2400:3200::1",
    "2606:4700::1111",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]


@pytest.mark.parametrize(("address", "reason"), REFUSED.items())
def test_refused_with_its_reason(address: str, reason: str) -> None:
    assert refusal(address, ()) == reason


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    assert refusal(address, ()) is None


def test_allowed_prefix_lets_pass_only_itself() -> None:
    assert refusal("127.0.0.1", ("127.0.0.0/8",)) is None
    assert refusal("10.0.0.1", ["127.0.0.0/8"]) == "private"


def test_allowing_an_ipv4_prefix_does_not_allow_its_ipv6_disguises() -> None:
    allowed = ("127.0.0.0/8",)
    assert refusal("::ffff:127.0.0.1", allowed) == "mapped_loopback"
    assert refusal("64:ff9b::127.0.0.1", allowed) == "nat64_loopback"
    assert refusal("2002:7f00:1::", allowed) == "6to4_loopback"
    assert refusal("::ffff:127.0.0.1", ("::ffff:127.0.0.0/104",)) is None


def test_in_prefixes() -> None:
    assert in_prefixes("203.0.113.9", ("198.51.100.0/24", "203.0.113.0/24"))
    assert not in_prefixes("203.0.114.9", ("203.0.113.0/24",))
    assert in_prefixes("2001:db8::5", ["2001:db8::/32"])
    assert not in_prefixes("::ffff:203.0.113.9", ("203.0.113.0/24",))
    assert in_prefixes("203.0.113.9", ("203.0.113.7/24",)), "host bits are ignored"
    assert not in_prefixes("no address", ("0.0.0.0/0",))
    assert not in_prefixes("203.0.113.9", ())


def test_a_prefix_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        in_prefixes("203.0.113.9", ("nonsense",))


@given(st.ip_addresses())
def test_what_passes_is_global_unicast(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """The standard library's own registry agrees wherever we let an address pass."""
    if refusal(str(address), ()) is None and not (
        isinstance(address, ipaddress.IPv6Address) and address.sixtofour
    ):
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=4))
def test_a_disguise_never_lets_pass_what_is_refused_plain(inner: ipaddress.IPv4Address) -> None:
    number = int(inner)
    disguises = (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80, number)
    if refusal(str(inner), ()) is not None:
        assert all(refusal(str(ipaddress.IPv6Address(d)), ()) is not None for d in disguises)
