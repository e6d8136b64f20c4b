"""The short way of reading a response says what dnspython says, or says nothing."""

from __future__ import annotations

import random
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from probe.core.dns import message as dns_message
from probe.core.dns.message import (
    MalformedError,
    Question,
    Reply,
    TooManyRecordsError,
    UnrelatedReplyError,
    build_question,
    read_reply,
)
from probe.core.records.failure import FailureType, Phase
from probe.resolver.failures import dns_failure

NAME = "www.Bench-1.example"


def _rrsets(lines: tuple[str, ...]) -> list[dns.rrset.RRset]:
    parts = [line.split(" ", 4) for line in lines]
    return [dns.rrset.from_text(owner, int(ttl), *rest) for owner, ttl, *rest in parts]


def _response(
    question: Question,
    *records: str,
    authority: tuple[str, ...] = (),
    additional: tuple[str, ...] = (),
    options: tuple[dns.edns.Option, ...] = (),
    rcode: int = 0,
    flags: int = 0,
) -> bytes:
    query = dns.message.from_wire(question.wire)
    made = dns.message.make_response(query, recursion_available=True)
    made.answer, made.authority, made.additional = map(_rrsets, (records, authority, additional))
    made.use_edns(0, options=list(options))
    made.flags |= flags
    made.set_rcode(dns.rcode.Rcode.make(rcode))
    return made.to_wire()


def _both(wire: bytes, question: Question, age_s: int = 0) -> tuple[object, object]:
    """What comes of it the usual way, and by dnspython alone."""

    def outcome(read: object) -> object:
        try:
            return read()  # type: ignore[operator]
        except (UnrelatedReplyError, MalformedError) as error:
            return type(error)

    usual = outcome(lambda: read_reply(wire, question, age_s))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dns_message, "read_plain", lambda *_: None)
        return usual, outcome(lambda: read_reply(wire, question, age_s))


CHAIN = (f"{NAME}. 60 IN CNAME Edge.cdn.example.net.", "edge.cdn.example.net. 30 IN A 192.0.2.7")
ECS = "203.0.113.0/24"
CASES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "chain": ((*CHAIN, "edge.cdn.example.net. 31 IN A 192.0.2.8"), {}),
    "ipv6": ((f"{NAME}. 60 IN AAAA 2001:db8::1", f"{NAME}. 60 IN AAAA ::ffff:192.0.2.1"), {}),
    "no answer": (
        (),
        {"authority": ("example. 300 IN SOA ns.example. host.example. 1 2 3 4 5",), "rcode": 3},
    ),
    "referral": (
        (),
        {"authority": ("example. 300 IN NS ns.example.",), "additional": ("ns.example. 5 IN A 192.0.2.3",)},
    ),
    "refused": ((), {"rcode": 5}),
    "flags": (CHAIN, {"flags": int(dns.flags.AA | dns.flags.AD | dns.flags.CD)}),
    "scope": (CHAIN, {"options": (dns.edns.ECSOption("203.0.113.0", 24, 20),)}),
    "nsid": (CHAIN, {"options": (dns.edns.NSIDOption(b"res-1"),)}),
}
UNUSUAL: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "txt": ((*CHAIN, f'{NAME}. 60 IN TXT "a"'), {}),
    "escaped": ((f"{NAME}. 60 IN CNAME a\\.b.example.",), {}),
    "another subnet": (CHAIN, {"options": (dns.edns.ECSOption("198.51.100.0", 24, 20),)}),
    "extended error": (
        CHAIN,
        {"options": (dns.edns.EDEOption(dns.edns.EDECode.NO_REACHABLE_AUTHORITY, "no"),), "rcode": 2},
    ),
    "extended rcode": ((), {"rcode": 16}),
    "truncated": ((), {"flags": int(dns.flags.TC)}),
}


@pytest.mark.parametrize("age_s", [0, 45])
@pytest.mark.parametrize("name", CASES)
def test_a_plain_response_is_read_without_dnspython(
    name: str, age_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = build_question(NAME, "A", ECS)
    records, extra = CASES[name]
    wire = _response(question, *records, **extra)
    usual, slow = _both(wire, question, age_s)
    assert isinstance(usual, Reply)
    assert usual == slow
    monkeypatch.setattr(dns_message, "_parse", None)
    assert read_reply(wire, question, age_s) == usual


@pytest.mark.parametrize("name", UNUSUAL)
def test_what_is_not_plain_is_left_to_dnspython(name: str) -> None:
    question = build_question(NAME, "A", ECS)
    records, extra = UNUSUAL[name]
    usual, slow = _both(_response(question, *records, **extra), question)
    assert usual == slow


def test_damaged_messages_are_read_alike() -> None:
    """Each byte changed, bytes cut off and put in: never another answer, never another kind of error."""
    chance = random.Random(7)
    question = build_question(NAME, "A", ECS)
    seen = set()
    for records, extra in (*CASES.values(), *UNUSUAL.values()):
        wire = _response(question, *records, **extra)
        for _ in range(150):
            damaged = bytearray(wire)
            for _ in range(chance.randint(1, 3)):
                place = chance.randrange(2, len(damaged))
                how = chance.random()
                if how < 0.7:
                    damaged[place] = chance.choice((0, 1, 12, 0xC0, 0xFF, chance.randrange(256)))
                elif how < 0.85:
                    del damaged[place:]
                    break
                else:
                    damaged.insert(place, chance.randrange(256))
            usual, slow = _both(bytes(damaged), question)
            assert usual == slow, damaged.hex()
            seen.add(usual if isinstance(usual, type) else Reply)
    assert seen == {Reply, UnrelatedReplyError, MalformedError}


def test_as_many_addresses_as_a_message_has_room_for_are_read() -> None:
    question = build_question(NAME, "A", None)
    made = dns.message.make_response(dns.message.from_wire(question.wire), recursion_available=True)
    places = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(4000)]
    made.answer = [dns.rrset.from_text(f"{NAME}.", 20, "IN", "A", *places)]
    reply = read_reply(made.to_wire(max_size=65_535), question)
    assert {record.rdata for record in reply.answer.answers} == set(places)


def test_more_records_than_we_read_are_our_limit_and_no_damage() -> None:
    question = build_question(NAME, "A", None)
    made = dns.message.make_response(dns.message.from_wire(question.wire), recursion_available=True)
    made.answer = [dns.rrset.from_text(f"{NAME}.", 20, "IN", "TXT", *(f"t{n}" for n in range(600)))]
    wire = made.to_wire(max_size=65_535)
    with pytest.raises(TooManyRecordsError, match="more than 512 records in one message, our limit"):
        read_reply(wire, question)
    failure = dns_failure(TooManyRecordsError("words"), "read")
    assert (failure.phase, failure.type) == (Phase.HOST, FailureType.AGENT_LIMIT_DNS_RECORDS)
    with pytest.raises(MalformedError, match="room for"):
        read_reply(wire[: len(wire) // 4], question)
