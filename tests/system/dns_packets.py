"""What a name server was asked and what it answered, read from what tcpdump saw at its door: no one's own account.

gdnsd keeps no log of questions. Reads classic pcap files of Ethernet frames with IPv4 and UDP.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import dns.edns
import dns.exception
import dns.flags
import dns.message

_ETHERNET, _IPV4, _UDP = 1, 0x0800, 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One DNS message. `subnet` is its client subnet as text, `scope` the prefix that the answer holds for."""

    source: str
    server: str
    response: bool
    qname: str
    qtype: str
    subnet: str | None
    scope: int | None
    addresses: tuple[str, ...]


def packets(file: Path) -> list[Packet]:
    """All whole DNS messages in the file so far; the last one may be half written and is then left out."""
    return list(_messages(file.read_bytes() if file.exists() else b""))


def _messages(pcap: bytes) -> Iterator[Packet]:
    if len(pcap) < 24:
        return
    assert struct.unpack_from("<IHHiIII", pcap)[6] == _ETHERNET, "tcpdump was told another interface"
    at = 24
    while at + 16 <= len(pcap):
        length = struct.unpack_from("<IIII", pcap, at)[2]
        frame = pcap[at + 16 : at + 16 + length]
        at += 16 + length
        if len(frame) == length and (found := _message(frame)):
            yield found


def _message(frame: bytes) -> Packet | None:
    if len(frame) < 42 or struct.unpack_from("!H", frame, 12)[0] != _IPV4 or frame[23] != _UDP:
        return None
    udp = 14 + (frame[14] & 15) * 4
    sender, receiver = (str(IPv4Address(frame[place : place + 4])) for place in (26, 30))
    try:
        message = dns.message.from_wire(frame[udp + 8 :])
    except dns.exception.DNSException:
        return None
    response = bool(message.flags & dns.flags.QR)
    subnet = next((o for o in message.options if isinstance(o, dns.edns.ECSOption)), None)
    question = message.question[0]
    return Packet(
        source=receiver if response else sender,
        server=sender if response else receiver,
        response=response,
        qname=question.name.to_text(omit_final_dot=True).lower(),
        qtype=question.rdtype.name,
        subnet=None if subnet is None else f"{subnet.address}/{subnet.srclen}",
        scope=None if subnet is None else subnet.scopelen,
        addresses=tuple(sorted(r.address for s in message.answer for r in s if hasattr(r, "address"))),
    )
