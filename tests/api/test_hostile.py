"""Rows 54 to 57 and 59 of the hostile cases, each with its exact code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import ssl
from pathlib import Path

import pytest
import trustme
import yaml

from probe.api.http.listener import Bounds
from probe.api.request.calls import Deadlines
from probe.api.request.settings import read_agent
from probe.api.server import Options, address_of
from probe.core.text.tokens import make_token
from tests.api.served import TOKENS, Served, fill, rows, served, token_entry, write_agent

RESULTS = "/v1/results?customer=acme"
ROUTES = [
    RESULTS, "/v1/acks", "/v1/streams", "/v1/stamps?customer=acme",
    "/v1/coverage?customer=acme", "/v1/events?customer=acme",
    f"/v1/evidence/{'0' * 32}", "/v1/nodes?customer=acme", "/v1/config", "/metrics",
]  # fmt: skip


def problem(answer: object) -> dict[str, object]:
    """The problem in an answer; it is one."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    made: dict[str, object] = answer.json
    assert made["status"] == answer.status
    assert made["type"] == "about:blank"
    assert made["detail"]
    return made


# --- 54: tokens -----------------------------------------------------------------------------------

RIGHT = TOKENS["acme"]


WRONG = [
    None,
    "",
    "Bearer",
    "Bearer ",
    f"Basic {RIGHT}",
    RIGHT,
    f"Bearer {RIGHT[:-1]}",
    f"Bearer {RIGHT}x",
    f"Bearer {RIGHT[1:]}",
    f"Bearer {RIGHT} {RIGHT}",
    f"Bearer {RIGHT.lower()}",
    "Bearer " + "a" * 4096,
    "Bearer x",
    "Bearer \u00fcml\u00e4ut",
    f"Bearer {token_entry('acme')['hash']}",
]


async def test_54_a_token_that_is_not_right_is_401(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(1))
    clock = Ticking()
    async with served(tmp_path, options=Options(now=clock)) as api:
        for header in WRONG:
            clock.at += 60
            for path in ROUTES:
                headers = {} if header is None else {"Authorization": header}
                answer = await api.ask(path, token=None, headers=headers)
                assert answer.status == 401, (header, path)
                assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="cdn-probe"')
                assert problem(answer)["detail"] == (
                    "a bearer token is needed: 'Authorization: Bearer ...'; the one sent, if any, is not known"
                )


async def test_54_two_authorization_fields_are_401(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(1))
    async with served(tmp_path) as api:
        head = f"GET {RESULTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {RIGHT}\r\n"
        assert await status_of(api, head + f"Authorization: Bearer {RIGHT}\r\n\r\n") == 401
        assert await status_of(api, head + "\r\n") == 200


IN_THE_QUERY = [
    f"token={RIGHT}", f"access_token={RIGHT}", "token=", f"api_key={RIGHT}", f"Authorization=Bearer%20{RIGHT}",
    f"after={RIGHT}", f"customer={RIGHT}", f"%74oken={RIGHT}",
]  # fmt: skip


async def test_54_a_token_in_the_query_is_refused_even_with_a_right_header(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(tmp_path / "r", rows(1))
    with caplog.at_level(logging.DEBUG):
        async with served(tmp_path) as api:
            for query in IN_THE_QUERY:
                answer = await api.ask(f"/v1/results?{query}")
                without = await api.ask(f"/v1/results?{query}", token=None)
                assert (answer.status, without.status) == (400, 400), query
                assert "Authorization: Bearer" in str(problem(answer)["detail"])
                assert RIGHT.encode() not in answer.body
            assert (await api.ask(f"/v1/evidence/{RIGHT}")).status == 400
    assert RIGHT not in caplog.text
    assert all(RIGHT not in str(vars(record)) for record in caplog.records if record.name.startswith("probe"))


async def test_54_a_missing_verb_is_403(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(1))
    async with served(tmp_path) as api:
        for path in ROUTES[4:]:
            assert (await api.ask(path, "results-only")).status == 403, path
        assert (await api.ask("/v1/ack", "results-only", method="POST", json={})).status == 403
        assert (await api.ask(RESULTS, "results-only")).status == 200
        assert (await api.ask("/metrics", "prometheus")).status == 200
        assert (await api.ask(RESULTS, "prometheus")).status == 403


async def test_54_guessing_is_slowed_down_and_hurts_nobody_else(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(1))
    clock = Ticking()
    async with served(tmp_path, options=Options(now=clock)) as api:
        seen = [(await api.ask(RESULTS, raw_token="x")).status for _ in range(40)]
        assert seen == [401] * 30 + [429] * 10
        limited = await api.ask(RESULTS, raw_token="x")
        assert int(limited.headers["Retry-After"]) >= 1
        assert (await api.ask(RESULTS)).status == 200
        clock.at += 60
        assert (await api.ask(RESULTS, raw_token="x")).status == 401


async def test_54_more_than_the_ceiling_is_429(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(1))
    clock = Ticking()
    async with served(tmp_path, options=Options(now=clock), requests_per_minute=3) as api:
        assert [(await api.ask(RESULTS)).status for _ in range(4)] == [200, 200, 200, 429]
        assert (await api.ask(RESULTS, "both")).status == 200
        clock.at += 20.5
        assert [(await api.ask(RESULTS)).status for _ in range(2)] == [200, 429]


# --- 55: another customer's data ---------------------------------------------------------------------


async def test_55_another_customers_data_is_404_like_what_is_not_there(tmp_path: Path) -> None:
    await fill(tmp_path / "r", [*rows(3), *rows(3, "zeta")])
    async with served(tmp_path) as api:
        for path in ("results", "events", "coverage", "nodes"):
            theirs = await api.ask(f"/v1/{path}?customer=zeta")
            nobody = await api.ask(f"/v1/{path}?customer=nobody")
            assert (theirs.status, nobody.status) == (404, 404)
            assert theirs.body == nobody.body
            assert {k: v for k, v in theirs.headers.items() if k != "Date"} == {
                k: v for k, v in nobody.headers.items() if k != "Date"
            }
            assert (await api.ask(f"/v1/{path}?customer=zeta", "other")).status == 200
            assert (await api.ask(f"/v1/{path}?customer=zeta", "all")).status == 200
            assert (await api.ask(f"/v1/{path}?customer=nobody", "all")).body == nobody.body
        body = {"seq": 1, "digest": "0" * 64}
        acks = [
            await api.ask("/v1/ack", method="POST", json={"customer": name, **body})
            for name in ("zeta", "nobody")
        ]
        assert [a.status for a in acks] == [404, 404]
        assert acks[0].body == acks[1].body
        streams = (await api.ask("/v1/streams")).json["streams"]
        assert [s["customer"] for s in streams] == ["acme"]


# --- 56: what is no request of ours -------------------------------------------------------------------


TARGETS = [
    ("/v1/%2e%2e/results", 400),
    ("/%2e%2e/", 400),
    ("/v1/../v1/results", 400),
    ("/v1/./results", 400),
    ("//v1/results", 400),
    ("/v1/evidence/..%2f..%2fresults.db", 400),
    ("/v1/results%00", 400),
    ("/v1/results?customer=acme%00", 400),
    ("/v1/results?customer=acme%0d%0aX:1", 400),
    ("/v1/results?customer=%ff", 400),
    ("/v1/results?customer=%zz", 400),
    ("/v1/results?customer=acme&limit=0", 400),
    ("/v1/results?customer=acme&limit=10001", 400),
    ("/v1/results?customer=acme&limit=99999999999999999999999999", 400),
    ("/v1/results?customer=acme&limit=1e3", 400),
    ("/v1/results?customer=acme&limit=-1", 400),
    ("/v1/results?customer=acme&limit=%D9%A1", 400),
    ("/v1/results?customer=acme&after=-1", 400),
    ("/v1/results?customer=acme&after=abc", 400),
    ("/v1/results?customer=acme&after=", 400),
    ("/v1/results?customer=acme&after=9223372036854775808", 400),
    ("/v1/results?customer=acme&after=9223372036854775807", 409),
    ("/v1/results?customer=acme&wait=61", 400),
    ("/v1/results?customer=acme&digest=xyz", 400),
    ("/v1/results?customer=acme&customer=acme", 400),
    ("/v1/results?customer=acme&nonsense=1", 400),
    ("/v1/results?customer", 400),
    ("/v1/results?customer=ACME", 400),
    ("/v1/results?customer=../acme", 400),
    ("/v1/results", 400),
    ("/v1/results/", 404),
    ("/v1/nothing", 404),
    ("/", 404),
    ("/v1/evidence/", 404),
    ("/v1/evidence/nonsense", 404),
    ("/v1/events?customer=acme&since=2026-11-22T10:00:00", 400),
    ("/v1/events?customer=acme&since=2026-11-22T10:00:00%2B08:00", 200),
    ("/v1/events?customer=acme&since=2026-11-22T10:00:00+08:00", 200),
    ("/v1/events?customer=acme&since=2026-13-45", 400),
    ("/v1/coverage?customer=acme&since=2026-11-02&until=2026-11-01", 400),
    ("/v1/coverage?customer=acme&since=2020-01-01&until=2026-11-01", 400),
    ("/v1/results?customer=acme&" + "a" * 9000, 400),
    ("http://elsewhere/v1/results", 400),
    ("*", 400),
]


async def test_56_what_is_asked_wrongly_is_told_so(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(2))
    async with served(tmp_path) as api:
        for target, status in TARGETS:
            head = f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {RIGHT}\r\nConnection: close\r\n\r\n"
            got = await exchange(api, head.encode())
            first, _, rest = got.partition(b"\r\n")
            assert int(first.split()[1]) == status, (target, got[:500])
            if status != 200:
                assert b"application/problem+json" in rest
                assert json.loads(rest.partition(b"\r\n\r\n")[2])["detail"]


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"FLY /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50 + b"\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"GET /healthz\0 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 9000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"POST /v1/ack HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /v1/ack HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello",
        b"POST /v1/ack HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
    ],
    ids=range(10),
)
async def test_56_what_is_no_http_is_400_and_the_end(tmp_path: Path, data: bytes) -> None:
    await fill(tmp_path / "r", rows(2))
    async with served(tmp_path) as api:
        got = await exchange(api, data)
        assert got.split()[1] == b"400", got[:300]
        assert b"application/problem+json" in got
        assert b"nonsense" not in got
        assert (await api.ask("/healthz", None)).status == 200


async def test_56_another_method_is_405(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(2))
    async with served(tmp_path) as api:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"):
            answer = await api.ask(RESULTS, method=method)
            assert (answer.status, answer.headers["Allow"]) == (405, "GET"), method
            if method != "POST":
                assert (await api.ask("/v1/ack", method=method)).headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content-Type": "application/json"}, 400),
        (b"[" * 4000, {"Content-Type": "application/json"}, 400),
        (b"\xff\xfe", {"Content-Type": "application/json"}, 400),
        (
            b'{"customer":"acme","seq":0,"digest":"' + b"0" * 64 + b'"}',
            {"Content-Type": "application/json"},
            400,
        ),
        (
            b'{"customer":"acme","seq":true,"digest":"' + b"0" * 64 + b'"}',
            {"Content-Type": "application/json"},
            400,
        ),
        (
            b'{"customer":"acme","seq":1,"digest":"' + b"0" * 64 + b'","x":1}',
            {"Content-Type": "application/json"},
            400,
        ),
        (b" " * 5000, {"Content-Type": "application/json"}, 413),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {}, 415),
        (b"\x1f\x8b", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
    ],
    ids=range(10),
)
async def test_56_a_body_that_is_no_confirmation(
    tmp_path: Path, body: bytes, headers: dict[str, str], status: int
) -> None:
    await fill(tmp_path / "r", rows(2))
    async with served(tmp_path) as api:
        head = f"POST /v1/ack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {RIGHT}\r\nConnection: close\r\n"
        head += "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + f"Content-Length: {len(body)}\r\n\r\n"
        got = await exchange(api, head.encode() + body)
    assert int(got.split()[1]) == status, got[:400]


async def test_56_a_body_that_never_comes_is_408(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(2))
    async with served(tmp_path, options=Options(deadlines=Deadlines(body=0.3))) as api:
        head = (
            f"POST /v1/ack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {RIGHT}\r\n"
            "Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
        )
        assert await status_of(api, head) == 408


async def test_56_a_head_that_never_ends_is_ended(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(2))
    async with served(tmp_path, options=Options(head_s=0.5)) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        try:
            writer.write(b"GET /healthz HTTP/1.1\r\nA: b\r\n")
            assert await asyncio.wait_for(reader.read(), 60) == b""
        finally:
            writer.close()


async def test_connections_are_bounded_and_the_rest_is_told(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(2))
    async with served(tmp_path, options=Options(bounds=Bounds(connections=4, each=3))) as api:
        held = [await asyncio.open_connection("127.0.0.1", api.port) for _ in range(3)]
        try:
            for _, writer in held:
                writer.write(
                    f"GET /v1/acks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {RIGHT}\r\n\r\n".encode()
                )
            for reader, _ in held:
                assert (await reader.readuntil(b"\r\n\r\n")).split()[1] == b"200"
            assert await status_of(api, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") == 503
            held[0][1].close()
            await held[0][1].wait_closed()
            for _ in range(200):  # the server learns of it in its own time
                if (
                    await status_of(api, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    == 200
                ):
                    break
                await asyncio.sleep(0.05)
            else:
                pytest.fail("the place was not given free")
        finally:
            for _, writer in held:
                writer.close()


async def test_nobody_without_a_token_keeps_a_reader_out(tmp_path: Path) -> None:
    """128 idle connections were all that it took."""
    await fill(tmp_path / "r", rows(2))
    async with served(tmp_path, options=Options(bounds=Bounds(connections=6, each=6))) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        right = f"GET /v1/acks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {RIGHT}\r\n\r\n".encode()
        writer.write(right)
        assert (await reader.readuntil(b"\r\n\r\n")).split()[1] == b"200"
        strangers = []
        try:
            for number in range(40):
                theirs = await asyncio.open_connection("127.0.0.1", api.port)
                strangers.append(theirs)
                if number % 2:
                    theirs[1].write(
                        b"GET /v1/acks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n\r\n"
                    )
                    await theirs[0].readuntil(b"\r\n\r\n")
                answer = await api.ask(RESULTS, headers={"Connection": "close"})
                assert answer.status == 200, number
            assert await strangers[0][0].read() == b"", "the oldest made room"
            writer.write(right)
            assert (await reader.readuntil(b"\r\n\r\n")).split()[1] == b"200", "a reader's never does"
        finally:
            for _, each in [(reader, writer), *strangers]:
                each.close()


# --- 57: slow readers -------------------------------------------------------------------------------


async def test_57_a_reader_that_never_reads_is_timed_out_and_holds_nobody_up(tmp_path: Path) -> None:
    await fill(tmp_path / "r", [*_large(4000)])
    async with served(tmp_path, options=Options(deadlines=Deadlines(write=1.0))) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port, limit=1024)
        try:
            head = f"GET {RESULTS}&limit=10000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {RIGHT}\r\n\r\n"
            writer.write(head.encode())
            await reader.readuntil(b"\r\n\r\n")
            answer = await api.ask(f"{RESULTS}&limit=50")
            assert answer.page["rows"] == 50
            got = b""
            for _ in range(600):
                text = (await api.ask("/metrics", "prometheus")).body.decode()
                if 'cdn_probe_api_cut_total{why="slow_reader"} 1.0' in text:
                    break
                await asyncio.sleep(0.1)
            else:
                pytest.fail("it was not timed out")
            with contextlib.suppress(ConnectionError):
                while piece := await asyncio.wait_for(reader.read(65536), 60):
                    got = got[-200:] + piece
            assert got
            assert b'"kind":"page"' not in got
        finally:
            writer.close()


async def test_57_nothing_of_what_was_cut_counts_as_pulled(tmp_path: Path) -> None:
    from probe.store.confirmations import Confirmations

    await fill(tmp_path / "r", [*_large(3000)])
    async with served(tmp_path) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port, limit=1024)
        head = f"GET {RESULTS}&limit=10000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {RIGHT}\r\n\r\n"
        writer.write(head.encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
        await api.ask(f"{RESULTS}&limit=10")
    known = Confirmations(tmp_path / "r", "a1")
    assert known.first_seen("acme", 10) is not None
    assert known.first_seen("acme", 11) is None


# --- 59: tokens that change --------------------------------------------------------------------------


async def test_59_a_token_is_rotated_and_revoked_at_once(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(1))
    file, new = tmp_path / "agent.yaml", make_token(b"n" * 32)
    async with served(tmp_path) as api:
        assert (await api.ask(RESULTS)).status == 200
        write_agent(file, [token_entry("acme", new, customers=["acme"])])
        assert (await api.ask(RESULTS)).status == 401
        assert (await api.ask(RESULTS, raw_token=new)).status == 200
        write_agent(file, [token_entry("acme", new, customers=["zeta"])])
        assert (await api.ask(RESULTS, raw_token=new)).status == 404
        write_agent(file, [])
        assert (await api.ask(RESULTS, raw_token=new)).status == 401
        write_agent(file)
        aside = tmp_path / "new.yaml"
        write_agent(aside, [token_entry("acme", new, customers=["acme"])])
        os.replace(aside, file)
        assert [(await api.ask(RESULTS)).status, (await api.ask(RESULTS, raw_token=new)).status] == [401, 200]


@pytest.mark.parametrize("text", ["agent: [", "", "agent: a1\nnonsense: 1\n", None, "\x00"])
async def test_59_a_bad_file_keeps_the_tokens_and_says_so(
    tmp_path: Path, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(tmp_path / "r", rows(1))
    file = tmp_path / "agent.yaml"
    async with served(tmp_path) as api:
        assert (await api.ask(RESULTS)).status == 200
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
        assert [(await api.ask(RESULTS)).status for _ in range(3)] == [200, 200, 200]
        assert "api.config_not_used" in caplog.text
        write_agent(file, [])
        assert (await api.ask(RESULTS)).status == 401


async def test_without_api_any_more_nobody_is_let_in(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(1))
    file = tmp_path / "agent.yaml"
    async with served(tmp_path) as api:
        data = yaml.safe_load(file.read_text())
        del data["api"]
        file.write_text(yaml.safe_dump(data))
        assert (await api.ask(RESULTS)).status == 401


# --- where it listens ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listen", "good"),
    [
        ("127.0.0.1:1", True),
        ("[::1]:1", True),
        ("0.0.0.0:1", False),
        ("192.0.2.1:1", False),
        ("[::]:1", False),
    ],
)
async def test_off_loopback_it_does_not_listen_without_tls(tmp_path: Path, listen: str, good: bool) -> None:
    write_agent(tmp_path / "agent.yaml", listen=listen)
    api = read_agent(tmp_path / "agent.yaml").api
    assert api is not None
    if good:
        assert address_of(api) == (listen.rpartition(":")[0].strip("[]"), int(listen.rpartition(":")[2]))
    else:
        with pytest.raises(OSError, match=r"in the clear: give api\.tls"):
            address_of(api)


async def test_tls_with_client_certificates(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(1))
    ca, others = trustme.CA(), trustme.CA()
    made = ca.issue_cert("127.0.0.1")
    made.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    made.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = {"certificate": "cert.pem", "key": "key.pem", "client_ca": "ca.pem"}
    with pytest.raises(OSError, match=r"key\.pem can be reached by everybody on this host"):
        async with served(tmp_path, tls=tls):
            pass
    (tmp_path / "key.pem").chmod(0o600)  # as it stays when it is written again
    async with served(tmp_path, tls=tls) as api:
        head = (
            f"GET {RESULTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {RIGHT}\r\nConnection: close\r\n\r\n"
        )
        good = context(ca, ca)
        assert (await exchange(api, head.encode(), good)).split()[1] == b"200"
        for bad in (context(ca, None), context(ca, others)):
            assert await refused(api, head.encode(), bad)
        old = context(ca, ca)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert (await exchange(api, head.encode(), old)).split()[1] == b"200"
        assert not (await exchange(api, head.encode())).startswith(b"HTTP/1.1 200")
        renewed = ca.issue_cert("127.0.0.1")
        renewed.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
        renewed.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
        assert await shown(api, good) == ssl.PEM_cert_to_DER_cert(renewed.cert_chain_pems[0].bytes().decode())


def context(authority: trustme.CA, own: trustme.CA | None) -> ssl.SSLContext:
    """A client's."""
    made = ssl.create_default_context()
    authority.configure_trust(made)
    if own is not None:
        own.issue_cert("reader@example.net").configure_cert(made)
    return made


async def refused(api: Served, data: bytes, tls: ssl.SSLContext) -> bool:
    """Whether no answer came; with TLS 1.3 a client learns that only when it reads."""
    try:
        return not await exchange(api, data, tls)
    except (ssl.SSLError, ConnectionError):
        return True


async def shown(api: Served, tls: ssl.SSLContext) -> bytes:
    """The certificate that the server shows."""
    _, writer = await asyncio.open_connection("127.0.0.1", api.port, ssl=tls)
    made: bytes = writer.get_extra_info("ssl_object").getpeercert(True)
    writer.close()
    return made


# --- helpers ---------------------------------------------------------------------------------------------


class Ticking:
    """A clock that stands still unless it is told to go on."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def _large(count: int) -> list[object]:  # ~4 kB each
    from tests.support.rows import slot

    return [slot(number, summary="s" * 3500) for number in range(count)]


async def exchange(api: Served, data: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """Send bytes, read until the server ends it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port, ssl=tls)
    try:
        writer.write(data)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()


async def status_of(api: Served, text: str) -> int:
    """The status of the first answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    try:
        writer.write(text.encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        return int(head.split()[1])
    finally:
        writer.close()
