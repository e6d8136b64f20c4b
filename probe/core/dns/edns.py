"""Rule: EDNS options are asked for and read here, bounded and printable: what a resolver sends can bloat no row.

Client Subnet (RFC 7871), name server identifier (RFC 5001) and extended errors (RFC 8914).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_interface, ip_network

import dns.edns

_MOST_ERRORS = 8
_LONGEST_TEXT = 200
_LONGEST_NSID_BYTES = 128
_ERRORS = (
    "Other Error",
    "Unsupported DNSKEY Algorithm",
    "Unsupported DS Digest Type",
    "Stale Answer",
    "Forged Answer",
    "DNSSEC Indeterminate",
    "DNSSEC Bogus",
    "Signature Expired",
    "Signature Not Yet Valid",
    "DNSKEY Missing",
    "RRSIGs Missing",
    "No Zone Key Bit Set",
    "NSEC Missing",
    "Cached Error",
    "Not Ready",
    "Blocked",
    "Censored",
    "Filtered",
    "Prohibited",
    "Stale NXDomain Answer",
    "Not Authoritative",
    "Not Supported",
    "No Reachable Authority",
    "Network Error",
    "Invalid Data",
)  # RFC 8914 section 4, in the order of their codes


def query_options(ecs: str | None) -> list[dns.edns.Option]:
    """What goes with a question: the server's identifier is asked for, the client subnet is sent where there is one."""
    asked: list[dns.edns.Option] = [dns.edns.NSIDOption(b"")]
    return [*asked, subnet_option(ecs)] if ecs else asked


@lru_cache(maxsize=1024)
def subnet_option(ecs: str) -> dns.edns.ECSOption:
    """The client subnet as sent: host bits cleared, scope 0."""
    subnet = ip_interface(ecs).network
    return dns.edns.ECSOption(str(subnet.network_address), subnet.prefixlen)


@lru_cache(maxsize=1024)
def subnet_wire(ecs: str | None) -> bytes | None:
    """The option's data as sent (RFC 7871 section 6); None where none is."""
    return None if ecs is None else subnet_option(ecs).to_wire()


def subnet_answered(options: Sequence[dns.edns.Option], ecs: str) -> int | None:
    """SCOPE PREFIX-LENGTH of the response; None where it holds no such option. It may be longer than the source's.

    Raises ValueError where FAMILY, SOURCE PREFIX-LENGTH or ADDRESS are not those sent: such a response must be
    dropped (RFC 7871 section 7.3). A /0 gives the resolver no subnet, so any scope of its answer is accepted.
    """
    option = next((o for o in options if isinstance(o, dns.edns.ECSOption)), None)
    if option is None:
        return None
    sent = subnet_option(ecs)
    same = (option.family, option.srclen, option.addrdata) == (sent.family, sent.srclen, sent.addrdata)
    if not same and sent.srclen and _subnet(option) != _subnet(sent):
        raise ValueError(f"client subnet {option.address}/{option.srclen} is not the one sent")
    return int(option.scopelen)


def _subnet(option: dns.edns.ECSOption) -> object:
    """Only the SOURCE PREFIX-LENGTH bits of the address count."""
    return ip_network(f"{option.address}/{option.srclen}", strict=False)


def server_identifier(options: Sequence[dns.edns.Option]) -> str | None:
    """Which of the resolver's servers answered: its text where printable, else hexadecimal after `0x`."""
    return identifier_text(next((o.nsid for o in options if isinstance(o, dns.edns.NSIDOption)), b""))


def identifier_text(nsid: bytes) -> str | None:
    """The same of the option's bytes as they came."""
    if not nsid:
        return None
    kept = nsid[:_LONGEST_NSID_BYTES]
    more = "..." if len(nsid) > len(kept) else ""
    printable = all(0x20 <= byte <= 0x7E for byte in kept)
    return (kept.decode("ascii") if printable else f"0x{kept.hex()}") + more


def extended_errors(options: Sequence[dns.edns.Option]) -> tuple[str, ...]:
    """Each as `22 No Reachable Authority: extra text`; codes without a name as the number alone."""
    errors = [o for o in options if isinstance(o, dns.edns.EDEOption)]
    return tuple(dict.fromkeys(map(_error_words, errors[:_MOST_ERRORS])))


def _error_words(error: dns.edns.EDEOption) -> str:
    code = int(error.code)
    words = f"{code} {_ERRORS[code]}" if code < len(_ERRORS) else str(code)
    if not error.text:
        return words
    text = "".join(char if char.isprintable() else "?" for char in error.text[:_LONGEST_TEXT])
    return f"{words}: {text}{'...' if len(error.text) > _LONGEST_TEXT else ''}"
