"""HTTP/2 fetched over real sockets: healthy servers, what a hostile one may say, and how it is recorded."""

from __future__ import annotations

import gzip
import hashlib
import os

import pytest

from probe.core.records.failure import FailureType as F
from probe.core.records.failure import Phase
from probe.core.records.observation import Observation
from tests.codes.provoking import provokes, saw
from tests.support.http2 import Asked, healthy, plain, saying, speaking, tls_of
from tests.support.http2_cases import CASES
from tests.support.http_server import (
    HOST,
    Pki,
    Script,
    make_fetcher,
    make_target,
    openssl_server,
    response,
    serve,
)

EACH_TLS = pytest.mark.usefixtures("each_tls")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


async def ask(pki: Pki, script: Script, **changes: object) -> Observation:
    async with speaking(pki, script) as server:
        target = make_target(
            server.port, **{"scheme": "https", "tls": pki.policy(), "protocol": "h2", **changes}
        )
        return await make_fetcher().fetch(target)


@EACH_TLS
async def test_a_healthy_reply(pki: Pki) -> None:
    asked = Asked()
    seen = await ask(pki, healthy(plain(b"ok", ("cache-control", "max-age=9")), asked), path="/a?b=c")
    assert seen.failure is None
    assert seen.response is not None
    assert seen.tls is not None
    assert (seen.response.status_code, seen.response.next_hop_protocol, seen.tls.alpn) == (200, "h2", "h2")
    assert seen.response.fields == (("content-length", "2"), ("cache-control", "max-age=9"))
    assert (seen.response.digest, seen.response.flags) == (hashlib.sha256(b"ok").hexdigest(), ())
    [request] = asked.requests
    assert request[":authority"].partition(":")[0] == HOST
    assert (request[":path"], request[":scheme"], request[":method"]) == ("/a?b=c", "https", "GET")
    assert "connection" not in request
    times = seen.timing
    assert times.connect_start_us is not None
    assert times.request_start_us is not None
    assert times.response_start_us is not None
    assert times.response_end_us is not None
    assert times.connect_start_us < times.request_start_us <= times.response_start_us <= times.response_end_us
    assert seen.tcp_info is not None


@EACH_TLS
@pytest.mark.parametrize("protocol", ["h2", "auto"])
async def test_a_large_body_does_not_wait_for_windows(pki: Pki, protocol: str) -> None:
    body = os.urandom(9 << 20)  # more than the stream's window
    seen = await ask(pki, healthy(plain(body)), protocol=protocol, total_us=30_000_000)
    assert seen.failure is None
    assert seen.response is not None
    assert seen.response.digest == hashlib.sha256(body).hexdigest()


async def test_content_is_decoded_as_that_of_http_1(pki: Pki) -> None:
    content = b"some text " * 200_000
    answer = plain(gzip.compress(content), ("content-encoding", "gzip"))
    seen = await ask(pki, healthy(answer), accept_encoding="gzip")
    assert seen.response is not None
    assert seen.response.content_digest == hashlib.sha256(content).hexdigest()
    assert seen.response.decoded_body_bytes == len(content)


async def test_limits_of_ours_cut_what_is_read(pki: Pki) -> None:
    seen = await ask(pki, healthy(plain(b"a" * 3000)), body_bytes=1000)
    assert seen.failure is not None
    assert (seen.failure.phase, seen.failure.type) == (Phase.BODY, F.BODY_TOO_LARGE)
    assert seen.response is not None
    assert seen.response.encoded_body_bytes == 1001
    seen = await ask(pki, healthy(plain(b"a", ("x-a", "b" * 3000))), head_bytes=1000)
    assert seen.failure is not None
    assert seen.failure.type is F.AGENT_LIMIT_HEAD
    assert seen.response is not None
    assert (seen.response.status_code, seen.response.next_hop_protocol) == (200, "h2")


@pytest.mark.parametrize("name", CASES)
async def test_what_a_server_may_say(pki: Pki, name: str) -> None:
    case = CASES[name]
    late = case.then == "hang"
    limits = {"first_byte_us": 300_000, "total_us": 600_000} if late else {}
    seen = await ask(pki, saying(case.wire, hang=late), **limits)
    saw(seen)
    if case.failure is None:
        assert seen.failure is None, seen.failure
        assert seen.response is not None
        assert seen.response.digest == hashlib.sha256(case.body).hexdigest()
        assert seen.response.flags == (*(["interim_response"] if "interim" in name else []), *case.breaches)
    else:
        assert seen.failure is not None, seen
        assert seen.failure.type is case.failure, seen.failure
        assert seen.failure.detail
        assert seen.failure.phase in (Phase.HTTP, Phase.BODY)
        assert (seen.failure.phase is Phase.BODY) == (seen.response is not None)


@provokes(
    "http.stream_refused", "http.stream_reset", "http.goaway", "http.excessive_frames", "http.requires_1_1"
)
async def test_ends_of_their_own(pki: Pki) -> None:
    for name in ("REFUSED_STREAM", "HTTP_1_1_REQUIRED", "RST_STREAM before the head", "PING without end"):
        saw(await ask(pki, saying(CASES[name].wire)))
    saw(await ask(pki, saying(CASES["GOAWAY in the body, then the end"].wire)))


@EACH_TLS
async def test_a_server_that_chooses_http_1_is_asked_so_under_auto_and_refused_under_h2(pki: Pki) -> None:
    async with openssl_server(tls_of(pki, "http/1.1")) as port:
        target = make_target(port, scheme="https", tls=pki.policy(), protocol="auto")
        seen = await make_fetcher().fetch(target)
    assert seen.response is not None
    assert seen.response.next_hop_protocol == "http/1.1"


async def test_frames_in_a_reply_that_should_be_http_1_are_the_servers_fault_under_auto(pki: Pki) -> None:
    """It chose HTTP/1.1 and speaks HTTP/2: browsers get nothing of it."""

    async def frames(reader: object, writer: object) -> None:
        writer.write(CASES["whole"].wire)  # type: ignore[attr-defined]

    async with serve(frames, tls=tls_of(pki, "http/1.1")) as server:  # type: ignore[arg-type]
        target = make_target(server.port, scheme="https", tls=pki.policy(), protocol="auto")
        seen = await make_fetcher().fetch(target)
    assert seen.failure is not None
    assert (seen.failure.phase, seen.failure.type) == (Phase.HTTP, F.HTTP_PROTOCOL_VIOLATION)


async def test_over_plain_http_http_1_is_spoken_whatever_is_written(pki: Pki) -> None:
    """As a redirect down to http: leads."""

    async with serve(response(b"ok")) as server:
        seen = await make_fetcher().fetch(make_target(server.port, protocol="h2"))
    assert seen.response is not None
    assert seen.response.next_hop_protocol == "http/1.1"
