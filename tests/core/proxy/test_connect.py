"""CONNECT as bytes: what is sent, where the answer's head ends, and what each status means."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.proxy.connect import HEAD_BYTES, HttpConnect
from probe.core.proxy.dialogue import WORDS_AT_MOST, ProxyError, printable
from probe.core.records.failure import FailureType as F

OK = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"
TUNNEL = b"\r\n\r\nHTTP/1.1 500 of the server's own\r\n\r\n"


def play(dialogue: HttpConnect, answers: bytes, *, at_once: int = 4096) -> int:
    """How many bytes of `answers` were taken, `at_once` shown at a time."""
    dialogue.outgoing()
    taken = 0
    while not dialogue.done and taken < len(answers):
        taken += dialogue.take(answers[taken : taken + at_once])
    return taken


def failing(answers: bytes) -> ProxyError:
    with pytest.raises(ProxyError) as caught:
        play(HttpConnect("192.0.2.1", 443), answers)
    return caught.value


@pytest.mark.parametrize(
    ("address", "authority"),
    [
        ("192.0.2.1", "192.0.2.1:443"),
        ("2001:db8::1", "[2001:db8::1]:443"),
        ("www.acme.example", "www.acme.example:443"),
    ],
)
def test_what_is_asked_for(address: str, authority: str) -> None:
    lines = HttpConnect(address, 443, agent="cdn-probe/1").outgoing().decode().split("\r\n")
    assert lines == [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", "User-Agent: cdn-probe/1", "", ""]


def test_credentials_go_out_as_basic() -> None:
    # RFC 7617 section 2.1: user "test", password "123\u00a3" in UTF-8.
    sent = HttpConnect("192.0.2.1", 443, "test", "123\u00a3").outgoing()
    assert b"\r\nProxy-Authorization: Basic dGVzdDoxMjPCow==\r\n" in sent


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 4096])
@pytest.mark.parametrize(
    "head",
    [
        OK,
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nA: b\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\nVia: lone line feeds\n\n",
    ],
)
def test_not_a_byte_of_the_tunnel_is_taken(head: bytes, at_once: int) -> None:
    dialogue = HttpConnect("192.0.2.1", 443)
    assert play(dialogue, head + TUNNEL, at_once=at_once) == len(head)
    assert dialogue.done


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, F.VANTAGE_PROXY_REFUSED),
        (401, F.VANTAGE_PROXY_REFUSED),
        (403, F.VANTAGE_PROXY_REFUSED),
        (404, F.VANTAGE_PROXY_REFUSED),
        (405, F.VANTAGE_PROXY_REFUSED),
        (407, F.VANTAGE_PROXY_REFUSED),
        (429, F.VANTAGE_PROXY_REFUSED),
        (301, F.VANTAGE_PROXY_REFUSED),
        (101, F.VANTAGE_PROXY_REFUSED),
        (501, F.VANTAGE_PROXY_REFUSED),
        (505, F.VANTAGE_PROXY_REFUSED),
        (511, F.VANTAGE_PROXY_REFUSED),
        (600, F.VANTAGE_PROXY_REFUSED),
        (500, F.TCP_FAILED),
        (502, F.TCP_FAILED),
        (503, F.TCP_FAILED),
        (504, F.TCP_TIMED_OUT),
        (521, F.TCP_FAILED),
    ],
)
def test_statuses(status: int, kind: F) -> None:
    error = failing(f"HTTP/1.1 {status} Words of it\r\nContent-Length: 3\r\n\r\nabc".encode())
    assert (error.type, str(error)) == (kind, f"the proxy says: {status} Words of it")


def test_the_fields_that_say_why_are_told() -> None:
    error = failing(
        b"HTTP/1.1 503 Service Unavailable\r\nServer: squid\r\nX-Squid-Error: ERR_CONNECT_FAIL 111\r\n"
        b"Proxy-Status: edge; error=connection_refused\r\n\r\n<html>"
    )
    assert str(error) == (
        "the proxy says: 503 Service Unavailable; ERR_CONNECT_FAIL 111; edge; error=connection_refused"
    )


@pytest.mark.parametrize(
    "answers",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x05\xff",
        b"\x15\x03\x01\x00\x02\x02\x46",  # a TLS alert
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\rVia: bare CR\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"h",
    ],
)
def test_what_is_no_answer(answers: bytes) -> None:
    assert failing(answers).type is F.VANTAGE_PROXY_UNREACHABLE


def test_an_endless_head_is_left_at_its_limit() -> None:
    dialogue = HttpConnect("192.0.2.1", 443)
    dialogue.outgoing()
    begun, line = b"HTTP/1.1 200 OK\r\n", b"A: " + b"x" * 1000 + b"\r\n"
    dialogue.take(begun)
    for _ in range((HEAD_BYTES - len(begun)) // len(line)):
        assert dialogue.take(line) == len(line)
    with pytest.raises(ProxyError, match="longer than 16384 bytes") as caught:
        dialogue.take(line)
    assert caught.value.type is F.VANTAGE_PROXY_UNREACHABLE


def test_a_head_that_is_too_long_at_once_is_no_better() -> None:
    assert "longer than" in str(failing(b"HTTP/1.1 200 OK\r\nA: " + b"x" * HEAD_BYTES + b"\r\n\r\n"))


def test_endless_interim_answers_are_left() -> None:
    assert "interim" in str(failing(b"HTTP/1.1 100 Continue\r\n\r\n" * 9))
    dialogue = HttpConnect("192.0.2.1", 443)
    play(dialogue, b"HTTP/1.1 100 Continue\r\n\r\n" * 8 + OK)
    assert dialogue.done


def test_asked_means_that_the_target_may_be_what_is_silent() -> None:
    dialogue = HttpConnect("192.0.2.1", 443)
    assert dialogue.take(b"HTTP/1.1 200 OK\r\n\r\n") == 0, "nothing is an answer before the request was sent"
    dialogue.outgoing()
    assert dialogue.asked
    dialogue.take(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert dialogue.asked, "it said that it is still at it"
    dialogue.take(b"HTTP/1.1 2")
    assert not dialogue.asked


def test_names_that_no_proxy_is_given_never_reach_the_request() -> None:
    for name in ("www.example\r\nX-Evil: 1", "www.example X", "a" * 300, "0x7f.1", "localhost"):
        with pytest.raises(ProxyError) as caught:
            HttpConnect(name, 443)
        assert caught.value.type is F.TCP_ADDRESS_BLOCKED


def test_a_strangers_words_are_bounded_and_command_no_terminal() -> None:
    assert printable(" 403 \x1b[31mred\x00\x9b\r\nnext ") == "403 ?[31mred????next"
    assert len(printable("x" * 10_000)) == WORDS_AT_MOST


@given(st.binary(max_size=300), st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 ", OK[:-2]]))
def test_whatever_comes_it_is_taken_or_a_proxy_error(answers: bytes, begin: bytes) -> None:
    dialogue = HttpConnect("192.0.2.1", 443)
    with contextlib.suppress(ProxyError):
        taken = play(dialogue, begin + answers)
        assert dialogue.done or taken == len(begin + answers)
