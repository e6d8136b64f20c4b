"""Rule: a plain response is read as dnspython reads it, for a twentieth of the cost; any other is left to dnspython.

Plain: a QUERY response of the class IN with one question and only A, AAAA, CNAME, NS and SOA records, whose names are
made of letters, digits, hyphens and underscores, and EDNS with no other options than those sent (RFC 1035 section 4,
RFC 6891, RFC 7871, RFC 5001). `read_plain` gives None for everything else, whatever may be wrong with it.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache

import dns.ipv6

from probe.core.dns.chain import AnswerRecord, DnsAnswer
from probe.core.model.value import Value

_HEADER_BYTES = 12
_COUNTS = struct.Struct("!HHHH")
_RECORD = struct.Struct("!HHIH")  # type, class, TTL, length of the data
_OPTION = struct.Struct("!HH")
_RESPONSE_OF_A_QUERY = 0x8000
_NOT_PLAIN = 0x7A40  # another opcode, TC, and Z, which must be zero
_RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
_FLAGS = ((0x0400, "AA"), (0x0100, "RD"), (0x0080, "RA"), (0x0020, "AD"), (0x0010, "CD"))
_A, _NS, _CNAME, _SOA, _AAAA, _OPT = 1, 2, 5, 6, 28, 41
_NAMES = {_A: "A", _NS: "NS", _CNAME: "CNAME", _SOA: "SOA", _AAAA: "AAAA"}
_NSID, _SUBNET = 3, 8
_MOST_RECORDS = 4096  # as many address records as a message has room for: 65,535 bytes, 16 each
_MOST_TTL_S = 2**31 - 1
_LONGEST_NAME = 255
_SOA_NUMBERS_BYTES = 20
_LABEL = re.compile(rb"[A-Za-z0-9_-]{1,63}")


class Plain(Value, frozen=True):
    """What a plain response says. `nsid`: as it came; `scope`: SCOPE PREFIX-LENGTH, None without the option."""

    answer: DnsAnswer
    nsid: bytes
    scope: int | None


class _UnusualError(Exception):
    """The message is not a plain response: dnspython has to read it."""


def read_plain(wire: bytes, age_s: int, subnet: bytes | None) -> Plain | None:
    """The response in `wire`, whose id and question the caller compared; None where it is not plain.

    `age_s` is taken from each TTL. `subnet`: the client subnet option as it was sent, without its header.
    """
    try:
        return _read(wire, age_s, subnet)
    except (_UnusualError, IndexError, struct.error):
        return None


def _read(wire: bytes, age_s: int, subnet: bytes | None) -> Plain | None:
    flags = wire[2] << 8 | wire[3]
    questions, answers, authority, additional = _COUNTS.unpack_from(wire, 4)
    rcode = flags & 0xF
    if flags & _NOT_PLAIN or not flags & _RESPONSE_OF_A_QUERY or rcode >= len(_RCODES) or questions != 1:
        return None
    if answers + authority + additional > _MOST_RECORDS:
        return None
    names: dict[int, str] = {}
    _, at = _name(wire, _HEADER_BYTES, names)
    at += 4
    found: list[AnswerRecord] = []
    for _ in range(answers):
        record, at = _answer(wire, at, names, age_s)
        found.append(record)
    types: dict[str, None] = {}
    soas: list[str] = []
    for _ in range(authority):
        owner, kind, at = _passed(wire, at, names)
        types[_NAMES[kind]] = None
        if kind == _SOA:
            soas.append(owner)
    nsid, scope, at = _additional(wire, at, additional, names, subnet)
    if at > len(wire):
        return None
    answer = DnsAnswer(
        rcode=_RCODES[rcode],
        flags=tuple([name for bit, name in _FLAGS if flags & bit]),
        answers=tuple(found),
        authority_types=tuple(types),
        authority_soas=tuple(soas),
    )
    return Plain(answer, nsid, scope)


def _name(wire: bytes, at: int, names: dict[int, str]) -> tuple[str, int]:
    """The name at `at`, without its final dot, and what follows it. Pointers lead back (RFC 1035 section 4.1.4)."""
    if wire[at] >= 0xC0 and (whole := names.get((wire[at] & 0x3F) << 8 | wire[at + 1])) is not None:
        return whole, at + 2
    start, labels, length, known = at, [], 0, ""
    while (size := wire[at]) != 0:
        if size >= 0xC0:
            target = (size & 0x3F) << 8 | wire[at + 1]
            if target not in names:  # what was not read as a name of its own is for dnspython
                raise _UnusualError
            known = names[target]
            at += 1
            break
        label = wire[at + 1 : at + 1 + size]
        if size > 63 or len(label) != size or not _LABEL.fullmatch(label):
            raise _UnusualError
        labels.append((at, label.decode("ascii")))
        length += size + 1
        at += size + 1
    if length + len(known) + 2 > _LONGEST_NAME or not (labels or known):
        raise _UnusualError
    name = known
    for place, label_text in reversed(labels):
        name = f"{label_text}.{name}" if name else label_text
        names[place] = name
    names.setdefault(start, name)
    return name, at + 1


def _head(wire: bytes, at: int, names: dict[int, str]) -> tuple[str, int, int, int, int]:
    """Owner, type, TTL, where its data begins and ends."""
    owner, at = _name(wire, at, names)
    kind, of_class, ttl_s, length = _RECORD.unpack_from(wire, at)
    if of_class != 1 or kind not in _NAMES or ttl_s > _MOST_TTL_S:
        raise _UnusualError
    at += _RECORD.size
    return owner, kind, ttl_s, at, at + length


def _answer(wire: bytes, at: int, names: dict[int, str], age_s: int) -> tuple[AnswerRecord, int]:
    owner, kind, ttl_s, at, end = _head(wire, at, names)
    if kind == _CNAME:
        target, past = _name(wire, at, names)
        rdata = f"{target}."
    else:
        rdata, past = _address(wire, kind, at, end), end
    if past != end:
        raise _UnusualError
    record = AnswerRecord(owner=owner.lower(), rdtype=_NAMES[kind], ttl_s=max(0, ttl_s - age_s), rdata=rdata)
    return record, end


def _address(wire: bytes, kind: int, at: int, end: int) -> str:
    data = wire[at:end]
    if kind == _A and len(data) == 4:
        return f"{data[0]}.{data[1]}.{data[2]}.{data[3]}"
    if kind == _AAAA and len(data) == 16:
        return _ipv6(data)
    raise _UnusualError


@lru_cache(maxsize=4096)
def _ipv6(data: bytes) -> str:
    return dns.ipv6.inet_ntoa(data)


def _passed(wire: bytes, at: int, names: dict[int, str]) -> tuple[str, int, int]:
    """A record of which only owner and type are wanted, checked all the same: owner, type, its end."""
    owner, kind, _, at, end = _head(wire, at, names)
    if kind in (_A, _AAAA):
        past = at + (4 if kind == _A else 16)
    else:
        _, past = _name(wire, at, names)
        if kind == _SOA:
            _, past = _name(wire, past, names)
            past += _SOA_NUMBERS_BYTES
    if past != end or end > len(wire):
        raise _UnusualError
    return owner.lower(), kind, end


def _additional(
    wire: bytes, at: int, count: int, names: dict[int, str], subnet: bytes | None
) -> tuple[bytes, int | None, int]:
    """NSID, scope, and where the section ends."""
    nsid, scope, seen = b"", None, False
    for _ in range(count):
        if wire[at] == 0:  # the root: only the OPT record's owner
            kind, _, extended, length = _RECORD.unpack_from(wire, at + 1)
            if kind != _OPT or seen or extended >> 16:  # an extended RCODE or another version
                raise _UnusualError
            at += 1 + _RECORD.size
            nsid, scope = _options(wire[at : at + length], length, subnet)
            seen = True
            at += length
        else:
            _, _, at = _passed(wire, at, names)
    return nsid, scope, at


def _options(data: bytes, length: int, subnet: bytes | None) -> tuple[bytes, int | None]:
    nsid, scope, at = b"", None, 0
    codes: set[int] = set()
    if len(data) != length:
        raise _UnusualError
    while at < length:
        code, size = _OPTION.unpack_from(data, at)
        value = data[at + 4 : at + 4 + size]
        if len(value) != size or code in codes:
            raise _UnusualError
        codes.add(code)
        if code == _NSID:
            nsid = value
        elif code == _SUBNET and subnet is not None and value[:3] + value[4:] == subnet[:3] + subnet[4:]:
            scope = value[3]
            if scope > (32 if value[1] == 1 else 128):
                raise _UnusualError
        else:
            raise _UnusualError
        at += 4 + size
    return nsid, scope
