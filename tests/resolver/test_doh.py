"""DNS over HTTPS without a socket: whatever bytes come, the exchange ends in a body or in one of two errors."""

from __future__ import annotations

import h2.config
import h2.connection
import h2.exceptions
import h2.settings
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.model.task import ResolverSpec
from probe.resolver.doh import DohExchange, Http1Exchange, Http2Exchange, HttpsError

SPEC = ResolverSpec(transport="https", address="127.0.0.1", port=443, tls_name="dns.example")
MESSAGE = b"\0\0query"
HEAD = [(":status", "200"), ("content-type", "application/dns-message")]
GOOD_1 = b"HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\nContent-Length: 6\r\n\r\nanswer"


def server_for(exchange: Http2Exchange) -> h2.connection.H2Connection:
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    server.initiate_connection()
    server.receive_data(exchange.begin())
    return server


def good_2() -> bytes:
    server = server_for(Http2Exchange(SPEC, MESSAGE))
    server.send_headers(1, HEAD)
    server.send_data(1, b"answer", end_stream=True)
    return server.data_to_send()


def fed(exchange: DohExchange, chunks: list[bytes]) -> DohExchange:
    exchange.begin()
    for chunk in chunks:
        if not exchange.done:
            exchange.feed(chunk)
    return exchange


KINDS = {"h2": (Http2Exchange, good_2()), "http/1.1": (Http1Exchange, GOOD_1)}


@pytest.mark.parametrize("how", KINDS)
@pytest.mark.parametrize("size", [1, 2, 9, 1000])
def test_however_it_is_cut(how: str, size: int) -> None:
    made, wire = KINDS[how]
    exchange = fed(made(SPEC, MESSAGE), [wire[at : at + size] for at in range(0, len(wire), size)])
    assert (exchange.done, bytes(exchange.body.content)) == (True, b"answer")


@pytest.mark.parametrize("how", KINDS)
def test_closed_at_every_place(how: str) -> None:
    made, wire = KINDS[how]
    for end in range(len(wire)):
        exchange = fed(made(SPEC, MESSAGE), [wire[:end]] if end else [])
        assert not exchange.done
        expected = HttpsError if exchange.body.begun else EOFError
        with pytest.raises(expected):
            exchange.feed(b"")


@pytest.mark.parametrize("how", KINDS)
@given(data=st.data())
def test_rubbish_ends_in_words(how: str, data: st.DataObject) -> None:
    """Bytes changed, cut, doubled: nothing but HttpsError may come out, or a body."""
    made, wire = KINDS[how]
    spoiled = bytearray(wire)
    for _ in range(data.draw(st.integers(1, 6))):
        spoiled[data.draw(st.integers(0, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
    more = data.draw(st.binary(max_size=40))
    try:
        exchange = fed(made(SPEC, MESSAGE), [bytes(spoiled), more or b"\0"])
        if not exchange.done:
            exchange.feed(b"")
    except (HttpsError, EOFError):
        pass


@given(st.binary(min_size=1, max_size=200))
def test_pure_rubbish_over_http_2(noise: bytes) -> None:
    try:
        exchange = fed(Http2Exchange(SPEC, MESSAGE), [noise])
        assert not exchange.done
    except HttpsError:
        pass


@pytest.mark.parametrize(
    ("resolver", "authority"),
    [
        (SPEC, "dns.example"),
        (ResolverSpec(transport="https", address="192.0.2.1", port=443), "192.0.2.1"),
        (ResolverSpec(transport="https", address="2001:db8::1", port=8443), "[2001:db8::1]:8443"),
        (ResolverSpec(transport="https", address="192.0.2.1", port=8443, tls_name="d.e"), "d.e:8443"),
    ],
)
def test_whom_the_request_is_for(resolver: ResolverSpec, authority: str) -> None:
    assert f"Host: {authority}\r\n".encode() in Http1Exchange(resolver, MESSAGE).begin()
    asked = Http2Exchange(resolver, MESSAGE)
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    server.initiate_connection()
    (request,) = [e for e in server.receive_data(asked.begin()) if type(e).__name__ == "RequestReceived"]
    fields = dict(request.headers)
    assert fields[b":authority"] == authority.encode()
    assert fields[b":path"] == b"/dns-query"
    assert fields[b"content-length"] == b"7"


def test_pushed_response_is_refused() -> None:
    exchange = Http2Exchange(SPEC, MESSAGE)
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    server.initiate_connection()
    server.receive_data(exchange.begin())
    assert server.remote_settings[h2.settings.SettingCodes.ENABLE_PUSH] == 0
    promise = b"\0\0\x05\x05\x04\0\0\0\x01" + b"\0\0\0\x02" + b"\x82"
    with pytest.raises(HttpsError):
        exchange.feed(server.data_to_send() + promise)


def test_frame_longer_than_allowed() -> None:
    with pytest.raises(HttpsError, match="longer than allowed"):
        fed(Http2Exchange(SPEC, MESSAGE), [b"\xff\xff\xff\0\0\0\0\0\x01"])


def test_body_shorter_than_said() -> None:
    server = server_for(exchange := Http2Exchange(SPEC, MESSAGE))
    server.send_headers(1, [*HEAD, ("content-length", "9")])
    server.send_data(1, b"answer", end_stream=True)
    with pytest.raises(HttpsError):
        exchange.feed(server.data_to_send())


def test_body_without_a_length_over_http_1_ends_with_the_connection() -> None:
    exchange = fed(
        Http1Exchange(SPEC, MESSAGE),
        [b"HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\n\r\nanswer", b""],
    )
    assert (exchange.done, bytes(exchange.body.content)) == (True, b"answer")


def test_chunked_body_over_http_1() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\nTransfer-Encoding: chunked\r\n\r\n"
    exchange = fed(Http1Exchange(SPEC, MESSAGE), [head, b"3\r\nans\r\n", b"3\r\nwer\r\n0\r\n\r\n"])
    assert (exchange.done, bytes(exchange.body.content)) == (True, b"answer")
    with pytest.raises(HttpsError, match="65535"):
        fed(Http1Exchange(SPEC, MESSAGE), [head, *[b"4000\r\n" + b"x" * 0x4000 + b"\r\n"] * 5])


def test_h2_reads_nothing_after_a_goaway() -> None:
    """Why frames are cut off before h2 sees them; when this fails, that is no longer needed."""
    client = h2.connection.H2Connection()
    client.initiate_connection()
    client.send_headers(1, [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")])
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    server.initiate_connection()
    server.receive_data(client.data_to_send())
    server.send_headers(1, HEAD)
    head = server.data_to_send()
    client.receive_data(b"\0\0\x08\x07\0\0\0\0\0" + b"\0\0\0\1" + b"\0\0\0\0")
    with pytest.raises(h2.exceptions.ProtocolError):
        client.receive_data(head)
