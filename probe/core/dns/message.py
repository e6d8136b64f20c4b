"""Rule: bytes from the network become plain values here or are refused; nothing of dnspython leaves this module.

Builds queries with EDNS0 (RFC 6891) and its options (see `dns_edns`) and reads responses, each CNAME kept as a
record of its own, which dnspython's usual reading would reduce to the last one.
"""

from __future__ import annotations

import os
import struct
from functools import lru_cache

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from probe.core.dns.chain import AnswerRecord, DnsAnswer
from probe.core.dns.edns import (
    extended_errors,
    identifier_text,
    query_options,
    server_identifier,
    subnet_answered,
    subnet_wire,
)
from probe.core.dns.plain_message import read_plain
from probe.core.model.value import Value
from probe.core.text.dns_names import normal_name

EDNS_PAYLOAD_BYTES = 1232  # what passes unfragmented everywhere (DNS flag day 2020)
_HEADER = struct.Struct("!HHHHHH")
_TOP_BIT = 1 << 31  # a TTL that has it counts as zero (RFC 2181 section 8): the walk's to decide
_FLAGS = ("AA", "TC", "RD", "RA", "AD", "CD")
_SHORTEST_RECORD_BYTES = 11  # the root's name, type, class, TTL and a length of 0
_MAX_RECORDS = (
    512  # of an unusual message: reading more would hold up the event loop; plain ones may have more
)
_MAY_LACK_QUESTION = ("FORMERR", "SERVFAIL", "NOTIMP", "REFUSED")


class Question(Value, frozen=True, kw_only=True):
    """One query as sent: `wire` carries the message id; `ecs` is the client subnet sent, if any."""

    qname: str
    qtype: str
    id: int
    wire: bytes
    edns: bool
    ecs: str | None = None


class Reply(Value, frozen=True, kw_only=True):
    """One response to a question. `ecs_scope`: SCOPE PREFIX-LENGTH where the option came back.

    `nsid` and `extended_errors` as `DnsQuery` keeps them; `wire`: the message as it came. `sent_s`: when the
    question went out, `came_s`: when this came, on the clock of the loop, where that is known better than by whoever
    asked.
    """

    answer: DnsAnswer
    truncated: bool
    ecs_scope: int | None = None
    nsid: str | None = None
    extended_errors: tuple[str, ...] = ()
    wire: bytes = b""
    sent_s: float | None = None
    came_s: float | None = None


class UnrelatedReplyError(Exception):
    """A DNS message that is not the response to this question: its id or question differs, or it is a query."""


class MalformedError(Exception):
    """The bytes are not a DNS message."""


class TooManyRecordsError(Exception):
    """The response to the question, with more records than we read."""


@lru_cache(maxsize=16384)
def ascii_name(name: str) -> str:
    """A name as people write it -> as the DNS knows it: IDNA-encoded, lower case, no final dot.

    Raises ValueError for what cannot be a domain name.
    """
    if not name:
        raise ValueError("an empty name cannot be asked for")
    try:
        return normal_name(dns.name.from_text(name).to_text())
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"{name!r} is no domain name: {error}") from error


def build_question(
    qname: str,
    qtype: str,
    ecs: str | None = None,
    *,
    edns: bool = True,
    number: int | None = None,
    recurse: bool = True,
) -> Question:
    """A query with a random id, or with `number`: over HTTPS it is 0 (RFC 8484 section 4.1). `recurse`: RD is set.

    Raises ValueError for a name that cannot be asked for.
    """
    ecs = ecs if edns else None
    id_wire = os.urandom(2) if number is None else number.to_bytes(2, "big")
    number = int.from_bytes(id_wire, "big")
    wire = id_wire + _wire_without_id(qname, qtype, ecs, edns, recurse)
    return Question(qname=qname, qtype=qtype, id=number, wire=wire, edns=edns, ecs=ecs)


@lru_cache(maxsize=16384)
def _wire_without_id(qname: str, qtype: str, ecs: str | None, edns: bool, recurse: bool) -> bytes:
    """Building a message costs more than sending it; only the id differs from one asking to the next."""
    try:
        query = dns.message.make_query(
            dns.name.from_text(qname),
            qtype,
            flags=(dns.flags.RD if recurse else 0)
            | dns.flags.AD,  # AD: tell us whether it is validated (RFC 6840 section 5.7)
            use_edns=0 if edns else -1,
            payload=EDNS_PAYLOAD_BYTES if edns else None,
            options=query_options(ecs) if edns else None,
            id=0,
        )
        return query.to_wire()[2:]
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"{qname!r} cannot be asked for: {error}") from error


def read_reply(wire: bytes, question: Question, age_s: int = 0) -> Reply:
    """The response to `question` in `wire`, which lay in an HTTP cache for `age_s` seconds (RFC 8484 section 5.1).

    Raises UnrelatedReplyError, MalformedError or TooManyRecordsError.
    """
    if len(wire) < _HEADER.size:
        raise MalformedError(f"{len(wire)} bytes")
    number, flags, questions, answers_count, *others = _HEADER.unpack_from(wire)
    if number != question.id or not flags & dns.flags.QR:
        raise UnrelatedReplyError("another id" if number != question.id else "not a response")
    if questions and not _repeats(wire, question):
        raise _wrong_question(wire)
    if questions:
        plain = read_plain(wire, age_s, subnet_wire(question.ecs))
        if plain is not None:
            nsid = identifier_text(plain.nsid)
            return Reply(answer=plain.answer, truncated=False, ecs_scope=plain.scope, nsid=nsid, wire=wire)
    return _read_any(wire, question, age_s, flags, answers_count, sum(others))


def _read_any(
    wire: bytes, question: Question, age_s: int, flags: int, answers_count: int, others_count: int
) -> Reply:
    """The same by dnspython, whatever the message holds."""
    truncated = bool(flags & dns.flags.TC)
    if not truncated and answers_count + others_count > _MAX_RECORDS:
        if (answers_count + others_count) * _SHORTEST_RECORD_BYTES > len(wire):
            raise MalformedError("more records announced than there is room for")
        raise TooManyRecordsError(f"more than {_MAX_RECORDS} records in one message, our limit")
    message = _parse(wire, answers_count, header_only=truncated)
    if len(message.question) != 1 and dns.rcode.to_text(message.rcode()) not in _MAY_LACK_QUESTION:
        raise UnrelatedReplyError("not one question")
    answer = DnsAnswer(
        rcode=dns.rcode.to_text(message.rcode()),
        flags=tuple(flag for flag in _FLAGS if flags & getattr(dns.flags, flag)),
        answers=tuple(_records(message, age_s)),
        authority_types=tuple(dict.fromkeys(dns.rdatatype.to_text(r.rdtype) for r in message.authority)),
        authority_soas=tuple(
            normal_name(r.name.to_text()) for r in message.authority if r.rdtype == dns.rdatatype.SOA
        ),
    )
    return Reply(
        answer=answer,
        truncated=truncated,
        ecs_scope=_ecs_scope(message, question),
        nsid=server_identifier(message.options),
        extended_errors=extended_errors(message.options),
        wire=wire,
    )


def _parse(wire: bytes, answers_count: int, *, header_only: bool) -> dns.message.Message:
    """Strictly first; then forgiving what is wrong outside the answer section, such as a bad EDNS option."""
    try:
        return dns.message.from_wire(
            wire, one_rr_per_rrset=True, ignore_trailing=True, question_only=header_only
        )
    except Exception as strict:  # dnspython raises many kinds, also struct.error and ValueError
        try:
            message = dns.message.from_wire(
                wire, one_rr_per_rrset=True, ignore_trailing=True, continue_on_error=True
            )
        except Exception:
            raise MalformedError(_words(strict)) from strict
        if len(message.answer) != answers_count:
            raise MalformedError(_words(strict)) from strict
        return message


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _repeats(wire: bytes, question: Question) -> bool:
    """Whether the question section begins as the one sent, without regard to the name's case (RFC 4343)."""
    end = question.wire.index(0, _HEADER.size) + 1  # past the root label
    here, sent = wire[_HEADER.size : end + 4], question.wire[_HEADER.size : end + 4]
    return here[-4:] == sent[-4:] and here.lower() == sent.lower()


def _wrong_question(wire: bytes) -> Exception:
    try:
        dns.message.from_wire(wire, question_only=True, ignore_trailing=True)
    except Exception as error:
        return MalformedError(_words(error))
    return UnrelatedReplyError("another question")


def _records(message: dns.message.Message, age_s: int) -> list[AnswerRecord]:
    return [
        AnswerRecord(
            owner=normal_name(rrset.name.to_text()),
            rdtype=dns.rdatatype.to_text(rrset.rdtype),
            ttl_s=max(0, rrset.ttl - age_s) if rrset.ttl < _TOP_BIT else rrset.ttl,
            rdata=rdata.to_text(),
        )
        for rrset in message.answer
        for rdata in rrset
        if rrset.rdclass == 1
    ]


def _ecs_scope(message: dns.message.Message, question: Question) -> int | None:
    if question.ecs is None:
        return None
    try:
        return subnet_answered(message.options, question.ecs)
    except ValueError as error:
        raise UnrelatedReplyError(str(error)) from error


def delegated(reply: Reply | None, zone: str) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """The name servers that a response gives for `zone`, as its answer or as a referral, and addresses beside them.

    Names without their final dot; addresses (IPv4) only of those names (RFC 1034 section 4.2.1, glue).
    """
    if reply is None:
        return (), {}
    try:
        message = dns.message.from_wire(reply.wire, ignore_trailing=True)
    except Exception:  # dnspython raises many kinds: what cannot be read gives no server
        return (), {}
    owned = (
        r for r in (*message.answer, *message.authority) if normal_name(r.name.to_text()) == normal_name(zone)
    )
    names = tuple(
        normal_name(rdata.target.to_text()) for r in owned if r.rdtype == dns.rdatatype.NS for rdata in r
    )
    glue: dict[str, tuple[str, ...]] = {}
    for rrset in message.additional:
        owner = normal_name(rrset.name.to_text())
        if rrset.rdtype == dns.rdatatype.A and owner in names:
            glue[owner] = tuple(rdata.address for rdata in rrset)
    return names, glue
