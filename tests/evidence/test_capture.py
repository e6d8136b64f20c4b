"""The bytes behind an observation: as they crossed the wire, bounded, without secrets, only where somebody collects."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import dns.message
import pytest

from probe.core.model.task import ResolverSpec, SecretRef
from probe.core.records.failure import FailureType
from probe.core.results.bundle import BODY_HEAD_BYTES
from probe.evidence.capture import collecting, collector
from tests.support.dns_server import DnsServer, zone
from tests.support.http_server import Pki, closed_port, make_fetcher, make_target, reply, response, serve
from tests.support.resolving import look_up

BODY = b"the content of the object\n" * 400


async def test_what_crossed_the_wire() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    raw = early + b"HTTP/1.1 200  Fine \r\nX-Odd:   spaced\r\nContent-Length: 5\r\n\r\nhello"
    async with serve(reply(raw)) as server:
        with collecting() as kept:
            seen = await make_fetcher().fetch(make_target(server.port, fields=(("X-Own", "1"),)))
    (captured,) = kept.exchanges
    assert captured.belongs_to(seen)
    assert captured.response_head == raw[: -len(b"hello")], "byte for byte, interim heads too"
    assert (captured.body, captured.whole) == (b"hello", True)
    assert captured.request_head.encode() == server.requests[0], "what the server received"


async def test_a_malformed_reply_is_kept_as_it_came() -> None:
    async with serve(reply(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")) as server:
        with collecting() as kept:
            seen = await make_fetcher().fetch(make_target(server.port))
    assert seen.failure is not None
    assert seen.failure.type is FailureType.HTTP_PROTOCOL_VIOLATION
    (captured,) = kept.exchanges
    assert captured.belongs_to(seen)
    assert b"Content-Length: 1\r\nContent-Length: 2\r\n" in captured.response_head


async def test_bodies_are_kept_decoded_and_cut() -> None:
    async with serve(response(gzip.compress(BODY), "Content-Encoding: gzip")) as server:
        with collecting() as kept:
            kept.body_bytes = 100
            await make_fetcher().fetch(make_target(server.port, accept_encoding="gzip"))
            kept.body_bytes = len(BODY)
            await make_fetcher().fetch(make_target(server.port, accept_encoding="gzip"))
    first, second = kept.exchanges
    assert (first.body, first.whole) == (BODY[:100], False)
    assert (second.body, second.whole) == (BODY, True)


async def test_nothing_is_kept_where_nobody_collects() -> None:
    async with serve(response(BODY)) as server:
        with collecting() as kept:
            pass
        seen = await make_fetcher().fetch(make_target(server.port))
    assert seen.failure is None
    assert kept.exchanges == []
    assert collector() is None


async def test_tasks_that_a_slot_starts_leave_their_bytes_with_its_own_collector() -> None:
    async with serve(response(b"one")) as first, serve(response(b"two")) as second:

        async def slot(port: int) -> list[bytes]:
            with collecting() as kept:
                async with asyncio.TaskGroup() as group:
                    for _ in range(2):
                        group.create_task(make_fetcher().fetch(make_target(port)))
                return [captured.body for captured in kept.exchanges]

        found = await asyncio.gather(slot(first.port), slot(second.port))
    assert found == [[b"one", b"one"], [b"two", b"two"]]


async def test_secrets_are_not_kept_whoever_repeats_them() -> None:
    echoed = response(b"you sent Bearer hunter22, hunter22", "X-Echo: hunter22")
    async with serve(echoed) as server:
        target = make_target(
            server.port,
            path="/a?token=tell-nobody",
            fields=(("Authorization", SecretRef(scheme="env", name="T")),),
        )
        with collecting() as kept:
            await make_fetcher({"T": "Bearer hunter22"}).fetch(target)
    (captured,) = kept.exchanges
    everything = captured.request_head.encode() + captured.response_head + captured.body
    assert b"hunter22" not in everything
    assert b"tell-nobody" not in everything
    assert b"GET /a?token=[redacted] HTTP/1.1\r\n" in everything


@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "refused"])
async def test_certificates_are_kept_as_presented(tmp_path: Path, trusted: bool) -> None:
    pki = Pki(tmp_path)
    context = pki.issued("www.a.example", ca=None if trusted else pki.untrusted)
    async with serve(response(b"x"), tls=context) as server:
        with collecting() as kept:
            seen = await make_fetcher().fetch(
                make_target(server.port, scheme="https", host="www.a.example", tls=pki.policy())
            )
    assert (seen.failure is None) is trusted
    assert seen.tls is not None
    (captured,) = kept.exchanges
    assert len(captured.certificates) == len(seen.tls.chain_sha256) > 0
    assert captured.certificates[0][:1] == b"\x30", "DER"


def test_the_default_is_a_few_kilobytes() -> None:
    with collecting() as kept:
        assert kept.body_bytes == BODY_HEAD_BYTES


async def test_dns_messages_are_kept_as_they_crossed_the_wire() -> None:
    script = zone({"www.a CNAME": ["x.cdn"], "x.cdn A": ["127.0.0.1"]})
    async with DnsServer(script) as server:
        spec = ResolverSpec(transport="udp", address=server.host, port=server.port)
        with collecting() as kept:
            found = await look_up(spec, qname="www.a")
    assert [message.query for message in kept.messages] == list(found.queries)
    for message in kept.messages:
        assert message.received is not None
        question, answer = dns.message.from_wire(message.sent), dns.message.from_wire(message.received)
        assert question.id == answer.id
        assert question.question[0].name.to_text(True) == message.query.qname


async def test_a_question_without_an_answer_is_kept_too() -> None:
    spec = ResolverSpec(transport="udp", address="127.0.0.1", port=closed_port())
    with collecting() as kept:
        await look_up(spec, qname="www.a")
    assert [message.received for message in kept.messages] == [None]
