"""A fetch over plain HTTP: what is sent, what is recorded, when, and that it is sent once."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging

import brotli
import pytest
import zstandard

from probe import __version__
from probe.core.content.reading import Reading, read_content
from probe.core.model.task import SecretRef
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Role
from tests.support.http_server import (
    HOST,
    closed_port,
    hang,
    make_fetcher,
    make_target,
    reply,
    response,
    serve,
    then_hang,
)

BODY = b"the very content of the object\n" * 100
SHA = hashlib.sha256(BODY).hexdigest()


async def test_what_is_recorded() -> None:
    async with serve(response(BODY, "Age: 7", "X-Cache: HIT", "x-cache: again")) as server:
        target = make_target(server.port, role=Role.CONFIRM, of=3)
        seen = await make_fetcher().fetch(target)
    assert seen.failure is None
    assert (seen.role, seen.of, seen.address, seen.port) == (Role.CONFIRM, 3, "127.0.0.1", server.port)
    assert seen.url == f"http://{HOST}:{server.port}/object"
    assert seen.source is not None
    assert seen.source.startswith("127.0.0.1:")
    reply_ = seen.response
    assert reply_ is not None
    assert (reply_.status_code, reply_.reason_phrase, reply_.next_hop_protocol) == (200, "OK", "http/1.1")
    assert reply_.fields[:3] == (("age", "7"), ("x-cache", "HIT"), ("x-cache", "again"))
    assert (reply_.encoded_body_bytes, reply_.decoded_body_bytes) == (len(BODY), len(BODY))
    assert reply_.digest == reply_.content_digest == SHA
    assert (reply_.age_s, reply_.body_complete, reply_.flags) == (7, True, ())
    assert seen.tcp_info is not None
    assert seen.tcp_info.rtt_us > 0
    assert seen.tcp_info.mss_bytes > 500
    assert seen.tls is None


async def test_times_are_in_order_and_on_one_clock() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.03)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await asyncio.sleep(0.03)
        writer.write(b"ab")

    async with serve(slow) as server:
        seen = await make_fetcher().fetch(make_target(server.port))
    at = seen.timing
    assert at.domain_lookup_start_us is None
    assert at.secure_connection_start_us is None
    marks = [
        at.connect_start_us, at.connect_end_us, at.request_start_us, at.response_start_us, at.response_end_us,
    ]  # fmt: skip
    given = [mark for mark in marks if mark is not None]
    assert len(given) == 5
    assert given == sorted(given)
    assert given[0] >= 0
    assert 29_000 < given[3] - given[2] < 500_000
    assert 29_000 < given[4] - given[3] < 500_000


async def test_interim_heads_do_not_shorten_the_first_byte() -> None:
    async def hints(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        await asyncio.sleep(0.03)
        await response(BODY)(reader, writer)

    async with serve(hints) as server:
        seen = await make_fetcher().fetch(make_target(server.port))
    assert seen.failure is None
    assert seen.response is not None
    assert seen.response.status_code == 200
    assert seen.response.flags == ("interim_response",)
    assert seen.timing.response_start_us is not None
    assert seen.timing.request_start_us is not None
    assert seen.timing.response_start_us - seen.timing.request_start_us > 29_000


@pytest.mark.parametrize(
    "path", ["/a%2Fb/../c?x=%20+&&", "/x?", "//double//", "/%zz", "/a;b=c?d=/e", "/?", "/x%2f%2F/./"]
)
async def test_request_target_is_sent_as_configured(path: str) -> None:
    async with serve(response()) as server:
        seen = await make_fetcher().fetch(make_target(server.port, path=path))
    assert seen.failure is None
    assert server.requests[0].split(b"\r\n")[0] == f"GET {path} HTTP/1.1".encode()


async def test_fields_sent() -> None:
    own = (("X-Probe", "one"), ("X-Probe", "two"), ("accept", "text/css"))
    async with serve(response()) as server:
        await make_fetcher().fetch(
            make_target(
                server.port,
                fields=own,
                accept_encoding="gzip, br",
                validators=(("If-None-Match", '"v1"'),),
            )
        )
    lines = server.requests[0].decode().split("\r\n")[1:-2]
    assert lines == [
        f"Host: {HOST}:{server.port}",
        f"User-Agent: cdn-probe/{__version__}",
        "Accept-Encoding: gzip, br",
        "Connection: close",
        "X-Probe: one",
        "X-Probe: two",
        "accept: text/css",
        'If-None-Match: "v1"',
    ]


async def test_ipv6_and_source_address() -> None:
    async with serve(response(BODY), host="::1") as server:
        seen = await make_fetcher().fetch(make_target(server.port, address="::1", source_v6="::1"))
    assert seen.failure is None
    assert seen.source is not None
    assert seen.source.startswith("[::1]:")
    async with serve(response(BODY)) as server:
        seen = await make_fetcher().fetch(make_target(server.port, source_v4="127.0.0.77"))
    assert seen.source is not None
    assert seen.source.startswith("127.0.0.77:")


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", "200 OK"), ("GET", "304 Not Modified"), ("GET", "204 No")]
)
async def test_replies_without_a_body(method: str, status: str) -> None:
    head = f"HTTP/1.1 {status}\r\nContent-Length: 100\r\nContent-Encoding: gzip\r\n\r\n".encode()
    async with serve(reply(head)) as server:
        seen = await make_fetcher().fetch(make_target(server.port, method=method, accept_encoding="gzip"))
    assert seen.failure is None
    assert seen.response is not None
    assert (seen.response.encoded_body_bytes, seen.response.body_complete) == (0, True)


async def test_body_until_close_and_chunked() -> None:
    chunked = b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n"
    for head, body in (
        (b"HTTP/1.0 200 OK\r\n\r\n", b"hello world"),
        (b"HTTP/1.1 200 OK\n\n", b"hello world"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunked),
    ):
        async with serve(reply(head, body)) as server:
            seen = await make_fetcher().fetch(make_target(server.port))
        assert seen.failure is None
        assert seen.response is not None
        assert seen.response.content_digest == hashlib.sha256(b"hello world").hexdigest()
        assert seen.response.encoded_body_bytes == 11


async def test_large_body_from_a_server_that_keeps_the_connection_open() -> None:
    body = bytes(range(256)) * 40_000
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with serve(then_hang(head, body)) as server:
        seen = await make_fetcher().fetch(make_target(server.port))
    assert seen.failure is None
    assert seen.response is not None
    assert seen.response.digest == hashlib.sha256(body).hexdigest()


# --- content codings (rows 38, 39) -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("coding", "coded"),
    [
        ("identity", BODY),
        ("gzip", gzip.compress(BODY)),
        ("br", brotli.compress(BODY)),
        ("zstd", zstandard.compress(BODY)),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY))),
    ],
    ids=["identity", "gzip", "br", "zstd", "gzip twice"],  # gzip holds the time: each run had other names
)
async def test_same_content_under_another_coding_is_equal(coding: str, coded: bytes) -> None:
    kept: list[bytes] = []
    async with serve(response(coded, f"Content-Encoding: {coding}")) as server:
        seen = await make_fetcher().fetch(
            make_target(server.port, accept_encoding="gzip, br, zstd", body_sink=kept.append)
        )
    assert seen.failure is None
    assert seen.response is not None
    assert seen.response.content_digest == SHA
    assert seen.response.digest == hashlib.sha256(coded).hexdigest()
    assert (seen.response.encoded_body_bytes, seen.response.decoded_body_bytes) == (len(coded), len(BODY))
    assert seen.response.flags == (("identity_content_coding",) if coding == "identity" else ())
    assert b"".join(kept) == BODY


async def test_coding_that_was_not_asked_for_is_flagged_and_undone() -> None:
    async with serve(response(gzip.compress(BODY), "Content-Encoding: gzip")) as server:
        seen = await make_fetcher().fetch(make_target(server.port))
    assert seen.failure is None
    assert seen.response is not None
    assert seen.response.flags == ("unrequested_coding",)
    assert seen.response.content_digest == SHA


async def test_unknown_coding_is_flagged_and_is_no_failure() -> None:
    async with serve(response(BODY, "Content-Encoding: aws-chunked")) as server:
        seen = await make_fetcher().fetch(make_target(server.port, accept_encoding="*"))
    assert seen.failure is None
    assert seen.response is not None
    assert seen.response.flags == ("unknown_coding",)
    assert seen.response.content_codings == ("aws-chunked",)
    assert (seen.response.digest, seen.response.content_digest) == (SHA, SHA)  # as browsers take it
    assert seen.response.decoded_body_bytes == len(BODY)


# --- odd fields (row 33) ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "age_s", "flags"),
    [
        (["Age: banana"], None, ("age_invalid",)),
        (["Age: -1"], None, ("age_invalid",)),
        (["Age: 1.5"], None, ("age_invalid",)),
        (["Age:"], None, ("age_invalid",)),
        (["Age: \xb2"], None, ("age_invalid",)),
        (["Age: 5", "Age: 9"], 5, ("age_repeated",)),
        (["Age: 5, 9"], 5, ("age_repeated",)),
        (["Age: " + "9" * 500], 2**31, ()),
        (
            ['Cache-Status: \xff\xfe;;;="', "Date: the day before yesterday", "Proxy-Status: (((", "Age: x"],
            None,
            ("age_invalid", "date_invalid", "cache_status_invalid", "proxy_status_invalid"),
        ),
        (["X-Long: " + "a" * 5000], None, ("field_cut",)),
        ([f"X-{number}: {number}" for number in range(300)], None, ("fields_cut",)),
        (["Location: /a", "Location: /b"], None, ("doubled_location",)),
        (["Location: /a", "Location: /a"], None, ()),
    ],
)
async def test_odd_fields_are_kept_and_flagged(
    fields: list[str], age_s: int | None, flags: tuple[str, ...]
) -> None:
    async with serve(response(BODY, *fields)) as server:
        seen = await make_fetcher().fetch(make_target(server.port))
    assert seen.failure is None
    assert seen.response is not None
    assert (seen.response.age_s, seen.response.flags) == (age_s, flags)
    assert len(seen.response.fields) == min(len(fields) + 1, 256)
    name, _, value = fields[0].partition(":")
    assert seen.response.fields[0] == (name.lower(), value.strip()[:4096])


# --- secrets (row 8) -------------------------------------------------------------------------------


async def test_secret_is_sent_and_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    secret = "Bearer s3cr3t/va+lue"
    echo = ["X-Echo: you sent s3cr3t/va+lue", "Location: /?t=s3cr3t%2Fva%2Blue", f"X-Whole: {secret}"]
    fields = (("Authorization", SecretRef(scheme="env", name="TOKEN")),)
    with caplog.at_level(logging.DEBUG):
        async with serve(response(BODY, *echo, status="200 s3cr3t/va+lue")) as server:
            fetcher = make_fetcher({"TOKEN": secret})
            seen = await fetcher.fetch(make_target(server.port, fields=fields, path="/?k=s3cr3t/va+lue"))
            async with serve(reply(b"s3cr3t/va+lue\r\n\r\n")) as broken:
                bad = await fetcher.fetch(make_target(broken.port, fields=fields))
            async with serve(reply(b"HTTP/1.1 200 OK\r\ns3cr3t/va+lue\r\n\r\n")) as broken:
                bad2 = await fetcher.fetch(make_target(broken.port, fields=fields))
    assert f"Authorization: {secret}".encode() in server.requests[0]
    assert seen.failure is None
    assert seen.response is not None
    assert seen.response.fields[0] == ("x-echo", "you sent [redacted]")
    assert seen.response.reason_phrase == "[redacted]"
    assert seen.url.endswith("/?k=[redacted]")
    assert bad.failure is not None
    assert bad2.response is not None
    assert bad2.response.flags == ("line_without_colon",)
    shown = f"{seen}{bad}{bad2}{caplog.text}"
    assert "s3cr3t" not in shown


async def test_own_defect_is_named_so_and_logged_without_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    fields = (("X-Key", SecretRef(scheme="env", name="KEY")),)
    async with serve(response(BODY)) as server:
        seen = await make_fetcher({"KEY": "hush\r\nX-Injected: 1"}).fetch(
            make_target(server.port, fields=fields)
        )
        missing = await make_fetcher().fetch(make_target(server.port, fields=fields))
        path = await make_fetcher().fetch(make_target(server.port, path="/a b"))
        await asyncio.sleep(0)
    for observation in (seen, missing, path):
        assert observation.failure is not None
        assert observation.failure.type is FailureType.AGENT_INTERNAL_ERROR
        assert observation.failure.phase is Phase.HOST
        assert observation.response is None
    assert server.requests == []
    assert "our own fault" in caplog.text
    assert "hush" not in f"{seen}{caplog.text}"


# --- one request, one connection -------------------------------------------------------------------


async def test_a_disconnect_is_never_answered_by_a_second_request() -> None:
    async with serve(reply()) as server:
        seen = await make_fetcher().fetch(make_target(server.port))
    assert seen.failure is not None
    assert (seen.failure.type, seen.failure.phase) == (FailureType.TCP_CLOSED, Phase.HTTP)
    assert (server.connections, len(server.requests)) == (1, 1)


async def test_every_fetch_has_its_own_connection() -> None:
    keep = then_hang(b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
    async with serve(keep) as server:
        fetcher = make_fetcher()
        many = await asyncio.gather(*(fetcher.fetch(make_target(server.port)) for _ in range(150)))
    assert all(seen.failure is None for seen in many)
    assert (server.connections, len(server.requests)) == (150, 150)
    assert len({seen.source for seen in many}) == 150


async def test_cookies_and_redirects_are_not_followed_up() -> None:
    async with serve(response(BODY, "Set-Cookie: a=b", "Location: /next", status="302 Found")) as server:
        fetcher = make_fetcher()
        seen = [await fetcher.fetch(make_target(server.port)) for _ in range(2)]
    assert [one.response.status_code for one in seen if one.response] == [302, 302]
    assert len(server.requests) == 2
    assert b"ookie" not in b"".join(server.requests)


async def test_cancelling_ends_the_connection() -> None:
    gone = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await hang(reader, writer)
        gone.set()

    asked = asyncio.Event()
    async with serve(wait) as server:
        task = asyncio.create_task(make_fetcher().fetch(make_target(server.port)))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 60)


async def test_connect_only() -> None:
    async with serve(hang, read=False) as server:
        seen = await make_fetcher().connect_only(make_target(server.port, role=Role.ANCHOR))
    assert (seen.failure, seen.response, seen.role) == (None, None, Role.ANCHOR)
    assert seen.url == f"tcp://{HOST}:{server.port}"
    assert seen.timing.connect_start_us is not None
    assert seen.timing.connect_end_us is not None
    seen = await make_fetcher().connect_only(make_target(closed_port()))
    assert seen.failure is not None
    assert seen.failure.type is FailureType.TCP_REFUSED


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_what_is_wanted_of_the_content_is_read_from_the_decoded_body(coding: str) -> None:
    page = b"<html><body><p>text</p><i>12:00</i></body></html>" * 50
    body = gzip.compress(page) if coding == "gzip" else page
    fields = ["Content-Encoding: gzip"] if coding == "gzip" else []
    reading = Reading(selectors=("i",), markers=("text", "missing"))
    fetcher = make_fetcher()
    async with serve(response(body, *fields)) as server:
        try:
            seen = await fetcher.fetch(
                make_target(server.port, reading=reading, accept_encoding="gzip, identity")
            )
        finally:
            await fetcher.close()
    assert seen.response is not None
    facts = seen.response.content
    assert facts == read_content(reading, page)
    assert facts is not None
    assert (facts.found, facts.flags) == (("text",), ())


async def test_content_over_the_limit_of_reading_is_measured_all_the_same() -> None:
    body = b"x" * 300_000
    reading = Reading(markers=("x",), limit_bytes=100_000)
    async with serve(response(body)) as server:
        seen = await make_fetcher().fetch(make_target(server.port, reading=reading))
    assert seen.failure is None
    assert seen.response is not None
    assert seen.response.content_digest == hashlib.sha256(body).hexdigest()
    assert seen.response.content == read_content(reading, None)
